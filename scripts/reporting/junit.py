"""Counts of tests by folder, from the xUnit file of `make test`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from model.errors import LockstepError
from model.files import MOST_BYTES, require_file

OUTCOMES = {"failure": "failed", "error": "failed", "skipped": "skipped"}


@dataclass(frozen=True)
class Tests:
    """What the file says.

    Parameters
    ----------
    counts : dict of Counter
        "passed", "failed" (errors as well) and "skipped", by folder: ``tests``, ``tb.core``.
    failing : list of str
    """

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    failing: list[str] = field(default_factory=list)

    @property
    def total(self) -> Counter[str]:
        """Over all folders."""
        return sum(self.counts.values(), Counter())


def read(path: Path) -> Tests:
    """The tests in the xUnit file `path`.

    Raises
    ------
    LockstepError
        When it is missing or not XML.
    """
    tests = Tests()
    require_file(path, "the xUnit file of `make test`", MOST_BYTES)
    try:
        for _, case in ElementTree.iterparse(path):
            if case.tag != "testcase":
                continue
            place, name = case.get("classname", ""), case.get("name", "")
            words = place.split(".")
            folder = ".".join(words[:2]) if words[0] == "tb" else words[0]
            outcome = next((OUTCOMES[part.tag] for part in case if part.tag in OUTCOMES), "passed")
            tests.counts.setdefault(folder, Counter())[outcome] += 1
            if outcome == "failed":
                tests.failing.append(f"{place}.{name}")
            case.clear()
    except OSError as error:
        raise LockstepError(f"cannot read {path}: {error.strerror or error}") from error
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise LockstepError(f"{path}: {error}; expected the xUnit file of `make test`") from error
    return tests
