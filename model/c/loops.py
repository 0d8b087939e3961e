"""What the two styles of a layer's loops share: their numbers, and the head of the function."""

from __future__ import annotations

from dataclasses import dataclass

from model.c.pack import parts
from model.graph.graph import IntegerGraph, Layer


@dataclass(frozen=True)
class Shape:
    """Numbers of a layer's loops.

    Parameters
    ----------
    sizes : list of int
        Channels of each map taken that one output channel sees.
    channels : list of int
        Channels of each map taken.
    height, width : int
        Of these maps.
    out_height, out_width : int
        After pooling.
    """

    sizes: list[int]
    channels: list[int]
    height: int
    width: int
    out_height: int
    out_width: int

    @property
    def maps(self) -> range:
        """Numbers of the maps taken."""
        return range(len(self.sizes))

    @property
    def rows(self) -> list[int]:
        """Codes of a row of each map."""
        return [self.width * channels for channels in self.channels]

    @classmethod
    def of(cls, graph: IntegerGraph, number: int) -> Shape:
        """Of layer `number`."""
        wiring, layer = graph.wiring, graph.layers[number]
        sizes = parts(graph, number)
        _, height, width = wiring.before[number]
        return cls(sizes, [size * layer.groups for size in sizes], height, width, *wiring.after[number][1:])


def signature(layer: Layer, number: int, shape: Shape) -> str:
    """The head of the function ``layer<number>``: the maps taken, then where the output goes."""
    maps = "".join(f"const uint8_t *in{k}, " for k in range(len(shape.sizes)))
    kind = "int32_t" if layer.out is None else "uint8_t"
    return f"static void layer{number}({maps}{kind} *out)\n{{\n"
