"""mac_row under cocotb, for several widths and lane counts."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate
from tb.common.weight_formats import NAMED

NAMES = ("Cols", "ActWidth", "WgtWidth", "PsumWidth", "WgtLanes", "GroupWidth", "Simd")
SETS = [
    (8, 4, 4, 16, 2, 2, 0),
    (5, 2, 8, 16, 2, 2, 0),
    (3, 8, 2, 24, 1, 2, 0),
    (4, 4, 4, 8, 4, 1, 0),
    (8, 4, 4, 16, 2, 3, 1),
    (5, 2, 8, 16, 1, 4, 1),
    (3, 8, 3, 24, 3, 2, 1),
]


@pytest.mark.parametrize("values", SETS, ids=str)
def test_mac_row(values: tuple[int, ...]) -> None:
    """Bubbles, back-to-back tiles, reset."""
    simulate("mac_row", "tb.mac_row.mac_row_tests", dict(zip(NAMES, values, strict=True)))


@pytest.mark.parametrize("name", NAMED)
def test_mac_row_of_powers_of_two(name: str) -> None:
    """The same on each format."""
    simulate("mac_row", "tb.mac_row.mac_row_tests", dict(zip(NAMES, SETS[0], strict=True)) | NAMED[name])


@pytest.mark.parametrize("values", [values for values in SETS if values[-1]], ids=str)
def test_mac_row_of_pairs(values: tuple[int, ...]) -> None:
    """Two codes of half the width at once."""
    simulate("mac_row", "tb.mac_row.mac_row_pair_tests", dict(zip(NAMES, values, strict=True)))
