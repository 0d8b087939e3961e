"""Numbers that several targets take, and what they may be."""

from __future__ import annotations

import os

from model.errors import LockstepError
from model.typed import whole_number

MOST_JOBS = 64


def positive(name: str, text: str, example: int) -> int:
    """A whole number of 1 or more; as `whole_number` otherwise."""
    value = whole_number(name, text, example)
    if value < 1:
        raise LockstepError(f"{name}={value} is impossible; expected 1 or more")
    return value


def cores() -> int:
    """The machine's cores, as many as JOBS may be."""
    return min(os.cpu_count() or 1, MOST_JOBS)


def at_a_time(text: str, what: str) -> int:
    """JOBS, so many of `what` at a time: 1..MOST_JOBS.

    Raises
    ------
    LockstepError
        For anything else.
    """
    jobs = whole_number("JOBS", text, cores())
    if not 1 <= jobs <= MOST_JOBS:
        raise LockstepError(f"JOBS={jobs} is impossible; expected 1..{MOST_JOBS}, {what} at a time")
    return jobs
