"""What is in a folder that nobody described: its text files of binary digits, grouped by name.

Files whose names differ in numbers only form a group. What each number counts (ic, oc, kij, or ic and oc together) the
name may hint; the data decide (propose.py).
"""

from __future__ import annotations

import itertools
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from model.errors import LockstepError
from model.files import MOST_BYTES, require_file

MAX_HEADER, MAX_FILES, MAX_DEPTH = 64, 200_000, 3
HINTS = {
    "kij": ("kij", "k", "kernel"),
    "ic": ("ic", "itile", "ictile", "icg", "in"),
    "oc": ("oc", "otile", "octile", "ocg", "out"),
    "tile": ("tile", "t"),
}


@dataclass(frozen=True)
class Naming:
    """One way to understand the numbers in a group's names: the pattern, and how many values each mark takes."""

    pattern: str
    counts: dict[str, int]


@dataclass(frozen=True)
class Group:
    """Files of one name but for its numbers.

    Parameters
    ----------
    parts : tuple of str
        The name between the numbers, one more than there are numbers.
    numbers : tuple of tuple of int
        The numbers of each file.
    header_lines, lines, width : int
        Header lines, data lines and digits a line of most of the files; a file that differs is damaged.
    """

    parts: tuple[str, ...]
    numbers: tuple[tuple[int, ...], ...]
    header_lines: int
    lines: int
    width: int

    @property
    def title(self) -> str:
        """The name with ``*`` for numbers that vary."""
        columns = [{numbers[i] for numbers in self.numbers} for i in range(len(self.parts) - 1)]
        marks = [str(next(iter(column))) if len(column) == 1 else "*" for column in columns]
        return "".join(itertools.chain.from_iterable(zip(self.parts, [*marks, ""], strict=True)))

    def names(self) -> list[str]:
        """The files' names, in order of their numbers."""
        return [self.name(numbers) for numbers in self.numbers]

    def name(self, marks: tuple[object, ...]) -> str:
        """The name with `marks` in place of the numbers."""
        return "".join(itertools.chain.from_iterable(zip(self.parts, [*map(str, marks), ""], strict=True)))

    def namings(self, allowed: tuple[str, ...]) -> list[Naming]:
        """Every way to read the numbers as counts of `allowed` marks with no file missing, best hinted first."""
        found = []
        for choice in itertools.product(*(self._options(place, allowed) for place in range(len(self.parts) - 1))):
            marks = [mark for mark, _ in choice]
            counts = {mark: len({numbers[i] for numbers in self.numbers}) for i, mark in enumerate(marks) if mark}
            if len(counts) == sum(map(bool, marks)) and self._complete(marks, counts):
                texts = [f"{{{mark}}}" if mark else self.numbers[0][i] for i, mark in enumerate(marks)]
                found.append((sum(penalty for _, penalty in choice), Naming(self.name(tuple(texts)), counts)))
        return [naming for _, naming in sorted(found, key=lambda item: item[0])]

    def _options(self, place: int, allowed: tuple[str, ...]) -> list[tuple[str, int]]:
        """(mark or "" for a literal number, how much the name speaks against it) for one number."""
        values = {numbers[place] for numbers in self.numbers}
        token = re.findall(r"[a-z]+", self.parts[place].lower())
        hint = next((mark for mark, words in HINTS.items() if token and token[-1] in words), None)
        if len(values) == 1:  # a number that never changes: a mark only where the name says which
            return [(hint if hint in allowed and hint != "tile" and values == {0} else "", 0)]
        if values != set(range(len(values))):
            return []
        shared = ("ic", "oc", "tile") if hint == "tile" else (hint,)
        return [(mark, 0 if mark in shared else 1 if hint is None else 2) for mark in allowed]

    def _complete(self, marks: list[str], counts: dict[str, int]) -> bool:
        """True when there is exactly one file for every combination of the marks' values."""
        seen = {
            tuple(n for n, mark in zip(numbers, marks, strict=True) if mark and mark != "tile")
            for numbers in self.numbers
        }
        expected = 1
        for mark, count in counts.items():
            expected *= 1 if mark == "tile" else count
        if "tile" not in marks:
            return len(seen) == expected == len(self.numbers)
        place = marks.index("tile")
        if "ic" in marks or "oc" in marks:
            if not ("ic" in marks and "oc" in marks):
                return False
            i, o = marks.index("ic"), marks.index("oc")
            right = all(n[place] == n[o] * counts["ic"] + n[i] for n in self.numbers)
            return right and len(seen) == expected == len(self.numbers)
        return expected * counts["tile"] == len(self.numbers)


def survey(folder: Path) -> list[Group]:
    """Groups of the files of binary digits in `folder` and in folders inside it, in order of name.

    Raises
    ------
    LockstepError
        When the folder is missing or holds no such file.
    """
    if not folder.is_dir():
        raise LockstepError(
            f"{folder} is {'not a folder' if folder.exists() else 'missing'}; expected a folder of vectors"
        )
    profiles: dict[tuple[str, ...], list[tuple[tuple[int, ...], tuple[int, int, int]]]] = {}
    for name in _files(folder):
        profile = _profile(folder / name)
        digits = re.findall(r"\d+", name)
        if profile is not None:
            if any(
                text != str(int(text)) for text in digits
            ):  # a pattern has no leading zeros: keep such numbers as text
                profiles.setdefault((name,), []).append(((), profile))
            else:
                key = tuple(re.split(r"\d+", name))
                profiles.setdefault(key, []).append((tuple(int(text) for text in digits), profile))
    if not profiles:
        raise LockstepError(f"{folder} holds no file of binary digits; expected a folder of vectors")
    groups = []
    for parts, files in sorted(profiles.items()):
        files.sort()
        header_lines, lines, width = Counter(profile for _, profile in files).most_common(1)[0][0]
        groups.append(Group(parts, tuple(numbers for numbers, _ in files), header_lines, lines, width))
    return groups


def _files(folder: Path) -> Iterator[str]:
    """Names relative to `folder` of the files in it, hidden ones and deep ones left out."""
    count = 0
    for path, folders, names in os.walk(folder):
        inside = Path(path).relative_to(folder)
        folders[:] = sorted(n for n in folders if not n.startswith(".")) if len(inside.parts) < MAX_DEPTH else []
        for name in sorted(names):
            count += 1
            if count > MAX_FILES:
                raise LockstepError(f"{folder} holds more than {MAX_FILES} files; expected a folder of vectors")
            if not name.startswith(".") and (Path(path) / name).is_file():
                yield (inside / name).as_posix()


def _profile(path: Path) -> tuple[int, int, int] | None:
    """(header lines, data lines, digits a line) of a file of binary digits after a header, else None."""
    try:
        with path.open("rb") as file:
            head = [file.readline(1 << 16).rstrip() for _ in range(MAX_HEADER + 1)]
            header = next((i for i, line in enumerate(head) if line and not line.strip(b"01")), None)
            if header is None:
                return None
            require_file(path, "a vector file", MOST_BYTES)
            file.seek(0)
            lines = file.read().rstrip().count(b"\n") + 1
    except OSError as error:
        raise LockstepError(f"cannot read {path}: {error.strerror}") from error
    return header, lines - header, len(head[header])
