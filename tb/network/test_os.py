"""Output-stationary layers on engines of both dataflows, in turns with weight-stationary ones; whole networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.graph import storage
from model.graph.graph import IntegerGraph
from model.program.compile import compile_graph
from model.program.fit import fitting_shape
from tb.common.runner import default_simulator
from tb.network.bench import run_jobs
from tb.network.os_draws import BOTH, os_draws, run_turns, turns
from tb.network.whole import Maps, counters_differ, job_of
from tests.integer_graphs import PIXEL, random_layer, random_pixels

pytestmark = pytest.mark.slow

DRAWS = 5


@pytest.mark.parametrize("array", [array for array in BOTH if array != "16x16"])  # `make regress` draws for it
def test_both_dataflows_in_turns(array: str, tmp_path: Path) -> None:
    """Every code and logit against the golden model; without stalls, every counter against the closed forms."""
    chosen = turns(list(os_draws(array, DRAWS)))
    assert {turn.program.dataflow for turn in chosen} == {"os", "ws"}
    assert {turn.job.stall > 0 for turn in chosen} == {True, False}
    wrong, report = run_turns(chosen, tmp_path, default_simulator())
    assert not wrong, "\n".join(wrong)
    assert report.jobs == len(chosen) == 2 * DRAWS
    assert report.mismatches == 0


@pytest.mark.parametrize(("rows", "cols"), [(8, 8), (4, 8)])
def test_tiny_with_its_first_layer_output_stationary(rows: int, cols: int, tmp_path: Path) -> None:
    """The mode changes between two layers of one run, and back between two images; the second one under stalls."""
    graph = storage.load(storage.ZOO / "tiny.graph.zip")
    shape = fitting_shape(graph, rows, cols, dataflow="auto")
    program = compile_graph(graph, shape, dataflow="auto")
    assert [layer.dataflow for layer in program.layers][:2] == ["os", "ws"]
    maps, count = Maps.of(graph, np.load(storage.ZOO / "sample_digit.npy")), len(graph.layers)
    jobs = [job_of(program, maps, 0, count - 1, stall) for stall in (0, 100)]
    report = run_jobs(tmp_path, shape, jobs, default_simulator(), checks=True)
    assert not report.errors
    assert (report.jobs, report.mismatches, report.failed) == (2, 0, set())
    free = [run for run in report.layers if run.job == 0]
    assert [counters_differ(run, program.layers[run.layer]) for run in free] == [None] * count
    held_back = [run for run in report.layers if run.job == 1]
    assert len(held_back) == count
    assert sum(run.cycles for run in held_back) > sum(run.cycles for run in free)


@pytest.mark.parametrize("cols", [1, 3])
def test_one_row_and_one_line_of_psums(cols: int, tmp_path: Path) -> None:
    """The smallest psum memory that the dataflow allows: a group has more terms than it has lines."""
    layer = random_layer(np.random.default_rng(cols), "conv.0", (4, 3, 2, 2), act=PIXEL, out=None)
    graph = IntegerGraph("one", (3, 2, 2), (layer,), tuple("abcd"), {})
    shape = fitting_shape(graph, 1, cols, dataflow="os")
    assert shape.psum_depth == 1
    program = compile_graph(graph, shape, dataflow="os")
    job = job_of(program, Maps.of(graph, random_pixels(graph)), 0, 0)
    report = run_jobs(tmp_path, shape, [job], default_simulator(), checks=True)
    assert not report.errors
    assert (report.jobs, report.mismatches, report.failed) == (1, 0, set())
    assert [counters_differ(run, program.layers[0]) for run in report.layers] == [None]
