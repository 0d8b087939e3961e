"""Files written whole or not at all, and folders that one process at a time writes to."""

from __future__ import annotations

import json
import math
import os
import re
import stat
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from model.errors import LockstepError

MOST_BYTES = 1 << 28  # of a file that is read at once, so that none asks for all memory
HALF = re.compile(r"\\u[dD][89a-fA-F]")  # where a JSON text may hold a surrogate


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


def require_file(path: Path, expected: str = "a file", most: int | None = None) -> None:
    """Raise LockstepError unless `path` is a regular file, of `most` bytes at most: a pipe would be waited for."""
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        reason = getattr(error, "strerror", None) or error
        raise LockstepError(f"cannot read {path}: {reason}; expected {expected}") from error
    if not stat.S_ISREG(found.st_mode):
        raise LockstepError(f"cannot read {path}: it is {_kind(found.st_mode)}; expected {expected}")
    if most is not None and found.st_size > most:
        raise LockstepError(f"cannot read {path}: it has {found.st_size} bytes; expected {expected} of {most} at most")


def _kind(mode: int) -> str:
    return "a folder" if stat.S_ISDIR(mode) else "a pipe" if stat.S_ISFIFO(mode) else "no regular file"


def read_bytes(path: Path, expected: str = "a file", most: int = MOST_BYTES) -> bytes:
    """The content of the regular file `path`, of `most` bytes at most; LockstepError where it cannot be had."""
    require_file(path, expected, most)
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise LockstepError(f"cannot read {path}: {error.strerror or error}; expected {expected}") from error


def read_json(path: Path) -> Any:
    """Parse the JSON file `path`.

    Raises
    ------
    LockstepError
        When it is missing, unreadable or not JSON (with line and column), as `parse_json` says.
    """
    return parse_json(read_bytes(path, "JSON"), str(path))


def read_toml(path: Path, where: str | None = None) -> dict[str, Any]:
    """Parse the TOML file `path`.

    Raises
    ------
    LockstepError
        When it is missing, unreadable or not TOML (with line and column); what is no TOML begins with `where`, by
        default the path.
    """
    try:
        return tomllib.loads(read_bytes(path, "TOML").decode())
    except (ValueError, RecursionError) as error:  # of bytes that are no text, too
        raise LockstepError(f"{where or path}: {error}; expected TOML") from error


def parse_json(content: bytes, where: str) -> Any:
    """The value of the JSON text `content`, each object's keys once, each number one that other readers have too.

    Raises
    ------
    LockstepError
        For what is not JSON (with line and column), an object that names a key twice, NaN and infinities, whole
        numbers that 64 bits do not hold, half characters but those that stand for bytes of a file's name; begins with
        `where`.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):  # Python would take the last one and say nothing
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise LockstepError(f"{where}: the key {twice!r} stands twice in one object; expected it once")
        return found

    def whole(text: str) -> int:
        if len(text) > 20 or not -(1 << 63) <= (value := int(text)) < 1 << 64:
            raise LockstepError(f"{where}: the number {text:.24} does not fit 64 bits; expected one that does")
        return value

    def finite(text: str) -> float:
        if not math.isfinite(value := float(text)):
            raise LockstepError(f"{where}: the number {text:.24} is not finite; expected one that is")
        return value

    try:
        text = content.decode()
        value = json.loads(text, object_pairs_hook=once, parse_int=whole, parse_float=finite, parse_constant=finite)
        if HALF.search(text):  # a surrogate alone is no character: whoever names a file by it fails
            json.dumps(value, ensure_ascii=False).encode(errors="surrogateescape")
    except UnicodeDecodeError as error:
        raise LockstepError(f"{where} is not UTF-8 text (byte {error.start}); expected JSON") from error
    except UnicodeEncodeError as error:
        raise LockstepError(f"{where} holds {error.object[error.start]!r}, half a character; expected text") from error
    except json.JSONDecodeError as error:
        raise LockstepError(f"{where} line {error.lineno} column {error.colno}: {error.msg}; expected JSON") from error
    except RecursionError as error:
        raise LockstepError(f"{where} is nested too deeply to be one of ours; expected JSON") from error
    return value
