"""Whole numbers as they are typed on a make line: one reading for every script."""

from __future__ import annotations

import os
import re

from model.errors import LockstepError

MOST_TOOLS = 64


def whole_number(name: str, text: str, example: int) -> int:
    """The integer in `text`: ASCII digits, twelve at most, perhaps behind a minus; its range is the taker's business.

    Parameters
    ----------
    name : str
        The variable of the make line.
    text : str
        Its value.
    example : int
        A value that would do.

    Raises
    ------
    LockstepError
        For anything else: fractions, blanks, signs of other kinds, digits of other scripts.

    >>> whole_number("ROWS", "8", 8), whole_number("SEED", "-1", 1)
    (8, -1)
    """
    if not re.fullmatch(r"-?[0-9]{1,12}", text):
        raise LockstepError(f"{name}={text!r} is not a whole number; expected {name}={example}, for instance")
    return int(text)


def positive(name: str, text: str, example: int) -> int:
    """A whole number of 1 or more; as `whole_number` otherwise."""
    value = whole_number(name, text, example)
    if value < 1:
        raise LockstepError(f"{name}={value} is impossible; expected 1 or more")
    return value


def cores() -> int:
    """The machine's cores, as many as tools may run at a time."""
    return min(os.cpu_count() or 1, MOST_TOOLS)


def tools_at_a_time(text: str) -> int:
    """JOBS of the targets that run synthesis tools: 1..MOST_TOOLS.

    Raises
    ------
    LockstepError
        For anything else.
    """
    jobs = whole_number("JOBS", text, cores())
    if not 1 <= jobs <= MOST_TOOLS:
        raise LockstepError(f"JOBS={jobs} is impossible; expected 1..{MOST_TOOLS}, tools at a time")
    return jobs
