"""Networks that hold generated C against the golden model: every kind of layer in one, in any weight format."""

from __future__ import annotations

from typing import Any

import numpy as np

from model.graph.graph import IntegerGraph, Layer
from model.graph.kinds import average_pooling, residual_add
from model.numeric.formats import IntFormat
from model.numeric.weights import WeightFormat

Array = np.ndarray[Any, Any]
PIXEL, CODE = IntFormat(8), IntFormat(4)
BIASES = {"negative": -1, "none": 0, "positive": 1}


def drawn(
    rng: np.random.Generator,
    name: str,
    shape: tuple[int, int, int, int],
    wgt: WeightFormat,
    bias: int,
    act: IntFormat = CODE,
    out: IntFormat | None = CODE,
    **settings: Any,
) -> Layer:
    """A layer of random weights; M of both signs, scaled so that codes spread, B of the sign of `bias`."""
    weight = rng.choice(wgt.values, shape).astype(wgt.dtype)
    reach = np.maximum(np.abs(weight.astype(np.int64)).sum(axis=(1, 2, 3)) * act.max, 1)
    shift = int(rng.integers(14, 22))
    top = 4 * (out.max if out else 1000)
    multiplier = np.maximum((top << shift) // reach, 1) * np.where(rng.random(shape[0]) < 0.2, -1, 1)
    offset = bias * rng.integers(1, 3 << shift, shape[0]) + (1 << (shift - 1))
    return Layer(name, weight, wgt, act, multiplier.astype(np.int64), offset.astype(np.int64), shift, out, **settings)


def every_kind(wgt: WeightFormat, bias: int, seed: int) -> IntegerGraph:
    """Convolution with stride, padding and pooling, grouped, depthwise, 1xk, residual add, average pooling, linear."""
    rng = np.random.default_rng(seed)
    small = IntFormat(4, signed=True, symmetric=True)
    layers = (
        drawn(rng, "padded", (6, 3, 3, 3), wgt, bias, act=PIXEL, padding=(1, 1)),
        drawn(rng, "pooled", (8, 6, 3, 3), wgt, bias, padding=(1, 1), pool=2),
        drawn(rng, "strided", (8, 8, 2, 3), wgt, bias, stride=(1, 2), padding=(1, 1)),
        drawn(rng, "grouped", (8, 4, 3, 3), wgt, bias, padding=(1, 1), groups=2),
        drawn(rng, "depthwise", (8, 1, 3, 3), wgt, bias, padding=(1, 1), groups=8),
        residual_add("add", ["depthwise", "strided"], 8, CODE, zeros=[8, 0]),
        drawn(rng, "line", (5, 8, 1, 3), wgt, bias, padding=(0, 1)),
        average_pooling("average", 5, (2, 2), CODE, wgt=small),
        drawn(rng, "point", (7, 5, 1, 1), wgt, bias),
        drawn(rng, "logits", (4, 7, 2, 1), wgt, bias, out=None),
    )
    return IntegerGraph("every", (3, 8, 7), layers, ("a", "b", "c", "d"))


def inputs(graph: IntegerGraph, count: int, seed: int) -> Array:
    """Noise, sparse noise, and the extremes: uint8 (count, channels, height, width)."""
    rng = np.random.default_rng(seed)
    top = graph.layers[0].act.max
    pixels = rng.integers(0, top + 1, (count, *graph.input_shape))
    pixels[1::3] *= rng.random((len(pixels[1::3]), *graph.input_shape)) < 0.2
    pixels[2::3] = np.where(rng.random((len(pixels[2::3]), *graph.input_shape)) < 0.5, 0, top)
    pixels[0], pixels[-1] = 0, top
    return pixels.astype(np.uint8)
