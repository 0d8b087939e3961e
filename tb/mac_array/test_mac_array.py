"""mac_array under cocotb: the first rung of the ladder, for several shapes and widths up to the full 8x8."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate
from tb.common.weight_formats import NAMED

NAMES = ("Rows", "Cols", "ActWidth", "WgtWidth", "PsumWidth", "WgtLanes", "GroupWidth")
SETS = [
    (3, 4, 4, 4, 16, 2, 1),
    (8, 8, 4, 4, 16, 2, 2),
    (4, 4, 4, 4, 10, 4, 1),  # 10 bits are just enough for 4 * 15 * -8
    (3, 5, 2, 8, 16, 1, 3),
    (5, 3, 8, 8, 24, 2, 1),
    (1, 1, 4, 2, 8, 1, 1),
]


@pytest.mark.parametrize("values", SETS, ids=str)
def test_mac_array(values: tuple[int, ...]) -> None:
    """Every PE register at every clock edge equals the cycle model."""
    simulate("mac_array", "tb.mac_array.mac_array_tests", dict(zip(NAMES, values, strict=True)))


@pytest.mark.parametrize("name", NAMED)
def test_mac_array_of_powers_of_two(name: str) -> None:
    """The same on each format."""
    simulate("mac_array", "tb.mac_array.mac_array_tests", dict(zip(NAMES, SETS[0], strict=True)) | NAMED[name])
