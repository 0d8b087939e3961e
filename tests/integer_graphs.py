"""Small random integer graphs, for tests that need one before anything is trained."""

from __future__ import annotations

import numpy as np

from model.graph.graph import IntegerGraph, Layer
from model.graph.kinds import average_pooling, residual_add
from model.numeric.formats import IntFormat

ACT, WGT, PIXEL = IntFormat(4), IntFormat(4, signed=True, symmetric=True), IntFormat(8)


def random_layer(
    rng, name, shape, act=ACT, out=ACT, stride=(1, 1), padding=(0, 0), pool=1, groups=1, inputs=(), wgt=WGT
) -> Layer:
    """A layer of random codes whose requantization spreads its psums over the output codes."""
    weight = wgt.values[rng.integers(0, wgt.levels, shape)].astype(wgt.dtype)
    reach = np.abs(weight.astype(int)).sum(axis=(1, 2, 3)) * act.max
    shift = 12
    multiplier = np.maximum((16 << shift) * 4 // np.maximum(reach, 1), 1).astype(np.int64)
    bias = np.full(shape[0], 3 << shift, np.int64)
    return Layer(name, weight, wgt, act, multiplier, bias, shift, out, stride, padding, pool, groups, inputs)


def small_graph(seed: int = 0, name: str = "small", wgt=WGT) -> IntegerGraph:
    """Three input channels on a 6x5 map, three convolutions (strided, padded, pooled), a classifier over a 2x1 map."""
    rng = np.random.default_rng(seed)
    layers = (
        random_layer(rng, "conv.0", (10, 3, 3, 3), act=PIXEL, padding=(1, 1), wgt=wgt),
        random_layer(rng, "conv.1", (9, 10, 3, 3), padding=(1, 1), pool=2, wgt=wgt),
        random_layer(rng, "conv.2", (6, 9, 2, 2), stride=(1, 1), padding=(0, 0), wgt=wgt),
        random_layer(rng, "classifier", (4, 6, 2, 1), out=None, wgt=wgt),
    )
    return IntegerGraph(name, (3, 6, 5), layers, tuple("abcd"), {"recipe": {"seed": seed}})


def random_dag(seed: int, steps: int = 5, lanes: int = 4) -> IntegerGraph:
    """A graph of drawn branches: grouped and plain convolutions of one map or of several, sums, means, linear layers.

    Channel counts are around `lanes`. Whatever is left over at the end enters the classifier together.
    """
    rng = np.random.default_rng([7, seed])
    height, width = (int(n) for n in rng.integers(3, 7, 2))
    layers = [random_layer(rng, "first", (int(rng.integers(1, 3 * lanes)), 2, 3, 3), act=PIXEL, padding=(1, 1))]
    shapes = {"first": (layers[0].out_channels, height, width)}
    unused = ["first"]

    def add(layer: Layer, shape: tuple[int, int, int]) -> None:
        layers.append(layer)
        shapes[layer.name] = shape
        unused[:] = [name for name in unused if name not in layer.inputs] + [layer.name]

    for step in range(steps):
        name = str(rng.choice(list(shapes))) if rng.random() < 0.5 else unused[-1]
        channels, *size = shapes[name]
        alike = [other for other in shapes if shapes[other] == shapes[name] and other != name]
        same_map = [other for other in shapes if shapes[other][1:] == shapes[name][1:] and other != name]
        kind = rng.random()
        if kind < 0.35 and alike:
            sources = [name, *rng.choice(alike, min(len(alike), int(rng.integers(1, 3))), replace=False).tolist()]
            zeros = [int(n) for n in rng.integers(0, 9, len(sources))]
            layer = residual_add(f"add{step}", sources, channels, ACT, zeros=zeros, shift=int(rng.integers(0, 2)))
            add(layer, (channels, *size))
        elif kind < 0.5 and same_map:
            sources = [name, str(rng.choice(same_map))]
            taken = sum(shapes[source][0] for source in sources)
            outs = int(rng.integers(1, 2 * lanes))
            layer = random_layer(rng, f"join{step}", (outs, taken, 1, 1), inputs=tuple(sources))
            add(layer, (outs, *size))
        elif kind < 0.6 and min(size) > 1:
            layer = average_pooling(f"mean{step}", channels, (2, 2), ACT, source=name)
            add(layer, (channels, *layer.map_after(*size)))
        else:
            groups = int(rng.choice([n for n in range(1, channels + 1) if channels % n == 0]))
            outs = groups * int(rng.integers(1, 3))
            shape = (outs, channels // groups, 3, 3)
            layer = random_layer(rng, f"conv{step}", shape, padding=(1, 1), groups=groups, inputs=(name,))
            add(layer, (outs, *size))
    for name in tuple(unused):
        if shapes[name][1:] != (1, 1):
            channels, *size = shapes[name]
            add(average_pooling(f"all-{name}", channels, (size[0], size[1]), ACT, source=name), (channels, 1, 1))
    taken = sum(shapes[name][0] for name in unused)
    layers.append(random_layer(rng, "classifier", (3, taken, 1, 1), out=None, inputs=tuple(unused)))
    return IntegerGraph(f"dag{seed}", (2, height, width), tuple(layers), tuple("abc"))


def random_pixels(graph: IntegerGraph, seed: int = 0) -> np.ndarray:
    """An image for `graph`, both extremes included."""
    pixels = np.random.default_rng(seed).integers(0, 256, graph.input_shape).astype(np.uint8)
    pixels.flat[:2] = 0, 255
    return pixels
