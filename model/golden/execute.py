"""The integer graph, executed exactly: every layer's codes and the logits.

`conv_naive` is the definition; `conv` is the fast path, tested equal to it. A sum of integers whose magnitude stays
below 2**24 (2**53) is exact in float32 (float64), so BLAS does the work wherever the bound allows, and the bound is
derived from the weights themselves and checked, as are the codes that it rests on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.graph.graph import IntegerGraph, Layer
from model.numeric.fixed import requantize

Array = np.ndarray[Any, Any]
FLOAT32_EXACT, FLOAT64_EXACT = 1 << 24, 1 << 53


def pad_map(codes: Array, padding: tuple[int, int]) -> Array:
    """Codes (..., height, width) with `padding` (y, x) rows and columns of code 0 on each side."""
    py, px = padding
    return np.pad(codes, [(0, 0)] * (codes.ndim - 2) + [(py, py), (px, px)])


def conv_naive(codes: Array, layer: Layer) -> Array:
    """Psums (int64, (out_channels, y, x)) of one image's codes (in_channels, height, width), term by term."""
    padded = pad_map(codes.astype(np.int64), layer.padding)
    height, width = layer.map_after(codes.shape[1], codes.shape[2], pooled=False)
    psum = np.zeros((layer.out_channels, height, width), np.int64)
    (sy, sx), (kernel_y, kernel_x) = layer.stride, layer.kernel
    for o in range(layer.out_channels):
        for y in range(height):
            for x in range(width):
                for ky in range(kernel_y):
                    for kx in range(kernel_x):
                        for i, channel in enumerate(layer.group_channels[o * layer.groups // layer.out_channels]):
                            code = int(padded[channel, y * sy + ky, x * sx + kx])
                            psum[o, y, x] += int(layer.weight[o, i, ky, kx]) * code
    return psum


def conv(codes: Array, layer: Layer) -> Array:
    """Psums of a batch, by im2col and BLAS, exactly.

    Parameters
    ----------
    codes : unsigned integer array (batch, in_channels, height, width)

    Returns
    -------
    int64 array (batch, y, x, out_channels)

    Raises
    ------
    LockstepError
        When a code is not one of the layer's, or its bound leaves float64's exact range.
    """
    layer.act.check(codes, f"layer {layer.name} input ")
    low, high = layer.psum_range
    bound = max(-low, high)
    if bound >= FLOAT64_EXACT:
        raise LockstepError(f"layer {layer.name}: psums reach {bound}, beyond the exact range {FLOAT64_EXACT}")
    dtype = np.float32 if bound < FLOAT32_EXACT else np.float64
    (ky, kx), (sy, sx) = layer.kernel, layer.stride
    batch, channels, height, width = codes.shape
    rows, cols = layer.map_after(height, width, pooled=False)
    channels_last = pad_map(codes, layer.padding).transpose(0, 2, 3, 1)  # (batch, y, x, channel)
    padded = np.ascontiguousarray(channels_last, dtype=dtype)
    patches = np.empty((batch, rows, cols, ky, kx, channels), dtype)
    for y in range(ky):
        for x in range(kx):
            patches[:, :, :, y, x] = padded[:, y : y + rows * sy : sy, x : x + cols * sx : sx][:, :rows, :cols]
    weight = layer.dense.transpose(2, 3, 1, 0).reshape(-1, layer.out_channels).astype(dtype)  # (ky*kx*in, out)
    psum: Array = patches.reshape(batch * rows * cols, -1) @ weight  # (batch*y*x, out)
    return psum.reshape(batch, rows, cols, layer.out_channels).astype(np.int64)


def finish(psum: Array, layer: Layer) -> Array:
    """Requantize and pool psums (batch, y, x, channel): codes uint8, or logits int64, as (batch, channel, y, x)."""
    if layer.out is None:
        info = np.iinfo(np.int64)
        return requantize(psum, layer.multiplier, layer.bias, layer.shift, info.min, info.max).transpose(0, 3, 1, 2)
    codes = requantize(psum, layer.multiplier, layer.bias, layer.shift, layer.out.min, layer.out.max).astype(np.uint8)
    if layer.pool > 1:
        batch, height, width, channels = codes.shape
        rows, cols, side = height // layer.pool, width // layer.pool, layer.pool
        windows = codes[:, : rows * side, : cols * side].reshape(batch, rows, side, cols, side, channels)
        codes = windows.max(axis=(2, 4))  # (batch, y, x, channel)
    return np.ascontiguousarray(codes.transpose(0, 3, 1, 2))


def check_pixels(graph: IntegerGraph, pixels: Array) -> None:
    """Raise LockstepError unless `pixels` fit the input: unsigned, (batch, channels, height, width), in range."""
    if pixels.ndim != 4 or tuple(pixels.shape[1:]) != graph.input_shape or pixels.dtype.kind != "u":
        shape = ", ".join(map(str, graph.input_shape))
        raise LockstepError(
            f"input is {pixels.dtype}{pixels.shape}; {graph.name} takes unsigned integers (batch, {shape})"
        )
    graph.layers[0].act.check(pixels, "input pixel ")


def activations(graph: IntegerGraph, pixels: Array) -> Iterator[tuple[Layer, Array, Array]]:
    """Walk the graph: yields (layer, its input codes, its output codes or logits), each (batch, channels, y, x).

    The input codes of a layer that takes several maps are theirs, one after another along the channels. A map is kept
    until the last layer that takes it.
    """
    check_pixels(graph, pixels)
    maps: dict[int, Array] = {}
    for index, layer in enumerate(graph.layers):
        codes = gather(maps, graph.wiring.takes[index], pixels)
        result = finish(conv(codes, layer), layer)
        for dead in graph.wiring.dead_after(index):
            del maps[dead]
        maps[index] = result
        yield layer, codes, result


def gather(maps: Mapping[int, Array], takes: Sequence[int], pixels: Array) -> Array:
    """The maps (batch, channels, y, x) that a layer takes as one; `pixels` for the layer that takes none."""
    if len(takes) < 2:
        return maps[takes[0]] if takes else pixels
    return np.concatenate([maps[at] for at in takes], axis=1)


def layer_input(graph: IntegerGraph, pixels: Array, name: str) -> Array:
    """Codes that enter the layer `name`, (batch, channels, y, x)."""
    wanted = graph.layer(name)
    check_pixels(graph, pixels)
    if wanted is graph.layers[0]:
        return pixels
    maps: dict[int, Array] = {}
    for index, (_, _, result) in enumerate(activations(graph, pixels)):
        maps[index] = result
        if graph.layers[index + 1] is wanted:
            break
    return gather(maps, graph.wiring.takes[graph.layers.index(wanted)], pixels)


def logits(graph: IntegerGraph, pixels: Array, batch: int = 128) -> Array:
    """Integer logits (n, classes) int64 of `pixels` (n, channels, height, width), `batch` images at a time."""
    parts = []
    for start in range(0, len(pixels), batch):
        *_, (_, _, result) = activations(graph, pixels[start : start + batch])
        parts.append(result[:, :, 0, 0])
    if not parts:
        raise LockstepError("no images to run: the set is empty")
    return np.concatenate(parts)
