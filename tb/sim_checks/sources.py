"""What the blocks' sources say when a check fails, and whether a message is one of these."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from tb.common.sources import read_rtl

FATAL = re.compile(r'\$fatal\(1,\s*"%m: (?P<message>[^"]*)"')
FIELD = re.compile(r"%[0-9]*[a-z]")
CHECKS = re.compile(r"`ifdef SIM_CHECKS\n(.*?)`endif", re.DOTALL)


class Rule(NamedTuple):
    """A $fatal of a module: its words, fields as %d."""

    module: str
    words: str


def rules() -> Iterator[Rule]:
    """All that are checked under `ifdef SIM_CHECKS."""
    for module, source in read_rtl().items():
        for text in CHECKS.findall(source):
            yield from (Rule(module, match["message"]) for match in FATAL.finditer(text))


def refusals() -> Iterator[Rule]:
    """All that are looked at once, at time zero: parameters."""
    for module, source in read_rtl().items():
        yield from (Rule(module, match["message"]) for match in FATAL.finditer(CHECKS.sub("", source)))


def tells(message: str, rule: str) -> bool:
    """Whether `message` is `rule` with its fields filled in, or a part of it without any.

    >>> tells("word 3 of 7 was lost", "word %0d of %0d was lost"), tells("was lost", "word %0d of %0d was lost")
    (True, True)
    """
    return message in rule or re.search(".*?".join(map(re.escape, FIELD.split(rule))), message) is not None
