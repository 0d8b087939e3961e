"""Examples drawn by Hypothesis for one reader, judged one by one.

What fails is shrunk and kept where it can be replayed.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st

from scripts.fuzzing.damage import damaged, put
from scripts.fuzzing.judge import judge
from scripts.fuzzing.reader import Reader

MOST_STEPS = 4
STEP = st.integers(0, (1 << 32) - 1)
NOTE = "defect.txt"


class _FoundError(AssertionError):
    """A reading that is not as it should be."""


@dataclass
class Tally:
    """What became of the examples of a reader.

    Parameters
    ----------
    examples, refusals : int
        Readings; those of them that were refused, the others being accepted, and rightly.
    defect : str or None
        What is wrong with the shrunk example that fails, if one does.
    """

    examples: int = 0
    refusals: int = 0
    defect: str | None = None


def examine(reader: Reader, count: int, seed: int | None, folder: Path, kept: Path) -> Tally:
    """Judge `reader` on `count` examples.

    Parameters
    ----------
    reader : Reader
    count : int
    seed : int or None
        None: the same examples every time, whatever was tried before.
    folder : Path
        Where an example's files are put; nothing else may be there.
    kept : Path
        Where the files of a failing one are left, shrunk, with a note beside them.
    """
    tally = Tally()

    def one(which: int, steps: list[int]) -> None:
        files = reader.valid[which]
        shutil.rmtree(folder, ignore_errors=True)
        put(folder, damaged(files, reader.targets or sorted(files), steps))
        verdict = judge(reader, folder)
        if (wrong := verdict.wrong) is not None:
            note = f"{wrong}\nmake fuzz ONLY={reader.name}: form {which}, steps {steps}\n"
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(folder, kept, symlinks=True, copy_function=_copy)
            (kept / NOTE).write_text(note, encoding="utf-8")
            raise _FoundError(wrong)
        tally.examples += 1
        tally.refusals += verdict.refused

    drawn = hypothesis.given(st.integers(0, len(reader.valid) - 1), st.lists(STEP, min_size=1, max_size=MOST_STEPS))(
        one
    )
    run = hypothesis.settings(
        max_examples=count,
        derandomize=seed is None,
        database=None,
        deadline=None,  # the judge has one of its own, for the reading alone
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
        report_multiple_bugs=False,
        print_blob=False,
    )(drawn)
    try:
        (hypothesis.seed(seed)(run) if seed is not None else run)()
    except _FoundError as error:
        tally.defect = f"{error} ({kept})"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return tally


def _copy(source: str, target: str) -> str:
    """Copy a file; what is no regular file is made again as an empty one, and the note tells the steps."""
    path = Path(source)
    if path.is_symlink() or not path.is_file() or path.stat().st_size > 1 << 28:
        Path(target).touch()
        return target
    return str(shutil.copy2(source, target))
