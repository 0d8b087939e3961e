"""Drawn layers on the engine: one job a draw, each against the golden model and, unstalled, the cycle model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path

from model.program.array import EngineShape
from model.program.compiled import LayerProgram
from model.program.draw import ARRAYS, EVERY, EVERY_ARRAY, NETWORK, Draw, draw
from model.program.draw_graph import GraphDraw, draw_graph
from tb.network.bench import Job, Report, run_jobs
from tb.network.whole import Maps, job_of, layer_job, wrongs

STALLS = (0, 0, 40, 128, 230)  # of 256: how often a stream word is held back; draws take turns
MOST_WORK = 192_000  # PEs times cycles of a draw that the test suite simulates: an interpreter's time goes by both


def stall_of(index: int) -> int:
    """The stall of draw `index`."""
    return STALLS[index // len(ARRAYS) % len(STALLS)]


def any_draw(seed: int, index: int) -> Draw | GraphDraw:
    """Draw `index` of `seed`, of whatever kind its number has."""
    if index % EVERY == NETWORK:
        return draw_graph(seed, index, list(ARRAYS)[index % len(ARRAYS)])
    return draw(seed, index)


def work_of(shape: EngineShape, layers: Sequence[LayerProgram]) -> int:
    """PEs times cycles, what simulating `layers` costs."""
    return shape.rows * shape.cols * sum(layer.cycles.total for layer in layers)


def small_draws(seed: int, array: str, wanted: int) -> list[Draw | GraphDraw]:
    """The first `wanted` draws of `seed` on `array`, one of EVERY_ARRAY, whose work is at most MOST_WORK.

    On one of ARRAYS their numbers are those of `any_draw`, so that `make random` repeats each; it draws the large ones
    too.
    """
    if array in ARRAYS:
        every: Iterator[Draw | GraphDraw] = (
            any_draw(seed, index) for index in count(list(ARRAYS).index(array), len(ARRAYS))
        )
    else:
        every = (draw(seed, index, array) for index in count())
    return list(islice((each for each in every if work_of(each.program.shape, each.layers) <= MOST_WORK), wanted))


def job_of_draw(each: Draw | GraphDraw) -> Job:
    """The job of a draw, under its stall."""
    stall = stall_of(each.index)
    if isinstance(each, Draw):
        return layer_job(each.program, each.codes, each.expected, each.index % each.shape.layers, stall)
    return job_of(each.program, Maps.of(each.graph, each.pixels), 0, len(each.layers) - 1, stall)


def run_draws(
    draws: Sequence[Draw | GraphDraw],
    folder: Path,
    simulator: str,
    *,
    checks: bool = True,
    rtl: Path | None = None,
) -> tuple[dict[int, str], Report]:
    """Simulate draws of one array; returns what is wrong by the draw's number, and the report.

    Parameters
    ----------
    draws : sequence of Draw or GraphDraw
    folder : Path
        For the build, the jobs and the log.
    simulator : str
        icarus or verilator.
    checks : bool
        With SIM_CHECKS.
    rtl : Path or None
        Folder of the sources; None: rtl/.

    Raises
    ------
    SimulationError
        When an assertion of the RTL, or a crash, ends the simulation.
    """
    jobs = [job_of_draw(each) for each in draws]
    report = run_jobs(folder, EVERY_ARRAY[draws[0].array], jobs, simulator, checks=checks, rtl=rtl)
    wrong = wrongs(jobs, [each.layers for each in draws], report)
    return {draws[job].index: text for job, text in wrong.items()}, report
