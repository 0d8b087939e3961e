"""A reader of value change dumps (IEEE 1364-2005, clause 18): header, then a few signals at a clock's rising edges."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TextIO

from model.errors import LockstepError
from model.files import require_file

PICOSECONDS = {"s": 10**12, "ms": 10**9, "us": 10**6, "ns": 1000, "ps": 1}
SCALE = re.compile(r"(1|10|100)\s*(s|ms|us|ns|ps)")
MOST_LINE = 1 << 20
TIME, WIDTH = re.compile("#[0-9]{1,19}"), re.compile("[0-9]{1,6}")
REAL = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]{1,3})?|[-+]?(nan|inf)")
MARKS = ("$dumpvars", "$dumpall", "$dumpon", "$dumpoff", "$end")  # around changes, which count all the same


@dataclass(frozen=True)
class Edge:
    """The values that held until a rising edge of the clock.

    Parameters
    ----------
    time : int
        Of the edge, in picoseconds.
    values : tuple of str
        Bits in the order in which the signals were asked for, as the dump writes them (leading zeros may be left out);
        "x" before a signal's first change.
    """

    time: int
    values: tuple[str, ...]


class Dump:
    """An open dump, to be read once from front to end; a context manager.

    Parameters
    ----------
    path : Path
    live : bool
        The path is a pipe into which a simulator writes, or will, and is waited for; else a regular file alone is read.

    Attributes
    ----------
    signals : dict
        Identifier code and width by full name, ``core.u_array.clk_i``, ranges left out.
    scale : int
        Picoseconds of a time step.
    date : str
        What the simulator wrote into the header.

    Raises
    ------
    LockstepError
        By the constructor and by `edges`, when the file is missing or not such a dump.
    """

    def __init__(self, path: Path, live: bool = False) -> None:
        self.path = path
        self.signals: dict[str, tuple[str, int]] = {}
        self._widths: dict[str, int] = {}  # by identifier code
        self.scale = 1
        self.date = ""
        if not live:
            require_file(path, "a VCD dump")
        try:
            self._file: TextIO = path.open(encoding="latin-1")
        except OSError as error:
            raise LockstepError(f"cannot read {path}: {error.strerror or error}") from error
        self._tokens = (token for line in self._lines() for token in line.split())
        try:
            self._header()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Dump:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def _lines(self) -> Iterator[str]:
        while line := self._file.readline(MOST_LINE):
            if len(line) == MOST_LINE:
                raise LockstepError(f"{self.path} has a line of {MOST_LINE} characters; expected a VCD dump")
            yield line

    def _until_end(self) -> list[str]:
        words: list[str] = []
        for token in self._tokens:
            if token == "$end":
                return words
            words.append(token)
        raise LockstepError(f"{self.path} breaks off in its header; expected a whole VCD dump")

    def _header(self) -> None:
        scopes: list[str] = []
        for token in self._tokens:
            if not token.startswith("$"):
                break
            words = self._until_end()
            if token == "$enddefinitions":
                if words:
                    raise LockstepError(f"{self.path}: $enddefinitions without $end; expected a VCD dump")
                return
            if token == "$date":
                self.date = " ".join(words)
            elif token == "$timescale":
                match = SCALE.fullmatch("".join(words))
                if match is None:
                    raise LockstepError(f"{self.path}: time scale {' '.join(words)!r:.40}; expected 1ps to 100s")
                self.scale = int(match[1]) * PICOSECONDS[match[2]]
            elif token == "$scope" and len(words) == 2:
                scopes.append(words[1])
            elif token == "$upscope" and scopes:
                scopes.pop()
            elif token == "$var" and len(words) >= 4 and WIDTH.fullmatch(words[1]):
                code, width = words[2], int(words[1])
                if self._widths.setdefault(code, width) != width:
                    raise LockstepError(f"{self.path}: {code!r:.40} is {width} bits wide and {self._widths[code]}")
                self.signals[".".join([*scopes, words[3].partition("[")[0]])] = (code, width)
        raise LockstepError(f"{self.path} has no $enddefinitions; expected a VCD dump")

    def changes(self) -> Iterator[tuple[int, str, str]]:
        """(time in steps, identifier code, bits) of every change.

        Raises
        ------
        LockstepError
            For a word that is no change, a signal that the header does not declare, more bits than it has, a time that
            is earlier than the one before.
        """
        now = 0
        for token in self._tokens:
            first = token[0]
            if first in "01xXzZ" and len(token) > 1:
                code, bits = token[1:], first.lower()
            elif first in "bBrR":
                code, bits = next(self._tokens, ""), token[1:].lower()
                if bits.strip("01xz") if first in "bB" else not REAL.fullmatch(bits):
                    raise LockstepError(f"{self.path}: {token!r:.40} is no value; expected a VCD dump")
            elif first == "#" and TIME.fullmatch(token):
                now, before = int(token[1:]), now
                if now < before:
                    raise LockstepError(f"{self.path}: time {now} stands behind {before}; expected times that rise")
                continue
            elif token == "$comment":
                self._until_end()
                continue
            elif token in MARKS:
                continue
            else:
                raise LockstepError(f"{self.path}: {token!r:.40} is no value change; expected a VCD dump")
            width = self._widths.get(code)
            if width is None or not bits or (len(bits) > width and first not in "rR"):
                told = "does not declare" if width is None else f"gives {width} bits"
                raise LockstepError(f"{self.path}: {token!r:.40} is for {code!r:.40}, which the header {told}")
            yield now, code, bits

    def edges(self, clock: str, names: Sequence[str]) -> Iterator[Edge]:
        """Every rising edge of `clock`, with the values that the signals had just before it.

        Changes of the same time step as the edge belong to the cycle behind it.

        Raises
        ------
        LockstepError
            When there is no such signal.
        """
        unknown = next((name for name in (clock, *names) if name not in self.signals), None)
        if unknown is not None:
            raise LockstepError(f"{self.path} has no signal {unknown}; expected a dump of the replay (core)")
        clock_id = self.signals[clock][0]
        wanted = [self.signals[name][0] for name in names]
        values = dict.fromkeys(wanted, "x")
        level, before, time_of_step = "x", values.copy(), -1
        for time, ident, bits in self.changes():
            if time != time_of_step:
                time_of_step, before = time, {}  # `before` holds what this time step has overwritten
            if ident == clock_id:
                if level == "0" and bits == "1":
                    yield Edge(time * self.scale, tuple(before.get(code, values[code]) for code in wanted))
                level = bits
            elif ident in values:
                before.setdefault(ident, values[ident])
                values[ident] = bits


def instances(names: Iterable[str], pattern: str) -> dict[tuple[int, ...], str]:
    """Names that end as the regular expression `pattern` says, by the numbers in its groups."""
    ending = re.compile(rf"(?:.*\.)?{pattern}")
    return {tuple(map(int, match.groups())): name for name in names if (match := ending.fullmatch(name)) is not None}
