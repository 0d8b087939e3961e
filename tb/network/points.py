"""Points of the test plan that all drawn layers together must meet: limits of descriptor fields, changes of mode."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise, product
from typing import Any

import numpy as np

from model.program.descriptor import FIELDS, SIGNED, Field
from tb.common.scoreboard import Coverage

Array = np.ndarray[Any, Any]
MODES = ("plain", "pairs", "output stationary")
ENDS = ("least", "most")
# One engine is built for pairs or for both dataflows.
CHANGES = [pair for pair in product(MODES, MODES) if set(pair) != {"pairs", "output stationary"}]
POINTS = (
    *(f"descriptor: {field.name} at its {end}" for field in FIELDS for end in ENDS),
    *(f"modes: {one} after {other}" for other, one in CHANGES),
)


def descriptor_points(tables: Iterable[Array]) -> Coverage:
    """The hits of the runs whose descriptors, uint32 (layers, words) each, are `tables`."""
    points = Coverage(*POINTS)
    for table in tables:
        for row in table:
            for field in FIELDS:
                low, high = ends(field)
                code = (int(row[field.word]) >> field.low) & ((1 << field.width) - 1)
                points.hit(f"descriptor: {field.name} at its least", code == low)
                points.hit(f"descriptor: {field.name} at its most", code == high)
        modes = [mode(row) for row in table]
        for other, one in pairwise(modes):
            points.hit(f"modes: {one} after {other}")
    return points


def ends(field: Field) -> tuple[int, int]:
    """The codes of a field's least and of its largest value; of one that wraps, of all zeros and all ones.

    >>> ends(FIELDS[0]), ends(next(field for field in FIELDS if field.name == "y_start"))
    ((0, 65535), (128, 127))
    """
    full = 1 << field.width
    return (full // 2, full // 2 - 1) if field.kind == SIGNED else (0, full - 1)


def mode(row: Array) -> str:
    """Which of MODES a layer's descriptor asks for."""
    bits = {field.name: (int(row[field.word]) >> field.low) & 1 for field in FIELDS if field.name in ("simd", "os")}
    return MODES[1] if bits["simd"] else MODES[2] if bits["os"] else MODES[0]
