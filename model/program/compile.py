"""An integer graph, or one layer, compiled for an engine: descriptors, where maps lie, streams, expected write-backs.

Maps of a network lie at the bottom and at the top of the activation memory in turn, so that a layer never writes over
what it reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.golden.cycles import Cycles, Work, layer_cycles
from model.golden.tiling import require_psum_bits
from model.graph.graph import IntegerGraph, Layer
from model.program.array import MAX_SUB, EngineShape
from model.program.descriptor import Descriptor
from model.program.layout import InnerMap, Lines, OuterMap
from model.program.stream import Stream, check_widths, join, layer_stream
from model.program.taken import Taken, take

Array = np.ndarray[Any, Any]
MAX_MAP = 1024  # rows or columns of an input map: coordinates have 11 bits, two's complement


@dataclass(frozen=True, eq=False)
class LayerProgram:
    """One layer for the engine.

    Parameters
    ----------
    layer : Layer
    shape : EngineShape
    taken : Taken
        The convolution that the array runs.
    source : OuterMap or InnerMap
        The input map as taken.
    target : InnerMap or None
        The output map; None for logits, which leave by the result port.
    descriptor : Descriptor
    """

    layer: Layer
    shape: EngineShape
    taken: Taken
    source: OuterMap | InnerMap
    target: InnerMap | None
    descriptor: Descriptor

    @property
    def work(self) -> Work:
        """What the cycle model needs to know."""
        d = self.descriptor
        return Work(
            rows=self.shape.rows,
            cols=self.shape.cols,
            groups=self.shape.groups,
            param_words=self.shape.cols * self.shape.param_words,
            pass_size=d.pass_size,
            passes=d.passes,
            out_tiles=d.oc,
            out_map=d.out_map,
        )

    @property
    def cycles(self) -> Cycles:
        """The cycles that it takes, by what they are for."""
        return layer_cycles(self.work)

    @property
    def stream_length(self) -> int:
        """Words of its stream."""
        return self.work.out_tiles * (self.work.passes * self.work.groups + self.work.param_words)

    def load(self, codes: Array) -> Lines:
        """The lines to load for the input `codes`, unsigned (in_channels, height, width): the layer's own map."""
        return self.source.encode(self.taken.codes(codes))

    def stream(self) -> Stream:
        """Its weights and parameters, in stream order."""
        outer = isinstance(self.source, OuterMap)
        sub = self.descriptor.sub
        return layer_stream(self.layer, self.taken.weight, self.shape, sub if outer else 1, 1 if outer else sub)

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


def compile_layer(layer: Layer, height: int, width: int, shape: EngineShape, mode: str = "fold") -> LayerProgram:
    """One layer on its own: its input map of height x width is loaded at the bottom, its output goes to the top.

    Parameters
    ----------
    layer : Layer
    height, width : int
        Its input map.
    shape : EngineShape
    mode : str
        How the input is laid out: ``none``, ``fold`` or ``patch`` (see `model.program.taken`), or ``inner``: as the
        write-back of a layer before it would have left it.

    Raises
    ------
    LockstepError
        When the layer does not fit the engine; the line names what would be needed.
    """
    if mode == "inner":
        taken = take(layer, height, width, shape.rows)
        if layer.act.bits > shape.act_width:
            raise LockstepError(f"layer {layer.name}: codes of {layer.act.bits} bits are never left by a layer before")
        return _compile(taken, shape, InnerMap(shape, 0, layer.in_channels, height, width), top=True)
    taken = take(layer, height, width, shape.rows, mode)
    return _compile(taken, shape, _outer(taken, shape), top=True)


