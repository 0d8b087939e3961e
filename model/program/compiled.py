"""A compiled layer, and a compiled network: descriptors, what to load, streams, expected write-backs, cycles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.golden.cycles import Cycles, Work, layer_cycles
from model.golden.os_cycles import os_layer_cycles
from model.graph.graph import Layer
from model.graph.wiring import Wiring
from model.program.array import EngineShape
from model.program.descriptor import Descriptor
from model.program.layout import InnerMap, JoinedMap, Lines, OuterMap
from model.program.os_compile import os_work
from model.program.os_layout import TurnedMap
from model.program.os_stream import os_layer_stream
from model.program.reads import Reads
from model.program.stream import Stream, join, layer_stream
from model.program.taken import Taken

Array = np.ndarray[Any, Any]
Source = OuterMap | InnerMap | JoinedMap | TurnedMap


@dataclass(frozen=True, eq=False)
class LayerProgram:
    """One layer for the engine.

    Parameters
    ----------
    layer : Layer
    shape : EngineShape
    taken : Taken
        The convolution that the array runs.
    source : OuterMap, InnerMap, JoinedMap or TurnedMap
        The input map as taken.
    target : InnerMap or None
        The output map; None for logits, which leave by the result port.
    descriptor : Descriptor
    reads : Reads or None
        What each output tile reads; None for everything.
    """

    layer: Layer
    shape: EngineShape
    taken: Taken
    source: Source
    target: InnerMap | None
    descriptor: Descriptor
    reads: Reads | None = None

    @property
    def work(self) -> Work:
        """What the cycle model needs to know."""
        d = self.descriptor
        return Work(
            rows=self.shape.rows,
            cols=self.shape.cols,
            groups=self.shape.groups * (2 if d.simd else 1),
            param_words=self.shape.cols * self.shape.param_words,
            pass_size=d.pass_size,
            passes=d.passes,
            out_tiles=d.oc,
            out_map=d.out_map,
        )

    @property
    def cycles(self) -> Cycles:
        """The cycles that it takes, by what they are for."""
        if self.descriptor.os:
            return os_layer_cycles(os_work(self.descriptor, self.shape))
        return layer_cycles(self.work)

    @property
    def dataflow(self) -> str:
        """``ws`` or ``os``."""
        return "os" if self.descriptor.os else "ws"

    @property
    def stream_length(self) -> int:
        """Words of its stream."""
        words = -(-self.descriptor.pass_size // self.shape.word_terms) if self.descriptor.os else self.work.groups
        return self.work.out_tiles * (self.work.passes * words + self.work.param_words)

    def load(self, codes: Array) -> Lines:
        """The lines to load for the input `codes`, unsigned (in_channels, height, width): the layer's own map."""
        return self.source.encode(self.taken.codes(codes))

    def stream(self) -> Stream:
        """Its weights and parameters, in stream order."""
        if self.descriptor.os:
            return os_layer_stream(self.layer, self.taken.weight, self.shape, self.descriptor.passes)
        outer = isinstance(self.source, OuterMap)
        sub, pairs = self.descriptor.sub, self.source.pairs
        planes, banks = (sub, 1) if outer else (1, sub)
        return layer_stream(self.layer, self.taken.weight, self.shape, planes, banks, self.reads, pairs)

    def writes(self, codes: Array) -> Lines:
        """The write-back of the output `codes`, unsigned (out_channels, y, x) after pooling, in its order."""
        if self.target is None:
            raise LockstepError(f"layer {self.layer.name} gives logits: nothing is written back, see results()")
        return self.target.writes(codes)

    def results(self, logits: Array) -> Array:
        """What the result port gives for `logits` (out_channels, y, x): int64 (n, cols), in its order."""
        if self.target is not None:
            raise LockstepError(f"layer {self.layer.name} writes codes back, see writes(); only logits are results")
        cols = self.shape.cols
        full = np.zeros((self.descriptor.oc * cols, self.descriptor.out_map), np.int64)
        full[: self.layer.out_channels] = logits.reshape(self.layer.out_channels, -1)  # (channel, position)
        tiles = full.reshape(self.descriptor.oc, cols, -1).transpose(0, 2, 1)  # (output tile, position, col)
        return np.ascontiguousarray(tiles.reshape(-1, cols))  # (output tile * position, col)


@dataclass(frozen=True, eq=False)
class Program:
    """A network for the engine; layer k of the graph is descriptor k."""

    shape: EngineShape
    layers: tuple[LayerProgram, ...]
    wiring: Wiring

    def load(self, first: int, last: int, entering: Array, maps: Sequence[Array]) -> Lines:
        """The lines to load for a run of layers `first` .. `last`.

        Parameters
        ----------
        first, last : int
        entering : unsigned array (channels, height, width)
            The codes that enter layer `first`.
        maps : sequence of arrays
            The codes that leave each layer before it; those that a later layer of the run takes are loaded as well.
        """
        parts = [self.layers[first].load(entering)]
        taken = {at for takes in self.wiring.takes[first : last + 1] for at in takes if at < first}
        for at in sorted(taken - set(self.wiring.takes[first])):
            target = self.layers[at].target
            assert target is not None
            parts.append(target.encode(maps[at]))
        return Lines(*(np.concatenate(each) for each in zip(*parts, strict=True)))

    @property
    def descriptors(self) -> Array:
        """The descriptor table: uint32 (layers, 12)."""
        return np.stack([layer.descriptor.encode() for layer in self.layers])

    def stream(self, first: int = 0, count: int | None = None) -> Stream:
        """The stream of `count` layers (all that follow, if None) from layer `first` on."""
        chosen = self.layers[first:] if count is None else self.layers[first : first + count]
        if not chosen:
            raise LockstepError(f"no layers from {first} on; the program has {len(self.layers)}")
        return join([layer.stream() for layer in chosen])

    @property
    def cycles(self) -> Cycles:
        """The cycles of the whole network."""
        return sum((layer.cycles for layer in self.layers), Cycles())
