"""One output port against the lines that the vector files promise: every cycle, every word, to the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tb.common.schedule import Cycles
from tb.common.stream import pack
from tb.core.place import Place

Array = np.ndarray[Any, Any]
KEPT = 20  # mismatches kept in full; all are counted

Line = int | str | None  # a packed line; digits with an X or Z among them; no line


@dataclass(frozen=True)
class Mismatch:
    """One word that is not what its file says, or a line that came or stayed away against the schedule.

    Parameters
    ----------
    fault : {"wrong", "missing", "unexpected", "unknown"}
        Another number; no line in its cycle; a line in a cycle without one; X or Z.
    place : Place or None
        None for an unexpected line.
    column : int or None
        None when the whole line is missing or unexpected.
    expected : int or None
    got : int, str (digits of an unknown word) or None
    cycle : int
        Since the first cycle after reset, 0-based.
    time_ns : float
    signal : str
        The bits to look at in the waveform.
    """

    fault: str
    place: Place | None
    column: int | None
    expected: int | None
    got: int | str | None
    cycle: int
    time_ns: float
    signal: str

    def to_json(self) -> dict[str, Any]:
        """As a flat JSON object."""
        entries = asdict(self)
        return {**entries.pop("place"), **entries} if self.place else {**entries}


class Judge:
    """Compares the lines of one port and counts.

    Parameters
    ----------
    port : str
        Name of the port, ``psum`` or ``out``.
    cycles : int64 [n], rising
        Cycle in which each line is due.
    lines : int64 [n, cols], optional
        What it must hold; without it only its presence is checked.
    cols, width : int
        Words of a line and their bits.
    place : function of int
        Where a line belongs.
    """

    def __init__(
        self, port: str, cycles: Cycles, lines: Array | None, cols: int, width: int, place: Callable[[int], Place]
    ) -> None:
        self.port, self.cycles, self.lines, self.cols, self.width, self.place = port, cycles, lines, cols, width, place
        self.came = 0  # lines that came when they were due
        self.checked = 0  # words compared
        self.mismatches = 0  # words wrong, unknown, missing or unexpected
        self.kept: list[Mismatch] = []

    @property
    def expected(self) -> int:
        """Words that must be compared before the end."""
        return 0 if self.lines is None else self.lines.size

    @property
    def complete(self) -> bool:
        """Every line came, every word was compared, and none was wrong."""
        return self.mismatches == 0 and self.came == len(self.cycles) > 0 and self.checked == self.expected

    def due(self, start: int, stop: int) -> list[int | None]:
        """What the port must show in each of the cycles ``start .. stop - 1``: a packed line, or None for nothing.

        Where the content is not judged, any line will do and -1 stands for it.
        """
        first, last = (int(at) for at in np.searchsorted(self.cycles, (start, stop)))
        due: list[int | None] = [None] * (stop - start)
        words = [-1] * (last - first) if self.lines is None else pack(self.lines[first:last], self.width)
        for cycle, word in zip(self.cycles[first:last].tolist(), words, strict=True):
            due[cycle - start] = word
        return due

    def agree(self) -> None:
        """A line came when it was due, and equals what it must be (or is not judged)."""
        self.came += 1
        if self.lines is not None:
            self.checked += self.cols

    def differ(self, cycle: int, time_ns: float, due: int | None, got: Line) -> None:
        """What the port showed in `cycle` is not what was due."""
        if due is None:
            digits = got if isinstance(got, str) else None
            self._keep(self.cols, Mismatch("unexpected", None, None, None, digits, cycle, time_ns, self._bits(None)))
            return
        index = int(np.searchsorted(self.cycles, cycle))
        place = self.place(index)
        if got is None:
            self._keep(self.cols, Mismatch("missing", place, None, None, None, cycle, time_ns, self._bits(None)))
            return
        self.came += 1
        if self.lines is None:
            self._keep(self.cols, Mismatch("unknown", place, None, None, got, cycle, time_ns, self._bits(None)))
            return
        self.checked += self.cols
        for column, expected in enumerate(self.lines[index].tolist()):
            word = self._word(got, column)
            if word != expected:
                fault = "unknown" if isinstance(word, str) else "wrong"
                self._keep(1, Mismatch(fault, place, column, expected, word, cycle, time_ns, self._bits(column)))

    def _word(self, line: int | str, column: int) -> int | str:
        low = column * self.width
        if isinstance(line, str):
            digits = line[len(line) - low - self.width : len(line) - low]
            if digits.strip("01"):
                return digits
            line, low = int(digits, 2), 0
        word = (line >> low) & ((1 << self.width) - 1)
        return word - (word >> (self.width - 1) << self.width)

    def _bits(self, column: int | None) -> str:
        if column is None:
            return f"core.{self.port}_valid_o"
        return f"core.{self.port}_o[{(column + 1) * self.width - 1}:{column * self.width}]"

    def _keep(self, words: int, mismatch: Mismatch) -> None:
        self.mismatches += words
        if len(self.kept) < KEPT:
            self.kept.append(mismatch)
