"""Verilator's counts of lines, branches and toggles: read, and added up over instances, parameter sets and runs.

A place counts as met when it was met in any instance of its module, in any parameter set; the bit of a bus only has to
change where a set has it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from model.errors import LockstepError

KINDS = ("line", "branch", "toggle")
RECORD = re.compile(r"C '(?P<fields>[^']*)' (?P<count>\d+)")


class Place(NamedTuple):
    """What is counted: a line or branch of a source, or a bit's change one way.

    Parameters
    ----------
    module : str
        Its file is ``rtl/<module>.v``.
    line, column : int
        From 1.
    kind : str
        One of KINDS.
    what : str
        ``block``, ``if``, ``else``, ``cond_then`` ...; of a toggle the bit and its change, ``data_o[3]:0->1``.
    """

    module: str
    line: int
    column: int
    kind: str
    what: str

    @property
    def name(self) -> str:
        """The signal of a toggle without index and change, else `what`.

        >>> Place("fifo", 26, 3, "toggle", "mem[2][0]:0->1").name
        'mem'
        """
        return re.split(r"[\[:]", self.what)[0] if self.kind == "toggle" else self.what


def read_counts(path: Path, rtl: Path) -> Counter[Place]:
    """The counts in one of Verilator's files, of the sources in the folder `rtl` alone.

    Raises
    ------
    LockstepError
        When the file is cut short or is none of Verilator's.
    """
    counts: Counter[Place] = Counter()
    lines = path.read_text(errors="replace").splitlines()
    if not lines or not lines[0].startswith("# SystemC::Coverage"):
        raise LockstepError(f"{path} does not begin as Verilator's counts do; expected '# SystemC::Coverage-3'")
    for number, text in enumerate(lines[1:], start=2):
        found = RECORD.fullmatch(text)
        if found is None:
            raise LockstepError(f"{path}: line {number} is no count: {text[:60]!r}")
        fields = dict(field.split("\x02", 1) for field in found["fields"].split("\x01") if field)
        try:
            source = Path(fields["f"])
            kind = fields["page"].partition("/")[0].removeprefix("v_")
            place = Place(source.stem, int(fields["l"]), int(fields["n"]), kind, fields["o"])
        except (KeyError, ValueError) as error:
            raise LockstepError(f"{path}: line {number} lacks a field ({error})") from error
        if kind in KINDS and source.resolve().parent == rtl.resolve():
            counts[place] += int(found["count"])
    return counts


def added(parts: Iterable[Counter[Place]]) -> Counter[Place]:
    """The sum; a place that nobody met stays, with 0."""
    total: Counter[Place] = Counter()
    for part in parts:
        for place, count in part.items():
            total[place] = total[place] + count
    return total


def to_json(counts: Counter[Place]) -> list[list[object]]:
    """As rows of [module, line, column, kind, what, count], sorted."""
    return [[*place, counts[place]] for place in sorted(counts)]


def from_json(rows: Iterable[list[object]]) -> Counter[Place]:
    """The inverse of `to_json`."""
    counts: Counter[Place] = Counter()
    for module, line, column, kind, what, count in rows:
        counts[Place(str(module), int(str(line)), int(str(column)), str(kind), str(what))] = int(str(count))
    return counts
