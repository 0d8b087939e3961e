"""The small network and image that the valid files are made of."""

from __future__ import annotations

import numpy as np

from model.graph.graph import IntegerGraph, Layer
from model.numeric.formats import IntFormat

ACT, WGT = IntFormat(4), IntFormat(4, signed=True, symmetric=True)
PIXELS = np.random.default_rng(3).integers(0, 16, (2, 4, 4)).astype(np.uint8)


def small_graph() -> IntegerGraph:
    """Two layers of a few weights on a map of two channels."""
    rng = np.random.default_rng(5)

    def layer(name: str, shape: tuple[int, ...], out: IntFormat | None) -> Layer:
        weight = rng.integers(-7, 8, shape).astype(np.int8)
        scale = rng.integers(3, 9, shape[0]), rng.integers(-300, 900, shape[0])
        return Layer(name, weight, WGT, ACT, *scale, 7, out, pool=1 if out is None else 2)

    layers = (layer("conv", (3, 2, 3, 3), ACT), layer("logits", (2, 3, 1, 1), None))
    return IntegerGraph("small", (2, 4, 4), layers, ("a", "b"), {"seed": 5, "rate": 0.25})
