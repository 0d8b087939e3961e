"""Small accelerators that tests run on: square, with two banks, with lines of two segments that are no power of two."""

from __future__ import annotations

SMALL = {
    "ActWidth": 4,
    "WgtWidth": 4,
    "PsumWidth": 16,
    "WgtLanes": 2,
    "ActDepth": 64,
    "PsumDepth": 16,
    "MulWidth": 10,
    "BiasWidth": 14,
    "Layers": 4,
    "ResultDepth": 2,
}
ARRAYS = {
    "4x4": {"Rows": 4, "Cols": 4},
    "2x4, two banks": {"Rows": 2, "Cols": 4, "WgtLanes": 3, "ActDepth": 128},
    "4x2, two segments": {"Rows": 4, "Cols": 2, "ActWidth": 3, "ActDepth": 70},
}
# What a mode asks of them besides.
BUILT_IN: dict[str, dict[str, int]] = {"ws": {}, "simd": {"Simd": 1}, "os": {"OutputStationary": 1, "ActDepth": 256}}
