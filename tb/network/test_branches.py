"""The networks with branches that are shipped, whole on the engine: every activation, every logit, every cycle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.graph.storage import ZOO, load
from model.program.compile import compile_graph
from model.program.fit import fitting_shape
from tb.common.runner import default_simulator
from tb.network.bench import run_jobs
from tb.network.whole import Maps, counters_differ, job_of

pytestmark = pytest.mark.slow

SAMPLE = np.load(ZOO / "sample_digit.npy")


@pytest.mark.parametrize(
    ("net", "rows", "cols"),
    [
        *(("residual", 8, 8), ("residual", 4, 8), ("residual", 16, 8)),
        *(("separable", 8, 8), ("separable", 8, 16), ("signal", 8, 8)),
    ],
)
def test_a_network_with_branches_is_exact(net: str, rows: int, cols: int, tmp_path: Path) -> None:
    """Whole; on 8x8 from its middle, too, and the two smaller networks with the assertions of the RTL."""
    graph = load(ZOO / f"{net}.graph.zip")
    program = compile_graph(graph, fitting_shape(graph, rows, cols))
    maps = Maps.of(graph, SAMPLE.reshape(graph.input_shape))
    last = len(graph.layers) - 1
    firsts = (0, 2) if (rows, cols) == (8, 8) else (0,)
    jobs = [job_of(program, maps, first, last) for first in firsts]
    report = run_jobs(tmp_path, program.shape, jobs, default_simulator(), checks=net != "residual")
    assert not report.mismatches, report.shown
    assert not report.errors
    assert report.jobs == len(jobs)
    assert [run.layer for run in report.layers] == [layer for first in firsts for layer in range(first, last + 1)]
    assert [counters_differ(run, program.layers[run.layer]) for run in report.layers] == [None] * len(report.layers)
