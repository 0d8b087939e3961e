"""How every entry point ends when it has no result: bad input, an interrupt, a file system that refuses."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import ParamSpec

from model.errors import LockstepError
from model.files import write_json

BAD_INPUT, INTERRUPTED = 2, 130
P = ParamSpec("P")


def write_result(path: Path, result: Mapping[str, object]) -> None:
    """Write `result` as JSON to `path`; where ``build/`` cannot be written, a note says so and the work counts."""
    try:
        write_json(path, result)
    except LockstepError as error:
        print(f"note: no result file: {error}", file=sys.stderr)


def require_own(out: Path, default: Path, target: str, names: Collection[str] = ()) -> None:
    """Refuse a folder of other things: what a target replaces or removes in its own folder would be lost there.

    Hidden files do not count. A folder is the target's own when it is `default`, empty, or holds nothing but `names`;
    where none are given, when it holds the target's lock, which the first run there leaves.

    Raises
    ------
    LockstepError
        When it is not.
    """
    if out.resolve() == default.resolve() or not out.is_dir():
        return
    there = sorted(path.name for path in out.iterdir() if path.name[0] != ".")
    known = names or (there if "lock" in there else ())
    strange = [name for name in there if name not in known]
    if strange:
        raise LockstepError(
            f"OUT={out} holds {strange[0]}, which is not of `make {target}`; name a new or an empty folder"
        )


def guarded(run: Callable[P, int]) -> Callable[P, int]:
    """`run`, whose bad input and refused files become one line on stderr and status 2, and an interrupt status 130."""

    @functools.wraps(run)
    def inner(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return run(*args, **kwargs)
        except LockstepError as error:
            print(f"error: {error}", file=sys.stderr)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            print(
                f"error: {where}{error.strerror or error}; check the path, its permissions and the free space",
                file=sys.stderr,
            )
        except KeyboardInterrupt:
            print("\ninterrupted", file=sys.stderr)
            return INTERRUPTED
        return BAD_INPUT

    return inner
