"""The simulations that a mutant has to get past, and what became of one of them.

Each is one parameter set of a block's own tests, the smallest in which every fault of the block can show, or, for the
engine, some drawn layers. A stage can only catch faults of the modules it contains; they are tried from the block
itself up to the core, the engine and the accelerator.
"""

from __future__ import annotations

import re
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from types import FrameType
from xml.etree import ElementTree

from model.program.draw import EVERY_ARRAY, draw
from model.program.draw_graph import draw_graph
from tb.accelerator.arrays import ARRAYS, SMALL
from tb.axil_regs.sizes import SETS as REGISTERS
from tb.common.runner import BuildError, SimulationError, default_simulator, simulate
from tb.engine.arrays import SETS as ENGINES
from tb.network.draws import run_draws
from tb.network.os_draws import os_draws, run_turns, turns

LIMIT_SECONDS = 300  # of one simulation that usually takes one or two
FATAL = re.compile(r"^.*?(?:FATAL|%Fatal|%Error): (?P<message>.*)$", re.MULTILINE)
# How a cocotb test fails on account of the RTL: something differs, never comes, or does not fit its port.
FAILURES = ("AssertionError", "SimTimeoutError", "OverflowError", "ValueError")
INSTANCE = re.compile(r"^\s*(\w+)\s+(?:#\s*\(|u_)", re.MULTILINE)
RUNNING = re.compile(r"running \S*?(?P<test>\w+) \(\d+/\d+\)")
DRAWS = "tb.network.draws"
OS_DRAWS = "tb.network.os_draws"
DRAW_SEED = 1


@dataclass(frozen=True)
class Stage:
    """One simulation: `tests` on `top` with `parameters`.

    Of an engine, `tests` is DRAWS and `draws` are the numbers of the layers drawn for `array`, one of EVERY_ARRAY.
    Tests that look at a `corner` only have no mutants made for them (`tb.mutation`). `more`: a name for a second one.
    With `graphs` the draws are small networks, whose maps are written and read again.
    """

    top: str
    tests: str
    parameters: Mapping[str, int]
    array: str = ""
    draws: tuple[int, ...] = ()
    corner: bool = False
    more: str = ""
    graphs: bool = False

    @property
    def name(self) -> str:
        """Short and unlike any other stage's: the last word of `tests`, and the array."""
        return "_".join([self.tests.rpartition(".")[2], *self.array.split(), *self.more.split()])


def drawn(array: str, *draws: int, more: str = "", graphs: bool = False) -> Stage:
    """The stage of some drawn layers, or networks."""
    return Stage("engine", DRAWS, EVERY_ARRAY[array].parameters, array, draws, more=more, graphs=graphs)


def turned(array: str, draws: int) -> Stage:
    """The stage of some drawn layers in both dataflows in turns; the last of `draws` says how many."""
    shape = replace(EVERY_ARRAY[array], output_stationary=1)
    return Stage("engine", OS_DRAWS, shape.parameters, f"{array}_os", (draws,))


# Of tb/accelerator's arrays the one whose activation lines are no power of two.
SEGMENTS = SMALL | ARRAYS["4x2, two segments"]

LEVEL5 = {"WgtWidth": 3, "WgtPower": 2, "WgtZero": 1, "WgtStep": 3}

SEQUENCER = {"ActAddrWidth": 16, "LineAddrWidth": 16, "ActWidth": 8, "PsumAddrWidth": 10, "PsumDepth": 1024}
SEQUENCER |= {"DrainCycles": 3, "Layers": 256, "Rows": 4}

WHOLE = {"Halves": 1, "LaneWidth": 4}  # lines of act_mem that are not written half by half

BOTH_CORE = {"Rows": 3, "Cols": 5, "ActWidth": 4, "WgtWidth": 4, "PsumWidth": 20, "WgtLanes": 2}
BOTH_CORE |= {"ActDepth": 70, "PsumDepth": 15, "Simd": 0, "OutputStationary": 1}
PAIR_CORE = {"Rows": 3, "Cols": 5, "ActWidth": 4, "WgtWidth": 4, "PsumWidth": 20, "WgtLanes": 1}
PAIR_CORE |= {"ActDepth": 150, "PsumDepth": 15, "Simd": 1}

