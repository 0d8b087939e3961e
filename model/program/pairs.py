"""Which layers are multiplied in pairs of input channels: those whose codes are narrow enough, where it saves cycles.

A weight tile of pairs is twice as many stream words, so a layer of few channels on a small map may be slower in pairs:
the closed form of `model.golden.cycles` decides. A map is packed for readers of pairs only if every reader is one.
"""

from __future__ import annotations

from model.errors import LockstepError
from model.golden.cycles import Work, layer_cycles
from model.graph.graph import IntegerGraph, Layer
from model.program.array import EngineShape
from model.program.layout import InnerMap, OuterMap
from model.program.taken import Taken, take


def require_pairs(layer: Layer, shape: EngineShape) -> None:
    """Raise LockstepError where `layer` cannot be multiplied in pairs on this engine."""
    reason = _why_not(layer, shape)
    if reason:
        raise LockstepError(f"layer {layer.name} cannot be multiplied in pairs: {reason}")


def _why_not(layer: Layer, shape: EngineShape) -> str | None:
    if not shape.simd:
        return "the engine has no hardware for it; expected simd 1"
    if layer.act.bits > shape.half_width:
        return f"its input codes have {layer.act.bits} bits; expected at most {shape.half_width}, half of act_width"
    if layer.groups > 1 or len(layer.inputs) > 1:
        return "it has groups or takes several maps; expected a plain convolution of one map"
    return None


def work_of(taken: Taken, source: OuterMap | InnerMap) -> Work:
    """A layer as the cycle model sees it, taken from `source`."""
    layer, shape = taken.layer, source.shape
    out_y, out_x = layer.map_after(*taken.given)
    return Work(
        rows=shape.rows,
        cols=shape.cols,
        groups=shape.groups * source.halves,
        param_words=shape.cols * shape.param_words,
        pass_size=out_y * out_x * layer.pool**2,
        passes=taken.weight.shape[2] * taken.weight.shape[3] * source.sub * source.ic,
        out_tiles=-(-layer.out_channels // shape.cols),
        out_map=out_y * out_x,
    )


def outer_taken(
    layer: Layer, height: int, width: int, shape: EngineShape, mode: str, simd: bool | None
) -> tuple[Taken, OuterMap]:
    """A layer loaded from outside: its convolution as taken, and its map.

    Parameters
    ----------
    layer : Layer
    height, width : int
    shape : EngineShape
    mode : str
        As `model.program.taken` has it.
    simd : bool or None
        In pairs; None: where it saves cycles.
    """
    if simd:
        require_pairs(layer, shape)
    chosen: tuple[Taken, OuterMap] | None = None
    for pairs in (False, True):
        if simd is (not pairs) or (pairs and _why_not(layer, shape)):
            continue
        taken = take(layer, height, width, shape.rows * (1 + pairs), mode)
        source = OuterMap(shape, 0, taken.channels, taken.height, taken.width, layer.act.bits, pairs=pairs)
        if chosen is None or _total(taken, source) < _total(*chosen):
            chosen = taken, source
    assert chosen is not None
    return chosen


def inner_pairs(layer: Layer, height: int, width: int, shape: EngineShape, simd: bool | None = None) -> bool:
    """Whether a layer that reads what another one has written is multiplied in pairs; `simd` as above."""
    if simd:
        require_pairs(layer, shape)
    if simd is not None or _why_not(layer, shape):
        return bool(simd)
    taken = take(layer, height, width, shape.rows)
    plain, packed = (InnerMap(shape, 0, layer.in_channels, height, width, pairs=pairs) for pairs in (False, True))
    return _total(taken, packed) < _total(taken, plain)


def packed_maps(graph: IntegerGraph, shape: EngineShape, simd: bool = True) -> tuple[bool, ...]:
    """By layer, whether its output map is packed for readers of pairs."""
    wiring = graph.wiring
    packed = [simd and shape.simd == 1] * len(graph.layers)
    packed[-1] = False
    for layer, takes, (_, height, width) in zip(graph.layers, wiring.takes, wiring.before, strict=True):
        if takes and any(packed[at] for at in takes) and not inner_pairs(layer, height, width, shape):
            for at in takes:
                packed[at] = False
    return tuple(packed)


def _total(taken: Taken, source: OuterMap | InnerMap) -> int:
    return layer_cycles(work_of(taken, source)).total
