"""Waivers: places that cannot be met, each with its reason, in ``waivers.toml``.

One that matches no place, or a place that was met, is an error: it hides nothing today and a real hole tomorrow.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from model.errors import LockstepError
from model.files import read_toml
from tb.coverage.counts import KINDS, Place

WAIVERS = Path(__file__).with_name("waivers.toml")
ENTRIES = {"module", "kind", "what", "source", "reason"}


@dataclass(frozen=True)
class Waiver:
    """Places that need not be met.

    Parameters
    ----------
    module : str
        ``*``: any in which `source` stands.
    kind : str
        One of `counts.KINDS`.
    what : str
        As in `Place.what`; ``*`` stands for any text, ``[31:20]`` for each bit from 31 down to 20, and the change at
        the end of a toggle, with indices before it, may be left out.
    source : str
        Text that the place's line must hold; empty: any line.
    reason : str
    """

    module: str
    kind: str
    what: str
    source: str
    reason: str

    def __str__(self) -> str:
        """For messages."""
        return f"{self.module}, {self.kind} {self.what!r}" + (f" in {self.source!r}" if self.source else "")

    def matches(self, place: Place, text: str) -> bool:
        """Whether it speaks of `place`, whose source line is `text`."""
        return (
            self.module in ("*", place.module)
            and self.kind == place.kind
            and _pattern(self.what).fullmatch(place.what) is not None
            and self.source in text
        )


@lru_cache
def _pattern(what: str) -> re.Pattern[str]:
    """What `Waiver.what` stands for.

    >>> [bool(_pattern("left_q[13:2]").fullmatch(f"left_q[{bit}]:0->1")) for bit in (1, 2, 13, 14)]
    [False, True, True, False]
    """
    written = ""
    for part in re.split(r"(\[\d+:\d+\])", what):
        if found := re.fullmatch(r"\[(\d+):(\d+)\]", part):
            written += rf"\[(?:{'|'.join(map(str, range(int(found[2]), int(found[1]) + 1)))})\]"
        else:
            written += ".*".join(map(re.escape, part.split("*")))
    return re.compile(rf"{written}(?:\[\d+\])*(:[01]->[01])?")


def read_waivers(path: Path = WAIVERS) -> list[Waiver]:
    """The waivers in a TOML file, tables ``[[waiver]]`` of module, kind, what, source (may be left out) and reason.

    Raises
    ------
    LockstepError
        When it is no such file; the message names the entry.
    """
    tables = read_toml(path)
    listed = tables.get("waiver", [])
    if set(tables) - {"waiver"} or not isinstance(listed, list):
        raise LockstepError(f"{path}: expected tables [[waiver]] and nothing else")
    found = []
    for number, table in enumerate(listed, start=1):
        where = f"{path}: waiver {number}"
        if not isinstance(table, dict) or set(table) | {"source"} != ENTRIES:
            raise LockstepError(f"{where}: expected {', '.join(sorted(ENTRIES))}, got {', '.join(sorted(table))}")
        texts = {name: table.get(name, "") for name in ENTRIES}
        if not all(isinstance(text, str) and (text.strip() or name == "source") for name, text in texts.items()):
            raise LockstepError(f"{where}: every entry is a text, and none but source is empty")
        if texts["module"] == "*" and not texts["source"].strip():
            raise LockstepError(f"{where}: of any module, so source must say which lines")
        if texts["kind"] not in KINDS:
            raise LockstepError(f"{where}: kind {texts['kind']!r}; expected one of {', '.join(KINDS)}")
        found.append(Waiver(**texts))
    return found


def apply(
    waivers: Sequence[Waiver], counts: Counter[Place], sources: Mapping[str, Sequence[str]]
) -> tuple[dict[Place, Waiver], list[str]]:
    """Which places are waived, and what is wrong with the waivers.

    Parameters
    ----------
    waivers : sequence of Waiver
    counts : Counter of Place
    sources : mapping of module to its lines
        Modules that were not measured in this run are left out; their waivers are not looked at.
    """
    waived: dict[Place, Waiver] = {}
    wrong = []
    for waiver in waivers:
        chosen = [module for module in sources if waiver.module in ("*", module)]
        if waiver.module == "*":
            chosen = [module for module in chosen if any(waiver.source in line for line in sources[module])]
        places = [place for place in counts if place.module in chosen and waiver.matches(place, _line(sources, place))]
        met = sorted(place for place in places if counts[place])
        if not places:
            if chosen:
                wrong.append(f"the waiver of {waiver} matches nothing; remove it, or say what is there now")
        elif met:
            where = f"{met[0].what} in line {met[0].line} of {met[0].module}"
            wrong.append(f"the waiver of {waiver} covers {where}, which was met; narrow it")
        else:
            waived |= dict.fromkeys(places, waiver)
    return waived, wrong


def _line(sources: Mapping[str, Sequence[str]], place: Place) -> str:
    """The place's source line."""
    return sources[place.module][place.line - 1]
