"""One simulation that a mutant has to get past, and what became of it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import FrameType
from xml.etree import ElementTree

from model.program.draw import draw
from model.program.draw_graph import draw_graph
from tb.common.runner import ROOT, BuildError, SimulationError, default_simulator, simulate
from tb.common.sources import contained, imported
from tb.network.draws import run_draws
from tb.network.os_draws import os_draws, run_turns, turns

LIMIT_SECONDS = 300  # of one simulation that usually takes one or two
FATAL = re.compile(r"^.*?(?:FATAL|%Fatal|%Error): (?P<message>.*)$", re.MULTILINE)
# How a cocotb test fails on account of the RTL: something differs, never comes, or does not fit its port.
FAILURES = ("AssertionError", "SimTimeoutError", "OverflowError", "ValueError")
SOURCE = re.compile(r"(?:[\w.~-]*/)+(\w+\.v)\b")
RUNNING = re.compile(r"running \S*?(?P<test>\w+) \(\d+/\d+\)")
DRAWS = "tb.network.draws"
OS_DRAWS = "tb.network.os_draws"
DRAW_SEED = 1
# The testbench of drawn layers, which nobody imports.
BESIDE = (ROOT / "tb" / "network" / "network_tb.v",)


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


def depends(stages: Sequence[Stage], rtl: Mapping[str, str], *runners: str) -> str:
    """Hash of all that a verdict of `stages` depends on beside the mutant: tests, model, sources, simulator, seed.

    Parameters
    ----------
    stages : sequence of Stage
    rtl : mapping of module name to source
    runners : str
        Modules by which they are run, beside this one.
    """
    digest = hashlib.sha256(_tools_and_seed().encode())
    for stage in stages:
        digest.update(repr(stage).encode())
        for module in sorted(contained(stage.top, rtl)):
            digest.update(rtl[module].encode())
        digest.update(_files(stage.tests, __name__, *runners))
    return digest.hexdigest()


@cache
def _files(*modules: str) -> bytes:
    """What is in the files of `modules`, in those that they import, and in BESIDE: its hash."""
    digest = hashlib.sha256()
    for path in [*sorted(imported(*modules)), *BESIDE]:
        digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return digest.digest()


def _tools_and_seed() -> str:
    """The simulators, Python, what it imports, and what the environment says about them, as text."""
    programs = [Path(found).resolve() for name in ("vvp", "verilator") if (found := shutil.which(name))]
    versions = {name: importlib.metadata.version(name) for name in ("cocotb", "numpy")}
    chosen = {name: os.environ.get(name) for name in ("SIM", "SEED", "INIT")}
    told = [platform.python_version(), versions, chosen, [(str(path), path.stat().st_mtime_ns) for path in programs]]
    return json.dumps(told, sort_keys=True)


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
    return Verdict(stage, checks, kind, test, in_rtl(message), round(time.perf_counter() - started, 2))


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


def in_rtl(message: str) -> str:
    """`message` with the sources in it named as they are in the tree, wherever the simulated copies are.

    >>> in_rtl("/some/where/random/sfp.v:68: syntax error")
    'rtl/sfp.v:68: syntax error'
    """

    def named(found: re.Match[str]) -> str:
        return f"rtl/{found[1]}" if (ROOT / "rtl" / found[1]).is_file() else found[0]

    return SOURCE.sub(named, message).strip()


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
