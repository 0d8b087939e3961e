"""A layer loaded from outside compiled for the output-stationary dataflow (docs/rtl/output_stationary.md)."""

from __future__ import annotations

from model.errors import LockstepError
from model.golden.os_cycles import OsWork
from model.golden.tiling import require_psum_bits
from model.graph.graph import Layer
from model.program.array import MAX_SUB, EngineShape
from model.program.descriptor import Descriptor
from model.program.os_layout import TurnedMap
from model.program.stream import check_widths
from model.program.taken import take

DATAFLOWS = ("ws", "os", "auto")


def require_dataflow(dataflow: str) -> None:
    """Raise LockstepError for a dataflow that there is not."""
    if dataflow not in DATAFLOWS:
        raise LockstepError(f"no dataflow {dataflow!r}; expected one of {', '.join(DATAFLOWS)}")


def turned_map(layer: Layer, height: int, width: int, shape: EngineShape) -> TurnedMap:
    """Where the terms of `layer` on a map of height x width lie when it is loaded from outside.

    Raises
    ------
    LockstepError
        When the engine has one dataflow only, or the layer is not for this one.
    """
    if not shape.output_stationary:
        raise LockstepError(
            f"layer {layer.name}: this engine is weight stationary only; expected one with output_stationary 1"
        )
    if layer.groups > 1 or layer.inputs:
        raise LockstepError(
            f"layer {layer.name}: with groups or several maps it is weight stationary; expected dataflow ws or auto"
        )
    taken = take(layer, height, width, shape.rows, "patch")
    return TurnedMap(shape, 0, taken.channels, taken.height, taken.width, layer.act.bits, layer.pool)


def os_descriptor(layer: Layer, source: TurnedMap, shape: EngineShape, out_base: int) -> Descriptor:
    """The descriptor of `layer` on the lines of `source`; its output goes to lines from `out_base` on.

    Raises
    ------
    LockstepError
        When a count does not fit its field, or weights, M, B or psums do not fit the engine.
    """
    if source.planes > MAX_SUB:
        raise LockstepError(
            f"layer {layer.name}: its input of {layer.act.bits} bits makes {source.planes} planes of "
            f"{shape.act_width}; expected at most {MAX_SUB}"
        )
    check_widths(layer, shape)
    require_psum_bits(layer, shape.psum_width)
    window, terms = layer.pool**2, source.channels
    if layer.pool > 16:
        raise LockstepError(f"layer {layer.name}: pooling {layer.pool}x{layer.pool}; expected at most 16x16")
    if terms > 1024:
        raise LockstepError(f"layer {layer.name}: {terms} products a pixel; output stationary, expected at most 1024")
    try:
        return Descriptor(
            in_start=source.base,
            out_base=out_base,
            dx=(window - 1) % 16 + 1,
            dy=(window - 1) // 16 + 1,
            wx=terms,
            wy=1,
            kx=1,
            ky=1,
            sub=source.planes,
            ic=source.groups,
            oc=-(-layer.out_channels // shape.cols),
            step_dx=0,
            step_dy=0,
            step_wx=1,
            step_wy=0,
            step_kx=0,
            step_ky=0,
            step_sub=terms if source.planes > 1 else 0,
            step_ic=source.planes * terms & 0xFFFF if source.groups > 1 else 0,
            **dict.fromkeys(("y_start", "y_dy", "y_wy", "y_ky", "x_start", "x_dx", "x_wx", "x_kx"), 0),
            height=1,
            os=1,
            width=1,
            passes=source.planes * source.groups,
            shift=layer.shift,
            out_max=layer.out.max if layer.out else 0,
            planes=int(source.planes > 1),
            wide=int(layer.out is None),
            out_map=len(source.order) // window,
        )
    except LockstepError as error:
        raise LockstepError(f"layer {layer.name}: {error}") from error


def os_work(descriptor: Descriptor, shape: EngineShape) -> OsWork:
    """What the cycle model needs to know of an output-stationary layer."""
    return OsWork(
        rows=shape.rows,
        cols=shape.cols,
        param_words=shape.cols * shape.param_words,
        terms=descriptor.pass_size,
        planes=descriptor.sub,
        groups=descriptor.ic,
        out_tiles=descriptor.oc,
        out_map=descriptor.out_map,
    )
