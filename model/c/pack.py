"""Weights as C stores them: 16-bit words of as many patterns as fit, the first pattern in the lowest bits.

Each kernel position of each filter begins a word of its own, so that taps in the padding are skipped by whole words:

    word index = (o * taps + tap) * words_a_tap + word,    taps in order (ky, kx), channels in order within a tap    (1)

With several maps each map's channels begin a word as well. 4 bits: four patterns a word; 2: eight; 3 and 5: five and
three, the topmost bit unused; 6 and 7: two, the topmost four and two unused; 8: two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from model.graph.graph import Layer
from model.numeric.weights import WeightFormat

Array = np.ndarray[Any, Any]
WORD_BITS = 16


def patterns_a_word(fmt: WeightFormat) -> int:
    """How many patterns of `fmt` a word holds."""
    return WORD_BITS // fmt.bits


def words_a_part(fmt: WeightFormat, channels: int) -> int:
    """Words of the weights of `channels` channels at one tap."""
    return -(-channels // patterns_a_word(fmt))


def words_a_tap(fmt: WeightFormat, sizes: Sequence[int]) -> int:
    """Words of one tap over maps of so many channels each."""
    return sum(words_a_part(fmt, size) for size in sizes)


def pack(layer: Layer, sizes: Sequence[int]) -> Array:
    """The words of a layer: uint16 (n,) by (1).

    Parameters
    ----------
    layer : Layer
    sizes : sequence of int
        Channels of each map that one output channel sees.
    """
    fmt, per = layer.wgt, patterns_a_word(layer.wgt)
    outs, _, ky, kx = layer.weight.shape
    patterns = fmt.encode(layer.weight).transpose(0, 2, 3, 1).reshape(outs * ky * kx, -1)  # (out * tap, channel)
    words, at = [], 0
    for size in sizes:
        full = np.zeros((len(patterns), words_a_part(fmt, size) * per), np.uint32)
        full[:, :size] = patterns[:, at : at + size]
        places = full.reshape(len(patterns), -1, per) << (np.arange(per, dtype=np.uint32) * fmt.bits)
        words.append(places.sum(axis=2, dtype=np.uint32))  # (out * tap, word)
        at += size
    return np.concatenate(words, axis=1).reshape(-1).astype(np.uint16)


def unpack(words: Array, layer: Layer, sizes: Sequence[int]) -> Array:
    """The inverse of `pack`: values of the shape of ``layer.weight``."""
    fmt, per = layer.wgt, patterns_a_word(layer.wgt)
    outs, _, ky, kx = layer.weight.shape
    rows = words.astype(np.uint32).reshape(outs * ky * kx, -1)  # (out * tap, word)
    found, at = [], 0
    for size in sizes:
        count = words_a_part(fmt, size)
        places = rows[:, at : at + count, None] >> (np.arange(per, dtype=np.uint32) * fmt.bits)
        found.append((places & ((1 << fmt.bits) - 1)).reshape(len(rows), -1)[:, :size])
        at += count
    values = fmt.decode(np.concatenate(found, axis=1))  # (out * tap, channel)
    return values.reshape(outs, ky, kx, -1).transpose(0, 3, 1, 2).astype(layer.weight.dtype)
