"""The integers of an output-stationary vector folder (docs/vectors.md)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.vectors.legal import activation_values, check_edge, refuse, weight_values
from model.vectors.manifest import NAME
from model.vectors.os_manifest import ACC, HEADER_LINES, OsManifest, read_os_manifest
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

    def activations(group: int) -> Array:
        name = told.activation_file(group)
        words = activation_values(read(name, told.activation_text), told.bits, folder / name, HEADER_LINES)
        used = {1: told.outputs - group * told.array.rows}  # the leftmost word is the group's first pixel
        check_edge(words, np.copy, used, folder / name, HEADER_LINES, beyond="a pixel beyond those of the layer")
        return words[:, ::-1]

    def weights(oc: int) -> Array:
        name = told.weight_file(oc)
        words = weight_values(read(name, told.weight_text), told.bits, folder / name, HEADER_LINES)
        # where there is no 0, a column without a channel holds anything: nobody looks at its sums
        used = {} if told.bits.weights.filler else {1: told.layer.out_channels - oc * told.array.cols}
        check_edge(words, lambda w: w[:, ::-1], used, folder / name, HEADER_LINES)
        return words[:, ::-1]

    act = np.stack([activations(group) for group in range(told.groups)])
    wgt = np.stack([weights(oc) for oc in range(told.oc_tiles)])
    psum = np.stack(
        [
            np.stack([read(told.psum_file(oc, g), told.psum_text)[:, ::-1] for g in range(told.groups)])
            for oc in range(told.oc_tiles)
        ]
    )
    addresses = read(ACC, told.acc_text, 0)
    last = told.psum_lines - 1
    refuse(addresses > last, addresses, folder / ACC, 0, f"an address 0..{last}")
    acc = addresses.reshape(-1)  # one address a line
    out = np.stack([read(told.out_file(oc), told.out_text)[:, ::-1] for oc in range(told.oc_tiles)])
    return OsSet(told, act, wgt, psum, acc, out)
