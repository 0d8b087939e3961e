"""How a layer's convolution is taken: as it is, or with its input rearranged by the host so that more rows work.

The host lays out the lines of a layer loaded from outside, so it may give the array another convolution with the same
psums. With codes a[i, y, x], zero outside the map, and weights w[o, i, ky, kx]:

- ``none``: the layer as it is.
- ``fold``: f neighbouring kernel columns side by side, f * in_channels <= rows. Channel j*in + i at X holds
  a[i, y, X + j - px] (the padding along x becomes explicit), kernel column q holds w[o, i, ky, f*q + j] (zero past
  the kernel), and the columns of taps are f apart: ceil(kx / f) passes instead of kx. Weights without a zero are
  folded where f divides kx, so that nothing is past the kernel, else taken as they are.
- ``patch``: a 1x1 layer over in * ky * kx channels, channel (ky*kernel_x + kx)*in + i of position (oy, ox) holding
  a[i, oy*sy + ky - py, ox*sx + kx - px].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.graph.graph import Layer

Array = np.ndarray[Any, Any]
MODES = ("none", "fold", "patch")


@dataclass(frozen=True, eq=False)
class Taken:
    """The convolution that the array is given instead of a layer's own; its psums are the same.

    Parameters
    ----------
    layer : Layer
    mode : str
        As done: ``none``, ``fold`` or ``patch``.
    folds : int
        Kernel columns side by side (1 unless folded).
    given : (int, int)
        The layer's input map (height, width).
    weight : integer array (out, channels, ky, kx)
        As the array takes it, with zeros between groups.
    height, width : int
        Its input map.
    stride, padding : (int, int)
    """

    layer: Layer
    mode: str
    folds: int
    given: tuple[int, int]
    weight: Array
    height: int
    width: int
    stride: tuple[int, int]
    padding: tuple[int, int]

    @property
    def channels(self) -> int:
        """Input channels as taken."""
        return int(self.weight.shape[1])

    def codes(self, codes: Array) -> Array:
        """The layer's input codes (in_channels, height, width) as the map that is loaded: (channels, height, width)."""
        expected = (self.layer.in_channels, *self.given)
        if codes.shape != expected:
            raise LockstepError(f"layer {self.layer.name}: input codes {codes.shape}; expected {expected}")
        if self.mode == "none":
            return codes
        (py, px), (sy, sx), (ky, kx) = self.layer.padding, self.layer.stride, self.layer.kernel
        if self.mode == "fold":
            wide = np.pad(codes, ((0, 0), (0, 0), (px, px + self.folds)))
            return np.concatenate([wide[:, :, j : j + self.width] for j in range(self.folds)])
        padded = np.pad(codes, ((0, 0), (py, py), (px, px)))
        taps = [
            padded[:, y : y + (self.height - 1) * sy + 1 : sy, x : x + (self.width - 1) * sx + 1 : sx]
            for y in range(ky)
            for x in range(kx)
        ]
        return np.concatenate(taps)


def best_fold(in_channels: int, kernel_x: int, rows: int, whole: bool = False) -> int:
    """The least f with the fewest taps ceil(kernel_x / f) among those with f * in_channels <= rows.

    With `whole`, among those that divide kernel_x as well.

    Examples
    --------
    >>> best_fold(3, 3, 8), best_fold(1, 3, 8), best_fold(1, 5, 4), best_fold(5, 3, 8)
    (2, 3, 3, 1)
    >>> best_fold(3, 3, 8, whole=True), best_fold(1, 4, 3, whole=True)
    (1, 2)
    """
    if whole:
        return max(f for f in range(1, kernel_x + 1) if kernel_x % f == 0 and (f == 1 or f * in_channels <= rows))
    taps = -(-kernel_x // max(1, rows // in_channels))
    return -(-kernel_x // taps)


def take(layer: Layer, height: int, width: int, rows: int, mode: str = "none") -> Taken:
    """The convolution of `layer` on a map of height x width as `mode` has it.

    Raises
    ------
    LockstepError
        For a mode that there is not, or a kernel that does not fit the map.
    """
    if mode not in MODES:
        raise LockstepError(f"no input mode {mode!r}; expected one of {', '.join(MODES)}")
    out_y, out_x = layer.map_after(height, width, pooled=False)
    outs, ins, ky, kx = layer.dense.shape
    given = height, width
    if mode == "patch":
        weight = layer.dense.transpose(0, 2, 3, 1).reshape(outs, -1, 1, 1)  # (out, ky * kx * in, 1, 1)
        return Taken(layer, mode, 1, given, weight, out_y, out_x, (1, 1), (0, 0))
    folds = best_fold(ins, kx, rows, whole=layer.wgt.filler != 0) if mode == "fold" else 1
    if folds == 1:
        return Taken(layer, "none", 1, given, layer.dense, height, width, layer.stride, layer.padding)
    taps = -(-kx // folds)
    full = np.zeros((outs, ins, ky, taps * folds), layer.dense.dtype)
    full[..., :kx] = layer.dense
    split = full.reshape(outs, ins, ky, taps, folds).transpose(0, 4, 1, 2, 3)  # (out, fold, in, ky, tap)
    weight = np.ascontiguousarray(split.reshape(outs, folds * ins, ky, taps))  # (out, fold * in, ky, tap)
    columns = (out_x - 1) * layer.stride[1] + (taps - 1) * folds + 1
    return Taken(layer, mode, folds, given, weight, height, columns, layer.stride, (layer.padding[0], 0))
