"""The integer graph on many images: the logits of `execute`, several times as fast, and as exact.

Three facts carry it:

1. Every sum of the products of a psum, in whatever order, lies in the layer's `psum_range`. Where that range is inside
   2**24 (2**53), float32 (float64) holds every one of them exactly, so BLAS may add them up.
2. code(p) = clamp((p*M + B) >> S) and step(p) = clamp(floor(fl(fl(a*p) + c))) are both monotone in p, for rounding is
   monotone. Two monotone functions that are equal on both sides of every step of one of them are equal everywhere.
   `line_of` picks a and c, and `is_proved` compares the two there, for every channel; a layer where they are not equal
   is computed in float64, and where that fails too, in int64.
3. Clamping, rounding down and the largest of several commute, so pooling comes first and leaves them a quarter of the
   work. The line of a channel with M < 0 falls: it is evaluated before the pooling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.golden.execute import FLOAT32_EXACT, FLOAT64_EXACT, check_pixels, finish
from model.graph.graph import IntegerGraph, Layer
from model.numeric.fixed import requantize

Array = np.ndarray[Any, Any]
BATCH = 128  # images that go through a layer before the next one takes them
CHUNK_BYTES = 1 << 20  # patches that are multiplied at a time: what stays in a core's cache
FEW = 4  # input channels of a group up to which a product each is quicker than a matrix of mostly zeros


@dataclass(frozen=True, eq=False)
class Line:
    """Requantization as ``floor(a*p + c)``, clamped; proved equal to the layer's for all its psums.

    Parameters
    ----------
    slope, offset : float arrays (out_channels,)
        a and c, both of the dtype that the line is evaluated in.
    """

    slope: Array
    offset: Array

    def heights(self, psum: Array) -> Array:
        """``a*p + c`` of psums (..., channel) of the line's dtype, in place."""
        np.multiply(psum, self.slope, out=psum)
        return np.add(psum, self.offset, out=psum)


def clamp(values: Array, top: int) -> Array:
    """Floats clamped to 0..top, in place."""
    np.maximum(values, 0, out=values)
    return np.minimum(values, top, out=values)


