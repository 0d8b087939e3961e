"""Drawn layers on an engine of both dataflows: each output stationary, then weight stationary, in one simulation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from model.errors import LockstepError
from model.program.compile import compile_layer
from model.program.compiled import LayerProgram
from model.program.draw import ARRAYS, Draw, draw
from tb.network.bench import Job, Report, run_jobs
from tb.network.draws import MOST_WORK, STALLS, work_of
from tb.network.whole import layer_job, wrongs

BOTH = ("4x4", "8x8", "16x16", "8x16", "16x8", "5x5")  # arrays whose stream words hold whole terms
MOST_CYCLES = 2500


def os_program(drawn: Draw) -> LayerProgram | None:
    """The program that runs `drawn` output stationary; None where it has groups, or does not fit the memory."""
    height, width = drawn.codes.shape[1:]
    shape = replace(ARRAYS[drawn.array], output_stationary=1)
    try:
        return compile_layer(drawn.layer, height, width, shape, dataflow="os")
    except LockstepError:
        return None


def os_draws(array: str, count: int, seed: int = 5) -> Iterator[tuple[Draw, LayerProgram]]:
    """`count` draws for `array` that this dataflow takes, with the program that does."""
    found = 0
    for index in range(100 * count):
        drawn = draw(seed, index, array)
        program = os_program(drawn)
        if program is None or program.cycles.total > MOST_CYCLES:
            continue
        if work_of(program.shape, [program, drawn.program]) <= MOST_WORK:
            yield drawn, program
            found += 1
            if found == count:
                return
    raise AssertionError(f"only {found} of {count} draws")


class Turn(NamedTuple):
    """A drawn layer in one dataflow, as a job under its stall."""

    drawn: Draw
    program: LayerProgram
    job: Job


def turns(draws: Sequence[tuple[Draw, LayerProgram]], first: int = 0) -> list[Turn]:
    """Both dataflows of each draw in turns; the draws, counted from `first`, take turns with the stalls."""
    found = []
    for number, (drawn, program) in enumerate(draws, first):
        stall = STALLS[number % len(STALLS)]
        shape = replace(ARRAYS[drawn.array], output_stationary=1)
        height, width = drawn.codes.shape[1:]
        plain = compile_layer(drawn.layer, height, width, shape, drawn.mode)
        for each in (program, plain):
            at = (2 * number + (each is plain)) % shape.layers
            found.append(Turn(drawn, each, layer_job(each, drawn.codes, drawn.expected, at, stall)))
    return found


def run_turns(
    chosen: Sequence[Turn], folder: Path, simulator: str, *, checks: bool = True, rtl: Path | None = None
) -> tuple[list[str], Report]:
    """Simulate turns of one array; returns what is wrong, and the report; arguments as for `run_draws`."""
    shape, jobs = chosen[0].program.shape, [turn.job for turn in chosen]
    report = run_jobs(folder, shape, jobs, simulator, checks=checks, rtl=rtl)
    wrong = wrongs(jobs, [[turn.program] for turn in chosen], report)
    return [f"{chosen[job].drawn}, {chosen[job].program.dataflow}: {wrong[job]}" for job in sorted(wrong)], report
