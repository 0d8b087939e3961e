"""The numbers of a layer's loops, and the head of its function: what both styles of weights share."""

from __future__ import annotations

from dataclasses import dataclass

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
    padded : bool
        Whether the kernel reaches beyond the map.
    """

    sizes: list[int]
    channels: list[int]
    height: int
    width: int
    out_height: int
    out_width: int
    padded: bool

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
        channels = [wiring.after[at][0] for at in wiring.takes[number]] or [graph.input_shape[0]]
        _, height, width = wiring.before[number]
        _, out_height, out_width = wiring.after[number]
        sizes = [each // layer.groups for each in channels]
        return cls(sizes, channels, height, width, out_height, out_width, layer.padding != (0, 0))


def signature(layer: Layer, number: int, shape: Shape) -> str:
    """The head of the function ``layer<number>``: the maps taken, then where the output goes."""
    maps = "".join(f"const uint8_t *in{k}, " for k in shape.maps)
    return f"static void layer{number}({maps}{code_type(layer)} *out)"


def code_type(layer: Layer) -> str:
    """C's type of what the layer gives: codes, or logits."""
    return "int32_t" if layer.out is None else "uint8_t"


def codes_rise(layer: Layer) -> bool:
    """Whether the greatest sum has the greatest code, so that pooling may compare sums: no M is negative."""
    return bool((layer.multiplier >= 0).all())
