"""A vector folder into integers: whatever the dialect of its files, the arrays come out in one order.

Index 0 of a row or column axis is row 0 or column 0, index 0 of a tile axis is tile 0; addresses begin at 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.vectors.legal import activation_values, check_edge, refuse, weight_values
from model.vectors.manifest import NAME, Manifest, read_manifest
from model.vectors.text import Text, read_text

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class VectorSet:
    """The integers of one vector folder, all int64.

    Parameters
    ----------
    manifest : Manifest
    act : array [ic][nij][row]
        Activation codes of every padded map position.
    wgt : array [oc][ic][kij][col][row]
        Weight codes.
    psum : array [oc][ic][kij][position][col] or None
        Psums of each pass by itself; positions are onij ("useful") or nij ("all").
    acc : array [onij][kij] or None
        Psum address of each term of each output, the base taken off: kij * positions_per_kij + position.
    outs : tuple of (relu, array [oc][onij][col])
        Accumulated outputs, rectified where relu is true.
    """

    manifest: Manifest
    act: Array
    wgt: Array
    psum: Array | None
    acc: Array | None
    outs: tuple[tuple[bool, Array], ...]


def read_set(folder: Path, manifest: Manifest | Path | None = None) -> VectorSet:
    """Read the vector set in `folder`.

    Parameters
    ----------
    folder : Path
    manifest : Manifest or Path, optional
        The description, or a file that holds it; by default manifest.json in the folder.

    Raises
    ------
    LockstepError
        At the first entry, file, line or code that is not as it should be: names it, what is there, what is expected.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise LockstepError(
            f"{folder} is {'not a folder' if folder.exists() else 'missing'}; expected a folder of vectors"
        )
    if manifest is None:
        manifest = folder / NAME
        if not manifest.exists():
            raise LockstepError(
                f"{folder} holds no {NAME}; write one as docs/vectors.md shows, or name one kept elsewhere"
            )
    told = manifest if isinstance(manifest, Manifest) else read_manifest(manifest)
    return VectorSet(
        manifest=told,
        act=_read_activations(folder, told),
        wgt=_read_weights(folder, told),
        psum=_read_psums(folder, told),
        acc=_read_acc(folder, told),
        outs=_read_outs(folder, told),
    )


def columns(words: Array, first_word: str) -> Array:
    """Words of each line (leftmost first) in the order of rows or columns, 0 first."""
    return words[:, ::-1] if first_word == "high" else words


def weight_order(words: Array, manifest: Manifest) -> Array:
    """Words of a weight file (leftmost first, [line][word]) as [kij][col][row], by the dialect of `manifest`."""
    rows, cols, file = manifest.array.rows, manifest.array.cols, manifest.files.weight
    words = columns(words, file.first_word)
    if file.line == "column":
        return words.reshape(-1, cols, rows)  # (kij * col, row) -> (kij, col, row)
    if file.line == "row":
        return words.reshape(-1, rows, cols).transpose(0, 2, 1)  # (kij * row, col) -> (kij, col, row)
    halves = words.reshape(-1, cols, 2, rows // 2)  # (kij, col, first or second line, pair of rows)
    if file.line == "column_odd_even":
        halves = halves[:, :, ::-1]
    return halves.transpose(0, 1, 3, 2).reshape(-1, cols, rows)  # (kij, col, pair, even or odd) -> (kij, col, row)


def _read(folder: Path, manifest: Manifest, name: str, header_lines: int, text: Text) -> Array:
    return read_text(folder / name, header_lines, text, manifest.sha256.get(name))


def _read_activations(folder: Path, manifest: Manifest) -> Array:
    file, tiles = manifest.files.activation, []
    for ic in range(manifest.tiles.ic):
        name = manifest.file_name(file.pattern, ic=ic)
        words = _read(folder, manifest, name, file.header_lines, manifest.activation_text)
        words = activation_values(words, manifest.bits, folder / name, file.header_lines)
        edge = {1: manifest.layer.in_channels - ic * manifest.array.rows}
        check_edge(words, lambda w: columns(w, file.first_word), edge, folder / name, file.header_lines)
        tiles.append(columns(words, file.first_word))
    return np.stack(tiles)


def _read_weights(folder: Path, manifest: Manifest) -> Array:
    file, fmt, passes = manifest.files.weight, manifest.bits.weights, []
    for oc, ic, kij in manifest.passes(file.pattern):
        name = manifest.file_name(file.pattern, oc, ic, kij)
        words = _read(folder, manifest, name, file.header_lines, manifest.weight_text)
        words = weight_values(words, manifest.bits, folder / name, file.header_lines)
        # where there is no 0, a column without a channel holds anything: nobody looks at its sums
        edge = {2: manifest.layer.in_channels - ic * manifest.array.rows}
        edge |= {} if fmt.filler else {1: manifest.layer.out_channels - oc * manifest.array.cols}
        check_edge(words, lambda w: weight_order(w, manifest), edge, folder / name, file.header_lines, fmt.filler)
        passes.append(weight_order(words, manifest))
    shape = manifest.tiles.oc, manifest.tiles.ic, manifest.kijs, manifest.array.cols, manifest.array.rows
    return np.concatenate(passes).reshape(shape)


def _read_psums(folder: Path, manifest: Manifest) -> Array | None:
    file = manifest.files.psum
    if file is None:
        return None
    passes = []
    for oc, ic, kij in manifest.passes(file.pattern):
        name = manifest.file_name(file.pattern, oc, ic, kij)
        words = _read(folder, manifest, name, file.header_lines, manifest.psum_text)
        passes.append(columns(words, file.first_word))
    shape = manifest.tiles.oc, manifest.tiles.ic, manifest.kijs, manifest.positions_per_kij, manifest.array.cols
    return np.concatenate(passes).reshape(shape)


def _read_acc(folder: Path, manifest: Manifest) -> Array | None:
    file = manifest.files.acc
    if file is None:
        return None
    words = _read(folder, manifest, file.pattern, file.header_lines, manifest.acc_text)
    last = file.base + manifest.kijs * manifest.positions_per_kij - 1
    outside = (words < file.base) | (words > last)
    refuse(outside, words, folder / file.pattern, file.header_lines, f"an address {file.base}..{last}")
    return (words - file.base).reshape(manifest.len_onij, manifest.kijs)  # one address a line


def _read_outs(folder: Path, manifest: Manifest) -> tuple[tuple[bool, Array], ...]:
    outs = []
    for file in manifest.files.out:
        names = [manifest.file_name(file.pattern, oc=oc) for oc in range(manifest.tiles.oc)]
        tiles = [_read(folder, manifest, name, file.header_lines, manifest.out_text) for name in names]
        outs.append((file.relu, np.stack([columns(words, file.first_word) for words in tiles])))
    return tuple(outs)