def compile_graph(graph: IntegerGraph, shape: EngineShape, mode: str = "fold") -> Program:
    """A network: its input is loaded at the bottom as `mode` says, every other map is where the layer before left it.

    Raises
    ------
    LockstepError
        When the network does not fit the engine; the line names the layer and what would be needed.
    """
    if len(graph.layers) > shape.layers:
        raise LockstepError(f"{graph.name} has {len(graph.layers)} layers; the engine has {shape.layers} descriptors")
    height, width = graph.input_shape[1:]
    programs: list[LayerProgram] = []
    source: OuterMap | InnerMap | None = None
    for index, layer in enumerate(graph.layers):
        taken = take(layer, height, width, shape.rows, mode if index == 0 else "none")
        program = _compile(taken, shape, source or _outer(taken, shape), top=index % 2 == 0)
        programs.append(program)
        source = program.target
        height, width = layer.map_after(height, width)
    return Program(shape, tuple(programs))


def _outer(taken: Taken, shape: EngineShape) -> OuterMap:
    return OuterMap(shape, 0, taken.channels, taken.height, taken.width, taken.layer.act.bits)


def _target(layer: Layer, shape: EngineShape, out: tuple[int, int], source_lines: int, top: bool) -> InnerMap | None:
    if layer.out is None:
        if source_lines > shape.bank_depth:
            raise _no_room(layer, shape, source_lines, 0)
        return None
    if layer.out.bits > shape.act_width:
        raise LockstepError(
            f"layer {layer.name}: its output codes have {layer.out.bits} bits; the engine writes {shape.act_width} "
            "(wider codes can only be loaded from outside)"
        )
    lines = InnerMap(shape, 0, layer.out_channels, *out).lines
    if source_lines + lines > shape.bank_depth:
        raise _no_room(layer, shape, source_lines, lines)
    return InnerMap(shape, shape.bank_depth - lines if top else 0, layer.out_channels, *out)


def _no_room(layer: Layer, shape: EngineShape, source: int, target: int) -> LockstepError:
    return LockstepError(
        f"layer {layer.name}: its maps take {source} + {target} lines of a bank of {shape.bank_depth}; "
        f"expected act_depth of {(source + target) * shape.banks} or more"
    )


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


def _compile(taken: Taken, shape: EngineShape, source: OuterMap | InnerMap, top: bool) -> LayerProgram:
    layer, pool = taken.layer, taken.layer.pool
    if layer.groups > 1 or layer.inputs:
        raise LockstepError(
            f"layer {layer.name} has groups or takes layers by name; the engine runs chains of plain ones"
        )
    if layer.out is None and pool > 1:
        raise LockstepError(f"layer {layer.name}: logits cannot be pooled; expected pool 1")
    out_y, out_x = layer.map_after(*taken.given)
    (sy, sx), (py, px), (ky, kx) = taken.stride, taken.padding, taken.weight.shape[2:]
    width, positions = taken.width, taken.height * taken.width
    if isinstance(source, OuterMap):
        sub, ic = source.planes, source.tiles
        step_sub, step_ic = source.tiles * positions, positions
    else:
        sub = min(shape.banks, source.tiles)
        ic = -(-source.tiles // sub)
        step_sub, step_ic = shape.bank_depth, positions
    _check_counts(layer, taken, shape, sub)
    check_widths(layer, shape)
    require_psum_bits(layer, shape.psum_width)
    pass_size = out_y * out_x * pool * pool
    if pass_size > shape.psum_depth:
        raise LockstepError(f"layer {layer.name}: a pass of {pass_size} pixels; expected psum_depth of that or more")
    target = _target(layer, shape, (out_y, out_x), source.lines, top)
    try:
        descriptor = Descriptor(
            in_start=source.base - py * width - px,
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
            passes=kx * ky * sub * ic,
            shift=layer.shift,
            out_max=layer.out.max if layer.out else 0,
            planes=int(isinstance(source, OuterMap) and sub > 1),
            wide=int(layer.out is None),
            out_map=out_y * out_x,
        )
    except LockstepError as error:
        raise LockstepError(f"layer {layer.name}: {error}") from error
    return LayerProgram(layer, shape, taken, source, target, descriptor)


def _wrapped(step: int) -> int:
    return step & 0xFFFF
