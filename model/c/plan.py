"""Where each map of a network lies in one block of RAM: maps that live at the same time do not overlap.

A map is one byte a code, channels innermost: code (c, y, x) at ``(y * width + x) * channels + c``. The graph's input is
the caller's and not in the plan; logits are written to the caller's array.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from model.graph.graph import IntegerGraph, Layer


@dataclass(frozen=True)
class Buffer:
    """One place in the arena.

    Parameters
    ----------
    layers : tuple of int
        Layers whose maps lie in it, one after the other: more than one where a layer works in place.
    size : int
        Bytes.
    first, last : int
        The layer that writes it first, and the last one that reads it.
    offset : int
        Of its first byte.
    """

    layers: tuple[int, ...]
    size: int
    first: int
    last: int
    offset: int = 0

    def meets(self, other: Buffer) -> bool:
        """Whether both are needed at the same time."""
        return self.first <= other.last and other.first <= self.last


class Plan(NamedTuple):
    """The arena.

    Parameters
    ----------
    buffers : tuple of Buffer
        In order of first use.
    size : int
        Bytes in all.
    floor : int
        The most that is alive at one time: no plan is smaller.
    """

    buffers: tuple[Buffer, ...]
    size: int
    floor: int

    def lines(self, graph: IntegerGraph) -> list[str]:
        """The plan for people: a line a buffer, from the first byte on, then the sum."""
        told = ["arena:"]
        for buffer in sorted(self.buffers, key=lambda each: (each.offset, each.first)):
            names = ", then in place ".join(graph.layers[index].name for index in buffer.layers)
            end, until = buffer.offset + buffer.size - 1, graph.layers[buffer.last].name
            told.append(f"  {buffer.offset:6}..{end:<6} {buffer.size:6} bytes: {names}, until {until}")
        return [*told, f"  {self.size} bytes; the most that is alive at one time is {self.floor}"]

    def of(self, layer: int) -> Buffer:
        """The buffer that holds the map of layer number `layer`."""
        return next(buffer for buffer in self.buffers if layer in buffer.layers)


def works_in_place(layer: Layer) -> bool:
    """Whether the output may overwrite (one of) the maps taken: sums, averages, depthwise layers without padding.

    Output n (position, then channel) reads its own channel alone, at positions of the map from its own on: no code
    before the n-th, as maps do not grow without padding. So what is overwritten is never read again.
    """
    return (
        layer.padding == (0, 0)
        and layer.pool == 1
        and layer.groups == layer.out_channels
        and layer.weight.shape[1] == max(1, len(layer.inputs))
    )


def plan(graph: IntegerGraph) -> Plan:
    """The smallest arena that first-fit finds, trying the maps by size and by time."""
    wiring = graph.wiring
    buffers: list[Buffer] = []
    for index, layer in enumerate(graph.layers):
        if layer.out is None:
            continue
        channels, height, width = wiring.after[index]
        size, last = channels * height * width, wiring.last_use[index]
        over = next(
            (at for at, each in enumerate(buffers) if each.layers[-1] in wiring.takes[index] and each.last == index),
            None,
        )
        if over is not None and works_in_place(layer):
            each = buffers[over]
            buffers[over] = Buffer((*each.layers, index), max(each.size, size), each.first, last)
        else:
            buffers.append(Buffer((index,), size, index, last))
    floor = max((sum(b.size for b in buffers if b.first <= at <= b.last) for at in range(len(graph.layers))), default=0)
    orders = (
        sorted(range(len(buffers)), key=lambda at: (-buffers[at].size, at)),
        list(range(len(buffers))),
        list(reversed(range(len(buffers)))),
    )
    placed = min((_first_fit(buffers, order) for order in orders), key=_end)
    return Plan(tuple(placed), _end(placed), floor)


def _end(buffers: Sequence[Buffer]) -> int:
    return max((buffer.offset + buffer.size for buffer in buffers), default=0)


def _first_fit(buffers: Sequence[Buffer], order: Sequence[int]) -> list[Buffer]:
    placed: dict[int, Buffer] = {}
    for index in order:
        mine = buffers[index]
        offset = 0
        for other in sorted((b for b in placed.values() if b.meets(mine)), key=lambda b: b.offset):
            if offset + mine.size <= other.offset:
                break
            offset = max(offset, other.offset + other.size)
        placed[index] = Buffer(mine.layers, mine.size, mine.first, mine.last, offset)
    return [placed[index] for index in range(len(buffers))]
