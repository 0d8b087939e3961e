"""mac_tile under cocotb, for several widths and places in the flit."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate

NAMES = ("ActWidth", "WgtWidth", "PsumWidth", "WgtLanes", "GroupWidth", "Group", "Lane")
SETS = [
    (4, 4, 16, 2, 2, 1, 1),
    (2, 2, 8, 1, 3, 5, 0),
    (8, 8, 16, 4, 1, 0, 3),
    (8, 4, 24, 2, 2, 3, 0),
    (2, 8, 16, 2, 1, 0, 0),
]


@pytest.mark.parametrize("values", SETS, ids=str)
def test_mac_tile(values: tuple[int, ...]) -> None:
    """Registers, products, reset."""
    simulate("mac_tile", "tb.mac_tile.mac_tile_tests", dict(zip(NAMES, values, strict=True)))
