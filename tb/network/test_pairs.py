"""Layers of pairs on the engine: drawn ones of every kind, a network with and without; exact in codes and cycles."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

import pytest

from model.program.compile import compile_graph
from model.program.draw import PAIRED
from model.program.draw_graph import draw_graph
from model.program.fit import fitting_shape
from tb.common.runner import ROOT, SimulationError, default_simulator
from tb.network.bench import run_jobs
from tb.network.draws import MOST_WORK, run_draws, small_draws, work_of
from tb.network.whole import Maps, counters_differ, job_of
from tests.integer_graphs import random_pixels
from tests.test_program_pairs import narrow_graph

pytestmark = pytest.mark.slow

SEED, DRAWS = 1, 12


@pytest.mark.parametrize("name", PAIRED)
def test_drawn_layers_equal_golden_and_cycle_model(name: str, tmp_path: Path) -> None:
    """Pairs and single codes in turns in one run of the simulator, under stalls, with the assertions of the RTL on."""
    draws = small_draws(SEED, name, DRAWS)
    assert {each.layers[0].descriptor.simd for each in draws} == {0, 1}
    wrong, report = run_draws(draws, tmp_path, default_simulator())
    assert not wrong, "\n".join(f"{index}: {text}" for index, text in wrong.items())
    assert (report.jobs, report.mismatches) == (DRAWS, 0)


@pytest.mark.parametrize("name", [name for name, shape in PAIRED.items() if not shape.wgt_power])
def test_drawn_networks_whose_maps_are_written_in_pairs(name: str, tmp_path: Path) -> None:
    """What the write-back packs, the next layer reads."""
    every = (draw_graph(SEED, index, name) for index in count())
    draws = list(islice((each for each in every if work_of(each.program.shape, each.layers) <= MOST_WORK // 2), 6))
    wrong, report = run_draws(draws, tmp_path, default_simulator())
    assert not wrong, "\n".join(f"{index}: {text}" for index, text in wrong.items())
    assert (report.jobs, report.mismatches) == (len(draws), 0)


def test_a_network_is_exact_with_pairs_and_without_on_one_engine(tmp_path: Path) -> None:
    """Layers of both kinds after one another in one run; without, nothing but the cycles is another."""
    graph = narrow_graph(3, size=(6, 6))
    shape = fitting_shape(graph, 8, 4)
    shape = replace(shape, act_depth=shape.banks * 1024)
    maps = Maps.of(graph, random_pixels(graph))
    cycles = []
    for simd in (True, False):
        program = compile_graph(graph, shape, simd=simd)
        report = run_jobs(tmp_path, shape, [job_of(program, maps, 0, len(program.layers) - 1)], default_simulator())
        assert (report.mismatches, report.errors, report.failed) == (0, {}, set())
        assert [counters_differ(item, program.layers[item.layer]) for item in report.layers] == [None] * 4
        assert any(item.descriptor.simd for item in program.layers) is simd
        cycles.append(report.cycles)
    assert cycles[0] < cycles[1]


FAULTS = {
    "high halves filled from above": ("out_pair  ? code_part[i*ActWidth +: HalfWidth] :", ""),
    "low halves lost": ("own ? code_part[i*ActWidth +: HalfWidth] : {HalfWidth{1'b0}};", "{HalfWidth{1'b0}};"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_in_the_packing_is_found(fault: str, tmp_path: Path) -> None:
    """What the write-back packs is seen when the next layer reads it."""
    rtl = tmp_path / "rtl"
    shutil.copytree(ROOT / "rtl", rtl)
    text, (old, new) = (rtl / "engine.v").read_text(), FAULTS[fault]
    assert text.count(old) == 1
    (rtl / "engine.v").write_text(text.replace(old, new))
    graph = narrow_graph(5, size=(6, 4))
    shape = fitting_shape(graph, 4, 4)
    program, maps = compile_graph(graph, shape), Maps.of(graph, random_pixels(graph))
    try:
        report = run_jobs(tmp_path, shape, [job_of(program, maps, 0, 1)], default_simulator(), rtl=rtl, checks=False)
    except SimulationError:
        return
    assert report.mismatches
