"""Checkpoints of training: written atomically, checked when read, never unpickled beyond tensors and plain values."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import torch

from model.errors import LockstepError
from model.files import read_bytes, write_atomic
from model.network.processes import from_first, process_index

MOST_BYTES = 1 << 34  # of a checkpoint


def save(path: Path, state: dict[str, Any]) -> None:
    """Write `state` to `path`, whole or not at all; of several processes the first one writes.

    Raises
    ------
    LockstepError
        When the file cannot be written.
    """
    if process_index() == 0:
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_atomic(path, lambda file: file.write(buffer.getbuffer()))


def load(path: Path, device: torch.device) -> dict[str, Any] | None:
    """What `save` wrote to `path`, on all processes; None when there is no such file.

    Raises
    ------
    LockstepError
        When the file is damaged or no checkpoint.
    """
    content = read_bytes(path, "a checkpoint", MOST_BYTES) if process_index() == 0 and path.exists() else None
    file = from_first(content, device)
    if file is None:
        return None
    try:
        with zipfile.ZipFile(file) as archive:  # torch.load does not look at the checksums that it wrote
            if packed := next((each for each in archive.infolist() if each.compress_type != zipfile.ZIP_STORED), None):
                raise ValueError(f"{packed.filename} is compressed")  # a few bytes could stand for all memory
            if damaged := archive.testzip():
                raise ValueError(f"{damaged} is damaged")
        file.seek(0)
        state: dict[str, Any] = torch.load(file, map_location=device, weights_only=True)
        if not isinstance(state, dict):
            raise TypeError(f"a {type(state).__name__}")
    except Exception as error:  # torch raises many kinds on damaged files
        raise not_whole(path, error) from error
    return state


def not_whole(path: Path, error: Exception) -> LockstepError:
    """The error for a checkpoint that `error` shows to be none."""
    reason = str(error).splitlines()[0][:120] if str(error) else "no reason given"
    return LockstepError(
        f"{path} is not a whole checkpoint ({type(error).__name__}: {reason}); move it away to start afresh"
    )
