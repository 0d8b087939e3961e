"""Random layers for an engine: reproducible from (seed, index), edges drawn on purpose."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.golden.execute import conv, finish
from model.graph.graph import MAX_SHIFT, Layer
from model.numeric.formats import IntFormat
from model.numeric.weights import WeightFormat
from model.program.array import MAX_SUB, EngineShape
from model.program.compile import compile_layer
from model.program.compiled import LayerProgram

Array = np.ndarray[Any, Any]
Rng = np.random.Generator

MOST_CYCLES = 12_000  # of a drawn layer
MOST_TRIES = 2_000
MODES = ("none", "inner", "inner", "fold", "fold", "patch")
# One draw in 19 is a layer of groups or of several maps; and one a network with branches: not by `draw`.
EVERY, BRANCHED, NETWORK = 19, 10, 13
# Square, banks and segments; words that are filled and not; one to five words of parameters; groups of every size.
ARRAYS = {
    "4x4": EngineShape(4, 4, 4, 4, 18, 1, 1024, 256, 14, 26),
    "8x8": EngineShape(8, 8, 4, 4, 20, 2, 2048, 256, 28, 36),
    "16x16": EngineShape(16, 16, 4, 4, 20, 4, 1024, 256, 24, 34),
    "8x16": EngineShape(8, 16, 4, 4, 20, 2, 2048, 256, 28, 36),
    "16x8": EngineShape(16, 8, 4, 4, 20, 3, 1000, 256, 28, 36),
    "4x12": EngineShape(4, 12, 2, 3, 16, 5, 3 * 512, 200, 10, 22),
    "12x4": EngineShape(12, 4, 3, 5, 18, 4, 900, 256, 28, 36),
    "5x5": EngineShape(5, 5, 8, 8, 24, 2, 700, 100, 16, 30),
}
# The same on weights that are powers of two: with a zero and without, edge tiles and banks that only fillers fill.
POWER_ARRAYS = {
    "4x4 pot4": EngineShape(4, 4, 4, 4, 24, 1, 1024, 256, 14, 30, wgt_power=8),
    "8x8 pot5": EngineShape(8, 8, 4, 5, 24, 2, 2048, 256, 28, 40, wgt_power=8, wgt_zero=1),
    "4x12 pot2": EngineShape(4, 12, 2, 2, 16, 5, 3 * 512, 200, 10, 22, wgt_power=2),
    "12x4 level5": EngineShape(12, 4, 3, 3, 20, 4, 900, 256, 28, 36, wgt_power=2, wgt_zero=1, wgt_step=3),
    "5x5 ternary": EngineShape(5, 5, 8, 2, 20, 2, 700, 100, 16, 30, wgt_power=1, wgt_zero=1),
}
# Engines that multiply pairs: one bank, three of them, two segments, codes of one bit, weights that are powers of two.
PAIRED = {
    "4x4 pairs": EngineShape(4, 4, 4, 4, 18, 1, 1024, 256, 14, 26, simd=1),
    "8x8 pairs": EngineShape(8, 8, 4, 4, 20, 2, 2048, 256, 28, 36, simd=1),
    "4x12 pairs": EngineShape(4, 12, 6, 3, 18, 5, 3 * 512, 200, 10, 22, simd=1),
    "8x4 pairs": EngineShape(8, 4, 2, 5, 18, 3, 900, 256, 28, 36, simd=1),
    "4x4 pot4 pairs": EngineShape(4, 4, 4, 4, 24, 2, 1024, 256, 14, 30, wgt_power=8, simd=1),
}
EVERY_ARRAY = ARRAYS | POWER_ARRAYS | PAIRED


@dataclass(frozen=True, eq=False)
class Draw:
    """A drawn layer and its input.

    Parameters
    ----------
    seed, index : int
    array : str
        Name of the engine in EVERY_ARRAY.
    layer : Layer
    codes : uint8 array (in_channels, height, width)
    mode : str
        How the input is laid out, see `model.program.compile.compile_layer`.
    program : LayerProgram
        Compiled for `shape`.
    """

    seed: int
    index: int
    array: str
    layer: Layer
    codes: Array
    mode: str
    program: LayerProgram = field(repr=False)

    @property
    def layers(self) -> tuple[LayerProgram, ...]:
        """What runs."""
        return (self.program,)

    @property
    def shape(self) -> EngineShape:
        """The engine."""
        return self.program.shape

    @cached_property
    def expected(self) -> Array:
        """Output codes uint8, or logits int64, (out_channels, y, x), by the golden model."""
        result: Array = finish(conv(self.codes[None], self.layer), self.layer)[0]
        return result

    @property
    def values(self) -> int:
        """How many are compared."""
        return int(self.expected.size)

    def __str__(self) -> str:
        shape = "x".join(map(str, self.layer.weight.shape))
        return (
            f"draw {self.seed}:{self.index} on {self.array}: weight {shape} ({self.layer.wgt.bits} bits), input "
            f"{'x'.join(map(str, self.codes.shape))} ({self.layer.act.bits} bits, {self.mode}), "
            f"{self.layer.groups} groups of {max(1, len(self.layer.inputs))} maps, stride "
            f"{self.layer.stride}, padding {self.layer.padding}, pool {self.layer.pool}, shift {self.layer.shift}, "
            f"{'logits' if self.layer.out is None else f'{self.layer.out.bits} bits out'}"
            f"{', pairs' if self.program.source.pairs else ''}{', packed' if self.program.descriptor.out_pair else ''}"
        )


def draw(seed: int, index: int, array: str | None = None) -> Draw:
    """Draw number `index` of `seed`; of the same numbers comes the same layer.

    Parameters
    ----------
    seed, index : int
        0 or more.
    array : str or None
        One of EVERY_ARRAY; None: those of ARRAYS take turns.

    Raises
    ------
    LockstepError
        For a number or an array that there is not.
    """
    if min(seed, index) < 0:
        raise LockstepError(f"draw {seed}:{index}; expected numbers of 0 or more")
    name = list(ARRAYS)[index % len(ARRAYS)] if array is None else array
    if name not in EVERY_ARRAY:
        raise LockstepError(f"no array {name!r} to draw for; expected one of {', '.join(EVERY_ARRAY)}")
    shape = EVERY_ARRAY[name]
    rng = np.random.default_rng([seed, index])
    for _ in range(MOST_TRIES):
        mode = MODES[int(rng.integers(len(MODES)))]
        if shape.banks > 1 and rng.random() < 0.5:
            mode = "inner"  # the only one that walks the banks
        try:
            layer, codes = _layer(rng, shape, branched=index % EVERY == BRANCHED)
            packed = shape.simd == 1 and bool(rng.random() < 0.6)
            simd = None if not shape.simd or rng.random() < 0.4 else bool(rng.random() < 0.8)
            program = compile_layer(layer, codes.shape[1], codes.shape[2], shape, mode, simd, packed)
        except LockstepError:
            continue  # does not fit this engine, or is no layer at all
        if program.cycles.total <= MOST_CYCLES:
            return Draw(seed, index, name, layer, codes, mode, program)
    raise AssertionError(f"no layer for {name} in {MOST_TRIES} tries")


def _pick(rng: Rng, *choices: int) -> int:
    return int(choices[rng.integers(len(choices))])


def _channels(rng: Rng, lanes: int, banks: int = 1) -> int:
    """A channel count around the edges of a tile, of two, and one tile past a full set of banks."""
    edges = (1, 2, 3, lanes - 1, lanes, lanes + 1, 2 * lanes, (banks + 1) * lanes - 1)
    return max(1, _pick(rng, *edges, int(rng.integers(1, 4 * lanes))))


def _layer(rng: Rng, shape: EngineShape, branched: bool) -> tuple[Layer, Array]:
    height, width = (int(n) for n in rng.integers(1, 15, 2))
    kernel = _pick(rng, 1, 1, 2, 3, 3, 3, 4, 5, 7), _pick(rng, 1, 1, 2, 3, 3, 3, 4, 5, 7)
    if rng.random() < 0.5:
        kernel = kernel[0], kernel[0]
    stride = _pick(rng, 1, 1, 2, 3), _pick(rng, 1, 1, 2, 3)
    padding = int(rng.integers(min(3, kernel[0]))), int(rng.integers(min(3, kernel[1])))
    if rng.random() < 0.15:  # a linear layer
        height, width = (int(n) for n in rng.integers(1, 5, 2))
        kernel, stride, padding = (height, width), (1, 1), (0, 0)
    wide_bits = min(8, MAX_SUB * shape.act_width)
    act = IntFormat(_pick(rng, shape.act_width, shape.act_width, wide_bits, int(rng.integers(1, wide_bits + 1))))
    if shape.simd and rng.random() < 0.8:
        act = IntFormat(_pick(rng, shape.half_width, int(rng.integers(1, shape.half_width + 1))))
    wgt = _format(rng, shape)
    out = IntFormat(_pick(rng, shape.act_width, shape.act_width, int(rng.integers(1, shape.act_width + 1))))
    if shape.simd and rng.random() < 0.6:
        out = IntFormat(_pick(rng, shape.half_width, int(rng.integers(1, shape.half_width + 1))))
    logits = bool(rng.random() < 0.2)
    pool = 1 if logits else _pick(rng, 1, 1, 1, 2, 2, 3, int(rng.integers(2, 8)))
    outs, ins = _channels(rng, shape.cols), _channels(rng, shape.rows, shape.banks)
    groups, outs, ins, inputs = _branches(rng, outs, ins) if branched else (1, outs, ins, ())
    weight = _weight(rng, wgt, (outs, ins, *kernel))
    one = np.ones(len(weight), np.int64)
    bare = Layer("drawn", weight, wgt, act, one, one, 0, out, stride, padding, pool, groups, inputs)
    codes = _codes(rng, act, (bare.in_channels, height, width))
    bare.map_after(height, width)
    multiplier, bias, shift = _scale(rng, shape, conv(codes[None], bare), 1 << 30 if logits else out.levels)
    return replace(bare, multiplier=multiplier, bias=bias, shift=shift, out=None if logits else out), codes


def _branches(rng: Rng, outs: int, ins: int) -> tuple[int, int, int, tuple[str, ...]]:
    """Groups, output channels, input channels of a group, and maps: depthwise, some groups, or one of several maps."""
    maps = _pick(rng, 1, 1, 2, 2, 3)
    groups = _pick(rng, ins, ins, 2, 3, int(rng.integers(1, ins + 1)), 1 if maps > 1 else 2)
    part = -(-ins // groups)  # of each map
    return groups, groups * max(1, outs // groups), part * maps, tuple("abc"[:maps]) if maps > 1 else ()


def _format(rng: Rng, shape: EngineShape) -> WeightFormat:
    if shape.wgt_power:
        return shape.wgt
    bits = _pick(rng, shape.wgt_width, shape.wgt_width, int(rng.integers(2, shape.wgt_width + 1)))
    return IntFormat(bits, signed=True, symmetric=bool(rng.integers(2)))


def _weight(rng: Rng, wgt: WeightFormat, size: tuple[int, ...]) -> Array:
    weight = wgt.values[rng.integers(0, wgt.levels, size)]
    style = rng.integers(4)
    if style == 0:  # extremes only
        weight = np.where(weight < 0, wgt.min, wgt.max)
    elif style == 1:  # mostly zeros
        weight = np.where(rng.random(size) < 0.8, wgt.filler, weight)
    return weight.astype(wgt.dtype)


def _scale(rng: Rng, shape: EngineShape, psum: Array, levels: int) -> tuple[Array, Array, int]:
    """M, B and S for psums (..., out): spread over the output levels, any that the registers hold, or small ones."""
    count = psum.shape[-1]
    most_m, most_b = (1 << (shape.mul_width - 1)) - 1, (1 << (shape.bias_width - 1)) - 1
    shift = _pick(rng, 0, 1, MAX_SHIFT, *(int(s) for s in rng.integers(0, MAX_SHIFT + 1, 5)))
    style = rng.random()
    if style < 0.15:
        multiplier = rng.integers(-most_m - 1, most_m, count, endpoint=True)
        bias = rng.integers(-most_b - 1, most_b, count, endpoint=True)
        multiplier[0], bias[-1] = _pick(rng, -most_m - 1, most_m), _pick(rng, -most_b - 1, most_b)
        return multiplier, bias, shift
    if style < 0.25:
        return rng.integers(-3, 3, count, endpoint=True), rng.integers(-9, 9, count, endpoint=True), _pick(rng, 0, 1, 2)
    flat = psum.reshape(-1, count)  # (position, out)
    low, high = flat.min(axis=0), flat.max(axis=0)
    sign = np.where(rng.random(count) < 0.3, -1, 1)
    slope = sign * levels * rng.uniform(0.3, 1.5, count) / (high - low + 1)
    offset = levels * rng.uniform(0.2, 0.8, count) - slope * (low + high) / 2
    room = min(most_m / np.abs(slope).max(), most_b / max(1.0, float(np.abs(offset).max())))
    shift = max(0, min(shift, int(np.log2(max(room, 1.0)))))
    multiplier = np.rint(slope * 2.0**shift).clip(-most_m, most_m).astype(np.int64)
    bias = np.rint(offset * 2.0**shift).clip(-most_b, most_b).astype(np.int64)
    return multiplier, bias, shift


def _codes(rng: Rng, act: IntFormat, size: tuple[int, int, int]) -> Array:
    style = rng.integers(8)
    if style == 0:
        return np.full(size, act.max, np.uint8)
    codes = rng.integers(0, act.max + 1, size)
    if style == 1:  # extremes only
        codes = np.where(codes > act.max // 2, act.max, 0)
    return codes.astype(np.uint8)
