"""The arena of generated C: what lives at the same time does not overlap, and what may is laid over each other."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from model.c.plan import plan, works_in_place
from model.graph.graph import IntegerGraph
from model.graph.kinds import average_pooling, residual_add
from model.numeric.weights import FORMATS
from tb.c.kinds import KINDS
from tests.integer_graphs import ACT, random_dag, random_layer, small_graph

GRAPHS = [small_graph(), *map(random_dag, range(12)), *(make(FORMATS["int4"], 1, 1) for make in KINDS.values())]


def overlaps(graph: IntegerGraph, arena) -> list[tuple[str, str]]:
    """Pairs of maps that live at the same time, in places that overlap; a layer in place is no such pair."""
    wiring = graph.wiring
    found = []
    for one, other in combinations(range(len(graph.layers) - 1), 2):
        a, b = arena.of(one), arena.of(other)
        alive = other < wiring.last_use[one] or (other == wiring.last_use[one] and a is not b)
        ends = [buffer.offset + _bytes(graph, at) for buffer, at in ((a, one), (b, other))]
        if alive and a.offset < ends[1] and b.offset < ends[0]:
            found.append((graph.layers[one].name, graph.layers[other].name))
    return found


def _bytes(graph: IntegerGraph, index: int) -> int:
    channels, height, width = graph.wiring.after[index]
    return channels * height * width


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph.name)
def test_maps_that_live_at_the_same_time_do_not_overlap(graph):
    arena = plan(graph)
    assert not overlaps(graph, arena)
    assert all(buffer.offset + buffer.size <= arena.size for buffer in arena.buffers)
    assert arena.floor <= arena.size <= sum(buffer.size for buffer in arena.buffers)


def test_an_overlap_would_be_found():
    graph = small_graph()
    arena = plan(graph)
    flat = arena._replace(buffers=tuple(replace(buffer, offset=0) for buffer in arena.buffers))
    assert overlaps(graph, flat) == [("conv.0", "conv.1"), ("conv.1", "conv.2")]


def test_a_chain_takes_two_maps_at_a_time():
    arena = plan(small_graph())
    sizes = [10 * 6 * 5, 9 * 3 * 2, 6 * 2 * 1]
    assert [buffer.size for buffer in arena.buffers] == sizes
    assert arena.size == arena.floor == sizes[0] + sizes[1]
    assert "  354 bytes; the most that is alive at one time is 354" in arena.lines(small_graph())


def test_a_sum_overwrites_the_map_that_nobody_takes_after_it():
    graph = KINDS["signals"](FORMATS["int4"], 0, 1)
    buffer = plan(graph).of(graph.layers.index(graph.layer("add")))
    names = [graph.layers[index].name for index in buffer.layers]
    assert "add" in names
    assert names.index("add") > 0
    assert any(", then in place add" in line for line in plan(graph).lines(graph))


def test_only_layers_that_read_their_own_channel_and_nothing_behind_them_work_in_place():
    rng = np.random.default_rng(0)
    depthwise = random_layer(rng, "d", (4, 1, 2, 2), groups=4)
    assert works_in_place(depthwise)
    assert works_in_place(average_pooling("m", 4, (3, 3), ACT))
    assert works_in_place(residual_add("a", ["x", "y"], 4, ACT))
    assert not works_in_place(random_layer(rng, "p", (4, 1, 3, 3), groups=4, padding=(1, 1)))
    assert not works_in_place(random_layer(rng, "l", (4, 1, 2, 2), groups=4, pool=2))
    assert not works_in_place(random_layer(rng, "g", (8, 1, 1, 1), groups=4))
    assert not works_in_place(random_layer(rng, "c", (4, 4, 1, 1)))
