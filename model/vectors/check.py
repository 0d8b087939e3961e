"""Do the numbers of a set agree with each other? Psums, addresses and outputs against its own operands' convolution.

The reader already knows that the files are well formed; this asks whether they are true.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.golden.tiling import PsumBound, outputs, psum_bound, psums
from model.vectors.entries import Bits
from model.vectors.manifest import Manifest
from model.vectors.reader import VectorSet

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Mismatch:
    """One word that is not what it should be.

    Parameters
    ----------
    kind : str
        ``psum``, ``acc`` or ``out``.
    file : str
        Name inside the folder.
    line : int
        Line of the file, from 1, headers counted.
    oc, ic, kij, position, column : int or None
        The word's place; None where the kind has none (an output has no ic, an address no column).
    found, expected : int
        The file's value and the true one.
    """

    kind: str
    file: str
    line: int
    oc: int | None
    ic: int | None
    kij: int | None
    position: int
    column: int | None
    found: int
    expected: int

    def __str__(self) -> str:
        places = [(name, getattr(self, name)) for name in ("oc", "ic", "kij", "position", "column")]
        place = " ".join(f"{name} {value}" for name, value in places if value is not None)
        return f"{self.file} line {self.line} ({self.kind} {place}): found {self.found}, expected {self.expected}"


def true_psums(vectors: VectorSet) -> Array:
    """Psums [oc][ic][kij][position][col] that the set's activations and weights give, at the manifest's positions."""
    return psums(vectors.act, vectors.wgt, _positions(vectors.manifest))


def true_outputs(vectors: VectorSet) -> Array:
    """Outputs [oc][onij][col], not rectified, that the set's activations and weights give."""
    return outputs(psums(vectors.act, vectors.wgt, vectors.manifest.useful_nij()), relu=False)


def require_psum_bits(vectors: VectorSet, where: str) -> PsumBound:
    """The PsumBound of the set's weights and the greatest activation that its manifest allows.

    Parameters
    ----------
    vectors : VectorSet
    where : str
        The manifest's place, for the message.

    Raises
    ------
    LockstepError
        When ``bits.psum`` is too few: names channel, bound and the width needed.
    """
    bits, (oc, ic, kijs, cols, rows) = vectors.manifest.bits, vectors.wgt.shape
    by_channel = vectors.wgt.transpose(0, 3, 1, 2, 4).copy()  # (oc, ic, kij, col, row) -> (oc, col, ic, kij, row)
    used = rows - (ic * rows - vectors.manifest.layer.in_channels)  # rows of the last tile
    by_channel[:, :, -1, :, used:] = 0  # whatever weight is there, it meets activations of 0
    return require_bound(psum_bound(by_channel.reshape(oc * cols, ic, kijs, rows), bits.greatest_act), bits, where)


def require_bound(bound: PsumBound, bits: Bits, where: str) -> PsumBound:
    """`bound` again; LockstepError when ``bits.psum`` is too few for it."""
    if bound.bits > bits.psum:
        told = f"psums of output channel {bound.channel} may reach {bound.low}..{bound.high}"
        raise LockstepError(
            f"{where}: bits.psum is {bits.psum}; expected {bound.bits} or more, since {told} with activations up to "
            f"{bits.greatest_act}; where they stay smaller, bits.act_max says so"
        )
    return bound


def check_set(vectors: VectorSet) -> list[Mismatch]:
    """Every word of the set's psums, addresses and outputs that is not true, in file order; empty for a good set."""
    told, wrong = vectors.manifest, []
    if vectors.psum is not None and told.files.psum is not None:
        truth, pattern = true_psums(vectors), told.files.psum.pattern
        for oc, ic, kij, position, column in np.argwhere(vectors.psum != truth).tolist():
            place = (oc, ic, kij, position, column)
            before = 0 if "{kij}" in pattern else kij * told.positions_per_kij
            line = told.files.psum.header_lines + before + position + 1
            name = told.file_name(pattern, oc, ic, kij)
            wrong.append(Mismatch("psum", name, line, *place, int(vectors.psum[place]), int(truth[place])))
    if vectors.acc is not None and told.files.acc is not None:
        truth, base = told.addresses(), told.files.acc.base
        for onij, kij in np.argwhere(vectors.acc != truth).tolist():
            line = told.files.acc.header_lines + onij * told.kijs + kij + 1
            found, expected = int(vectors.acc[onij, kij]) + base, int(truth[onij, kij]) + base
            wrong.append(Mismatch("acc", told.files.acc.pattern, line, None, None, kij, onij, None, found, expected))
    raw = true_outputs(vectors)
    for file, (relu, out) in zip(told.files.out, vectors.outs, strict=True):
        truth = np.maximum(raw, 0) if relu else raw
        for oc, onij, column in np.argwhere(out != truth).tolist():
            name, line = told.file_name(file.pattern, oc=oc), file.header_lines + onij + 1
            found, expected = int(out[oc, onij, column]), int(truth[oc, onij, column])
            wrong.append(Mismatch("out", name, line, oc, None, None, onij, column, found, expected))
    return wrong


def _positions(manifest: Manifest) -> Array:
    if manifest.positions == "useful":
        return manifest.useful_nij()
    return np.tile(np.arange(manifest.len_nij), (manifest.kijs, 1))
