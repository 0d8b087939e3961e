"""Every weight format on an engine of pairs and on one of both dataflows: a network of branches, exact to the cycle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from model.numeric.weights import named
from model.program.compile import compile_graph
from model.program.descriptor import FIELDS
from model.program.stream import Stream
from tb.common.runner import default_simulator
from tb.network.bench import run_jobs
from tb.network.whole import Maps, counters_differ, job_of
from tests.format_graphs import NAMES, branched_graph, engine_of
from tests.integer_graphs import random_pixels

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("mode", ["simd", "os"])
@pytest.mark.parametrize("name", NAMES)
def test_a_network_in_every_format_and_mode(name: str, mode: str, tmp_path: Path) -> None:
    """In its mode, then layer by layer plain on the same engine; sums and depthwise layers where 0 is a weight."""
    graph = branched_graph(named(name), 2 if mode == "simd" else 4)
    shape = engine_of(graph, mode)
    maps = Maps.of(graph, random_pixels(graph))
    programs = [
        compile_graph(graph, shape, simd=chosen == "simd", dataflow="auto" if chosen == "os" else "ws")
        for chosen in (mode, "ws")
    ]
    modes = [[(each.descriptor.simd, each.dataflow) for each in program.layers[:2]] for program in programs]
    assert modes[0] == ([(0, "ws"), (1, "ws")] if mode == "simd" else [(0, "os"), (0, "ws")])
    assert modes[1] == [(0, "ws"), (0, "ws")]
    jobs = [job_of(program, maps, 0, len(graph.layers) - 1) for program in programs]
    report = run_jobs(tmp_path, shape, jobs, default_simulator())
    assert (report.mismatches, report.errors, report.failed, report.jobs) == (0, {}, set(), 2), report.shown
    layers = [layer for program in programs for layer in program.layers]
    assert len(report.layers) == len(layers)
    for run, layer in zip(report.layers, layers, strict=True):
        assert counters_differ(run, layer) is None, layer.layer.name


@pytest.mark.parametrize(("both", "fields"), [(0, ("simd", "out_pair", "os")), (1, ("simd", "out_pair"))])
def test_modes_that_are_not_built_in_are_error_6(both: int, fields: tuple[str, ...], tmp_path: Path) -> None:
    """The layer that asks for one does not begin; a run without is exact right after, without a reset."""
    graph = branched_graph(named("int2"), 4)
    shape = replace(engine_of(graph, "ws"), output_stationary=both)
    good = job_of(compile_graph(graph, shape), Maps.of(graph, random_pixels(graph)), 2, 5)
    assert len(good.stream.words) > 1
    jobs = []
    for field in fields:
        (place,) = (item for item in FIELDS if item.name == field)
        table = good.descriptors.copy()
        table[0, place.word] |= 1 << place.low
        stream = Stream(good.stream.words[:1], good.stream.last[:1])
        jobs.append(replace(good, descriptors=table, stream=stream))
    report = run_jobs(tmp_path, shape, [*jobs, good], default_simulator())
    asks = "the layer asks for pairs, or is output stationary, which this engine is not built for"
    assert report.errors == dict.fromkeys(range(len(jobs)), asks)
    assert report.failed == set(report.errors)
    assert {run.job for run in report.layers if run.pixels} == {len(jobs)}
    assert (report.jobs, [run.layer for run in report.layers if run.job == len(jobs)]) == (len(jobs) + 1, [2, 3, 4, 5])
