"""An integer graph, or one layer, compiled for an engine: descriptors, where maps lie, streams, expected write-backs.

Maps of a network lie at the bottom and at the top of the activation memory in turn, as long as somebody reads them, so
that a layer never writes over what is still wanted (`model.program.memory`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.golden.cycles import Cycles, Work, layer_cycles
from model.golden.os_cycles import os_layer_cycles
from model.golden.tiling import require_psum_bits
from model.graph.graph import IntegerGraph, Layer
from model.graph.wiring import Wiring, require_zero
from model.program.array import MAX_SUB, EngineShape
from model.program.descriptor import Descriptor
from model.program.layout import InnerMap, JoinedMap, Lines, OuterMap
from model.program.os_compile import os_descriptor, os_work, require_dataflow, turned_map
from model.program.os_layout import TurnedMap
from model.program.os_stream import os_layer_stream
from model.program.pairs import inner_pairs, outer_taken, packed_maps
from model.program.plan import no_room, place_maps, places_of, side_by_side
from model.program.reads import Reads, reads_of
from model.program.stream import Stream, check_widths, join, layer_stream
from model.program.taken import Taken, take

Array = np.ndarray[Any, Any]
Source = OuterMap | InnerMap | JoinedMap | TurnedMap
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
    source : OuterMap, InnerMap, JoinedMap or TurnedMap
        The input map as taken.
    target : InnerMap or None
        The output map; None for logits, which leave by the result port.
    descriptor : Descriptor
    reads : Reads or None
        What each output tile reads; None for everything.
    """

    layer: Layer
    shape: EngineShape
    taken: Taken
    source: Source
    target: InnerMap | None
    descriptor: Descriptor
    reads: Reads | None = None

    @property
    def work(self) -> Work:
        """What the cycle model needs to know."""
        d = self.descriptor
        return Work(
            rows=self.shape.rows,
            cols=self.shape.cols,
            groups=self.shape.groups * (2 if d.simd else 1),
            param_words=self.shape.cols * self.shape.param_words,
            pass_size=d.pass_size,
            passes=d.passes,
            out_tiles=d.oc,
            out_map=d.out_map,
        )

    @property
    def cycles(self) -> Cycles:
        """The cycles that it takes, by what they are for."""
        if self.descriptor.os:
            return os_layer_cycles(os_work(self.descriptor, self.shape))
        return layer_cycles(self.work)

    @property
    def dataflow(self) -> str:
        """``ws`` or ``os``."""
        return "os" if self.descriptor.os else "ws"

    @property
    def stream_length(self) -> int:
        """Words of its stream."""
        words = -(-self.descriptor.pass_size // self.shape.word_terms) if self.descriptor.os else self.work.groups
        return self.work.out_tiles * (self.work.passes * words + self.work.param_words)

    def load(self, codes: Array) -> Lines:
        """The lines to load for the input `codes`, unsigned (in_channels, height, width): the layer's own map."""
        return self.source.encode(self.taken.codes(codes))

    def stream(self) -> Stream:
        """Its weights and parameters, in stream order."""
        if self.descriptor.os:
            return os_layer_stream(self.layer, self.taken.weight, self.shape, self.descriptor.passes)
        outer = isinstance(self.source, OuterMap)
        sub, pairs = self.descriptor.sub, self.source.pairs
        planes, banks = (sub, 1) if outer else (1, sub)
        return layer_stream(self.layer, self.taken.weight, self.shape, planes, banks, self.reads, pairs)

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
    wiring: Wiring

    def load(self, first: int, last: int, entering: Array, maps: Sequence[Array]) -> Lines:
        """The lines to load for a run of layers `first` .. `last`.

        Parameters
        ----------
        first, last : int
        entering : unsigned array (channels, height, width)
            The codes that enter layer `first`.
        maps : sequence of arrays
            The codes that leave each layer before it; those that a later layer of the run takes are loaded as well.
        """
        parts = [self.layers[first].load(entering)]
        taken = {at for takes in self.wiring.takes[first : last + 1] for at in takes if at < first}
        for at in sorted(taken - set(self.wiring.takes[first])):
            target = self.layers[at].target
            assert target is not None
            parts.append(target.encode(maps[at]))
        return Lines(*(np.concatenate(each) for each in zip(*parts, strict=True)))

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
        return _compile_os(layer, turned_map(layer, height, width, shape), (height, width))
    if dataflow == "auto" and mode != "inner" and shape.output_stationary:
        both = [_attempt(layer, height, width, shape, mode, each) for each in ("ws", "os")]
        return _better(both)
    if mode == "inner":
        taken = take(layer, height, width, shape.rows)
        if layer.act.bits > shape.act_width:
            raise LockstepError(f"layer {layer.name}: codes of {layer.act.bits} bits are never left by a layer before")
        return _compile(taken, shape, _inner(layer, shape, height, width, simd), packed=packed)
    taken, entering = outer_taken(layer, height, width, shape, mode, simd)
    return _compile(taken, shape, entering, packed=packed)


def _attempt(
    layer: Layer, height: int, width: int, shape: EngineShape, mode: str, dataflow: str
) -> LayerProgram | LockstepError:
    try:
        return compile_layer(layer, height, width, shape, mode, dataflow=dataflow)
    except LockstepError as error:
        return error


def _better(both: Sequence[LayerProgram | LockstepError]) -> LayerProgram:
    """The program of fewer cycles, the first of equals; where none fits, the first one's error."""
    fitting = [each for each in both if isinstance(each, LayerProgram)]
    if not fitting:
        raise next(each for each in both if isinstance(each, LockstepError))
    return min(fitting, key=lambda each: each.cycles.total)


def _inner_os(layer: Layer) -> LockstepError:
    return LockstepError(
        f"layer {layer.name}: output stationary takes lines that the host has turned, so it is for a layer loaded from "
        "outside; expected dataflow auto or ws"
    )


def _compile_os(layer: Layer, source: TurnedMap, given: tuple[int, int], base: int | None = None) -> LayerProgram:
    """`base`: where the output goes, in its bank; None for the top."""
    shape = source.shape
    target = _target(layer, shape, layer.map_after(*given), source.lines, base, False)
    descriptor = os_descriptor(layer, source, shape, target.base if target else 0)
    return LayerProgram(layer, shape, take(layer, *given, shape.rows, "patch"), source, target, descriptor)


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
    weight_stationary = _graph(graph, shape, mode, simd, os=False)
    try:
        other = _graph(graph, shape, mode, simd, os=True)
    except LockstepError:
        return weight_stationary  # the first layer does not fit the other way
    return min(weight_stationary, other, key=lambda program: program.cycles.total)


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
            programs.append(_compile_os(graph.layers[0], turned, (height, width), bases.get(index)))
            continue
        source = entering if not maps else maps[0] if len(maps) == 1 else JoinedMap(tuple(maps))
        programs.append(_compile(taken[index], shape, source, bases.get(index), packed[index]))
    return Program(shape, tuple(programs), graph.wiring)


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


def _compile(
    taken: Taken, shape: EngineShape, source: Source, base: int | None = None, packed: bool = False
) -> LayerProgram:
    """`base`: where the output goes, in its bank; None for the top. `packed`: for a reader of pairs."""
    layer, pool = taken.layer, taken.layer.pool
    assert not isinstance(source, TurnedMap)
    require_zero(layer)
    if layer.out is None and pool > 1:
        raise LockstepError(f"layer {layer.name}: logits cannot be pooled; expected pool 1")
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


def _wrapped(step: int) -> int:
    return step & 0xFFFF
