"""One layer on an output-stationary array of `rows` x `cols`: the order of activations, weights and sums.

A pixel is an output position onij = oy * out_x + ox (or the order that the caller gives them), `rows` of them are a
group. Term k of a pixel is one of its products: k = kij * in_channels + channel, kij = ky * kernel_x + kx.

    act[group,k,row] = code of pixel group*rows + (rows-1-row), term k; 0 past the last pixel                (1)
    wgt[oc,k,col]    = weight of output channel oc*cols + col, term k; past the last channel 0, or that again (2)
    psum[oc,group,line,col] = sum_k act[group,k,rows-1-line] * wgt[oc,k,col]                                 (3)

Row rows-1 leaves first, so the lines of a group come out in the order of its pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from model.errors import LockstepError
from model.golden.execute import FLOAT64_EXACT, pad_map
from model.golden.tiling import fill_columns

Array = np.ndarray[Any, Any]


def map_terms(codes: Array, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]) -> Array:
    """Codes (channels, y, x) as the terms of every output position: int64 [k][onij]."""
    padded = pad_map(codes.astype(np.int64), padding)
    (ky, kx), (sy, sx) = kernel, stride
    out_y, out_x = (padded.shape[1] - ky) // sy + 1, (padded.shape[2] - kx) // sx + 1
    taps = [
        padded[:, y : y + (out_y - 1) * sy + 1 : sy, x : x + (out_x - 1) * sx + 1 : sx]
        for y in range(ky)
        for x in range(kx)
    ]
    return np.stack(taps).reshape(-1, out_y * out_x)  # (kij, channel, y, x) -> (k, onij)


def weight_terms(weight: Array, cols: int, filler: int = 0) -> Array:
    """Weights (out, in, ky, kx) by equation (2): int64 [oc][k][col]; past the last channel as `fill_columns` has it."""
    flat = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1).astype(np.int64)  # (out, k)
    full = fill_columns(flat, cols, filler)
    return np.ascontiguousarray(
        full.reshape(-1, cols, flat.shape[1]).transpose(0, 2, 1)
    )  # (oc, col, k) -> (oc, k, col)


def turned(terms: Array, rows: int) -> Array:
    """Terms [k][pixel] by equation (1): int64 [group][k][row].

    Examples
    --------
    >>> turned(np.array([[1, 2, 3]]), rows=2).tolist()
    [[[2, 1]], [[0, 3]]]
    """
    count, pixels = terms.shape
    groups = -(-pixels // rows)
    full = np.zeros((count, groups * rows), np.int64)
    full[:, :pixels] = terms
    return np.ascontiguousarray(full.reshape(count, groups, rows)[..., ::-1].transpose(1, 0, 2))


def unturned(act: Array, pixels: int) -> Array:
    """The inverse of `turned`: [k][pixel] of [group][k][row]."""
    groups, count, rows = act.shape
    return act.transpose(1, 0, 2)[..., ::-1].reshape(count, groups * rows)[:, :pixels]


def psums_naive(act: Array, wgt: Array) -> Array:
    """Equation (3) term by term: int64 [oc][group][line][col] of `act` [group][k][row] and `wgt` [oc][k][col]."""
    (groups, terms, rows), (tiles, _, cols) = act.shape, wgt.shape
    psum = np.zeros((tiles, groups, rows, cols), np.int64)
    for oc in range(tiles):
        for group in range(groups):
            for line in range(rows):
                for col in range(cols):
                    total = 0
                    for k in range(terms):
                        total += int(act[group, k, rows - 1 - line]) * int(wgt[oc, k, col])
                    psum[oc, group, line, col] = total
    return psum


def psums(act: Array, wgt: Array) -> Array:
    """Equation (3) by BLAS, exactly.

    Raises
    ------
    LockstepError
        When a sum could leave the integers that float64 holds exactly.
    """
    reach = int(np.abs(wgt).sum(axis=1).max()) * int(np.abs(act).max())
    if reach >= FLOAT64_EXACT:
        raise LockstepError(
            f"psums reach {reach}; expected less than {FLOAT64_EXACT}, which float64 still holds exactly"
        )
    sums = np.einsum("gkr,okc->ogrc", act.astype(np.float64), wgt.astype(np.float64), optimize=True)
    return np.ascontiguousarray(sums[:, :, ::-1]).astype(np.int64)
