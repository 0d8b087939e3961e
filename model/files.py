"""Files written whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from model.errors import LockstepError


def write_atomic(path: Path, content: bytes | str | Callable[[BinaryIO], object]) -> None:
    """Replace `path` by `content` in one step: a reader sees the old file or the new one, never a part.

    Parameters
    ----------
    path : Path
        Target; its folder is created when missing.
    content : bytes, str (written as UTF-8) or a function that writes to the open binary file it is given.

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
        raise LockstepError(f"cannot write {path}: {error.strerror}; name a folder that can be written") from error
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
            raise LockstepError(f"cannot write {path}: {error.strerror}; free some space or name another folder") from error
        raise


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
        When it is missing, unreadable or not JSON (with line and column).
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise LockstepError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise LockstepError(f"{path} is not UTF-8 text (byte {error.start}); expected JSON") from error
    except json.JSONDecodeError as error:
        raise LockstepError(f"{path} line {error.lineno} column {error.colno}: {error.msg}; expected JSON") from error
    except RecursionError as error:
        raise LockstepError(f"{path} is nested too deeply to be one of ours; expected JSON") from error
