"""Weights that are powers of two, as a format like any other: the product is a shift, and needs no multiplier.

A pattern is {sign, index}, the sign leftmost:

    magnitude = 0 if `zero` and index = 0, else 2**((index - zero) * step)                      (1)
    value = -magnitude if sign else magnitude                                                   (2)

Without `zero` every pattern of eight exponents has a value, and none of them is 0: a network in such a format learns
to do without. Equal indices mean equal magnitudes, so negation is one bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.numeric.formats import IntFormat

Array = np.ndarray[Any, Any]
MOST_BITS = 8
MOST_SHIFT = 14  # the greatest magnitude is 2**14, so that both signs fit 16 bits


@dataclass(frozen=True)
class PowerFormat:
    """Signed powers of two.

    Parameters
    ----------
    exponents : int
        How many magnitudes beside 0.
    zero : bool
        0 is a value, of index 0.
    step : int
        Between two exponents; 1 for 1, 2, 4, 8 ..., 3 for 1, 8, 64 ...

    Raises
    ------
    LockstepError
        When fewer than two magnitudes are left, or they leave 16 bits, or a pattern 8.

    Examples
    --------
    >>> PowerFormat(2, zero=True, step=3).values.tolist()
    [-8, -1, 0, 1, 8]
    >>> PowerFormat(2).encode(np.array([1, 2, -1, -2])).tolist()
    [0, 1, 2, 3]
    """

    exponents: int
    zero: bool = False
    step: int = 1

    def __post_init__(self) -> None:
        for what in ("exponents", "step"):
            value = getattr(self, what)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise LockstepError(f"a power-of-two format with {what} {value!r}; expected an integer of 1 or more")
        if not isinstance(self.zero, bool):
            raise LockstepError(f"a power-of-two format with zero {self.zero!r}; expected true or false")
        if self.exponents + self.zero < 2:
            raise LockstepError("a power-of-two format of one magnitude; expected two or more, or one beside zero")
        if (self.exponents - 1) * self.step > MOST_SHIFT or self.bits > MOST_BITS:
            told = f"{self.exponents} exponents {self.step} apart reach 2**{(self.exponents - 1) * self.step}"
            raise LockstepError(f"{told}; expected at most 2**{MOST_SHIFT}, in patterns of at most {MOST_BITS} bits")

    @property
    def name(self) -> str:
        """What users call it; the parameters, where it has no name."""
        names = {fmt: name for name, fmt in POWERS.items()}
        return names.get(self, f"power({self.exponents}, zero={self.zero}, step={self.step})")

    @property
    def bits(self) -> int:
        """Width of a pattern."""
        return 1 + (self.exponents + self.zero - 1).bit_length()

    @property
    def max(self) -> int:
        """Greatest value."""
        return 1 << (self.exponents - 1) * self.step

    @property
    def min(self) -> int:
        """Least value."""
        return -self.max

    @property
    def signed(self) -> bool:
        """Always true."""
        return True

    @property
    def symmetric(self) -> bool:
        """Always true: with each value its negative is one."""
        return True

    @property
    def levels(self) -> int:
        """Number of values."""
        return 2 * self.exponents + self.zero

    @cached_property
    def values(self) -> Array:
        """All values, int64, rising."""
        positive = [1 << e * self.step for e in range(self.exponents)]
        return np.array([-v for v in reversed(positive)] + [0] * self.zero + positive, np.int64)

    @property
    def filler(self) -> int:
        """The value of the pattern of zeros, where no weight is and any would do: 0 if there is one, else 1."""
        return 0 if self.zero else 1

    @property
    def dtype(self) -> type[np.int8] | type[np.int16]:
        """The least NumPy type that holds the values."""
        return np.int8 if self.max <= np.iinfo(np.int8).max else np.int16

    @cached_property
    def _table(self) -> Array:
        """Value of each pattern (int64), by equations (1) and (2); min - 1 where it has none."""
        table = np.full(1 << self.bits, self.min - 1, np.int64)
        half = len(table) // 2
        for index in range(self.exponents + self.zero):
            magnitude = 0 if self.zero and index == 0 else 1 << (index - self.zero) * self.step
            table[index] = magnitude
            if magnitude:
                table[half + index] = -magnitude
        return table

    def check(self, codes: Array, what: str) -> None:
        """Raise LockstepError naming the first of `codes` that is no value of the format; `what` says whose they are.

        Parameters
        ----------
        codes : integer array of any shape
        what : str
            Put before the index: ``what[2, 0] is 3, no value of pot4 (-128..-1, 1..128, powers of two)``.
        """
        bad = np.argwhere(~np.isin(codes, self.values))
        if len(bad):
            where = tuple(int(i) for i in bad[0])
            told = ", ".join(str(int(v)) for v in self.values[self.values >= 0])
            raise LockstepError(f"{what}{list(where)} is {int(codes[where])}, no value of {self.name}: ± {told}")

    def encode(self, codes: Array) -> Array:
        """Bit patterns (uint32) of `codes`, an integer array of values of the format."""
        self.check(codes, "code ")
        order = np.argsort(self._table, kind="stable")
        order = order[self._table[order] >= self.min]
        return order[np.searchsorted(self._table[order], codes)].astype(np.uint32)

    def decode(self, patterns: Array) -> Array:
        """Values (int64) of the bit `patterns` (any integer array): the inverse of `encode`.

        Raises
        ------
        LockstepError
            For a pattern that is negative or wider than `bits`, a negative zero, or an index past the last.
        """
        IntFormat(self.bits).check(patterns, "pattern ")
        values = self._table[patterns]
        bad = np.argwhere(values < self.min)
        if len(bad):
            where = tuple(int(i) for i in bad[0])
            pattern = int(patterns[where])
            index, last = pattern & ((1 << (self.bits - 1)) - 1), self.exponents + self.zero - 1
            fault = "is a negative zero" if index == 0 else f"has index {index}; expected at most {last}"
            raise LockstepError(f"pattern {list(where)} ({pattern:0{self.bits}b} of {self.name}) {fault}")
        return np.asarray(values, dtype=np.int64)

    def product_bits(self, act_bits: int) -> int:
        """Width of the product of a value and an unsigned activation of `act_bits`."""
        return act_bits + (self.exponents - 1) * self.step + 1

    def describe(self) -> dict[str, Any]:
        """As JSON values."""
        return {"exponents": self.exponents, "zero": self.zero, "step": self.step}


POWERS = {
    "pot4": PowerFormat(8),
    "pot2": PowerFormat(2),
    "ternary": PowerFormat(1, zero=True),
    "level5": PowerFormat(2, zero=True, step=3),
    "pot5": PowerFormat(8, zero=True),
}
