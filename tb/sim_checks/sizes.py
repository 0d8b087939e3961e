"""Small sizes of the blocks whose checks are tried."""

from __future__ import annotations

TILE = {"ActWidth": 4, "WgtWidth": 4, "PsumWidth": 8, "WgtLanes": 1, "GroupWidth": 1, "Group": 0, "Lane": 0}
LEVEL5 = TILE | {"WgtWidth": 3, "WgtPower": 2, "WgtZero": 1, "WgtStep": 3}
SHIFT_ADD = {"ActWidth": 4, "WgtWidth": 4, "WgtPower": 8, "WgtZero": 0, "WgtStep": 1, "PsumWidth": 12}
ARRAY = {"Rows": 2, "Cols": 2, "ActWidth": 4, "WgtWidth": 4, "PsumWidth": 16, "WgtLanes": 2, "GroupWidth": 1}
CORE = {
    "Rows": 2,
    "Cols": 2,
    "ActWidth": 4,
    "WgtWidth": 4,
    "PsumWidth": 8,
    "WgtLanes": 2,
    "ActDepth": 4,
    "PsumDepth": 4,
}
ACCELERATOR = {
    "Rows": 2,
    "Cols": 2,
    "ActWidth": 4,
    "WgtWidth": 4,
    "PsumWidth": 12,
    "WgtLanes": 2,
    "ActDepth": 8,
    "PsumDepth": 4,
    "MulWidth": 8,
    "BiasWidth": 8,
    "Layers": 2,
    "ResultDepth": 1,
}
POOL = {"Cols": 2, "ActWidth": 4}
PAIR_TILE = TILE | {"GroupWidth": 2, "Simd": 1}
PAIR_ARRAY = ARRAY | {"GroupWidth": 2, "Simd": 1}
BOTH_TILE = TILE | {"OutputStationary": 1}
BOTH_CORE = CORE | {"OutputStationary": 1}
OS_LOADER = {"Terms": 2, "TermWidth": 8, "Cols": 1, "ColWidth": 1, "ParWords": 1}
LOADER = {"Groups": 2, "GroupWidth": 1, "Cols": 1, "ColWidth": 1, "ParWords": 1}
REQUANTIZE = {"Cols": 2, "ActWidth": 4, "PsumWidth": 8, "MulWidth": 4, "BiasWidth": 4, "WordWidth": 8}
