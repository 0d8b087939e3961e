"""What the fuzzer knows of a reader: valid files, which of them to damage, and what an accepted reading must equal."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any


class WrongAcceptError(Exception):
    """A file was taken to mean something else than is written in it."""


@dataclass(frozen=True)
class Reader:
    """A reader of files.

    Parameters
    ----------
    name : str
    says : str
        What is read, for people.
    make : function
        Valid files by name, one set of them for each form that the reader knows.
    check : function of a folder
        Reads the files there; LockstepError refuses them, WrongAcceptError tells of a reading that says something else.
    targets : tuple of str
        The files to damage; all, where empty.
    places : tuple of str
        What a refusal may name beside a file of the folder.
    """

    name: str
    says: str
    make: Callable[[], Sequence[Mapping[str, bytes]]]
    check: Callable[[Path], None]
    targets: tuple[str, ...] = ()
    places: tuple[str, ...] = ()

    @cached_property
    def valid(self) -> Sequence[Mapping[str, bytes]]:
        """The valid files, made once."""
        return self.make()


def same(found: object, written: object, what: str) -> None:
    """Raise WrongAcceptError unless `found`, which was read, is `written`."""
    if found != written:
        raise WrongAcceptError(f"{what}: read {found!r:.120}, written {written!r:.120}")


def json_value(content: bytes) -> Any:
    """The value of JSON text, read strictly and by other means than the project's.

    Raises
    ------
    WrongAcceptError
        When a key stands twice, a number is none of JSON's, or the text is no JSON: nobody may accept that.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            raise WrongAcceptError("a key that stands twice")
        return dict(pairs)

    def never(text: str) -> Any:
        raise WrongAcceptError(f"the number {text}")

    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=once, parse_constant=never)
    except ValueError as error:
        raise WrongAcceptError(f"what is no JSON: {error}") from error


def canonical(value: Any) -> str:
    """`value` as text in which 3, 3.0, true and "3" differ and the order of keys does not count."""
    return json.dumps(value, sort_keys=True)


def parts(content: bytes, header_lines: int) -> list[bytes]:
    """The data lines of a vector file, blanks at their ends and empty lines at the end left out."""
    lines = [line.rstrip(b" \t\r") for line in content.split(b"\n")[header_lines:]]
    while lines and not lines[-1]:
        lines.pop()
    return lines
