"""Networks that hold generated C against the golden model: every kind of layer, in any weight format, any sign of B.

Three of them, over the two shapes of the digits and one that is neither square nor of one channel:

- ``planes`` (1, 8, 8): padded, pooled, of unlike strides, grouped, depthwise, average pooling of 5x5 and of 2x2, two
  maps side by side, a residual add with factor and offset, a line kernel, pointwise, linear
- ``signals`` (8, 1, 8): the same of one dimension, average pooling over a whole map, logits that are the sums
- ``shapes`` (3, 9, 7): a 5x3 kernel, strides wider than the kernel, pooling of 3x3, codes of 2 and of 8 bits

Requantization is fitted to what random inputs give, so that codes and logits spread; every other M has few terms.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from model.golden.execute import conv, finish
from model.graph.graph import IntegerGraph, Layer
from model.graph.kinds import average_pooling, residual_add
from model.graph.shifts import nearest_sum
from model.numeric.formats import IntFormat
from model.numeric.weights import WeightFormat

Array = np.ndarray[Any, Any]
PIXEL, CODE, PAIR = IntFormat(8), IntFormat(4), IntFormat(2)
BIASES = {"negative": -1, "none": 0, "positive": 1}
SAMPLE = 64  # inputs that requantization is fitted to
CLASSES = 5


class Drawing:
    """A network as it is drawn, layer by layer.

    Parameters
    ----------
    wgt : WeightFormat
    bias : {-1, 0, 1}
        Sign of every B of the drawn layers, but for the half that rounds.
    seed : int
    shape : (channels, height, width)
    """

    def __init__(self, wgt: WeightFormat, bias: int, seed: int, shape: tuple[int, int, int]) -> None:
        self.wgt, self.bias, self.shape = wgt, bias, shape
        self.rng = np.random.default_rng(seed)
        self.layers: list[Layer] = []
        self.maps: dict[str, Array] = {"": noise(shape, PIXEL.max, SAMPLE, seed)}

    def add(self, layer: Layer) -> None:
        """Add `layer` as it is."""
        self.maps[layer.name] = finish(conv(self._taken(layer.inputs), layer), layer)
        self.layers.append(layer)

    def draw(
        self,
        name: str,
        shape: tuple[int, int, int, int],
        act: IntFormat = CODE,
        out: IntFormat | None = CODE,
        rising: bool = False,
        plain: bool = False,
        **settings: Any,
    ) -> None:
        """Add a layer of random weights, fitted.

        Parameters
        ----------
        name : str
        shape : (outs, ins / groups, ky, kx)
        act, out : IntFormat
            As of `Layer`.
        rising : bool
            No M is negative.
        plain : bool
            M = 1 and S = 0.
        **settings
            Others of `Layer`.
        """
        weight = self.rng.choice(self.wgt.values, shape).astype(self.wgt.dtype)
        ones, zeros = np.ones(shape[0], np.int64), np.zeros(shape[0], np.int64)
        layer = Layer(name, weight, self.wgt, act, ones, zeros, 0, out, **settings)
        psum = conv(self._taken(layer.inputs), layer).reshape(-1, shape[0])
        mean, spread = psum.mean(axis=0), np.maximum(psum.std(axis=0), 0.5)
        top = out.max if out else 1000
        shift = 0 if plain else int(self.rng.integers(12, 20))
        sign = np.where(mean < 0, -1, 1) * (-1 if self.bias > 0 else 1)
        sign = np.ones_like(sign) if rising or plain else sign
        middle = top / 2 - sign * mean * top / (3 * spread)  # the B that puts the mean of a code in the middle
        fits = (middle * self.bias > 0) & (self.bias != 0)
        factor = sign * np.where(fits, top / (3 * spread), top / (np.abs(mean) + 2 * spread)) * 2.0**shift
        multiplier = np.where(np.abs(factor) < 1, sign, factor).astype(np.int64)
        if plain:
            multiplier = ones
        elif len(self.layers) % 2:
            multiplier = np.array([nearest_sum(int(m), 2) for m in multiplier])
        small = self.bias * self.rng.integers(1, 2 + (top << shift) // 8, shape[0])
        offset = np.where(fits, (middle * 2.0**shift).astype(np.int64), small)
        self.add(replace(layer, multiplier=multiplier, bias=offset + ((1 << shift) >> 1), shift=shift))

    def _taken(self, names: Sequence[str]) -> Array:
        last = self.layers[-1].name if self.layers else ""
        return np.concatenate([self.maps[name] for name in names or (last,)], axis=1)

    def graph(self, name: str) -> IntegerGraph:
        """The network."""
        classes = tuple(string.ascii_lowercase[: self.layers[-1].out_channels])
        return IntegerGraph(name, self.shape, tuple(self.layers), classes)


def planes(wgt: WeightFormat, bias: int, seed: int) -> IntegerGraph:
    """See the module."""
    net = Drawing(wgt, bias, seed, (1, 8, 8))
    net.draw("padded", (3, 1, 3, 3), act=PIXEL, padding=(1, 1))
    net.draw("pooled", (5, 3, 3, 3), padding=(1, 1), pool=2, rising=True)
    net.add(average_pooling("average5", 3, (5, 5), CODE, stride=(1, 1), source="padded"))
    net.draw("beside", (4, 8, 2, 3), stride=(1, 2), padding=(1, 1), inputs=("pooled", "average5"))
    net.draw("grouped", (4, 2, 3, 3), padding=(1, 1), groups=2)
    net.draw("depthwise", (4, 1, 3, 3), padding=(1, 1), groups=4)
    net.add(residual_add("add", ["depthwise", "beside"], 4, CODE, factors=[1, 3], zeros=[8, 0], shift=1))
    net.draw("line", (5, 4, 1, 3), padding=(0, 1))
    net.add(average_pooling("average2", 5, (2, 2), CODE))
    net.draw("point", (7, 5, 1, 1))
    net.draw("logits", (CLASSES, 7, 2, 1), out=None)
    return net.graph("planes")


def signals(wgt: WeightFormat, bias: int, seed: int) -> IntegerGraph:
    """See the module."""
    net = Drawing(wgt, bias, seed, (8, 1, 8))
    net.draw("first", (6, 8, 1, 3), act=PIXEL, padding=(0, 1))
    net.draw("strided", (8, 6, 1, 3), stride=(1, 2), padding=(0, 1))
    net.draw("grouped", (8, 2, 1, 3), padding=(0, 1), groups=4)
    net.draw("depthwise", (8, 1, 1, 3), padding=(0, 1), groups=8)
    net.add(residual_add("add", ["strided", "depthwise"], 8, CODE))
    net.draw("doubled", (16, 1, 1, 2), groups=8)  # two outputs a channel, no padding
    net.add(average_pooling("mean", 16, (1, 3), CODE))
    net.draw("logits", (CLASSES, 16, 1, 1), out=None, plain=True)
    return net.graph("signals")


def shapes(wgt: WeightFormat, bias: int, seed: int) -> IntegerGraph:
    """See the module."""
    net = Drawing(wgt, bias, seed, (3, 9, 7))
    net.draw("wide", (4, 3, 5, 3), act=PIXEL, out=PIXEL, padding=(2, 1))
    net.draw("pooled", (5, 4, 3, 3), act=PIXEL, out=PAIR, padding=(1, 1), pool=3)
    net.draw("apart", (4, 4, 2, 2), act=PIXEL, out=PAIR, stride=(3, 3), inputs=("wide",))
    net.draw("beside", (6, 9, 2, 2), act=PAIR, inputs=("pooled", "apart"))
    net.draw("logits", (CLASSES, 6, 2, 1), out=None)
    return net.graph("shapes")


def tinynet16(wgt: WeightFormat, seed: int = 1) -> IntegerGraph:
    """The network that potnn's page begins with, at 16x16, drawn: docs/c.md compares what its C takes."""
    net = Drawing(wgt, 0, seed, (1, 16, 16))
    net.draw("conv1", (8, 1, 3, 3), act=PIXEL, padding=(1, 1), pool=2, rising=True)
    net.draw("conv2", (16, 8, 3, 3), padding=(1, 1))
    net.add(average_pooling("mean", 16, (8, 8), CODE))
    net.draw("fc", (10, 16, 1, 1), out=None)
    return net.graph(f"tinynet16_{wgt.name}")


KINDS: dict[str, Callable[[WeightFormat, int, int], IntegerGraph]] = {
    "planes": planes,
    "signals": signals,
    "shapes": shapes,
}


def noise(shape: tuple[int, int, int], top: int, count: int, seed: int) -> Array:
    """Inputs: all 0, all `top`; then by turns noise, sparse noise, noise of the two extremes. uint8 (count, *shape)."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, top + 1, (count, *shape))
    pixels[1::3] *= rng.random((len(pixels[1::3]), *shape)) < 0.2
    pixels[2::3] = np.where(rng.random((len(pixels[2::3]), *shape)) < 0.5, 0, top)
    pixels[:1], pixels[1:2] = 0, top
    return pixels.astype(np.uint8)
