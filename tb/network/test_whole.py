"""What is said of jobs whose report lacks something; no simulation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from model.graph import storage
from model.program.compile import compile_graph
from model.program.compiled import Program
from model.program.fit import fitting_shape
from tb.network.bench import Job, LayerRun, Report
from tb.network.whole import Maps, job_of, wrongs
from tests.integer_graphs import random_pixels


@pytest.fixture(scope="module")
def work() -> tuple[Program, Job]:
    """Layers 1 to 3 of `tiny` as a job."""
    graph = storage.load(storage.ZOO / "tiny.graph.zip")
    program = compile_graph(graph, fitting_shape(graph))
    return program, job_of(program, Maps.of(graph, random_pixels(graph)), 1, 3)


def test_a_report_of_every_layer_is_well_and_one_that_lacks_a_layer_is_not(work: tuple[Program, Job]) -> None:
    program, job = work
    layers = program.layers[1:4]
    cycles = [layer.cycles for layer in layers]
    runs = [
        LayerRun(0, 1 + at, each.total, each.waiting, each.filling, each.writes, each.pixels)
        for at, each in enumerate(cycles)
    ]
    assert wrongs([job], [layers], Report(layers=runs, jobs=1)) == {}
    slow = [replace(runs[0], cycles=runs[0].cycles + 1), *runs[1:]]
    assert "by the cycle model" in wrongs([job], [layers], Report(layers=slow, jobs=1))[0]
    for lacking in ([], runs[:2], runs[1:], [runs[1], runs[0], runs[2]], [*runs, runs[2]]):
        told = wrongs([job], [layers], Report(layers=lacking, jobs=1))
        assert "expected each of 3, in order" in told[0], lacking
    broken = Report(layers=runs[:1], jobs=1, errors={0: "error 1"})
    assert wrongs([job], [layers], broken) == {0: "error 1"}
    assert "was not run" in wrongs([job], [layers], Report())[0]
