"""What another generator of this kind gets wrong, one trap a test: what it would give differs, and the C is golden."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.c.source import generate
from model.golden.execute import conv_naive, logits
from model.graph.graph import IntegerGraph, Layer
from model.graph.kinds import average_pooling, residual_add
from model.numeric.formats import IntFormat
from model.numeric.weights import FORMATS, named
from tb.c import host
from tb.c.compilers import of_this_machine
from tb.c.kinds import noise

Array = np.ndarray[Any, Any]
PIXEL, CODE = IntFormat(8), IntFormat(4)


def layer(name: str, shape: tuple[int, int, int, int], fmt: str = "pot4", **settings: Any) -> Layer:
    """A layer of random weights whose logits are its sums, or whose codes are a sixteenth of them."""
    rng = np.random.default_rng(len(name))
    given: dict[str, Any] = {"act": PIXEL, "out": None, "shift": 0, "bias": np.zeros(shape[0], np.int64)} | settings
    weight = rng.choice(named(fmt).values, shape).astype(named(fmt).dtype)
    return Layer(name, weight, named(fmt), multiplier=np.ones(shape[0], np.int64), **given)


def graph(shape: tuple[int, int, int], *layers: Layer) -> IntegerGraph:
    return IntegerGraph("trap", shape, layers, tuple(map(str, range(layers[-1].out_channels))))


def rounding() -> tuple[IntegerGraph, IntegerGraph]:
    """Half up is part of B; B without it is a code lower for half of the sums."""
    right = layer("linear", (4, 6, 2, 2), shift=5, bias=np.full(4, 1000 + 16, np.int64))
    return graph((6, 2, 2), right), graph((6, 2, 2), replace(right, bias=right.bias - 16))


def shifts() -> tuple[IntegerGraph, IntegerGraph]:
    """Weights of 32, 64 and 128 are not 16."""
    right = layer("linear", (4, 6, 2, 2))
    clamped = np.clip(right.weight, -16, 16)
    return graph((6, 2, 2), right), graph((6, 2, 2), replace(right, weight=clamped))


def free_of_bias() -> tuple[IntegerGraph, IntegerGraph]:
    """A linear layer without bias is there, after another one."""
    first = layer("first", (5, 6, 2, 2), out=CODE, shift=9, bias=np.full(5, 3000, np.int64))
    last = layer("last", (4, 5, 1, 1), act=CODE)
    nothing = replace(last, multiplier=np.zeros(4, np.int64))
    return graph((6, 2, 2), first, last), graph((6, 2, 2), first, nothing)


def one_dimension() -> tuple[IntegerGraph, IntegerGraph]:
    """A kernel of 1x5 on a signal."""
    right = layer("line", (4, 3, 1, 5))
    return graph((3, 1, 5), right), graph((3, 1, 5), replace(right, weight=right.weight[..., ::-1].copy()))


def groups() -> tuple[IntegerGraph, IntegerGraph]:
    """The second group sees the second half of the channels."""
    right = layer("grouped", (4, 3, 2, 3), groups=2)
    swapped = np.concatenate([right.weight[2:], right.weight[:2]])
    return graph((6, 2, 3), right), graph((6, 2, 3), replace(right, weight=swapped))


def not_square() -> tuple[IntegerGraph, IntegerGraph]:
    """Kernel, stride, padding and map all differ along y and x."""
    first = layer(
        "odd", (5, 2, 3, 2), out=CODE, shift=8, stride=(1, 2), padding=(1, 0), bias=np.full(5, 2000, np.int64)
    )
    last = layer("last", (4, 5, 4, 3), act=CODE)
    turned = replace(last, weight=np.ascontiguousarray(last.weight[:, :, ::-1]))
    return graph((2, 4, 7), first, last), graph((2, 4, 7), first, turned)


def rectified_pooling() -> tuple[IntegerGraph, IntegerGraph]:
    """The greatest of four negative sums is 0, not a negative code: with an offset taken away later it shows."""
    first = layer("first", (5, 2, 1, 1), out=CODE, shift=9, pool=2, bias=np.full(5, -900, np.int64))
    last = layer("last", (4, 5, 1, 1), act=CODE)
    lifted = replace(first, bias=first.bias + (3 << 9))  # codes -3 to 12, seen as 0 to 15
    offset = -3 * last.weight.reshape(4, -1).astype(np.int64).sum(axis=1)
    return graph((2, 2, 2), first, last), graph((2, 2, 2), lifted, replace(last, bias=offset))


def average_of_nine() -> tuple[IntegerGraph, IntegerGraph]:
    """Nine codes are divided by nine, half up, not by eight or sixteen."""
    first = layer("first", (5, 2, 1, 1), out=CODE, shift=9, bias=np.full(5, 2500, np.int64))
    mean, last = average_pooling("mean", 5, (3, 3), CODE), layer("last", (4, 5, 1, 1), act=CODE)
    eighth = replace(mean, multiplier=np.ones(5, np.int64), bias=np.zeros(5, np.int64), shift=3)
    return graph((2, 3, 3), first, mean, last), graph((2, 3, 3), first, eighth, last)


def scaled_sum() -> tuple[IntegerGraph, IntegerGraph]:
    """Maps of two scales are added with their factors, and the offset of signed codes is taken back."""
    one = layer("one", (5, 2, 1, 1), out=CODE, shift=9, bias=np.full(5, 2500, np.int64))
    other = layer("other", (5, 5, 1, 1), act=CODE, out=CODE, shift=7, bias=np.full(5, 900, np.int64))
    right = residual_add("add", ["one", "other"], 5, CODE, factors=[1, 3], zeros=[0, 4], shift=1)
    wrong, last = residual_add("add", ["one", "other"], 5, CODE), layer("last", (4, 5, 1, 1), act=CODE)
    return graph((2, 1, 1), one, other, right, last), graph((2, 1, 1), one, other, wrong, last)


def past_the_end() -> tuple[IntegerGraph, IntegerGraph]:
    """Nine ternary weights a tap: one word and the rest of another, and the last tap ends the table."""
    right = layer("ternary", (4, 9, 1, 2), "ternary")
    cut = right.weight.copy()
    cut[:, 8] = 0
    return graph((9, 1, 2), right), graph((9, 1, 2), replace(right, weight=cut))


TRAPS: tuple[Callable[[], tuple[IntegerGraph, IntegerGraph]], ...] = (
    *(rounding, shifts, free_of_bias, one_dimension, groups, not_square, rectified_pooling, average_of_nine),
    *(scaled_sum, past_the_end),
)


def run(net: IntegerGraph, folder: Path, style: str, pixels: Array) -> Array:
    host.write(generate(net, style, False), folder)
    return host.run(host.build(folder, of_this_machine(), optimize="-O0"), net, pixels)


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.__name__)
def test_the_c_is_golden_where_others_are_not(tmp_path: Path, trap: Callable[[], Any]) -> None:
    right, wrong = trap()
    pixels = noise(right.input_shape, 255, 100, 2)
    expected = logits(right, pixels)
    assert (expected != logits(wrong, pixels)).any(), "the trap is none"
    for style in ("packed", "unrolled"):
        np.testing.assert_array_equal(run(right, tmp_path / style, style, pixels), expected)


def test_pixels_are_unsigned_in_a_packed_first_layer(tmp_path: Path) -> None:
    net = graph((6, 2, 2), layer("first", (4, 6, 2, 2)))
    pixels = noise(net.input_shape, 255, 50, 3)
    signed = np.stack([conv_naive(image.astype(np.int8), net.layers[0]) for image in pixels])[:, :, 0, 0]
    expected = logits(net, pixels)
    assert (signed != expected).any()
    np.testing.assert_array_equal(run(net, tmp_path, "packed", pixels), expected)


@pytest.mark.parametrize("name", FORMATS)
def test_no_shift_is_by_a_negative_number(name: str) -> None:
    """Literals are seen here, variables by UndefinedBehaviorSanitizer in every run."""
    net = graph((6, 2, 2), layer("first", (4, 6, 2, 2), name))
    for style in ("packed", "unrolled"):
        assert not re.search(r"(<<|>>)=? *\(?-", generate(net, style, False).source)