PAIR_TILE = {"ActWidth": 4, "PsumWidth": 16, "WgtLanes": 2, "GroupWidth": 3, "Group": 1, "Lane": 1, "Simd": 1}

# More of them for what the first let live, all short.
MORE = {
    "4x4": (
        301,
        306,
        308,
        309,
        311,
        312,
        315,
        316,
        317,
        318,
        319,
        322,
        323,
        324,
        331,
        332,
        333,
        335,
        336,
        337,
        338,
        339,
        341,
        344,
    ),
    "12x4": (
        301,
        305,
        306,
        308,
        309,
        310,
        311,
        312,
        313,
        316,
        317,
        318,
        319,
        320,
        321,
        322,
        323,
        324,
        325,
        328,
        330,
        331,
        332,
        333,
    ),
    "4x12": (
        301,
        303,
        307,
        308,
        309,
        311,
        312,
        313,
        315,
        318,
        320,
        321,
        324,
        327,
        328,
        329,
        330,
        331,
        335,
        336,
        338,
        340,
        341,
        342,
    ),
    "4x4 pairs": (
        301,
        302,
        303,
        305,
        306,
        309,
        310,
        311,
        312,
        313,
        314,
        315,
        316,
        317,
        318,
        319,
        322,
        323,
        327,
        328,
        329,
        331,
        334,
        335,
    ),
    "8x4 pairs": (
        300,
        302,
        303,
        305,
        307,
        308,
        309,
        310,
        311,
        313,
        315,
        316,
        317,
        318,
        319,
        320,
        322,
        323,
        325,
        328,
        329,
        330,
        332,
        334,
    ),
}

# And networks of seven to eleven layers.
GRAPHS = {"4x4": (1, 5, 6, 8), "12x4": (5, 6, 11, 14), "4x12": (5, 6, 14, 16)}

