"""What interpreting a layer needs and leaves: fields of a descriptor, the stream, what was written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from model.errors import LockstepError

Line = tuple[int, ...]


class Write(NamedTuple):
    """A line of codes written back: its address within a bank, the part that it fills, `cols` codes.

    Parts are the segments of a line, or, for a reader of pairs, the low halves of its segments, then the high ones.
    """

    address: int
    part: int
    codes: Line


class Outcome(NamedTuple):
    """What a layer did.

    Parameters
    ----------
    writes : list of Write
        In order; empty for logits.
    results : list of tuples
        Wide lines, `cols` values each, in order; empty for codes.
    pixels : int
        Pixel instructions.
    words : int
        Stream words taken.
    """

    writes: list[Write]
    results: list[Line]
    pixels: int
    words: int


def field(words: Sequence[int], word: int, high: int, low: int, signed: bool = False) -> int:
    """Bits high..low of a descriptor word, two's complement where `signed`."""
    value = (int(words[word]) >> low) & ((1 << (high - low + 1)) - 1)
    return signed_value(value, high - low + 1) if signed else value


def signed_value(value: int, width: int) -> int:
    """The low `width` bits of `value`, two's complement."""
    value &= (1 << width) - 1
    return value - (1 << width) if value >> (width - 1) else value


class Words:
    """A stream, taken word by word; LockstepError where it ends early or late."""

    def __init__(self, words: Sequence[int], last: Sequence[bool]) -> None:
        self.words, self.last, self.taken = words, last, 0

    def take(self) -> int:
        """The next word."""
        if self.taken == len(self.words):
            raise LockstepError(f"the stream ends after {self.taken} words; the layer wants more")
        if self.taken and self.last[self.taken - 1]:
            raise LockstepError(f"word {self.taken - 1} of the stream is marked last; the layer wants more")
        self.taken += 1
        return self.words[self.taken - 1]

    def end(self) -> None:
        """Nothing may be left."""
        if self.taken != len(self.words) or not self.last[self.taken - 1]:
            raise LockstepError(
                f"the layer took {self.taken} of {len(self.words)} words; expected all, the last marked"
            )
