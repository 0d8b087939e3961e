"""Which layer takes which: what follows from it, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from model.errors import LockstepError
from model.graph.graph import IntegerGraph, Layer
from model.graph.kinds import average_pooling, residual_add
from model.graph.storage import load, save
from model.numeric.formats import IntFormat
from tests.integer_graphs import ACT, PIXEL, random_dag, random_layer, small_graph

RNG = np.random.default_rng(0)


def conv(name: str, outs: int, ins: int, side: int = 1, **changes) -> Layer:
    return random_layer(RNG, name, (outs, ins, side, side), padding=(side // 2,) * 2, **changes)


def network(*middle: Layer, last: tuple[str, ...] = (), ins: int = 4) -> IntegerGraph:
    """`middle` between a first layer of four channels on a 3x3 map and a classifier over a global mean of `ins`."""
    mean = average_pooling("mean", ins, (3, 3), ACT, source=last[0] if last else None)
    layers = (conv("first", 4, 1, 3, act=PIXEL), *middle, mean, conv("classifier", 2, ins, out=None))
    return IntegerGraph("net", (1, 3, 3), layers, ("a", "b"))


def test_a_chain_is_wired_as_one():
    wiring = small_graph().wiring
    assert wiring.takes == ((), (0,), (1,), (2,))
    assert wiring.before == ((3, 6, 5), (10, 6, 5), (9, 3, 2), (6, 2, 1))
    assert wiring.after == ((10, 6, 5), (9, 3, 2), (6, 2, 1), (4, 1, 1))
    assert wiring.last_use == (1, 2, 3, 3)
    assert [wiring.dead_after(index) for index in range(4)] == [[], [0], [1], [2]]


def test_branches_live_until_their_last_taker():
    graph = network(conv("main", 4, 4, 3), residual_add("sum", ("main", "first"), 4, ACT))
    assert graph.wiring.takes == ((), (0,), (1, 0), (2,), (3,))
    assert graph.wiring.before[2] == (8, 3, 3)
    assert graph.wiring.last_use == (2, 2, 3, 4, 4)
    assert sorted(graph.wiring.dead_after(2)) == [0, 1]
    assert graph.wiring.dead_after(1) == []


@pytest.mark.parametrize(
    ("middle", "told"),
    [
        (
            (conv("x", 4, 4, inputs=("sum",)), residual_add("sum", ("x", "first"), 4, ACT)),
            "sum, which comes not before",
        ),
        ((conv("x", 4, 4, inputs=("x",)),), "takes layer x, which comes not before it; expected an earlier one"),
        ((conv("x", 4, 4, inputs=("y",)),), "takes layer y, which does not exist"),
        ((conv("x", 4, 4), conv("y", 4, 4, inputs=("first",))), "layer x is taken by no other layer"),
        (
            (conv("x", 4, 4, stride=(2, 2)), residual_add("sum", ("x", "first"), 4, ACT)),
            "layer sum takes x of 2x2 and first of 3x3; expected maps of one size",
        ),
        (
            (conv("x", 8, 4), residual_add("sum", ("x", "first"), 4, ACT)),
            "takes x of 8 channels and first of 4 in 4 groups; expected as many channels of each",
        ),
        ((conv("x", 4, 4, out=IntFormat(3)), residual_add("sum", ("x", "first"), 4, ACT)), "takes .*bits=4.* but gets"),
        ((conv("x", 3, 4), conv("y", 4, 8, inputs=("x", "first"))), "layer y takes 8 channels but gets 7"),
    ],
)
def test_what_does_not_hang_together_is_refused(middle, told):
    with pytest.raises(LockstepError, match=told):
        network(*middle)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"groups": 0}, "layer x: 0 groups; expected a number that divides its 6 output channels"),
        ({"groups": 4}, "layer x: 4 groups; expected a number that divides its 6 output channels"),
        ({"inputs": ("a", "a")}, "layer x takes a twice; expected each map once"),
        ({"groups": 2, "inputs": ("a", "b")}, "3 input channels a group of 2 maps; expected as many of each map"),
    ],
)
def test_impossible_groups_and_inputs_are_refused(changes, told):
    with pytest.raises(LockstepError, match=told):
        dataclasses.replace(random_layer(RNG, "x", (6, 3, 1, 1)), **changes)


def test_groups_see_their_part_of_every_map():
    one = random_layer(RNG, "x", (4, 3, 1, 1), groups=2)
    assert one.in_channels == 6
    assert one.group_channels.tolist() == [[0, 1, 2], [3, 4, 5]]
    two = random_layer(RNG, "x", (4, 4, 1, 1), groups=2, inputs=("a", "b"))
    assert two.group_channels.tolist() == [[0, 1, 4, 5], [2, 3, 6, 7]]
    assert two.dense.shape == (4, 8, 1, 1)
    assert np.count_nonzero(two.dense[:2, [2, 3, 6, 7]]) == np.count_nonzero(two.dense[2:, [0, 1, 4, 5]]) == 0
    np.testing.assert_array_equal(two.dense[2:, [2, 3, 6, 7]], two.weight[2:])
    with pytest.raises(ValueError, match="read-only"):
        two.dense[0] = 0


@pytest.mark.parametrize("seed", range(5))
def test_a_graph_of_branches_survives_the_file(tmp_path: Path, seed: int):
    graph = random_dag(seed)
    save(graph, tmp_path / "x.graph.zip")
    again = load(tmp_path / "x.graph.zip")
    assert again.sha256 == graph.sha256
    assert again.wiring == graph.wiring


def test_groups_and_inputs_count_in_the_hash_only_where_they_are():
    plain = small_graph()
    assert not any("groups" in layer or "inputs" in layer for layer in plain.describe()["layers"])
    named = dataclasses.replace(plain.layers[1], inputs=("conv.0",))
    assert dataclasses.replace(plain, layers=(plain.layers[0], named, *plain.layers[2:])).sha256 != plain.sha256