STAGES = (
    Stage("sram", "tb.sram.sram_tests", {"Width": 5, "Depth": 3}),
    Stage("delay", "tb.delay.delay_tests", {"Width": 5, "Cycles": 3}),
    Stage("os_dest", "tb.os_dest.os_dest_tests", {"Rows": 3, "AddrWidth": 5, "FlagWidth": 6}),
    Stage("os_drain", "tb.os_drain.os_drain_tests", {"Rows": 5}),
    Stage("l0", "tb.l0.l0_tests", {"Lanes": 4, "Width": 8}),
    Stage("ofifo", "tb.ofifo.ofifo_tests", {"Lanes": 5, "Width": 8}),
    Stage("sfp", "tb.sfp.sfp_tests", {"Cols": 5, "PsumWidth": 24}),
    Stage(
        "shift_add",
        "tb.shift_add.shift_add_tests",
        {"ActWidth": 3, "WgtWidth": 3, "WgtPower": 3, "WgtZero": 1, "WgtStep": 2, "PsumWidth": 9},
    ),
    Stage(
        "mac_tile",
        "tb.mac_tile.mac_tile_tests",
        {
            "ActWidth": 8,
            "WgtWidth": 4,
            "PsumWidth": 24,
            "WgtLanes": 2,
            "GroupWidth": 2,
            "Group": 3,
            "Lane": 0,
            "Simd": 0,
        },
    ),
    Stage("mac_tile", "tb.mac_tile.mac_tile_pair_tests", PAIR_TILE | {"WgtWidth": 4}),
    Stage("mac_tile", "tb.mac_tile.mac_tile_tests", PAIR_TILE | {"WgtWidth": 4}, "pairs"),
    Stage("mac_tile", "tb.mac_tile.mac_tile_pair_tests", PAIR_TILE | LEVEL5, "level5"),
    Stage("mac_tile", "tb.mac_tile.mac_tile_tests", PAIR_TILE | LEVEL5, "pairs level5"),
    Stage(
        "mac_array",
        "tb.mac_array.mac_array_pair_tests",
        {
            "Rows": 3,
            "Cols": 5,
            "ActWidth": 6,
            "WgtWidth": 3,
            "PsumWidth": 16,
            "WgtLanes": 1,
            "GroupWidth": 4,
            "Simd": 1,
        },
    ),
    Stage(
        "mac_row",
        "tb.mac_row.mac_row_tests",
        {"Cols": 5, "ActWidth": 2, "WgtWidth": 8, "PsumWidth": 16, "WgtLanes": 2, "GroupWidth": 2, "Simd": 0},
    ),
    Stage(
        "mac_array",
        "tb.mac_array.mac_array_tests",
        {
            "Rows": 3,
            "Cols": 5,
            "ActWidth": 2,
            "WgtWidth": 8,
            "PsumWidth": 16,
            "WgtLanes": 1,
            "GroupWidth": 3,
            "Simd": 0,
        },
    ),
    Stage(
        "mac_array",
        "tb.mac_array.mac_array_os_tests",
        {"Rows": 3, "Cols": 4, "ActWidth": 4, "WgtWidth": 4, "PsumWidth": 16, "WgtLanes": 2, "GroupWidth": 1}
        | {"Simd": 0, "OutputStationary": 1},
    ),
    Stage(
        "mac_array",
        "tb.mac_array.mac_array_os_tests",
        {"Rows": 3, "Cols": 4, "ActWidth": 4, "PsumWidth": 16, "WgtLanes": 2, "GroupWidth": 1, "Simd": 0}
        | {"OutputStationary": 1}
        | LEVEL5,
        "level5",
    ),
    Stage(
        "core",
        "tb.core.core_unit_tests",
        {"Rows": 2, "Cols": 5, "ActWidth": 3, "WgtWidth": 4, "PsumWidth": 20, "WgtLanes": 2}
        | {"ActDepth": 66, "PsumDepth": 200, "Simd": 0},
    ),
    Stage(
        "core",
        "tb.core.core_range_tests",
        {"Rows": 2, "Cols": 3, "ActWidth": 3, "WgtWidth": 4, "PsumWidth": 10, "WgtLanes": 2}
        | {"ActDepth": 16, "PsumDepth": 4, "Simd": 0},
        corner=True,
    ),
    Stage("core", "tb.core.core_os_tests", BOTH_CORE),
    Stage("core", "tb.core.core_unit_tests", BOTH_CORE, "both"),
    Stage("core", "tb.core.core_pair_tests", PAIR_CORE),
    Stage("core", "tb.core.core_unit_tests", PAIR_CORE, "pairs"),
    Stage("fifo", "tb.fifo.fifo_tests", {"Width": 5, "Depth": 3}),
    Stage("result_stream", "tb.result_stream.result_stream_tests", {"Cols": 3, "Width": 32, "Depth": 2}),
    Stage("act_mem", "tb.act_mem.act_mem_tests", {"Width": 16, "Depth": 32, "Banks": 4, "Segs": 2} | WHOLE),
    Stage(
        "act_mem",
        "tb.act_mem.act_mem_tests",
        {"Width": 12, "Depth": 16, "Banks": 2, "Segs": 3, "Halves": 2, "LaneWidth": 2},
        "halves",
    ),
    Stage(
        "walker",
        "tb.walker.walker_tests",
        {"Levels": 4, "CountWidth": 3, "AddrWidth": 5, "CoordWidth": 4}
        | {"StepsAddr": 0b1011, "StepsY": 0b0110, "StepsX": 0b1101},
    ),
    Stage("sequencer", "tb.sequencer.sequencer_tests", SEQUENCER | {"Simd": 1, "OutputStationary": 0}, "pairs"),
    Stage("sequencer", "tb.sequencer.sequencer_tests", SEQUENCER | {"Simd": 0, "OutputStationary": 1}, "both"),
    Stage(
        "loader",
        "tb.loader.loader_tests",
        {"Groups": 3, "GroupWidth": 2, "Cols": 5, "ColWidth": 3, "ParWords": 2, "Simd": 0},
    ),
    Stage(
        "loader",
        "tb.loader.loader_tests",
        {"Groups": 3, "GroupWidth": 3, "Cols": 5, "ColWidth": 3, "ParWords": 2, "Simd": 1},
        "pairs",
    ),
    Stage(
        "requantize",
        "tb.requantize.requantize_tests",
        {"Cols": 5, "ActWidth": 4, "PsumWidth": 18, "MulWidth": 14, "BiasWidth": 26}
        | {"WideWidth": 32, "WordWidth": 16, "SideWidth": 2},
    ),
    Stage("os_window", "tb.os_window.os_window_tests", {"Rows": 3}),
    Stage("par_count", "tb.par_count.par_count_tests", {"Cols": 5, "ColWidth": 3, "ParWords": 3}),
    Stage(
        "os_loader",
        "tb.os_loader.os_loader_tests",
        {"Terms": 2, "TermWidth": 12, "Cols": 3, "ColWidth": 2, "ParWords": 2},
    ),
    Stage("pool", "tb.pool.pool_tests", {"Cols": 5, "ActWidth": 3}),
    Stage("writeback", "tb.writeback.writeback_tests", {"AddrWidth": 5, "Segs": 3, "Halves": 1}),
    Stage("writeback", "tb.writeback.writeback_tests", {"AddrWidth": 5, "Segs": 3, "Halves": 2}, "halves"),
    Stage("counters", "tb.counters.counters_tests", {"Events": 3, "Width": 4}),
    *(Stage("engine", "tb.engine.engine_tests", shape, array) for array, shape in ENGINES.items()),
    # The draws are small, and between them have every sort of layer: tests/test_mutants_stages.py says which.
    drawn("4x4", 1, 2, 3, 4, 5, 6, 7, 9, 30, 87, 96, 112, 2138, 2860),
    drawn("12x4", 4, 16, 17, 33, 49, 54, 69, 90, 281),
    drawn("4x12", 22, 24, 36, 50, 56, 107),
    drawn("4x4 pairs", 0, 1, 6, 13, 50),
    drawn("8x4 pairs", 41, 48, 55),
    turned("4x4", 5),
    *(drawn(array, *draws, more="more") for array, draws in MORE.items()),
    *(drawn(array, *draws, more="graphs", graphs=True) for array, draws in GRAPHS.items()),
    Stage("axil_regs", "tb.axil_regs.axil_regs_tests", REGISTERS["small"]),
    Stage("axil_regs", "tb.axil_regs.axil_regs_tests", REGISTERS["least"], "least"),
    Stage("accelerator", "tb.accelerator.wire_tests", SEGMENTS),
    Stage("accelerator", "tb.accelerator.register_tests", SEGMENTS),
    Stage("accelerator", "tb.accelerator.run_tests", SEGMENTS),
    Stage("accelerator", "tb.accelerator.error_tests", SEGMENTS),
)


