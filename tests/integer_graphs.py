"""Small random integer graphs, for tests that need one before anything is trained."""

from __future__ import annotations

import numpy as np

from model.graph.graph import IntegerGraph, Layer
from model.numeric.formats import IntFormat
from model.numeric.weights import WeightFormat
from model.program.array import EngineShape
from model.program.branches import graph_of_branches

ACT, WGT, PIXEL = IntFormat(4), IntFormat(4, signed=True, symmetric=True), IntFormat(8)


def random_layer(
    rng: np.random.Generator,
    name: str,
    shape: tuple[int, ...],
    act: IntFormat = ACT,
    out: IntFormat | None = ACT,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    pool: int = 1,
    groups: int = 1,
    inputs: tuple[str, ...] = (),
    wgt: WeightFormat = WGT,
) -> Layer:
    """A layer of random codes whose requantization spreads its psums over the output codes."""
    weight = wgt.values[rng.integers(0, wgt.levels, shape)].astype(wgt.dtype)
    reach = np.abs(weight.astype(int)).sum(axis=(1, 2, 3)) * act.max
    shift = 12
    multiplier = np.maximum((16 << shift) * 4 // np.maximum(reach, 1), 1).astype(np.int64)
    bias = np.full(shape[0], 3 << shift, np.int64)
    return Layer(name, weight, wgt, act, multiplier, bias, shift, out, stride, padding, pool, groups, inputs)


def small_graph(seed: int = 0, name: str = "small", wgt: WeightFormat = WGT) -> IntegerGraph:
    """Three input channels on a 6x5 map, three convolutions (strided, padded, pooled), a classifier over a 2x1 map."""
    rng = np.random.default_rng(seed)
    layers = (
        random_layer(rng, "conv.0", (10, 3, 3, 3), act=PIXEL, padding=(1, 1), wgt=wgt),
        random_layer(rng, "conv.1", (9, 10, 3, 3), padding=(1, 1), pool=2, wgt=wgt),
        random_layer(rng, "conv.2", (6, 9, 2, 2), stride=(1, 1), padding=(0, 0), wgt=wgt),
        random_layer(rng, "classifier", (4, 6, 2, 1), out=None, wgt=wgt),
    )
    return IntegerGraph(name, (3, 6, 5), layers, tuple("abcd"), {"recipe": {"seed": seed}})


def random_dag(seed: int) -> IntegerGraph:
    """A drawn graph of branches, for an array of 4x4."""
    return graph_of_branches(np.random.default_rng([7, seed]), EngineShape(rows=4, cols=4), f"dag{seed}")


def random_pixels(graph: IntegerGraph, seed: int = 0) -> np.ndarray:
    """An image for `graph`, both extremes included."""
    pixels = np.random.default_rng(seed).integers(0, 256, graph.input_shape).astype(np.uint8)
    pixels.flat[:2] = 0, 255
    return pixels
