"""Build a block, run its cocotb tests, and believe nothing but a complete results file.

One build directory per test module, simulator and parameter set: ``build/tb/<tests>/<simulator>/<parameters>/``.
SIM_CHECKS is defined unless the caller leaves it out, and the time scale is 1ns/1ps. The environment may say: SIM
(icarus, verilator), SEED (a number), INIT (random: first values of registers and memories, see tb.common.initial),
LOCKSTEP_COVERAGE (a folder for what is counted on the way, see tb.common.measured), LOCKSTEP_RTL (another folder of
sources), LOCKSTEP_BUILD (another build folder).
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from model.errors import LockstepError
from model.typed import whole_number
from tb.common import initial, measured
from tb.common.runtime_objects import runtime_objects
from tb.common.simulators import fingerprint, prepare

ROOT = Path(__file__).resolve().parents[2]
TIMESCALE = ("1ns", "1ps")
DEFAULT_SEED = 1
# Variables that cocotb's runner obeys over its own arguments; here only the arguments count.
MASKED = (
    "WAVES",
    "GUI",
    "PYTEST_CURRENT_TEST",
    "COCOTB_RANDOM_SEED",
    "COCOTB_TEST_FILTER",
    "COCOTB_TESTCASE",
    "COCOTB_TEST_MODULES",
)


class SimulationError(Exception):
    """The simulation failed: a test failed, none ran, or the simulator stopped early; the message names the log."""


class BuildError(SimulationError):
    """The sources do not compile."""


@dataclass(frozen=True)
class Outcome:
    """What a passed simulation leaves behind.

    Parameters
    ----------
    tests : int
        cocotb tests that ran, all passed; 1 or more.
    seconds : float
        Wall-clock time of the simulation without the build.
    seed : int
    results : Path
        The xUnit file.
    log : Path or None
        The simulator's output; None when it went to the terminal.
    waves : Path or None
        The dump, when one was asked for.
    """

    tests: int
    seconds: float
    seed: int
    results: Path
    log: Path | None
    waves: Path | None


def simulate(
    top: str,
    tests: str,
    parameters: Mapping[str, int],
    *,
    simulator: str | None = None,
    waves: str | None = None,
    seed: int | None = None,
    environment: Mapping[str, str] | None = None,
    only: Sequence[str] | None = None,
    plusargs: Sequence[str] = (),
    build_args: Sequence[str] = (),
    extra_sources: Sequence[Path] = (),
    checks: bool = True,
    rtl: Path | None = None,
    build_root: Path | None = None,
    dump: Path | None = None,
    live: bool = False,
    announce: bool = True,
) -> Outcome:
    """Compile `top` from every file in `rtl`, run the cocotb tests of `tests` on it, check that they really passed.

    Parameters
    ----------
    top : str
        Verilog module under test.
    tests : str
        Importable cocotb test module, for instance ``tb.sfp.sfp_tests``.
    parameters : mapping of str to int
        Verilog parameters; the tests read them back with `tb.common.drivers.parameters`.
    simulator : {"icarus", "verilator"}, optional
        Default: the environment's SIM, else icarus.
    waves : {"fst", "vcd"}, optional
        Dump every signal of `top`.
    seed : int, optional
        Default: the environment's SEED, else 1. Printed, and fixed for the tests through cocotb.
    environment : mapping, optional
        Further variables for the tests.
    only : sequence of str, optional
        Names of the cocotb tests to run; each must run.
    plusargs, build_args, extra_sources : sequences, optional
        Passed on to the simulator and the compiler.
    checks : bool
        Define SIM_CHECKS: the assertions of the RTL.
    rtl, build_root : Path, optional
        Default: the environment's LOCKSTEP_RTL and LOCKSTEP_BUILD, else ``rtl/`` and ``build/tb/``.
    dump : Path, optional
        Where `waves` go; default: ``<top>.fst`` or ``.vcd`` in the build directory.
    live : bool
        Simulator output to the terminal instead of ``sim.log``.
    announce : bool
        Print what is simulated, with the seed.

    Raises
    ------
    SimulationError
        When it does not build (BuildError), a test fails, no test runs, or the simulator ends before the tests do.
    LockstepError
        When the simulator is missing or an argument is impossible.
    """
    simulator = simulator or default_simulator()
    seed = default_seed() if seed is None else seed
    rtl = rtl_folder(rtl)
    sources = [*sorted(rtl.glob("*.v")), *extra_sources]
    if not sources:
        raise LockstepError(f"no Verilog sources in {rtl}; expected the folder with {top}.v")
    if waves not in (None, "fst", "vcd"):
        raise LockstepError(f"wave format {waves!r} is unknown; expected fst or vcd")
    random_start = initial.random_start()
    counted = measured.counts_lines(simulator)
    if counted:
        checks, build_args, plusargs = False, [*build_args, *measured.BUILD], [*plusargs, *measured.plusargs()]
    folder = _build_folder(build_root, tests, simulator, parameters, waves, checks, random_start)
    folder.mkdir(parents=True, exist_ok=True)
    log = None if live else folder / "sim.log"
    results = folder / "results.xml"
    results.unlink(missing_ok=True)

    dump = (dump or folder / f"{top}.{waves}") if waves else None
    tools = prepare(simulator, waves, dump)
    if random_start:
        tools, sources = initial.prepared(tools, simulator, sources, folder, seed)
    if announce:
        start = ", random start" if random_start else ""
        print(f"{tests} on {top}({_describe(parameters)}), {simulator}, seed {seed}{start}", flush=True)
    with _masked_environment():
        built = folder / "built.sha256"
        options = [*tools.build_args, *build_args]
        wanted = fingerprint(sources, simulator, [top, parameters, waves, checks, *options])
        if not built.is_file() or built.read_text() != wanted:
            built.unlink(missing_ok=True)
            with runtime_objects(folder, simulator, [*options, str(waves)]):
                _guarded(
                    folder / "build.log",
                    f"{top} does not build",
                    lambda: tools.runner.build(
                        sources=sources,
                        hdl_toplevel=top,
                        parameters=dict(parameters),
                        defines={"SIM_CHECKS": 1} if checks else {},
                        build_args=options,
                        build_dir=folder,
                        timescale=TIMESCALE,
                        waves=waves is not None,
                        always=True,
                        log_file=folder / "build.log",
                    ),
                    BuildError,
                )
            built.write_text(wanted)
        started = time.perf_counter()
        _guarded(
            log,
            f"{tests}: the simulator failed",
            lambda: tools.runner.test(
                test_module=tests,
                hdl_toplevel=top,
                hdl_toplevel_lang="verilog",
                test_filter=None if only is None else rf"\.({'|'.join(map(re.escape, only))})$",
                seed=seed,
                test_args=tools.test_args,
                plusargs=[*tools.plusargs, *plusargs],
                extra_env={
                    "LOCKSTEP_PARAMETERS": json.dumps(dict(parameters)),
                    "COCOTB_REWRITE_ASSERTION_FILES": "",  # our assertions have messages; half a second less to start
                    **(environment or {}),
                },
                waves=waves is not None,
                build_dir=folder,
                results_xml=str(results),
                log_file=log,
            ),
        )
        seconds = time.perf_counter() - started
    passed = check_results(results, log)
    missing = sorted(set(only or ()) - set(passed))
    if missing:
        raise SimulationError(f"{tests}: {', '.join(missing)} did not run; see {log or results}")
    return Outcome(len(passed), seconds, seed, results, log, dump)


def rtl_folder(rtl: Path | None = None) -> Path:
    """The folder of the sources: `rtl`, else the environment's LOCKSTEP_RTL, else ``rtl/``."""
    return Path(rtl or os.environ.get("LOCKSTEP_RTL") or ROOT / "rtl").resolve()


