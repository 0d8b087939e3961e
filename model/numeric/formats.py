"""Integer formats as values: how many bits, signed or not, which codes are legal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from model.errors import LockstepError

MAX_BITS = 32


@dataclass(frozen=True)
class IntFormat:
    """A two's-complement or unsigned integer of `bits` bits.

    Parameters
    ----------
    bits : int
        Width, 1..32 (2..32 when signed).
    signed : bool
        Two's complement when true.
    symmetric : bool
        Leaves out the most negative code (4 bits: -7..7), so that negation never overflows. Signed formats only.

    Examples
    --------
    >>> IntFormat(4, signed=True, symmetric=True).min, IntFormat(4, signed=True).min, IntFormat(4).max
    (-7, -8, 15)
    """

    bits: int
    signed: bool = False
    symmetric: bool = False

    def __post_init__(self) -> None:
        least = 2 if self.signed else 1
        if not isinstance(self.bits, int) or isinstance(self.bits, bool) or not least <= self.bits <= MAX_BITS:
            raise LockstepError(f"an integer format of {self.bits!r} bits is impossible; expected {least}..{MAX_BITS}")
        if self.symmetric and not self.signed:
            raise LockstepError("an unsigned format cannot be symmetric; drop symmetric or make it signed")

    @property
    def min(self) -> int:
        """Smallest legal code."""
        if not self.signed:
            return 0
        return -(1 << (self.bits - 1)) + (1 if self.symmetric else 0)

    @property
    def max(self) -> int:
        """Largest legal code."""
        return (1 << (self.bits - (1 if self.signed else 0))) - 1

    @property
    def levels(self) -> int:
        """Number of legal codes."""
        return self.max - self.min + 1

    @property
    def name(self) -> str:
        """What users call it."""
        return f"{'int' if self.signed else 'uint'}{self.bits}"

    @property
    def values(self) -> np.ndarray[Any, Any]:
        """All legal codes, int64, rising."""
        return np.arange(self.min, self.max + 1, dtype=np.int64)

    @property
    def filler(self) -> int:
        """The code of the pattern of zeros, where no weight is and any would do."""
        return 0

    @property
    def dtype(self) -> type[np.int8] | type[np.int16]:
        """The least NumPy type that holds the codes of a weight."""
        return np.int8 if self.max <= np.iinfo(np.int8).max else np.int16

    def product_bits(self, act_bits: int) -> int:
        """Width of the product of a code and an unsigned activation of `act_bits`."""
        return act_bits + self.bits

    def describe(self) -> dict[str, Any]:
        """As JSON values."""
        return {"bits": self.bits, "signed": self.signed, "symmetric": self.symmetric}

    def check(self, codes: np.ndarray[Any, Any], what: str) -> None:
        """Raise LockstepError naming the first of `codes` outside [min, max]; `what` says whose codes they are.

        Parameters
        ----------
        codes : integer array of any shape
        what : str
            Put before the index: ``what[2, 0] is 9, outside -7..7 (4 bits)``.
        """
        bad = np.argwhere((codes < self.min) | (codes > self.max))
        if len(bad):
            where = tuple(int(i) for i in bad[0])
            raise LockstepError(
                f"{what}{list(where)} is {int(codes[where])}, outside {self.min}..{self.max} ({self.bits} bits)"
            )

    def encode(self, codes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Bit patterns of `codes` (any integer array in range) as uint32, two's complement cut to `bits`."""
        self.check(codes, "code ")
        return (codes.astype(np.int64) & ((1 << self.bits) - 1)).astype(np.uint32)

    def decode(self, patterns: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Codes (int64) of the bit `patterns` (any integer array): the inverse of `encode`.

        Raises
        ------
        LockstepError
            For a pattern that is negative or wider than `bits`, or that is no code of the format (the most negative one
            of a symmetric format).
        """
        IntFormat(self.bits).check(patterns, "pattern ")
        values = patterns.astype(np.int64)
        if self.signed:
            values = np.where(values >= 1 << (self.bits - 1), values - (1 << self.bits), values)
        self.check(values, "code ")
        return values


def signed_bits_for(low: int, high: int) -> int:
    """Smallest two's-complement width that holds every integer of [low, high].

    Examples
    --------
    >>> signed_bits_for(-8, 7), signed_bits_for(0, 8), signed_bits_for(0, 0)
    (4, 5, 1)
    """
    if low > high:
        raise ValueError(f"empty range {low}..{high}")
    return max((~low if low < 0 else low).bit_length(), (~high if high < 0 else high).bit_length()) + 1
