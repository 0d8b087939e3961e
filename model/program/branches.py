"""Random graphs: with branches, of grouped and plain convolutions, sums, means; in a row, of narrow codes."""

from __future__ import annotations

from typing import Any

import numpy as np

from model.graph.graph import IntegerGraph, Layer
from model.graph.kinds import average_pooling, residual_add
from model.numeric.formats import IntFormat
from model.program.array import EngineShape

Array = np.ndarray[Any, Any]
Rng = np.random.Generator
Shape = tuple[int, int, int]
STEPS = 5  # layers between the first one and what is needed to end


class _Growing:
    """A graph under way: its layers, the shapes of their maps, and which are not yet taken."""

    def __init__(self, rng: Rng, shape: EngineShape) -> None:
        self.rng, self.shape = rng, shape
        self.act = IntFormat(shape.act_width)
        self.wgt = IntFormat(shape.wgt_width, signed=True, symmetric=bool(rng.integers(2)))
        self.layers: list[Layer] = []
        self.maps: dict[str, Shape] = {}
        self.unused: list[str] = []

    def add(self, layer: Layer, height: int, width: int) -> None:
        """Take in `layer`, which takes maps of height x width."""
        self.layers.append(layer)
        self.maps[layer.name] = layer.out_channels, *layer.map_after(height, width)
        self.unused = [name for name in self.unused if name not in layer.inputs] + [layer.name]

    def pick(self, *names: str) -> str:
        """One of `names`."""
        return names[int(self.rng.integers(len(names)))]

    def channels(self) -> int:
        """A number around the edges of a tile."""
        lanes = max(self.shape.rows, self.shape.cols)
        edges = (1, 2, lanes - 1, lanes, lanes + 1, int(self.rng.integers(1, 3 * lanes)))
        return max(1, edges[int(self.rng.integers(len(edges)))])

    def conv(
        self,
        name: str,
        outs: int,
        ins: int,
        side: int,
        *,
        act: IntFormat | None = None,
        out: IntFormat | None = None,
        logits: bool = False,
        groups: int = 1,
        inputs: tuple[str, ...] = (),
    ) -> Layer:
        """A layer that keeps the size of its map and spreads its psums over the codes; `ins` in all.

        Formats that are not given are the engine's.
        """
        act, out = act or self.act, out or self.act
        weight = self.rng.integers(self.wgt.min, self.wgt.max + 1, (outs, ins // groups, side, side)).astype(np.int8)
        reach = np.maximum(np.abs(weight.astype(np.int64)).sum(axis=(1, 2, 3)) * act.max, 1)
        slope = 3 * out.levels / reach
        shift = max(0, min(12, int(np.log2(((1 << (self.shape.mul_width - 1)) - 1) / slope.max()))))
        multiplier = np.maximum(slope * 2.0**shift, 1).astype(np.int64) * self.rng.choice([1, 1, -1], outs)
        bias = np.full(outs, (out.levels // 4) << shift, np.int64)
        padding = (side // 2, side // 2)
        form = None if logits else out
        return Layer(
            name, weight, self.wgt, act, multiplier, bias, shift, form, padding=padding, groups=groups, inputs=inputs
        )

    def step(self, number: int) -> None:
        """One more layer, of any kind that there is a map for."""
        rng = self.rng
        name = self.pick(*self.maps) if rng.random() < 0.5 else self.unused[-1]
        channels, height, width = self.maps[name]
        beside = [other for other in self.maps if self.maps[other][1:] == (height, width) and other != name]
        alike = [other for other in beside if self.maps[other][0] == channels]
        kind = rng.random()
        if kind < 0.35 and alike:
            others = rng.choice(alike, min(len(alike), int(rng.integers(1, 3))), replace=False).tolist()
            zeros = rng.integers(0, self.act.levels // 2 + 1, 1 + len(others)).tolist()
            shift = int(rng.integers(0, 2))
            layer = residual_add(
                f"add{number}", [name, *others], channels, self.act, zeros=zeros, shift=shift, wgt=self.wgt
            )
        elif kind < 0.5 and beside:
            sources = (name, self.pick(*beside))
            taken = sum(self.maps[source][0] for source in sources)
            layer = self.conv(f"join{number}", self.channels(), taken, 1, inputs=sources)
        elif kind < 0.6 and min(height, width) > 1:
            layer = average_pooling(f"mean{number}", channels, (2, 2), self.act, source=name, wgt=self.wgt)
        else:
            groups = int(rng.choice([n for n in range(1, channels + 1) if channels % n == 0]))
            outs = groups * int(rng.integers(1, 3))
            layer = self.conv(f"conv{number}", outs, channels, 3, groups=groups, inputs=(name,))
        self.add(layer, height, width)

    def end(self) -> None:
        """What is left over is averaged and enters the classifier together."""
        for name in self.unused:
            channels, height, width = self.maps[name]
            if (height, width) != (1, 1):
                mean = average_pooling(f"all-{name}", channels, (height, width), self.act, source=name, wgt=self.wgt)
                self.add(mean, height, width)
        taken = sum(self.maps[name][0] for name in self.unused)
        self.layers.append(self.conv("classifier", 3, taken, 1, logits=True, inputs=tuple(self.unused)))


def graph_of_branches(rng: Rng, shape: EngineShape, name: str) -> IntegerGraph:
    """A graph whose codes and weights are as wide as those of `shape`.

    Parameters
    ----------
    rng : Generator
    shape : EngineShape
        Channel counts are around the edges of its tiles; whether it fits memory and registers is another question.
    name : str
        Of the graph.
    """
    height, width = (int(n) for n in rng.integers(3, 7, 2))
    growing = _Growing(rng, shape)
    growing.add(growing.conv("first", growing.channels(), 2, 3, act=IntFormat(8)), height, width)
    for number in range(STEPS):
        growing.step(number)
    growing.end()
    return IntegerGraph(name, (2, height, width), tuple(growing.layers), tuple("abc"))


def graph_in_a_row(rng: Rng, shape: EngineShape, name: str) -> IntegerGraph:
    """Plain convolutions one after the other whose codes are half as wide as those of `shape`, for engines of pairs.

    Parameters
    ----------
    rng, shape, name
        As for `graph_of_branches`.
    """
    height, width = (int(n) for n in rng.integers(4, 11, 2))
    growing, half = _Growing(rng, shape), IntFormat(shape.half_width)
    channels = growing.channels()
    growing.add(growing.conv("first", channels, 2, 3, act=IntFormat(8), out=half), height, width)
    for number in range(int(rng.integers(2, 4))):
        taken, channels, side = channels, growing.channels(), int(rng.choice([1, 3]))
        growing.add(growing.conv(f"conv{number}", channels, taken, side, act=half, out=half), height, width)
    growing.add(average_pooling("mean", channels, (height, width), half, wgt=growing.wgt), height, width)
    growing.layers.append(growing.conv("classifier", 3, channels, 1, act=half, logits=True))
    return IntegerGraph(name, (2, height, width), tuple(growing.layers), tuple("abc"))
