"""accelerator under cocotb: small arrays of every form through the whole list of tests, then a trained network."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate

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
    "2x4, two banks": {"Rows": 2, "Cols": 4, "WgtLanes": 3},
    "4x2, two segments": {"Rows": 4, "Cols": 2, "ActWidth": 3, "ActDepth": 70},
}


@pytest.mark.parametrize("array", ARRAYS)
def test_accelerator(array: str) -> None:
    """Registers, runs, stalls, errors, reset."""
    simulate(
        "accelerator",
        "tb.accelerator.accelerator_tests",
        ARRAYS[array] | {k: v for k, v in SMALL.items() if k not in ARRAYS[array]},
    )
