"""The register blocks that are tested: lines of no power of two, and each parameter at its limits."""

from __future__ import annotations

# Of the flags in MODES each is 1 where another is 0.
SMALL = {"Rows": 4, "Cols": 2, "ActWidth": 3, "WgtWidth": 4, "PsumWidth": 16, "WgtLanes": 2, "ActDepth": 70}
SMALL |= {"PsumDepth": 16, "MulWidth": 10, "BiasWidth": 14, "Layers": 3, "WgtPower": 2, "WgtZero": 1, "WgtStep": 3}
MOST = dict.fromkeys(("Rows", "Cols", "PsumWidth", "WgtLanes", "MulWidth", "BiasWidth", "WgtPower", "WgtStep"), 255)
MOST |= {"ActWidth": 15, "WgtWidth": 15, "ActDepth": 1 << 24, "PsumDepth": 1 << 20, "Layers": 256}
MOST |= {"WgtZero": 1, "Simd": 1, "OutputStationary": 1}
LEAST = dict.fromkeys(MOST, 1) | {"WgtPower": 0, "WgtZero": 0, "WgtStep": 0, "OutputStationary": 0}
SETS = {"small": SMALL, "most": MOST, "least": LEAST}
