"""Whole numbers as they are typed on a make line or set in the environment: one reading for all."""

from __future__ import annotations

import re

from model.errors import LockstepError


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
