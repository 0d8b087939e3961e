"""Mutants on trial: the stages of their subject one after the other, each mutant up to the first test that fails."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tb.common.runner import SimulationError, check_results, simulate
from tb.common.tools import ToolError
from tb.mutants.campaign import told
from tb.mutants.stage import Kind, Stage, Verdict, cause, in_rtl, run_stage
from tb.mutation.forked import CHOSEN, ENDED, LIMIT, NUMBERS, TESTS

FORKED = "tb.mutation.forked"
LIMIT_SECONDS = 120  # of one mutant in one stage that takes some seconds without it


def judge(stages: Sequence[Stage], numbers: Sequence[int], rtl: Path, builds: Path) -> dict[int, dict[str, Any] | None]:
    """Which test kills each of the mutants `numbers` of a subject.

    Parameters
    ----------
    stages : sequence of Stage
    numbers : sequence of int
        1 or more each.
    rtl : Path
        The sources, as `tb.mutation.netlist.insert` leaves them.
    builds : Path
        For builds and logs; nobody else's.

    Returns
    -------
    dict
        By number: what `tb.mutants.campaign.told` says of the verdict, and ``stage``; None when every stage passes.

    Raises
    ------
    ToolError
        When the netlist does not compile, or a stage fails without a mutant.
    """
    killed: dict[int, dict[str, Any] | None] = dict.fromkeys(numbers)
    for stage in stages:
        alive = [number for number, by in killed.items() if by is None]
        if not alive:
            break
        trial = _try_draws if stage.draws else _try_tests
        for number, verdict in trial(stage, alive, rtl, builds / stage.name).items():
            if verdict.kind is not Kind.PASSED:
                killed[number] = {"stage": stage.name, **told(verdict)}
    return killed


def judge_all(stages: Sequence[Stage], numbers: Sequence[int], rtl: Path, builds: Path) -> dict[str, Any]:
    """`judge` as a `tb.common.jobs.Job` has it: ``killed``, by number as text; each process has its builds."""
    killed = judge(stages, numbers, rtl, builds / str(os.getpid()))
    return {"killed": {str(number): by for number, by in killed.items()}}


def _try_draws(stage: Stage, numbers: Sequence[int], rtl: Path, folder: Path) -> dict[int, Verdict]:
    """Drawn layers: one simulation a mutant, in the same folder."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for number in (0, *numbers):
        (folder / CHOSEN).write_text(f"{number:x}\n")
        found[number] = run_stage(stage, rtl, folder, True, again=True, limit=LIMIT_SECONDS)
    sound = found.pop(0)
    if sound.kind is not Kind.PASSED:
        raise ToolError(f"{stage.name} without a mutant: {sound.test} {sound.message}; see {folder}")
    return found


def _try_tests(stage: Stage, numbers: Sequence[int], rtl: Path, folder: Path) -> dict[int, Verdict]:
    """Tests in cocotb: one simulator, a process of its own for each mutant."""
    for left in folder.rglob("mutant_*"):
        shutil.rmtree(left, ignore_errors=True)
    environment = {
        "COCOTB_MAX_FAILURES": "1",
        TESTS: stage.tests,
        NUMBERS: ",".join(map(str, numbers)),
        LIMIT: str(LIMIT_SECONDS),
    }
    try:
        simulate(
            *(stage.top, FORKED, stage.parameters),
            environment=environment,
            rtl=rtl,
            build_root=folder,
            announce=False,
        )
    except SimulationError as error:
        raise ToolError(f"{stage.name} without a mutant: {error}") from error
    (place,) = (path.parent for path in folder.rglob("built.sha256"))
    return {number: _read(stage, place / f"mutant_{number}") for number in numbers}


def _read(stage: Stage, folder: Path) -> Verdict:
    """What a mutant has left in its folder."""
    seconds = float((folder / ENDED).read_text())
    kind, test, message = Kind.PASSED, "", ""
    try:
        check_results(folder / "results.xml", folder / "sim.log")
    except SimulationError as error:
        late = f"did not end within {LIMIT_SECONDS} s" if seconds >= LIMIT_SECONDS else str(error).partition("\n")[0]
        kind, test, message = cause(folder) or (Kind.ERROR, "", late)
    return Verdict(stage, True, kind, test, in_rtl(message), seconds)
