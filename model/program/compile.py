"""An integer graph, or one layer, compiled for an engine: how inputs are taken, in which dataflow, where maps lie.

Maps of a network lie at the bottom and at the top of the activation memory in turn, as long as somebody reads them, so
that a layer never writes over what is still wanted (`model.program.memory`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from model.errors import LockstepError
from model.graph.graph import IntegerGraph, Layer
from model.program.array import EngineShape
from model.program.compiled import LayerProgram, Program
from model.program.layout import InnerMap, JoinedMap
from model.program.lower import lower, lower_os
from model.program.os_compile import require_dataflow, turned_map
from model.program.pairs import inner_pairs, outer_taken, packed_maps
from model.program.plan import place_maps, side_by_side
from model.program.taken import take

P = TypeVar("P", LayerProgram, Program)


def compile_layer(
    layer: Layer,
    height: int,
    width: int,
    shape: EngineShape,
    mode: str = "fold",
    simd: bool | None = None,
    packed: bool = False,
    dataflow: str = "ws",
) -> LayerProgram:
    """One layer on its own: its input map of height x width is loaded at the bottom, its output goes to the top.

    Parameters
    ----------
    layer : Layer
    height, width : int
        Its input map.
    shape : EngineShape
    mode : str
        How the input is laid out: ``none``, ``fold`` or ``patch`` (see `model.program.taken`), or ``inner``: as the
        write-back of a layer before it would have left it. Several maps lie side by side, of equal channels.
    simd : bool or None
        Multiply pairs of input channels; None: where the engine can and it saves cycles.
    packed : bool
        Write the output for a reader of pairs.
    dataflow : str
        ``ws``, ``os``, or ``auto``: the one of fewer cycles; ``os`` is for a layer loaded from outside, and lays its
        input out in a way of its own.

    Raises
    ------
    LockstepError
        When the layer does not fit the engine; the line names what would be needed.
    """
    require_dataflow(dataflow)
    if dataflow == "os" and mode == "inner":
        raise _inner_os(layer)
    if dataflow == "os":
        return lower_os(layer, turned_map(layer, height, width, shape), (height, width))
    if dataflow == "auto" and mode != "inner" and shape.output_stationary:
        given = (layer, height, width, shape, mode, None, False)
        return _better([_attempt(compile_layer, *given, each) for each in ("ws", "os")])
    if mode == "inner":
        taken = take(layer, height, width, shape.rows)
        if layer.act.bits > shape.act_width:
            raise LockstepError(f"layer {layer.name}: codes of {layer.act.bits} bits are never left by a layer before")
        return lower(taken, shape, _inner(layer, shape, height, width, simd), packed=packed)
    taken, entering = outer_taken(layer, height, width, shape, mode, simd)
    return lower(taken, shape, entering, packed=packed)


def _attempt(compiler: Callable[..., P], *given: object) -> P | LockstepError:
    try:
        return compiler(*given)
    except LockstepError as error:
        return error


def _better(both: Sequence[P | LockstepError]) -> P:
    """The program of fewer cycles, the first of equals; where none fits the engine, the first one's error."""
    fitting = [each for each in both if not isinstance(each, LockstepError)]
    if not fitting:
        raise next(each for each in both if isinstance(each, LockstepError))
    return min(fitting, key=lambda each: each.cycles.total)


def _inner_os(layer: Layer) -> LockstepError:
    return LockstepError(
        f"layer {layer.name}: output stationary takes lines that the host has turned, so it is for a layer loaded from "
        "outside; expected dataflow auto or ws"
    )


def _inner(layer: Layer, shape: EngineShape, height: int, width: int, simd: bool | None) -> InnerMap | JoinedMap:
    maps = max(1, len(layer.inputs))
    if layer.in_channels % maps:
        raise LockstepError(
            f"layer {layer.name}: {layer.in_channels} channels of {maps} maps; alone, it takes as many of each"
        )
    pairs = inner_pairs(layer, height, width, shape, simd)
    if maps == 1:
        return InnerMap(shape, 0, layer.in_channels, height, width, pairs=pairs)
    return side_by_side(shape, [InnerMap(shape, 0, layer.in_channels // maps, height, width)] * maps)


def compile_graph(
    graph: IntegerGraph, shape: EngineShape, mode: str = "fold", simd: bool = True, dataflow: str = "ws"
) -> Program:
    """A network: its input is loaded at the bottom as `mode` says, every other map is where the layer before left it.

    Layers are multiplied in pairs of input channels where the engine can and it saves cycles, unless `simd` is False.

    `dataflow` is as in `compile_layer`: ``auto`` decides for the layer loaded from outside, the others are weight
    stationary; ``os`` is for networks of one layer.

    Raises
    ------
    LockstepError
        When the network does not fit the engine; the line names the layer and what would be needed.
    """
    if len(graph.layers) > shape.layers:
        raise LockstepError(f"{graph.name} has {len(graph.layers)} layers; the engine has {shape.layers} descriptors")
    require_dataflow(dataflow)
    if dataflow == "os" and len(graph.layers) > 1:
        raise _inner_os(graph.layers[1])
    if dataflow != "auto" or not shape.output_stationary:
        return _graph(graph, shape, mode, simd, dataflow == "os")
    return _better([_attempt(_graph, graph, shape, mode, simd, os) for os in (False, True)])


def _graph(graph: IntegerGraph, shape: EngineShape, mode: str, simd: bool, os: bool) -> Program:
    """`os`: the layer loaded from outside is output stationary."""
    _, height, width = graph.wiring.before[0]
    first, entering = outer_taken(graph.layers[0], height, width, shape, mode, None if simd else False)
    turned = turned_map(graph.layers[0], height, width, shape) if os else None
    later = zip(graph.layers[1:], graph.wiring.before[1:], strict=True)
    taken = [first, *(take(layer, height, width, shape.rows) for layer, (_, height, width) in later)]
    packed = packed_maps(graph, shape, simd)
    bases = place_maps(graph, shape, turned or entering, packed)
    programs: list[LayerProgram] = []
    for index, takes in enumerate(graph.wiring.takes):
        maps = [target for at in takes if (target := programs[at].target) is not None]
        if turned is not None and not index:
            programs.append(lower_os(graph.layers[0], turned, (height, width), bases.get(index)))
            continue
        source = entering if not maps else maps[0] if len(maps) == 1 else JoinedMap(tuple(maps))
        programs.append(lower(taken[index], shape, source, bases.get(index), packed[index]))
    return Program(shape, tuple(programs), graph.wiring)
