"""RTL mutants: one small unified diff each, read and applied strictly.

``<name>.patch`` begins with a comment line, ``# Fault: <what is wrong>. Stands for: <the mistake behind it>.``, and
changes one file of ``rtl/``. A hunk applies where its old lines stand in the present source, wherever they have moved;
if they stand there no longer, or in several places and none of them where the hunk says, that is an error, not a guess.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from model.errors import LockstepError
from model.files import read_bytes

PATCHES = Path(__file__).resolve().parent
COMMENT = re.compile(r"# Fault: (?P<fault>.+)\. Stands for: (?P<stands_for>.+)\.")
TARGET = re.compile(r"\+\+\+ (?:b/)?rtl/(?P<module>\w+)\.v(?:\t.*)?")
HUNK = re.compile(r"@@ -(?P<start>\d+)(?:,(?P<old>\d+))? \+\d+(?:,(?P<new>\d+))? @@.*")
NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Hunk:
    """One change: the lines `old`, which began at line `start` (from 1) when the patch was made, become `new`."""

    start: int
    old: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True)
class Mutant:
    """A named fault.

    Parameters
    ----------
    path : Path
        The patch; its stem is the mutant's name.
    module : str
        The module it changes: ``rtl/<module>.v``.
    fault, stands_for : str
        What is wrong, and the mistake that the mutant stands for.
    hunks : tuple of Hunk
    """

    path: Path
    module: str
    fault: str
    stands_for: str
    hunks: tuple[Hunk, ...]

    @property
    def name(self) -> str:
        """What the mutant is called: the file's name without its suffix."""
        return self.path.stem

    def apply(self, source: str) -> str:
        """The text of ``rtl/<module>.v`` with the fault in it.

        Raises
        ------
        LockstepError
            When a hunk's old lines are not in `source`, or are there more than once and not where the hunk says.
        """
        lines = source.split("\n")
        moved = 0  # lines that the hunks before have added
        for number, hunk in enumerate(self.hunks, 1):
            size = len(hunk.old)
            places = [at for at in range(len(lines) - size + 1) if tuple(lines[at : at + size]) == hunk.old]
            told = hunk.start - 1 + moved
            if not places:
                raise LockstepError(
                    f"{self.path} does not apply: hunk {number} changes lines that are not in rtl/{self.module}.v "
                    f"(any more), the first {hunk.old[0].strip()!r}; make the patch again from the present source"
                )
            if len(places) > 1 and told not in places:
                found = ", ".join(str(at + 1) for at in places)
                raise LockstepError(
                    f"{self.path} does not apply: hunk {number} fits lines {found} of rtl/{self.module}.v, "
                    f"but not line {told + 1}, where it says; make the patch again from the present source"
                )
            at = told if told in places else places[0]
            lines[at : at + size] = hunk.new
            moved += len(hunk.new) - size
        return "\n".join(lines)


def read_mutant(path: Path) -> Mutant:
    """Read one patch.

    Raises
    ------
    LockstepError
        When its name, its comment line or the diff itself is not as described above; with the line.
    """
    if not NAME.fullmatch(path.stem):
        raise LockstepError(f"{path}: a mutant is named by its fault, in lower case with underscores")
    try:
        lines = read_bytes(path, "a patch").decode().removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise LockstepError(f"cannot read {path}: {error}") from error
    comment = COMMENT.fullmatch(lines[0])
    if comment is None:
        raise LockstepError(f"{path} line 1: expected `# Fault: <what is wrong>. Stands for: <the mistake behind it>.`")
    targets = [found["module"] for line in lines if (found := TARGET.fullmatch(line))]
    if len(targets) != 1 or sum(line.startswith("+++ ") for line in lines) != 1:
        raise LockstepError(f"{path}: expected a unified diff of exactly one file, with a line `+++ b/rtl/<module>.v`")
    hunks = _hunks(path, lines)
    if not hunks:
        raise LockstepError(f"{path} changes nothing; expected a hunk, @@ -line,lines +line,lines @@")
    return Mutant(path, targets[0], comment["fault"], comment["stands_for"], hunks)


def _hunks(path: Path, lines: list[str]) -> tuple[Hunk, ...]:
    """Every hunk of a patch; each must hold as many lines as its head says."""
    hunks = []
    at = next(index for index, line in enumerate(lines) if line.startswith("+++ ")) + 1
    while at < len(lines) and (head := HUNK.fullmatch(lines[at])):
        begin, at = at, at + 1
        want = [int(head["old"] or 1), int(head["new"] or 1)]
        old: list[str] = []
        new: list[str] = []
        while at < len(lines) and [len(old), len(new)] != want:
            kind, text = (lines[at][:1] or " "), lines[at][1:]  # an editor may have cut the blank of an empty line
            if kind not in " +-":
                break
            old += [text] if kind in " -" else []
            new += [text] if kind in " +" else []
            at += 1
        if [len(old), len(new)] != want or not old:
            raise LockstepError(
                f"{path} line {begin + 1}: the hunk holds {len(old)} old and {len(new)} new lines, its head promises "
                f"{want[0]} and {want[1]}; expected as many, with at least one old"
            )
        hunks.append(Hunk(int(head["start"]), tuple(old), tuple(new)))
    rest = [index for index in range(at, len(lines)) if lines[index].strip()]
    if rest:
        raise LockstepError(f"{path} line {rest[0] + 1}: {lines[rest[0]]!r} belongs to no hunk")
    return tuple(hunks)


def read_mutants(folder: Path = PATCHES) -> list[Mutant]:
    """All patches in `folder`, by module and name.

    Raises
    ------
    LockstepError
        When there is none, or one is not as it should be.
    """
    mutants = [read_mutant(path) for path in sorted(folder.glob("*.patch"))]
    if not mutants:
        raise LockstepError(f"no mutants in {folder}; expected files *.patch")
    return sorted(mutants, key=lambda mutant: (mutant.module, mutant.name))
