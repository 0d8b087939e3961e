from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model.errors import LockstepError
from model.graph.graph import Layer
from model.numeric.formats import IntFormat
from model.program.array import EngineShape
from model.program.stream import join, layer_stream
from model.program.words import to_ints
from tests.integer_graphs import random_layer


def expected_words(layer: Layer, shape: EngineShape, order: list[tuple[int, int, int]]) -> list[int]:
    """The stream of `layer`, word by word; `order`: input tile, ky, kx of the passes of an output tile."""
    mask = (1 << shape.wgt_width) - 1

    def weight(out: int, channel: int, ky: int, kx: int) -> int:
        if out >= layer.out_channels or channel >= layer.in_channels:
            return 0
        return int(layer.weight[out, channel, ky, kx]) & mask

    words = []
    for oc in range(-(-layer.out_channels // shape.cols)):
        for number, (tile, ky, kx) in enumerate(order):
            if number == len(order) - 1:
                for col in range(shape.cols):
                    out = oc * shape.cols + col
                    known = out < layer.out_channels
                    m = int(layer.multiplier[out]) if known else 0
                    b = int(layer.bias[out]) if known else 0
                    value = m & ((1 << shape.mul_width) - 1) | (b & ((1 << shape.bias_width) - 1)) << shape.mul_width
                    for _ in range(shape.param_words):
                        words.append(value & ((1 << shape.word_bits) - 1))
                        value >>= shape.word_bits
            for group in range(shape.groups):
                word = 0
                for lane in range(shape.wgt_lanes):
                    col = group * shape.wgt_lanes + lane
                    for row in range(shape.rows):
                        if col < shape.cols:
                            code = weight(oc * shape.cols + col, tile * shape.rows + row, ky, kx)
                            word |= code << ((lane * shape.rows + row) * shape.wgt_width)
                words.append(word)
    return words


SHAPES = [
    EngineShape(rows=4, cols=4, wgt_lanes=1, act_depth=512, mul_width=20, bias_width=30),
    EngineShape(rows=4, cols=8, wgt_lanes=3, act_depth=512, wgt_width=5),
    EngineShape(rows=8, cols=4, wgt_lanes=4, act_depth=300),
]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s.rows}x{s.cols}")
def test_words_are_those_of_the_page(shape: EngineShape) -> None:
    rng = np.random.default_rng(5)
    layer = random_layer(rng, "x", (10, 9, 2, 3))
    signs = rng.choice([-1, 1], 10)
    layer = replace(layer, multiplier=layer.multiplier * signs, bias=layer.bias * signs[::-1])
    tiles = -(-9 // shape.rows)
    taps = [(ky, kx) for ky in range(2) for kx in range(3)]

    plain = layer_stream(layer, layer.weight, shape, 1, 1)
    assert to_ints(plain.words) == expected_words(layer, shape, [(t, *k) for t in range(tiles) for k in taps])
    planes = layer_stream(layer, layer.weight, shape, 2, 1)
    twice = [(t, *k) for t in range(tiles) for _ in range(2) for k in taps]
    assert to_ints(planes.words) == expected_words(layer, shape, twice)
    banks = layer_stream(layer, layer.weight, shape, 1, 2)
    padded = [(t, *k) for t in range(tiles + tiles % 2) for k in taps]
    assert to_ints(banks.words) == expected_words(layer, shape, padded)


def test_last_is_with_the_last_word_of_each_layer() -> None:
    rng = np.random.default_rng(6)
    layers = [random_layer(rng, f"l{i}", (3, 2, 1, 1)) for i in range(3)]
    streams = [layer_stream(layer, layer.weight, EngineShape(), 1, 1) for layer in layers]
    length = len(streams[0].words)
    assert np.flatnonzero(join(streams).last).tolist() == [length - 1, 2 * length - 1, 3 * length - 1]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"wgt_width": 3}, "its weights take 4 bits; the engine has 3"),
        ({"mul_width": 2}, "its multipliers take \\d+ bits; the engine has 2"),
        ({"bias_width": 14}, "its biases take 15 bits; the engine has 14"),
    ],
)
def test_what_is_too_wide_is_refused(change: dict[str, int], told: str) -> None:
    layer = random_layer(np.random.default_rng(7), "x", (3, 2, 1, 1))
    layer_stream(layer, layer.weight, EngineShape(mul_width=20, bias_width=15), 1, 1)
    with pytest.raises(LockstepError, match=f"layer x: {told}"):
        layer_stream(layer, layer.weight, EngineShape(**{"mul_width": 20, "bias_width": 15} | change), 1, 1)


def test_narrow_weights_are_sign_extended() -> None:
    rng = np.random.default_rng(8)
    layer = replace(
        random_layer(rng, "x", (8, 8, 1, 1)),
        weight=rng.integers(-2, 2, (8, 8, 1, 1)).astype(np.int8),
        wgt=IntFormat(2, signed=True),
    )
    words = to_ints(layer_stream(layer, layer.weight, EngineShape(), 1, 1).words)
    assert words == expected_words(layer, EngineShape(), [(0, 0, 0)])
