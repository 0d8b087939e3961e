"""The one exception that means "your input is wrong", as opposed to a defect of Lockstep."""

from __future__ import annotations

MOST = 600  # characters of a message: what a file says must not flood the terminal


class LockstepError(Exception):
    """Bad input, told in one line: what is wrong, where, and what would be right.

    Entry points catch it, print ``error: <message>`` and exit with status 2; everything else is a defect and keeps its
    traceback.
    """

    def __init__(self, message: str) -> None:
        line = " ".join(message.split())
        if not line.isprintable():  # as a file's own words may be: what it says must not steer the terminal
            line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
        super().__init__(line if len(line) <= MOST else f"{line[: MOST // 2]} ... {line[5 - MOST // 2 :]}")
