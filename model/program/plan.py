"""Where every map of a network lies: sizes, lives and wishes of its layers, and the place that follows."""

from __future__ import annotations

from collections.abc import Sequence

from model.errors import LockstepError
from model.graph.graph import IntegerGraph
from model.program.array import EngineShape
from model.program.layout import InnerMap, JoinedMap, OuterMap
from model.program.memory import INPUT, Block, alive, blocks_of, least_depth, place
from model.program.os_layout import TurnedMap
from model.program.reads import Place, lie_anywhere


def banks_of(source: InnerMap | JoinedMap) -> int:
    """Banks that hold something of a map: what level `sub` walks."""
    return source.sub


def places_of(source: OuterMap | InnerMap | JoinedMap) -> list[Place]:
    """Where the maps of a source lie, for `model.program.reads`."""
    parts = source.parts if isinstance(source, JoinedMap) else (source,)
    return [Place(part.base, part.channels, part.positions) for part in parts]


def memory_blocks(
    graph: IntegerGraph, shape: EngineShape, entering: OuterMap | TurnedMap, packed: Sequence[bool]
) -> list[Block]:
    """What has to find a place, and for how long.

    Parameters
    ----------
    graph : IntegerGraph
    shape : EngineShape
    entering : OuterMap or TurnedMap
        The input as it is loaded.
    packed : sequence of bool
        By layer, whether its output map is packed for readers of pairs.

    Raises
    ------
    LockstepError
        When layers want different maps side by side.
    """
    wiring = graph.wiring
    maps = [InnerMap(shape, 0, *after, pairs=pairs) for after, pairs in zip(wiring.after, packed, strict=True)]
    sizes = {INPUT: entering.lines}
    sizes |= {at: each.lines for at, each in enumerate(maps) if graph.layers[at].out is not None}
    lives = {INPUT: 0, **dict(enumerate(wiring.last_use))}
    beside = []
    for layer, takes in zip(graph.layers, wiring.takes, strict=True):
        if len(takes) > 1:
            joined = side_by_side(shape, [maps[at] for at in takes])
            if not lie_anywhere(layer, places_of(joined), banks_of(joined) * shape.rows, shape.cols):
                beside.append((layer.name, takes))
    return blocks_of(sizes, lives, beside, [layer.name for layer in graph.layers])


def side_by_side(shape: EngineShape, maps: list[InnerMap]) -> JoinedMap:
    """The maps at the bottom of the memory, one above the other."""
    base, parts = 0, []
    for each in maps:
        parts.append(InnerMap(shape, base, each.channels, each.height, each.width))
        base += each.lines
    return JoinedMap(tuple(parts))


def place_maps(
    graph: IntegerGraph, shape: EngineShape, entering: OuterMap | TurnedMap, packed: Sequence[bool]
) -> dict[int, int]:
    """First line of every map in its bank, by layer.

    Raises
    ------
    LockstepError
        When there is no room; the line names the layer and what would be needed.
    """
    blocks = memory_blocks(graph, shape, entering, packed)
    bases = place(blocks, shape.bank_depth)
    if bases is not None:
        return bases
    for index, layer in enumerate(graph.layers):
        there = alive(blocks, index)
        total = sum(block.lines for block in there)
        if total > shape.bank_depth:
            own = sum(block.lines for block in there if block.birth == index)
            raise no_room(layer.name, shape, total - own, own)
    raise LockstepError(
        f"{graph.name}: its maps find no gaps in a bank of {shape.bank_depth} lines; "
        f"expected act_depth of {least_depth(blocks) * shape.banks} or more"
    )


def no_room(name: str, shape: EngineShape, source: int, target: int) -> LockstepError:
    """The error of a layer that is called `name`: `source` lines are in use and `target` more are wanted."""
    return LockstepError(
        f"layer {name}: its maps take {source} + {target} lines of a bank of {shape.bank_depth}; "
        f"expected act_depth of {(source + target) * shape.banks} or more"
    )
