"""mac_row under cocotb, for several widths and lane counts."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate

NAMES = ("Cols", "ActWidth", "WgtWidth", "PsumWidth", "WgtLanes", "GroupWidth")
SETS = [(8, 4, 4, 16, 2, 2), (5, 2, 8, 16, 2, 2), (3, 8, 2, 24, 1, 2), (4, 4, 4, 8, 4, 1)]


@pytest.mark.parametrize("values", SETS, ids=str)
def test_mac_row(values: tuple[int, ...]) -> None:
    """Bubbles, back-to-back tiles, reset."""
    simulate("mac_row", "tb.mac_row.mac_row_tests", dict(zip(NAMES, values, strict=True)))
