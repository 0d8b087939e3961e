"""Requantization without multipliers: every M of a graph becomes a sum of few signed powers of two.

    M' = the sum of at most n terms +-2**e nearest to M                            (1)
    B' = k*2**S - M' * (k*2**S - B) / M, rounded,  k = c_max / 4                   (2)

M' has another slope than M, so codes change: by (2) not where the code is k, and the more the further from it. Codes of
a rectified map crowd near 0, so k lies in the lower half; nothing is fitted to images. Of logits B stays as it is.
To golden, vectors and RTL the new graph is one like any other: M' is an M.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from model.errors import LockstepError
from model.graph.graph import IntegerGraph, Layer

MOST_TERMS = 8


@cache
def nearest_sum(value: int, terms: int) -> int:
    """The integer nearest to `value` that is a sum of at most `terms` signed powers of two; of two as near, either.

    Examples
    --------
    >>> [nearest_sum(23, terms) for terms in (0, 1, 2, 3)]
    [0, 16, 24, 23]
    """
    if value < 0:
        return -nearest_sum(-value, terms)
    if terms == 0 or value == 0:
        return 0
    below = 1 << (value.bit_length() - 1)
    found = [first + nearest_sum(value - first, terms - 1) for first in (below, 2 * below)]
    return min(found, key=lambda each: (abs(each - value), each))


def terms_of(value: int) -> int:
    """The least number of signed powers of two that sum up to `value`: the digits of its canonical form.

    Examples
    --------
    >>> [terms_of(value) for value in (0, 4, 7, -23, 11)]
    [0, 1, 2, 3, 3]
    """
    value = abs(value)
    return (value ^ 3 * value).bit_count()


def few_terms(layer: Layer, terms: int) -> Layer:
    """`layer` with (1) and (2)."""
    multiplier = [nearest_sum(int(m), terms) for m in layer.multiplier]
    bias = [int(b) for b in layer.bias]
    if layer.out is not None:
        for channel, (old, new) in enumerate(zip(layer.multiplier.tolist(), multiplier, strict=True)):
            if old:
                pivot = (layer.out.max << layer.shift) // 4
                bias[channel] = pivot - (2 * new * (pivot - bias[channel]) + old) // (2 * old)  # rounded half up
    return replace(layer, multiplier=np.array(multiplier, np.int64), bias=np.array(bias, np.int64))


def without_multipliers(graph: IntegerGraph, terms: int) -> IntegerGraph:
    """`graph` with every M a sum of at most `terms` signed powers of two, called ``<name>_rq<terms>``.

    Raises
    ------
    LockstepError
        For a number of terms outside 1..MOST_TERMS.
    """
    if not 1 <= terms <= MOST_TERMS:
        raise LockstepError(f"TERMS={terms} is impossible; expected 1..{MOST_TERMS}, signed powers of two in a sum")
    layers = tuple(few_terms(layer, terms) for layer in graph.layers)
    stale = ("integer_accuracy", "test_images")
    meta = {key: value for key, value in graph.meta.items() if key not in stale} | {"requant_terms": terms}
    return replace(graph, name=f"{graph.name}_rq{terms}", layers=layers, meta=meta)