def stages_of(module: str, rtl: Mapping[str, str]) -> list[Stage]:
    """The stages whose top is `module` or contains it.

    Parameters
    ----------
    module : str
    rtl : mapping of module name to source
    """
    return [stage for stage in STAGES if module in contained(stage.top, rtl)]


def contained(top: str, rtl: Mapping[str, str]) -> set[str]:
    """`top` and every module below it."""
    found, waiting = {top}, [top]
    while waiting:
        below = (instantiated(rtl[waiting.pop()]) & rtl.keys()) - found
        found |= below
        waiting += below
    return found


@lru_cache(maxsize=4096)  # asked thousands of times for the few sources of a tree
def instantiated(source: str) -> frozenset[str]:
    """What stands where a module's name does in an instance; keywords may be among them."""
    return frozenset(INSTANCE.findall(source))


class Kind(StrEnum):
    """How a simulation ended."""

    PASSED = "passed"
    COMPARISON = "comparison"  # a cocotb test failed: FAILURES
    ASSERTION = "assertion"  # a SIM_CHECKS assertion of the RTL stopped it
    ERROR = "error"  # neither: it did not build, did not end, or broke off for no reason that is known


@dataclass(frozen=True)
class Verdict:
    """What became of one stage: `test` and `message` say what failed; both are empty when all passed."""

    stage: Stage
    checks: bool
    kind: Kind
    test: str
    message: str
    seconds: float


