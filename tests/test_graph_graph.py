"""The integer graph: what is derived from it, what it refuses, what its hash covers."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from model.errors import LockstepError
from model.golden.execute import conv_naive
from model.graph.graph import IntegerGraph, Layer
from model.numeric.formats import IntFormat
from tests.integer_graphs import ACT, PIXEL, WGT, random_layer, small_graph


def layer(**changes) -> Layer:
    """Two output channels, three input channels, a 3x2 kernel; `changes` replace what it is made of."""
    values = {
        "name": "conv",
        "weight": np.arange(-7, 11).clip(-7, 7).repeat(2).reshape(2, 3, 3, 2).astype(np.int8),
        "wgt": WGT,
        "act": ACT,
        "multiplier": np.array([3, -5], np.int64),
        "bias": np.array([100, 200], np.int64),
        "shift": 7,
        "out": ACT,
        "stride": (1, 1),
        "padding": (1, 1),
        "pool": 1,
    }
    return Layer(**{**values, **changes})


def graph(**changes) -> IntegerGraph:
    whole = small_graph()
    return dataclasses.replace(whole, **changes)


def test_sizes():
    assert (layer().out_channels, layer().in_channels, layer().kernel) == (2, 3, (3, 2))


def test_the_psum_range_is_reached_and_never_left():
    fmt = IntFormat(2)
    weight = np.array([[[[3, -7]], [[-2, 0]]], [[[-1, -1]], [[5, 1]]]], np.int8)  # (2, 2, 1, 2)
    tight = layer(weight=weight, act=fmt, padding=(0, 0))
    psums = [
        conv_naive(np.array(codes, np.uint8).reshape(2, 1, 2), tight) for codes in itertools.product(range(4), repeat=4)
    ]
    assert tight.psum_range == (int(np.min(psums)), int(np.max(psums)))


def test_the_psum_range_of_one_sign_starts_at_zero():
    assert layer(weight=np.full((2, 3, 3, 2), 2, np.int8)).psum_range == (0, 2 * 18 * 15)
    assert layer(weight=np.full((2, 3, 3, 2), -2, np.int8)).psum_range == (-2 * 18 * 15, 0)


@pytest.mark.parametrize(
    ("height", "width", "stride", "padding", "pool", "unpooled", "pooled"),
    [
        (4, 4, (1, 1), (1, 1), 1, (4, 5), (4, 5)),
        (4, 4, (1, 1), (1, 1), 2, (4, 5), (2, 2)),
        (5, 4, (2, 1), (0, 0), 1, (2, 3), (2, 3)),
        (6, 9, (2, 3), (2, 1), 3, (4, 4), (1, 1)),
        (3, 2, (1, 1), (0, 0), 1, (1, 1), (1, 1)),
    ],
)
def test_map_after(height, width, stride, padding, pool, unpooled, pooled):
    shaped = layer(stride=stride, padding=padding, pool=pool)
    assert shaped.map_after(height, width, pooled=False) == unpooled
    assert shaped.map_after(height, width) == pooled


def test_what_does_not_fit_the_map_is_refused():
    with pytest.raises(LockstepError, match="a 3x2 kernel does not fit a padded 2x5 map"):
        layer(padding=(0, 0)).map_after(2, 5)
    with pytest.raises(LockstepError, match="3x3 pooling does not fit a 2x3 map"):
        layer(padding=(0, 0), pool=3).map_after(4, 4)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": ""}, "layer name '' is not usable as a folder"),
        ({"name": "../x"}, "not usable"),
        ({"name": ".x"}, "not usable"),
        ({"name": "-x"}, "not usable"),
        ({"name": "größe"}, "not usable"),
        ({"weight": np.zeros((2, 3, 3), np.int8)}, r"weight is int8\(2, 3, 3\); expected int8"),
        ({"weight": np.zeros((2, 3, 3, 0), np.int8)}, "expected int8"),
        ({"weight": np.zeros((2, 3, 3, 2), np.int16)}, "weight is int16"),
        ({"weight": np.full((2, 3, 3, 2), -8, np.int8)}, r"layer conv weight\[0, 0, 0, 0\] is -8, outside -7\.\.7"),
        ({"wgt": IntFormat(4)}, "weights must be signed"),
        ({"wgt": IntFormat(9, signed=True)}, "of at most 8 bits"),
        ({"act": IntFormat(4, signed=True)}, "activations unsigned"),
        ({"act": IntFormat(9)}, "of at most 8 bits"),
        ({"out": IntFormat(4, signed=True)}, "output codes must be unsigned"),
        ({"multiplier": np.array([3], np.int64)}, r"multiplier is int64\(1,\); expected int64 \(2,\)"),
        ({"bias": np.array([3, 3], np.int32)}, "bias is int32"),
        ({"shift": -1}, r"shift -1 is outside 0\.\.40"),
        ({"shift": 41}, "shift 41 is outside"),
        ({"stride": (0, 1)}, r"stride \(0, 1\).* impossible"),
        ({"padding": (-1, 0)}, "impossible"),
        ({"pool": 0}, "impossible"),
        ({"padding": (1, 2)}, r"padding \(1, 2\) is not smaller than the kernel \(3, 2\)"),
        ({"multiplier": np.array([1 << 55, 1], np.int64)}, r"p\*M \+ B may need 6\d bits; expected at most 63"),
        ({"bias": np.array([(1 << 63) - 1, 1], np.int64)}, r"p\*M \+ B may need 65 bits"),
        # each channel by itself fits, but requantize sees M and B of all
        ({"multiplier": np.array([1 << 52, 1]), "bias": np.array([0, -(1 << 62)])}, r"p\*M \+ B may need 6\d bits"),
        ({"out": None, "pool": 2}, "logits cannot be pooled; expected pool 1"),
        ({"out": None, "shift": 0, "multiplier": np.array([1 << 24, 1], np.int64)}, "logits do not fit 32 bits"),
    ],
)
def test_impossible_layers_are_refused(changes, told):
    with pytest.raises(LockstepError, match=told) as caught:
        layer(**changes)
    assert "layer" in str(caught.value)


def test_arrays_are_read_only():
    made = layer()
    for array in (made.weight, made.multiplier, made.bias):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def tail(shape, **changes) -> Layer:
    return random_layer(np.random.default_rng(0), "classifier", shape, **{"out": None, **changes})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": "a/b"}, "graph name 'a/b' is not usable"),
        ({"layers": ()}, "has no layers"),
        ({"layers": small_graph().layers[:1] * 2}, "two layers of one name"),
        ({"input_shape": (3, 0, 5)}, r"input shape \(3, 0, 5\) is impossible"),
        ({"input_shape": (4, 6, 5)}, r"layer conv\.0 takes 3 channels but gets 4"),
        ({"input_shape": (3, 2, 5)}, "does not fit"),
        (
            {"layers": (*small_graph().layers[:3], tail((4, 6, 2, 1), act=PIXEL))},
            "takes IntFormat.* but gets IntFormat",
        ),
        ({"layers": small_graph().layers[:3]}, r"the last layer conv\.2 must give logits"),
        ({"layers": (*small_graph().layers[:3], tail((4, 6, 1, 1)))}, "not a last layer with a 1x1 map"),
        ({"layers": (tail((4, 3, 6, 5), act=PIXEL), small_graph().layers[1])}, "not a last layer"),
        ({"classes": ("a", "b", "c")}, "3 class names for 4 logits"),
    ],
)
def test_impossible_graphs_are_refused(changes, told):
    with pytest.raises(LockstepError, match=told):
        graph(**changes)


def test_a_layer_is_found_by_name():
    whole = graph()
    assert whole.layer("conv.1") is whole.layers[1]
    with pytest.raises(
        LockstepError, match=r"no layer 'conv\.9' in small; expected one of conv\.0, conv\.1, conv\.2, cl"
    ):
        graph().layer("conv.9")


def test_the_hash_is_of_the_arithmetic():
    whole = small_graph()
    assert whole.sha256 == small_graph().sha256
    assert dataclasses.replace(whole, meta={"other": 1}).sha256 == whole.sha256
    assert small_graph(seed=1).sha256 != whole.sha256


def altered(name: str) -> Layer:
    first = small_graph().layers[0]
    if name in ("weight", "multiplier", "bias"):
        array = getattr(first, name).copy()
        array.flat[-1] += -1 if array.flat[-1] > 0 else 1
        return dataclasses.replace(first, **{name: array})
    other = {"name": "conv.9", "wgt": IntFormat(4, signed=True), "shift": first.shift + 1}
    return dataclasses.replace(first, **{name: other[name]})


@pytest.mark.parametrize("name", ["weight", "multiplier", "bias", "name", "wgt", "shift"])
def test_the_hash_changes_with_every_part_of_a_layer(name):
    whole = small_graph()
    assert dataclasses.replace(whole, layers=(altered(name), *whole.layers[1:])).sha256 != whole.sha256


def test_the_hash_changes_with_names_and_shapes():
    whole = small_graph()
    others = [
        dataclasses.replace(whole, name="other"),
        dataclasses.replace(whole, classes=tuple("abce")),
        dataclasses.replace(whole, input_shape=(3, 7, 5)),  # pooling drops the odd row: the same sizes below
    ]
    assert len({whole.sha256, *(other.sha256 for other in others)}) == 4