def check_results(results: Path, log: Path | None = None) -> list[str]:
    """Names of the tests in the xUnit file `results`, all of which passed.

    Raises
    ------
    SimulationError
        When the file is missing, cut short or empty, or any test in it failed, was skipped or broke off.
    """
    where = f"see {log}" if log else f"see {results}"
    try:
        cases = list(ElementTree.parse(results).getroot().iter("testcase"))
    except FileNotFoundError as error:
        raise SimulationError(
            f"the simulator left no results (it crashed, or never began); {where}{_tail(log)}"
        ) from error
    except ElementTree.ParseError as error:
        raise SimulationError(f"{results} is cut short ({error}); {where}") from error
    if not cases:
        raise SimulationError(f"no test ran; {where}")
    for case in cases:
        for kind in ("failure", "error", "skipped"):
            trouble = case.find(kind)
            if trouble is not None:
                reason = trouble.get("error_msg") or trouble.get("message") or kind
                raise SimulationError(f"{case.get('name')} {kind}: {reason}; {where}{_tail(log)}")
    return [case.get("name", "") for case in cases]


def _guarded(
    log: Path | None, what: str, action: Callable[[], object], kind: type[SimulationError] = SimulationError
) -> None:
    """Run `action`; cocotb's exits and errors become a `kind` that says `what`, with the end of `log`."""
    try:
        action()
    except (SystemExit, RuntimeError, ValueError) as error:
        raise kind(f"{what} ({error}); see {log or 'the output above'}{_tail(log)}") from error


def _tail(log: Path | None, lines: int = 25) -> str:
    """The end of `log`, on lines of its own; empty when there is none."""
    if log is None or not log.is_file():
        return ""
    return "\n  " + "\n  ".join(log.read_text(errors="replace").splitlines()[-lines:])


def default_simulator() -> str:
    """The environment's SIM, else icarus."""
    return os.environ.get("SIM") or "icarus"


def default_seed() -> int:
    """The environment's SEED, else 1; LockstepError when it is none."""
    return seed_of(os.environ.get("SEED") or str(DEFAULT_SEED))


def seed_of(text: str) -> int:
    """The seed that `text` means; LockstepError when it is no number, or none that cocotb and the simulators take."""
    seed = whole_number("SEED", text, DEFAULT_SEED)
    if not 0 <= seed < 1 << 32:
        raise LockstepError(f"SEED={seed} is impossible; expected 0..{(1 << 32) - 1}")
    return seed


def _describe(parameters: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={value}" for name, value in parameters.items())


def _build_folder(
    root: Path | None,
    tests: str,
    simulator: str,
    parameters: Mapping[str, int],
    waves: str | None,
    checks: bool,
    random_start: bool,
) -> Path:
    root = Path(root or os.environ.get("LOCKSTEP_BUILD") or ROOT / "build" / "tb").resolve()
    extra = [*([waves] if waves else []), *([] if checks else ["unchecked"]), *(["random"] if random_start else [])]
    leaf = "-".join([f"{name}{value}" for name, value in parameters.items()] + extra) or "default"
    return root / tests.rpartition(".")[2] / simulator / leaf


@contextmanager
def _masked_environment() -> Iterator[None]:
    """Hide MASKED variables while cocotb's runner reads the environment."""
    hidden = {name: os.environ.pop(name) for name in MASKED if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)
