"""The integers of an output-stationary vector folder (docs/vectors.md)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.vectors.manifest import NAME
from model.vectors.os_manifest import ACC, HEADER_LINES, OsManifest, read_os_manifest
from model.vectors.reader import weight_values
from model.vectors.text import Text, read_text

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class OsSet:
    """The integers of one folder, all int64; row and column 0 at index 0.

    Parameters
    ----------
    manifest : OsManifest
    act : array [group][term][row]
    wgt : array [oc][term][col]
    psum : array [oc][group][line][col]
        Line i is the group's pixel i, which is in row rows-1-i.
    acc : array [onij]
        Psum address of each output: group * rows + line.
    out : array [oc][onij][col]
    """

    manifest: OsManifest
    act: Array
    wgt: Array
    psum: Array
    acc: Array
    out: Array


def read_os_set(folder: Path, manifest: Path | None = None) -> OsSet:
    """Read the output-stationary set in `folder`; `manifest` is its description, where that is elsewhere.

    Raises
    ------
    LockstepError
        For whatever is wrong with the folder or its manifest.
    """
    told = read_os_manifest(manifest or folder / NAME)

    def read(name: str, text: Text, header: int = HEADER_LINES) -> Array:
        return read_text(folder / name, header, text, told.sha256.get(name))

    act = np.stack([read(told.activation_file(g), told.activation_text)[:, ::-1] for g in range(told.groups)])
    words = [read(told.weight_file(oc), told.weight_text) for oc in range(told.oc_tiles)]
    if told.bits.wgt_power is not None:
        paths = [folder / told.weight_file(oc) for oc in range(told.oc_tiles)]
        words = [weight_values(*each, told.bits.weights, HEADER_LINES) for each in zip(words, paths, strict=True)]
    wgt = np.stack(words)[:, :, ::-1]
    psum = np.stack(
        [
            np.stack([read(told.psum_file(oc, g), told.psum_text)[:, ::-1] for g in range(told.groups)])
            for oc in range(told.oc_tiles)
        ]
    )
    acc = read(ACC, told.acc_text, 0).reshape(-1)  # one address a line
    if acc.max() >= told.psum_lines:
        line = int(acc.argmax()) + 1
        raise LockstepError(
            f"{folder / ACC} line {line}: found {int(acc.max())}; expected an address 0..{told.psum_lines - 1}"
        )
    out = np.stack([read(told.out_file(oc), told.out_text)[:, ::-1] for oc in range(told.oc_tiles)])
    return OsSet(told, act, wgt, psum, acc, out)
