"""Files written whole or not at all, and folders that one process at a time writes to."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from model.errors import LockstepError


def write_atomic(path: Path, content: bytes | str | Callable[[BinaryIO], object]) -> None:
    """Replace `path` by `content` in one step: a reader sees the old file or the new one, never a part.

    Parameters
    ----------
    path : Path
        Target; its folder is created when missing.
    content : bytes, str or function
        Text is written as UTF-8; a function writes to the open binary file that it is given.

    Raises
    ------
    LockstepError
        When the folder or the file cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise LockstepError(
            f"cannot write {path}: {error.strerror or error}; name a folder that can be written"
        ) from error
    try:
        with os.fdopen(handle, "wb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)  # mkstemp makes private files; give this one the mode that open() would have given
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise LockstepError(
                f"cannot write {path}: {error.strerror or error}; free some space or name another folder"
            ) from error
        raise


@contextmanager
def alone(path: Path, what: str, advice: str = "name a folder that can be written") -> Iterator[None]:
    """Hold the lock file `path` while the body runs; the system lets go of it however the process ends.

    Parameters
    ----------
    path : Path
        Created, with its folder, when missing; it stays, empty.
    what : str
        Told to whoever comes second: ``<what> is at work already``.
    advice : str
        What to do where the file cannot be made.

    Raises
    ------
    LockstepError
        When another process holds it, or the file cannot be made.
    """
    import fcntl  # not on every system that can read our files

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise LockstepError(f"cannot write {path}: {error.strerror or error}; {advice}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockstepError(f"{what} is at work already ({path} is held); wait for it or end it") from error
        except OSError:
            pass  # a file system without locks: go on as if alone
        yield


def remove_parts(folder: Path) -> None:
    """Remove what killed `write_atomic` calls left behind in `folder`; none may be under way there."""
    for part in folder.glob(".*.part"):
        part.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with sorted keys and a final newline, atomically.

    NaN and infinities are refused (ValueError): no reader agrees on them.
    """
    write_atomic(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Parse the JSON file `path`.

    Raises
    ------
    LockstepError
        When it is missing, unreadable or not JSON (with line and column), or an object names a key twice.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):  # Python would take the last one and say nothing
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise LockstepError(f"{path}: the key {twice!r} stands twice in one object; expected it once")
        return found

    try:
        return json.loads(Path(path).read_text(encoding="utf-8"), object_pairs_hook=once)
    except OSError as error:
        raise LockstepError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise LockstepError(f"{path} is not UTF-8 text (byte {error.start}); expected JSON") from error
    except json.JSONDecodeError as error:
        raise LockstepError(f"{path} line {error.lineno} column {error.colno}: {error.msg}; expected JSON") from error
    except RecursionError as error:
        raise LockstepError(f"{path} is nested too deeply to be one of ours; expected JSON") from error
