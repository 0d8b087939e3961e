"""Which layer takes which: the graph's layers held against each other, and the maps between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from model.errors import LockstepError

if TYPE_CHECKING:
    from model.graph.graph import Layer

Shape = tuple[int, int, int]  # channels, height, width


@dataclass(frozen=True)
class Wiring:
    """How the layers of a graph hang together; all tuples are by layer, in order of execution.

    Parameters
    ----------
    takes : tuple of tuples of int
        Layers whose maps enter it, in order of their channels; empty for the graph's input.
    before, after : tuple of (channels, height, width)
        The map that enters it (the maps taken, one after another along the channels), and the one that it leaves.
    last_use : tuple of int
        The last layer that takes its map; for the last layer itself.
    """

    takes: tuple[tuple[int, ...], ...]
    before: tuple[Shape, ...]
    after: tuple[Shape, ...]
    last_use: tuple[int, ...]

    def dead_after(self, index: int) -> list[int]:
        """Layers whose maps nobody takes after layer `index`, and somebody did until then."""
        return [at for at in set(self.takes[index]) if self.last_use[at] == index]


def check_groups(layer: Layer) -> None:
    """Raise LockstepError unless the groups of `layer` divide its channels, and its inputs have names.

    Examples
    --------
    Six output channels cannot fall into four groups:
    ``layer dw: 4 groups; expected a number that divides its 6 output channels``.
    """
    where = f"layer {layer.name}"
    if layer.groups < 1 or layer.weight.shape[0] % layer.groups:
        outs = layer.weight.shape[0]
        raise LockstepError(
            f"{where}: {layer.groups} groups; expected a number that divides its {outs} output channels"
        )
    maps = len(layer.inputs)
    if layer.groups > 1 and maps > 1 and layer.weight.shape[1] % maps:
        raise LockstepError(
            f"{where}: {layer.weight.shape[1]} input channels a group of {maps} maps; expected as many of each map"
        )
    for name in layer.inputs:
        if layer.inputs.count(name) > 1:
            raise LockstepError(f"{where} takes {name} twice; expected each map once (double its weights instead)")


def require_zero(layer: Layer) -> None:
    """Raise LockstepError when an array cannot take `layer` for want of a weight of zero between its groups."""
    if layer.groups > 1 and 0 not in layer.wgt.values:
        raise LockstepError(
            f"layer {layer.name}: {layer.groups} groups of {layer.wgt.name} weights; an array needs zeros between "
            "groups and the format has none: expected one that has, or no groups"
        )


def wire(layers: Sequence[Layer], input_shape: Shape) -> Wiring:
    """The wiring of `layers` on an input map of `input_shape`.

    Raises
    ------
    LockstepError
        When a layer takes one that does not come before it, or maps, channels or formats do not fit, or a map is taken
        by nobody.
    """
    order = {layer.name: index for index, layer in enumerate(layers)}
    takes: list[tuple[int, ...]] = []
    before: list[Shape] = []
    after: list[Shape] = []
    last_use = list(range(len(layers)))
    for index, layer in enumerate(layers):
        taken = _taken(layer, index, order)
        shape = _joined(layer, [(layers[at].name, after[at]) for at in taken] or [("the input", input_shape)])
        for act in [layers[at].out for at in taken] or [layer.act]:
            if act is not None and act != layer.act:
                raise LockstepError(f"layer {layer.name} takes {layer.act} but gets {act}")
        height, width = layer.map_after(*shape[1:])
        if layer.out is None and (index != len(layers) - 1 or (height, width) != (1, 1)):
            raise LockstepError(f"layer {layer.name} gives logits but is not a last layer with a 1x1 map")
        for at in taken:
            last_use[at] = index
        takes.append(taken)
        before.append(shape)
        after.append((layer.out_channels, height, width))
    for index, layer in enumerate(layers[:-1]):
        if last_use[index] == index:
            raise LockstepError(f"layer {layer.name} is taken by no other layer; expected only the last one to be")
    return Wiring(tuple(takes), tuple(before), tuple(after), tuple(last_use))


def _taken(layer: Layer, index: int, order: dict[str, int]) -> tuple[int, ...]:
    if not layer.inputs:
        return (index - 1,) if index else ()
    for name in layer.inputs:
        if order.get(name, index) >= index:
            told = "comes not before it" if name in order else "does not exist"
            raise LockstepError(f"layer {layer.name} takes layer {name}, which {told}; expected an earlier one")
    return tuple(order[name] for name in layer.inputs)


def _joined(layer: Layer, maps: list[tuple[str, Shape]]) -> Shape:
    """The maps one after another along the channels."""
    (first, (channels, height, width)), *others = maps
    for name, (more, *size) in others:
        if size != [height, width]:
            raise LockstepError(
                f"layer {layer.name} takes {first} of {height}x{width} and {name} of {size[0]}x{size[1]}; "
                "expected maps of one size"
            )
        if layer.groups > 1 and more != maps[0][1][0]:
            raise LockstepError(
                f"layer {layer.name} takes {first} of {maps[0][1][0]} channels and {name} of {more} in {layer.groups} "
                "groups; expected as many channels of each"
            )
        channels += more
    if layer.in_channels != channels:
        raise LockstepError(f"layer {layer.name} takes {layer.in_channels} channels but gets {channels}")
    return channels, height, width