def steps(layer: Layer, top: int) -> tuple[Array, Array]:
    """Psums on both sides of every step of the code, k = 1..top.

    Returns
    -------
    inside, outside : int64 arrays (top, out_channels)
        Neighbours: the code is k or more at `inside[k-1]`, less than k at `outside[k-1]`; 0 for a channel with M = 0.
    """
    edge = (np.arange(1, top + 1, dtype=np.int64)[:, None] << layer.shift) - layer.bias  # p*M reaches it from k on
    steep = np.where(layer.multiplier == 0, 1, layer.multiplier)
    rising = -(-edge // steep)  # least p with p*M >= edge, M > 0
    falling = -edge // -steep  # greatest such p, M < 0
    inside = np.where(layer.multiplier > 0, rising, falling)
    inside = np.where(layer.multiplier == 0, 0, inside)
    outside = inside - np.sign(layer.multiplier)
    return inside, outside


def line_of(layer: Layer, dtype: type[np.floating[Any]]) -> Line | None:
    """The layer's requantization as a line in `dtype`; None where there is none, or where it cannot be proved.

    The offset is the middle of the interval that the steps leave: rounding errors have the most room there.
    """
    if layer.out is None:
        return None
    top = layer.out.max
    low, high = layer.psum_range
    inside, outside = steps(layer, top)
    met = (low <= np.minimum(inside, outside)) & (np.maximum(inside, outside) <= high) & (layer.multiplier != 0)
    slope = (layer.multiplier.astype(np.float64) / 2.0**layer.shift).astype(dtype)
    level = np.arange(1, top + 1, dtype=np.float64)[:, None]
    wide = slope.astype(np.float64)
    least = np.where(met, level - wide * inside, -np.inf).max(axis=0)
    most = np.where(met, level - wide * outside, np.inf).min(axis=0)
    at_low = requantize(np.full(layer.out_channels, low, np.int64), layer.multiplier, layer.bias, layer.shift, 0, top)
    steady = ~met.any(axis=0)  # one code for all psums
    slope[steady] = 0
    with np.errstate(invalid="ignore"):  # the infinities of the steady channels
        offset = np.where(steady, at_low + 0.5, (least + most) / 2).astype(dtype)
    line = Line(slope, offset)
    ends = np.broadcast_to(np.array([[low], [high]]), (2, layer.out_channels))
    points = np.concatenate([inside, outside, ends])
    return line if is_proved(line, layer, np.sort(np.clip(points, low, high), axis=0)) else None


def is_proved(line: Line, layer: Layer, points: Array) -> bool:
    """Whether line and layer give the same code for every psum from the first of `points` to the last.

    Parameters
    ----------
    points : int64 array (n, out_channels), sorted along the first axis

    Returns
    -------
    bool
        Both are monotone, so they are equal in between when they are equal at all points, and from each point to the
        next the layer's code stays the same, or there is no psum in between.
    """
    assert layer.out is not None
    top = layer.out.max
    exact = requantize(points, layer.multiplier, layer.bias, layer.shift, 0, top)
    psum = points.astype(line.slope.dtype)
    if (psum.astype(np.int64) != points).any():
        return False
    got = clamp(line.heights(psum), top).astype(np.uint8)
    known = (np.diff(points, axis=0) <= 1) | (np.diff(exact, axis=0) == 0)
    return bool((got == exact).all() and known.all())


class Stage:
    """One layer made ready: weights as a matrix, its line, and the form of its operands.

    Parameters
    ----------
    layer : Layer
    height, width : int
        Map that enters it.
    """

    def __init__(self, layer: Layer, height: int, width: int) -> None:
        self.layer = layer
        self.size = layer.map_after(height, width, pooled=False)  # of the psums, (y, x)
        low, high = layer.psum_range
        bound = max(-low, high)
        if bound >= FLOAT64_EXACT:
            raise LockstepError(f"layer {layer.name}: psums reach {bound}, beyond the exact range {FLOAT64_EXACT}")
        self.dtype: type[np.floating[Any]] = np.float64
        self.line: Line | None = None
        if bound < FLOAT32_EXACT:
            self.line = line_of(layer, np.float32)
            if self.line is not None or layer.out is None:
                self.dtype = np.float32
        if self.line is None:
            self.line = line_of(layer, np.float64)
        weight = layer.dense.transpose(2, 3, 1, 0).reshape(-1, layer.out_channels)
        self.weight = np.ascontiguousarray(weight, dtype=self.dtype)  # (ky*kx*in, out)
        self.thin = layer.groups > 1 and layer.weight.shape[1] <= FEW
        self.rises = bool((layer.multiplier >= 0).all())
        patch_bytes = self.size[0] * self.size[1] * self.weight.shape[0] * np.dtype(self.dtype).itemsize
        # a narrow strip of patches would have BLAS rearrange the weights more often than use them
        self.images = max(1, max(CHUNK_BYTES, self.weight.nbytes) // patch_bytes)

    def run(self, padded: Array, results: Sequence[Array]) -> None:
        """Outputs of a batch.

        Parameters
        ----------
        padded : uint8 array (batch, height + 2*py, width + 2*px, in_channels)
            Codes within their zero padding.
        results : arrays (batch, y, x, out_channels)
            Get the codes, uint8, or the logits, int64.
        """
        for start in range(0, len(padded), self.images):
            part = slice(start, start + self.images)
            outputs = self.outputs(self.psums(padded[part]))
            for result in results:
                result[part] = outputs

    def psums(self, padded: Array) -> Array:
        """Psums (batch, y, x, out_channels) of the stage's dtype; `padded` as in `run`."""
        (ky, kx), (sy, sx), (rows, cols) = self.layer.kernel, self.layer.stride, self.size
        values = padded.astype(self.dtype)
        if self.thin:
            return self._psums_of_thin_groups(values)
        patches = np.empty((len(padded), rows, cols, ky, kx, self.layer.in_channels), self.dtype)
        for y in range(ky):
            for x in range(kx):
                patches[:, :, :, y, x] = values[:, y : y + rows * sy : sy, x : x + cols * sx : sx][:, :rows, :cols]
        psum: Array = patches.reshape(len(padded) * rows * cols, -1) @ self.weight
        return psum.reshape(len(padded), rows, cols, self.layer.out_channels)

    def _psums_of_thin_groups(self, values: Array) -> Array:
        """The same, a product for each of the few inputs that an output channel has."""
        layer, (sy, sx), (rows, cols) = self.layer, self.layer.stride, self.size
        psum: Array = np.zeros((len(values), rows, cols, layer.out_channels), self.dtype)
        group = np.arange(layer.out_channels) * layer.groups // layer.out_channels
        for y, x in np.ndindex(layer.kernel):
            window = values[:, y : y + rows * sy : sy, x : x + cols * sx : sx][:, :rows, :cols]
            for i in range(layer.weight.shape[1]):
                psum += window[..., layer.group_channels[group, i]] * layer.weight[:, i, y, x].astype(self.dtype)
        return psum

    def outputs(self, psum: Array) -> Array:
        """Codes, as floats not yet rounded down, or int64 logits, of psums (batch, y, x, channel), which are lost."""
        layer, line = self.layer, self.line
        if layer.out is None or line is None:
            return finish(psum.astype(np.int64), layer).transpose(0, 2, 3, 1)
        if self.rises:
            return clamp(line.heights(pooled(psum, layer.pool)), layer.out.max)
        return clamp(pooled(line.heights(psum), layer.pool), layer.out.max)


def pooled(values: Array, side: int) -> Array:
    """Max pooling of (batch, y, x, channel) with windows of side x side; a rest of rows and columns is left out."""
    rows, cols = values.shape[1] // side, values.shape[2] // side
    if side == 1:
        return values
    best = values[:, : rows * side : side]
    for y in range(1, side):
        best = np.maximum(best, values[:, y : rows * side : side])
    across = best[:, :, : cols * side : side]
    for x in range(1, side):
        across = np.maximum(across, best[:, :, x : cols * side : side])
    return across


class Executor:
    """A graph made ready for many images.

    Parameters
    ----------
    graph : IntegerGraph

    Raises
    ------
    LockstepError
        When a layer's psums leave float64's exact range.
    """

    def __init__(self, graph: IntegerGraph) -> None:
        self.graph = graph
        maps = graph.wiring.before
        self.stages = [Stage(layer, *size) for layer, (_, *size) in zip(graph.layers, maps, strict=True)]
        self.feeds: list[list[tuple[int, slice]]] = [[] for _ in graph.layers]  # who takes a map, as which channels
        for taker, takes in enumerate(graph.wiring.takes):
            first = 0
            for at in takes:
                self.feeds[at].append((taker, slice(first, first + graph.layers[at].out_channels)))
                first += graph.layers[at].out_channels

    def logits(self, pixels: Array) -> Array:
        """Integer logits, equal to those of `model.golden.execute.logits`.

        Parameters
        ----------
        pixels : unsigned integer array (n, channels, height, width)

        Returns
        -------
        int64 array (n, classes)

        Raises
        ------
        LockstepError
            When the pixels do not fit the graph, or there are none.
        """
        if len(pixels) == 0:
            raise LockstepError("no images to run: the set is empty")
        check_pixels(self.graph, pixels)
        return np.concatenate([self._batch(pixels[n : n + BATCH]) for n in range(0, len(pixels), BATCH)])

    def _batch(self, pixels: Array) -> Array:
        entering: dict[int, tuple[Array, Array]] = {0: self._padded(0, len(pixels))}  # by stage, until it has run
        entering[0][1][:] = pixels.transpose(0, 2, 3, 1)  # (batch, y, x, channel)
        logits = np.empty((len(pixels), 1, 1, self.stages[-1].layer.out_channels), np.int64)
        for index, stage in enumerate(self.stages):
            padded, _ = entering.pop(index)
            for taker, _ in self.feeds[index]:
                if taker not in entering:
                    entering[taker] = self._padded(taker, len(pixels))
            stage.run(padded, [entering[taker][1][..., part] for taker, part in self.feeds[index]] or [logits])
        return logits[:, 0, 0]

    def _padded(self, index: int, batch: int) -> tuple[Array, Array]:
        """Zeros for the codes (batch, y, x, channel) that enter stage `index`, padded, and the part inside."""
        channels, height, width = self.graph.wiring.before[index]
        py, px = self.stages[index].layer.padding
        whole = np.zeros((batch, height + 2 * py, width + 2 * px, channels), np.uint8)
        return whole, whole[:, py : py + height, px : px + width]
