"""A folder written whole or not at all, and nothing replaced that is not a vector set."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from model.errors import LockstepError
from model.vectors.manifest import NAME, read_manifest
from model.vectors.os_manifest import is_output_stationary, read_os_manifest


@dataclass(frozen=True)
class Written:
    """How much was written."""

    files: int
    lines: int
    bytes: int


def require_replaceable(folder: Path) -> None:
    """Raise LockstepError unless `folder` is absent, empty, or a vector set with nothing else in it."""
    _restore(folder)
    if not folder.exists():
        return
    advice = "move it away or name another folder with OUT="
    if not folder.is_dir():
        raise LockstepError(f"{folder} is there and is not a folder; {advice}")
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if not path.is_dir()]
    if not names:
        return
    try:
        path = folder / NAME
        told = read_os_manifest(path) if is_output_stationary(path) else read_manifest(path)
        known = {NAME, *told.file_names()}
    except LockstepError as error:
        raise LockstepError(f"{folder} holds files but is not a vector set ({error}); {advice}") from error
    strange = next((name for name in names if name not in known), None)
    if strange is not None:
        raise LockstepError(f"{folder} holds {strange}, which is no part of its vector set; {advice}")


def replace_folder(folder: Path, files: Iterable[tuple[str, bytes]]) -> Written:
    """Make `folder` hold exactly `files` ((name, content) each), in one step: a reader sees the old set or the new one.

    The new files are written beside the folder and change places with it when all are there. Killed between the two
    renames, the old folder is ``.<name>.old``; the next call puts it back first.

    Raises
    ------
    LockstepError
        When the folder holds anything but a vector set, or cannot be written; it is then as it was.
    """
    require_replaceable(folder)
    if folder.is_symlink():
        folder = folder.resolve()  # what the link points to is replaced, the link stays
    old = _old(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    except OSError as error:
        raise LockstepError(
            f"cannot write {folder}: {error.strerror}; name a folder that can be written with OUT="
        ) from error
    try:
        umask = os.umask(0)  # mkdtemp makes private folders; give this one the mode that mkdir would have given
        os.umask(umask)
        fresh.chmod(0o777 & ~umask)
        count = lines = size = 0
        for name, content in files:
            (fresh / name).write_bytes(content)
            count, lines, size = count + 1, lines + content.count(b"\n"), size + len(content)
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
    except BaseException as error:
        _restore(folder)
        shutil.rmtree(fresh, ignore_errors=True)
        if isinstance(error, OSError):
            raise LockstepError(f"cannot write {folder}: {error.strerror}; free some space or use OUT=") from error
        raise
    shutil.rmtree(old, ignore_errors=True)
    return Written(count, lines, size)


def _old(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.old"


def _restore(folder: Path) -> None:
    """Put back the folder that a killed run had moved aside; remove it where the new one is in place."""
    old = _old(folder)
    if old.is_dir():
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(folder)
