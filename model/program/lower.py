"""A layer whose input map has its place, lowered to a descriptor: each of its fields, and what cannot be counted to."""

from __future__ import annotations

from model.errors import LockstepError
from model.golden.tiling import require_psum_bits
from model.graph.graph import Layer
from model.graph.wiring import require_zero
from model.program.array import MAX_SUB, EngineShape
from model.program.compiled import LayerProgram
from model.program.descriptor import Descriptor
from model.program.layout import InnerMap, JoinedMap, OuterMap
from model.program.os_compile import os_descriptor
from model.program.os_layout import TurnedMap
from model.program.plan import no_room, places_of
from model.program.reads import reads_of
from model.program.stream import check_widths
from model.program.taken import Taken, take

MAX_MAP = 1024  # rows or columns of an input map: coordinates have 11 bits, two's complement


def lower(
    taken: Taken,
    shape: EngineShape,
    source: OuterMap | InnerMap | JoinedMap,
    base: int | None = None,
    packed: bool = False,
) -> LayerProgram:
    """A weight-stationary layer.

    Parameters
    ----------
    taken : Taken
    shape : EngineShape
    source : OuterMap, InnerMap or JoinedMap
        Where its input lies.
    base : int or None
        Where the output goes, in its bank; None for the top.
    packed : bool
        Write the output for a reader of pairs.

    Raises
    ------
    LockstepError
        When the layer does not fit the engine; the line names what would be needed.
    """
    layer, pool = taken.layer, taken.layer.pool
    require_zero(layer)
    out_y, out_x = layer.map_after(*taken.given)
    (sy, sx), (py, px), (ky, kx) = taken.stride, taken.padding, taken.weight.shape[2:]
    width, positions = taken.width, taken.height * taken.width
    if isinstance(source, OuterMap):
        step_sub, step_ic = source.ic * positions, positions
    else:
        step_sub, step_ic = shape.bank_depth, positions
    sub, ic = source.sub, source.ic
    start, step_oc, reads = places_of(source)[0].base, 0, None
    if taken.mode == "none" and (layer.groups > 1 or isinstance(source, JoinedMap)):
        lanes = shape.rows * (1 if isinstance(source, OuterMap) else sub)
        reads = reads_of(layer, places_of(source), lanes, shape.cols)
        start, step_oc, step_ic, ic = reads.start, reads.step_oc, reads.step_ic, reads.count
    _check_counts(layer, taken, shape, sub)
    check_widths(layer, shape)
    require_psum_bits(layer, shape.psum_width)
    pass_size = out_y * out_x * pool * pool
    if pass_size > shape.psum_depth:
        raise LockstepError(f"layer {layer.name}: a pass of {pass_size} pixels; expected psum_depth of that or more")
    target = _target(layer, shape, (out_y, out_x), source.lines, base, packed)
    try:
        descriptor = Descriptor(
            in_start=start - py * width - px,
            out_base=target.base if target else 0,
            dx=pool,
            dy=pool,
            wx=out_x,
            wy=out_y,
            kx=kx,
            ky=ky,
            sub=sub,
            ic=ic,
            oc=-(-layer.out_channels // shape.cols),
            step_dx=sx,
            step_dy=_wrapped(sy * width),
            step_wx=pool * sx,
            step_wy=_wrapped(pool * sy * width),
            step_kx=taken.folds,
            step_ky=_wrapped(width),
            step_sub=_wrapped(step_sub) if sub > 1 else 0,
            step_ic=_wrapped(step_ic) if ic > 1 else 0,
            y_start=-py,
            y_dy=sy,
            y_wy=pool * sy,
            y_ky=1,
            x_start=-px,
            x_dx=sx,
            x_wx=pool * sx,
            x_kx=taken.folds,
            height=taken.height,
            width=width,
            simd=int(source.pairs),
            out_pair=int(target is not None and target.pairs),
            passes=kx * ky * sub * ic,
            shift=layer.shift,
            out_max=layer.out.max if layer.out else 0,
            planes=int(isinstance(source, OuterMap) and sub > 1),
            wide=int(layer.out is None),
            out_map=out_y * out_x,
            step_oc=step_oc,
        )
    except LockstepError as error:
        raise LockstepError(f"layer {layer.name}: {error}") from error
    return LayerProgram(layer, shape, taken, source, target, descriptor, reads)


def lower_os(layer: Layer, source: TurnedMap, given: tuple[int, int], base: int | None = None) -> LayerProgram:
    """An output-stationary layer.

    Parameters
    ----------
    layer : Layer
    source : TurnedMap
        Its input, turned by the host.
    given : tuple of int
        Height and width of its input map.
    base : int or None
        Where the output goes, in its bank; None for the top.

    Raises
    ------
    LockstepError
        When the layer does not fit the engine; the line names what would be needed.
    """
    shape = source.shape
    target = _target(layer, shape, layer.map_after(*given), source.lines, base, False)
    descriptor = os_descriptor(layer, source, shape, target.base if target else 0)
    return LayerProgram(layer, shape, take(layer, *given, shape.rows, "patch"), source, target, descriptor)


def _target(
    layer: Layer, shape: EngineShape, out: tuple[int, int], source_lines: int, base: int | None, packed: bool
) -> InnerMap | None:
    if layer.out is None:
        if source_lines > shape.bank_depth:
            raise no_room(layer.name, shape, source_lines, 0)
        return None
    if layer.out.bits > shape.act_width:
        raise LockstepError(
            f"layer {layer.name}: its output codes have {layer.out.bits} bits; the engine writes {shape.act_width} "
            "(wider codes can only be loaded from outside)"
        )
    if packed and shape.simd and layer.out.bits > shape.half_width:
        raise LockstepError(
            f"layer {layer.name}: its output codes have {layer.out.bits} bits; "
            f"a reader of pairs takes {shape.half_width}"
        )
    lines = InnerMap(shape, 0, layer.out_channels, *out, pairs=packed).lines
    if source_lines + lines > shape.bank_depth:
        raise no_room(layer.name, shape, source_lines, lines)
    first = shape.bank_depth - lines if base is None else base
    return InnerMap(shape, first, layer.out_channels, *out, pairs=packed)


def _check_counts(layer: Layer, taken: Taken, shape: EngineShape, sub: int) -> None:
    ky, kx = taken.weight.shape[2:]
    if max(ky, kx) > 16:
        raise LockstepError(
            f"layer {layer.name}: a {ky}x{kx} kernel; the sequencer walks at most 16x16 (a layer loaded from outside "
            "can be taken as patches)"
        )
    if max(taken.height, taken.width) > MAX_MAP:
        raise LockstepError(
            f"layer {layer.name}: an input map of {taken.height}x{taken.width}; the sequencer's coordinates reach "
            f"{MAX_MAP}x{MAX_MAP}"
        )
    if layer.pool > 16:
        raise LockstepError(f"layer {layer.name}: pooling {layer.pool}x{layer.pool}; expected at most 16x16")
    if sub > MAX_SUB:
        raise LockstepError(
            f"layer {layer.name}: its input of {layer.act.bits} bits makes {sub} planes of {shape.act_width}; "
            f"expected at most {MAX_SUB}"
        )


def _wrapped(step: int) -> int:
    return step & 0xFFFF
