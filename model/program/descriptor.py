"""The twelve words that tell the sequencer a layer (docs/rtl/sequencer.md, "Descriptor")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from model.errors import LockstepError

Array = np.ndarray[Any, Any]
WORDS = 12
COUNT, PLAIN, WRAP, SIGNED = "count", "plain", "wrap", "signed"


class Field(NamedTuple):
    """Where a field lies and how it is coded.

    Parameters
    ----------
    name : str
    word, low, width : int
    kind : str
        ``count``: value - 1; ``plain``: unsigned; ``wrap``: modulo 2**width; ``signed``: two's complement.
    """

    name: str
    word: int
    low: int
    width: int
    kind: str

    @property
    def least(self) -> int:
        """Smallest value."""
        return {COUNT: 1, PLAIN: 0, WRAP: -(1 << (self.width - 1)), SIGNED: -(1 << (self.width - 1))}[self.kind]

    @property
    def most(self) -> int:
        """Largest value."""
        full = 1 << self.width
        return {COUNT: full, PLAIN: full - 1, WRAP: full - 1, SIGNED: full // 2 - 1}[self.kind]


FIELDS = (
    Field("in_start", 0, 0, 16, WRAP),
    Field("out_base", 0, 16, 16, PLAIN),
    Field("dx", 1, 0, 4, COUNT),
    Field("dy", 1, 4, 4, COUNT),
    Field("wx", 1, 8, 10, COUNT),
    Field("wy", 1, 18, 10, COUNT),
    Field("kx", 2, 0, 4, COUNT),
    Field("ky", 2, 4, 4, COUNT),
    Field("sub", 2, 8, 2, COUNT),
    Field("ic", 2, 10, 10, COUNT),
    Field("oc", 2, 20, 10, COUNT),
    Field("step_dx", 3, 0, 16, WRAP),
    Field("step_dy", 3, 16, 16, WRAP),
    Field("step_wx", 4, 0, 16, WRAP),
    Field("step_wy", 4, 16, 16, WRAP),
    Field("step_kx", 5, 0, 16, WRAP),
    Field("step_ky", 5, 16, 16, WRAP),
    Field("step_sub", 6, 0, 16, WRAP),
    Field("step_ic", 6, 16, 16, WRAP),
    Field("y_start", 7, 0, 8, SIGNED),
    Field("y_dy", 7, 8, 8, SIGNED),
    Field("y_wy", 7, 16, 8, SIGNED),
    Field("y_ky", 7, 24, 8, SIGNED),
    Field("x_start", 8, 0, 8, SIGNED),
    Field("x_dx", 8, 8, 8, SIGNED),
    Field("x_wx", 8, 16, 8, SIGNED),
    Field("x_kx", 8, 24, 8, SIGNED),
    Field("height", 9, 0, 11, COUNT),
    Field("simd", 9, 11, 1, PLAIN),
    Field("out_pair", 9, 12, 1, PLAIN),
    Field("os", 9, 13, 1, PLAIN),
    Field("width", 9, 16, 11, COUNT),
    Field("passes", 10, 0, 20, COUNT),
    Field("step_oc", 10, 20, 12, PLAIN),
    Field("shift", 11, 0, 6, PLAIN),
    Field("out_max", 11, 8, 8, PLAIN),
    Field("planes", 11, 16, 1, PLAIN),
    Field("wide", 11, 17, 1, PLAIN),
    Field("out_map", 11, 18, 14, COUNT),
)
USED = tuple(  # bits of each word that a field has
    sum(((1 << item.width) - 1) << item.low for item in FIELDS if item.word == word) for word in range(WORDS)
)


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """A layer for the sequencer; counts are counts (coded less one), steps and starts are signed.

    Parameters
    ----------
    in_start : int
        Address of the first step of all loops; may be negative (it wraps).
    out_base : int
        First output line, within a bank.
    dx, dy, wx, wy, kx, ky, sub, ic, oc : int
        Loop counts, innermost first.
    step_dx ... step_ic, step_oc : int
        Address steps of the levels; the last is not negative.
    y_start, y_dy, y_wy, y_ky, x_start, x_dx, x_wx, x_kx : int
        Start and steps of the coordinate.
    height, width : int
        Of the input map; outside is padding.
    simd, out_pair : int
        The layer multiplies pairs; the reader of its output does.
    passes : int
        kx * ky * sub * ic.
    shift, out_max : int
        Requantization.
    os : int
        Output stationary: dx and dy hold the lines of a pooling window, wx and wy a pixel's terms, ic the groups.
    planes, wide : int
        Level `sub` walks the planes of a wide input; the sums are logits.
    out_map : int
        Output lines of an output tile, after pooling.

    Raises
    ------
    LockstepError
        When a value does not fit its field, `passes` or `out_map` contradict the loops, or modes each other.
    """

    in_start: int
    out_base: int
    dx: int
    dy: int
    wx: int
    wy: int
    kx: int
    ky: int
    sub: int
    ic: int
    oc: int
    step_dx: int
    step_dy: int
    step_wx: int
    step_wy: int
    step_kx: int
    step_ky: int
    step_sub: int
    step_ic: int
    y_start: int
    y_dy: int
    y_wy: int
    y_ky: int
    x_start: int
    x_dx: int
    x_wx: int
    x_kx: int
    height: int
    simd: int = 0
    out_pair: int = 0
    os: int = 0
    width: int
    passes: int
    step_oc: int = 0
    shift: int
    out_max: int
    planes: int
    wide: int
    out_map: int

    def __post_init__(self) -> None:
        for item in FIELDS:
            value = getattr(self, item.name)
            if not item.least <= value <= item.most:
                raise LockstepError(
                    f"descriptor: {item.name} is {value}; expected {item.least}..{item.most} ({item.width} bits)"
                )
        if self.passes != self.kx * self.ky * self.sub * self.ic:
            raise LockstepError(
                f"descriptor: passes is {self.passes}; its loops make {self.kx * self.ky * self.sub * self.ic}"
            )
        if self.os and (self.simd or self.out_pair):
            raise LockstepError("descriptor: os beside simd or out_pair; expected one of them, as an engine has")
        if not self.os and self.out_map != self.wx * self.wy:
            raise LockstepError(f"descriptor: out_map is {self.out_map}; its windows are {self.wx * self.wy}")

    @property
    def pass_size(self) -> int:
        """Pixels of a pass; output stationary, terms."""
        return self.wx * self.wy * (1 if self.os else self.dx * self.dy)

    def encode(self) -> Array:
        """The words, uint32 (12,)."""
        words = [0] * WORDS
        for item in FIELDS:
            value = getattr(self, item.name) - (item.kind == COUNT)
            words[item.word] |= (value & ((1 << item.width) - 1)) << item.low
        return np.array(words, np.uint32)

    @classmethod
    def decode(cls, words: Sequence[int] | Array) -> Descriptor:
        """The descriptor in twelve words; wrapped steps come back as their signed value.

        Raises
        ------
        LockstepError
            When there are not twelve words, bits are set that belong to no field, or the fields contradict each other.
        """
        if len(words) != WORDS:
            raise LockstepError(f"a descriptor of {len(words)} words; expected {WORDS}")
        for index, used in enumerate(USED):
            if int(words[index]) & ~used:
                told = f"word {index} is {int(words[index]):#x}"
                raise LockstepError(f"descriptor: {told}; expected zeros where no field lies (outside {used:#x})")
        values = {}
        for item in FIELDS:
            value = (int(words[item.word]) >> item.low) & ((1 << item.width) - 1)
            if item.kind in (WRAP, SIGNED) and value >> (item.width - 1):
                value -= 1 << item.width
            values[item.name] = value + (item.kind == COUNT)
        return cls(**values)
