"""The one exception that means "your input is wrong", as opposed to a defect of Lockstep."""

from __future__ import annotations


class LockstepError(Exception):
    """Bad input, told in one line: what is wrong, where, and what would be right.

    Entry points catch it, print ``error: <message>`` and exit with status 2; everything else is a defect and keeps its
    traceback.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))
