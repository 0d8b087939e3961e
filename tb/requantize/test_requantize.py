"""requantize under cocotb: words that hold both parameters, that are not full, and that are one bit wide."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate

NAMES = ("Cols", "ActWidth", "PsumWidth", "MulWidth", "BiasWidth", "WideWidth", "WordWidth", "SideWidth")
SETS = [
    (8, 4, 20, 28, 36, 32, 64, 2),
    (5, 4, 18, 14, 26, 32, 16, 2),  # two and a half words a column
    (1, 8, 24, 16, 30, 32, 32, 1),
    (3, 3, 16, 12, 40, 32, 20, 3),  # a bias wider than the product
    (2, 1, 8, 2, 2, 16, 1, 1),
    (1, 2, 8, 20, 30, 16, 1, 1),  # fifty words a column
]


@pytest.mark.parametrize("values", SETS, ids=str)
def test_requantize(values: tuple[int, ...]) -> None:
    """Every shift, every sign, swaps, reset."""
    simulate("requantize", "tb.requantize.requantize_tests", dict(zip(NAMES, values, strict=True)))