def run_stage(
    stage: Stage,
    rtl: Path,
    folder: Path,
    checks: bool,
    *,
    again: bool = False,
    limit: int | None = None,
) -> Verdict:
    """Simulate `stage` on the sources in `rtl`, up to its first failing test.

    Parameters
    ----------
    stage : Stage
    rtl : Path
    folder : Path
        For the build and the log; emptied first, unless `again`.
    checks : bool
        With SIM_CHECKS.
    again : bool
        A build that is in `folder` is used again, if nothing it depends on has changed.
    limit : int, optional
        Seconds after which it has failed; LIMIT_SECONDS.

    Raises
    ------
    LockstepError
        When there is no simulator.
    """
    if not again:
        shutil.rmtree(folder, ignore_errors=True)
    started = time.perf_counter()
    kind, test, message = Kind.PASSED, "", ""
    seconds = limit or LIMIT_SECONDS
    try:
        with _time_limit(seconds):
            if stage.draws:
                kind, test, message = _run_draws(stage, rtl, folder, checks)
            else:
                simulate(
                    *(stage.top, stage.tests, stage.parameters),
                    environment={"COCOTB_MAX_FAILURES": "1"},
                    checks=checks,
                    rtl=rtl,
                    build_root=folder,
                    announce=False,
                )
    except BuildError as error:
        log = str(error) if stage.draws else _text(folder, "build.log")
        complaint = re.search(r"^.*error.*$", log, re.MULTILINE | re.IGNORECASE)
        kind, message = Kind.ERROR, f"does not build: {complaint[0] if complaint else error}"
    except SimulationError as error:
        kind, test, message = cause(folder) or (Kind.ERROR, "", str(error).partition("\n")[0])
    except TimeoutError:
        kind, message = Kind.ERROR, f"did not end within {seconds} s"
    message = message.replace(f"{rtl.resolve()}/", "rtl/").strip()
    return Verdict(stage, checks, kind, test, message, round(time.perf_counter() - started, 2))


def _run_draws(stage: Stage, rtl: Path, folder: Path, checks: bool) -> tuple[Kind, str, str]:
    """The drawn layers of `stage`: kind, the draw that failed first, and what is wrong with it."""
    simulator = default_simulator()
    if stage.tests == OS_DRAWS:
        return _run_turns(stage, rtl, folder, checks)
    draws = [(draw_graph if stage.graphs else draw)(DRAW_SEED, index, stage.array) for index in stage.draws]
    try:
        wrong, _ = run_draws(draws, folder, simulator, checks=checks, rtl=rtl)
    except SimulationError:
        log = _text(folder, "sim.log")
        fatal = FATAL.search(log)
        if fatal is None:
            raise
        ended = len(re.findall(r"^JOB ", log[: fatal.start()], re.MULTILINE))
        return Kind.ASSERTION, f"draw {stage.draws[min(ended, len(draws) - 1)]}", fatal["message"]
    if not wrong:
        return Kind.PASSED, "", ""
    first = next(index for index in stage.draws if index in wrong)
    return Kind.COMPARISON, f"draw {first}", wrong[first]


def _run_turns(stage: Stage, rtl: Path, folder: Path, checks: bool) -> tuple[Kind, str, str]:
    """The same of layers in both dataflows."""
    chosen = turns(list(os_draws(stage.array.removesuffix("_os"), stage.draws[0])))
    try:
        wrong, _ = run_turns(chosen, folder, default_simulator(), checks=checks, rtl=rtl)
    except SimulationError:
        fatal = FATAL.search(_text(folder, "sim.log"))
        if fatal is None:
            raise
        return Kind.ASSERTION, "layers in both dataflows", fatal["message"]
    return (Kind.COMPARISON, "layers in both dataflows", wrong[0]) if wrong else (Kind.PASSED, "", "")


def cause(folder: Path) -> tuple[Kind, str, str] | None:
    """Why the simulation in `folder` failed: kind, test and message; None when nothing known stopped it."""
    failures = []
    results = _text(folder, "results.xml")
    if results:
        cases = ElementTree.fromstring(results).iter("testcase")
        failures = [(case.get("name", ""), failure) for case in cases for failure in case.iter("failure")]
    if failures and failures[0][1].get("type") in FAILURES:
        test, failure = failures[0]
        return Kind.COMPARISON, test, failure.get("message") or "did not end in time"
    log = _text(folder, "sim.log")
    fatal = FATAL.search(log)
    running = [found["test"] for found in RUNNING.finditer(log[: fatal.start()])] if fatal else []
    return (Kind.ASSERTION, running[-1], fatal["message"]) if fatal and running else None


def _text(folder: Path, name: str) -> str:
    """The file `name` somewhere below `folder`; empty when there is none."""
    return next((path.read_text(errors="replace") for path in folder.rglob(name)), "")


@contextmanager
def _time_limit(seconds: int) -> Iterator[None]:
    """TimeoutError in the main thread after so many seconds: a fault may well make the simulator run for ever."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
