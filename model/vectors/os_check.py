"""Whether the numbers of an output-stationary set agree with its own operands."""

from __future__ import annotations

import numpy as np

from model.golden import os_tiling, tiling
from model.vectors.check import Mismatch, require_bound
from model.vectors.os_generate import os_outputs
from model.vectors.os_manifest import ACC, HEADER_LINES
from model.vectors.os_set import OsSet


def require_os_psum_bits(vectors: OsSet, where: str) -> tiling.PsumBound:
    """The PsumBound of the set's weights and activations; LockstepError where ``bits.psum`` is too few for it."""
    told, (oc, terms, cols) = vectors.manifest.bits, vectors.wgt.shape
    weight = vectors.wgt.transpose(0, 2, 1).reshape(oc * cols, terms, 1, 1)  # (channel, term, 1, 1)
    return require_bound(tiling.psum_bound(weight, told.greatest_act), told, where)


def check_os_set(vectors: OsSet) -> list[Mismatch]:
    """Every word of the set's sums, addresses and outputs that its operands do not give, in file order."""
    told, wrong, truth = vectors.manifest, [], os_tiling.psums(vectors.act, vectors.wgt)
    for oc, group, line, column in np.argwhere(vectors.psum != truth).tolist():
        position, name = group * told.array.rows + line, told.psum_file(oc, group)
        place = (oc, group, line, column)
        found, expected = int(vectors.psum[place]), int(truth[place])
        wrong.append(Mismatch("psum", name, HEADER_LINES + line + 1, oc, None, None, position, column, found, expected))
    right = np.arange(told.outputs)
    wrong += [
        Mismatch("acc", ACC, onij + 1, None, None, None, onij, None, int(vectors.acc[onij]), onij)
        for onij in np.flatnonzero(vectors.acc != right).tolist()
    ]
    outputs = os_outputs(truth, right, told.relu)
    for oc, onij, column in np.argwhere(vectors.out != outputs).tolist():
        found, expected = int(vectors.out[oc, onij, column]), int(outputs[oc, onij, column])
        line = HEADER_LINES + onij + 1
        wrong.append(Mismatch("out", told.out_file(oc), line, oc, None, None, onij, column, found, expected))
    return wrong
