"""The make line that gives a result again."""

from __future__ import annotations

from model.errors import LockstepError
from scripts.reporting.results import Source


def command(source: Source) -> str:
    """The make line that the result tells; the plain one of the target where it tells none.

    An own data set (DATA=) is not told: results hold the hash of the data, not the place. An image is told as it was
    given.
    """
    try:
        if source.fields is not None and "make" in source.fields:
            return source.fields.text("make")
    except LockstepError:
        pass  # no text
    return source.make
