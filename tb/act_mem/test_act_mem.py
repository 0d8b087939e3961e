"""act_mem under cocotb: one bank, several, and lines in segments."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate

SETS = [(32, 60, 1, 1), (12, 70, 1, 3), (8, 64, 2, 1), (5, 8, 4, 1), (12, 24, 3, 1), (16, 32, 4, 2)]


@pytest.mark.parametrize(("width", "depth", "banks", "segs"), SETS)
def test_act_mem(width: int, depth: int, banks: int, segs: int) -> None:
    """Read back, collisions, hold."""
    simulate("act_mem", "tb.act_mem.act_mem_tests", {"Width": width, "Depth": depth, "Banks": banks, "Segs": segs})
