"""One layer on a weight-stationary array of `rows` x `cols`: every psum of every pass, then the accumulated outputs.

Input channels go in tiles of `rows` (ic), output channels in tiles of `cols` (oc); edge tiles are filled with zeros.
One pass (oc, ic, kij) holds one weight tile and streams the output positions onij = oy * out_x + ox, each with the
padded map position that the kernel position kij = ky * kernel_x + kx pairs with it:

    nij                      = (oy * sy + ky) * padded_x + ox * sx + kx                                 (1)
    psum[oc,ic,kij,onij,col] = sum_row act[ic,nij,row] * wgt[oc,ic,kij,col,row]                         (2)
    out[oc,onij,col]         = sum_ic sum_kij psum[oc,ic,kij,onij,col],  then max(0, .) where rectified (3)

`psums_naive` and `outputs_naive` are these equations term by term; `psums` and `outputs` are the fast paths, tested
equal to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from model.errors import LockstepError
from model.golden.execute import FLOAT64_EXACT, pad_map
from model.graph.graph import Layer
from model.numeric.formats import signed_bits_for
from model.numeric.sums import sum_limits

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Tiling:
    """A convolution cut into passes of an array.

    Parameters
    ----------
    rows, cols : int
        Size of the array.
    in_channels, out_channels : int
    kernel, stride, padded_map : (int, int)
        Along y and x; the map with its zero padding.
    """

    rows: int
    cols: int
    in_channels: int
    out_channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padded_map: tuple[int, int]

    def __post_init__(self) -> None:
        for name in ("rows", "cols", "in_channels", "out_channels"):
            if getattr(self, name) < 1:
                raise LockstepError(f"{name} is {getattr(self, name)}; expected 1 or more")
        if min(self.kernel) < 1 or min(self.stride) < 1 or min(self.out_map) < 1:
            told = f"a {self.kernel} kernel with stride {self.stride} on a padded map of {self.padded_map}"
            raise LockstepError(f"{told} has no output; expected a kernel that fits the map")

    @property
    def ic_tiles(self) -> int:
        """Number of input channel tiles."""
        return -(-self.in_channels // self.rows)

    @property
    def oc_tiles(self) -> int:
        """Number of output channel tiles."""
        return -(-self.out_channels // self.cols)

    @property
    def kijs(self) -> int:
        """Number of kernel positions."""
        return self.kernel[0] * self.kernel[1]

    @property
    def out_map(self) -> tuple[int, int]:
        """Output map (y, x)."""
        (py, px), (ky, kx), (sy, sx) = self.padded_map, self.kernel, self.stride
        return (py - ky) // sy + 1, (px - kx) // sx + 1

    @property
    def len_onij(self) -> int:
        """Number of output positions."""
        return self.out_map[0] * self.out_map[1]

    def nij(self, kij: int, onij: int) -> int:
        """Equation (1)."""
        ky, kx = divmod(kij, self.kernel[1])
        oy, ox = divmod(onij, self.out_map[1])
        return (oy * self.stride[0] + ky) * self.padded_map[1] + ox * self.stride[1] + kx

    def nij_table(self) -> Array:
        """Equation (1) for all: int64 [kij][onij]."""
        return np.array([[self.nij(kij, onij) for onij in range(self.len_onij)] for kij in range(self.kijs)])


def tiling_of(layer: Layer, height: int, width: int, rows: int, cols: int) -> Tiling:
    """The Tiling of `layer` on an input map of height x width."""
    padded = height + 2 * layer.padding[0], width + 2 * layer.padding[1]
    return Tiling(rows, cols, layer.in_channels, layer.out_channels, layer.kernel, layer.stride, padded)


def tile_activations(codes: Array, padding: tuple[int, int], rows: int) -> Array:
    """Activation codes (channels, y, x) as int64 [ic][nij][row]; code 0 around the map and in the last tile."""
    padded = pad_map(codes.astype(np.int64), padding)
    channels = padded.shape[0]
    flat = np.zeros((-(-channels // rows) * rows, padded[0].size), np.int64)
    flat[:channels] = padded.reshape(channels, -1)  # (channel, nij)
    return np.ascontiguousarray(
        flat.reshape(-1, rows, flat.shape[1]).transpose(0, 2, 1)
    )  # (ic, row, nij) -> (ic, nij, row)


def fill_columns(weight: Array, cols: int, filler: int) -> Array:
    """Weights (out, ...) with output channels added until `cols` divides their number.

    What is added is 0; in a format that has none (`filler` is not 0) the last channel again, so that the psum bound,
    equation (4), holds for every column.
    """
    edge = weight[-1:] if filler else np.zeros_like(weight[-1:])
    return np.concatenate([weight, np.repeat(edge, -len(weight) % cols, axis=0)])


def tile_weights(weight: Array, rows: int, cols: int, filler: int = 0) -> Array:
    """Weights (out, in, ky, kx) as int64 [oc][ic][kij][col][row], edge tiles filled up.

    Rows past the input channels take `filler`: they meet activations of 0. Columns past the output channels are those
    of `fill_columns`.
    """
    outs, ins, ky, kx = weight.shape
    oc, ic = -(-outs // cols), -(-ins // rows)
    full = np.full((outs, ic * rows, ky * kx), filler, np.int64)
    full[:, :ins] = weight.reshape(outs, ins, ky * kx)
    full = fill_columns(full, cols, filler)
    return np.ascontiguousarray(full.reshape(oc, cols, ic, rows, ky * kx).transpose(0, 2, 4, 1, 3))


def psums_naive(tiling: Tiling, act: Array, wgt: Array) -> Array:
    """Equation (2) term by term: [oc][ic][kij][onij][col] of `act` [ic][nij][row], `wgt` [oc][ic][kij][col][row]."""
    shape = (tiling.oc_tiles, tiling.ic_tiles, tiling.kijs, tiling.len_onij, tiling.cols)
    psum = np.zeros(shape, np.int64)
    for oc in range(tiling.oc_tiles):
        for ic in range(tiling.ic_tiles):
            for kij in range(tiling.kijs):
                for onij in range(tiling.len_onij):
                    nij = tiling.nij(kij, onij)
                    for col in range(tiling.cols):
                        total = 0
                        for row in range(tiling.rows):
                            total += int(act[ic, nij, row]) * int(wgt[oc, ic, kij, col, row])
                        psum[oc, ic, kij, onij, col] = total
    return psum


def outputs_naive(tiling: Tiling, psum: Array, relu: bool) -> Array:
    """Equation (3), term by term, in the order of the passes: int64 [oc][onij][col]."""
    out = np.zeros((tiling.oc_tiles, tiling.len_onij, tiling.cols), np.int64)
    for oc in range(tiling.oc_tiles):
        for onij in range(tiling.len_onij):
            for col in range(tiling.cols):
                total = 0
                for ic in range(tiling.ic_tiles):
                    for kij in range(tiling.kijs):
                        total += int(psum[oc, ic, kij, onij, col])
                out[oc, onij, col] = max(0, total) if relu else total
    return out


def psums(act: Array, wgt: Array, nij: Array) -> Array:
    """Equation (2) by BLAS, exactly.

    Parameters
    ----------
    act : integer array [ic][nij][row]
    wgt : integer array [oc][ic][kij][col][row]
    nij : integer array [kij][position]
        Padded map position streamed at each step of a pass: `Tiling.nij_table()` for the useful ones.

    Returns
    -------
    int64 array [oc][ic][kij][position][col]

    Raises
    ------
    LockstepError
        When a psum could leave the integers that float64 holds exactly.
    """
    oc, ic, kijs, cols, rows = wgt.shape
    reach = int(np.abs(wgt).sum(axis=-1).max()) * int(np.abs(act).max())
    if reach >= FLOAT64_EXACT:
        raise LockstepError(
            f"psums reach {reach}; expected less than {FLOAT64_EXACT}, which float64 still holds exactly"
        )
    result = np.empty((oc, ic, kijs, nij.shape[1], cols), np.int64)
    for tile in range(ic):
        streamed = act[tile].astype(np.float64)[nij]  # (kij, position, row)
        stationary = wgt[:, tile].transpose(1, 3, 0, 2).reshape(kijs, rows, oc * cols).astype(np.float64)
        sums = (streamed @ stationary).reshape(kijs, nij.shape[1], oc, cols)  # (kij, position, oc * col) split
        result[:, tile] = sums.transpose(2, 0, 1, 3)
    return result


def outputs(psum: Array, relu: bool) -> Array:
    """Equation (3): int64 [oc][onij][col] of psums [oc][ic][kij][onij][col]."""
    total: Array = psum.sum(axis=(1, 2))
    return np.maximum(total, 0) if relu else total


def untile(out: Array, tiling: Tiling) -> Array:
    """Outputs [oc][onij][col] as the layer's map (out_channels, y, x)."""
    channels = out.transpose(0, 2, 1).reshape(-1, *tiling.out_map)  # (oc, onij, col) -> (oc * col, y, x)
    return channels[: tiling.out_channels]


class PsumBound(NamedTuple):
    """The output channel whose psums reach furthest, their range, and the two's-complement width that holds it."""

    channel: int
    low: int
    high: int
    bits: int

    @property
    def reach(self) -> int:
        """The greatest magnitude."""
        return max(-self.low, self.high)


def psum_bound(weight: Array, act_max: int) -> PsumBound:
    """How far any psum of a layer can go, whole or partial, for any input.

    By equation (1) of `model.numeric.sums`, which is (4) here. Both its ends are reached, so the width that holds both
    is enough, and no smaller one is.

    Parameters
    ----------
    weight : integer array (out, in, ky, kx)
    act_max : int
        The greatest activation code.
    """
    low, high = sum_limits(weight, act_max)
    bits = [signed_bits_for(int(a), int(b)) for a, b in zip(low, high, strict=True)]
    channel = max(range(len(bits)), key=lambda c: (bits[c], max(-low[c], high[c])))
    return PsumBound(channel, int(low[channel]), int(high[channel]), bits[channel])


def require_psum_bits(layer: Layer, bits: int) -> PsumBound:
    """The PsumBound of `layer`; LockstepError names channel, bound and the width needed if `bits` are too few."""
    bound = psum_bound(layer.weight, layer.act.max)
    if bound.bits > bits:
        told = f"psums of output channel {bound.channel} may reach {bound.low}..{bound.high}"
        raise LockstepError(
            f"layer {layer.name}: {told}, which {bits} bits do not hold; expected a psum width of {bound.bits}"
        )
    return bound
