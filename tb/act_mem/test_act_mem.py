"""act_mem under cocotb: one bank, several, and lines in segments."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate

NAMES = ("Width", "Depth", "Banks", "Segs", "Halves", "LaneWidth")
SETS = [
    (32, 60, 1, 1, 1, 4),
    (12, 70, 1, 3, 1, 4),
    (8, 64, 2, 1, 1, 4),
    (5, 8, 4, 1, 1, 4),
    (12, 24, 3, 1, 1, 4),
    (16, 32, 4, 2, 1, 4),
    (32, 60, 1, 1, 2, 4),
    (12, 16, 2, 3, 2, 2),
    (48, 8, 4, 2, 2, 6),
]


@pytest.mark.parametrize("values", SETS, ids=str)
def test_act_mem(values: tuple[int, ...]) -> None:
    """Read back, collisions, hold; with two halves, the low and the high half of every code by themselves."""
    simulate("act_mem", "tb.act_mem.act_mem_tests", dict(zip(NAMES, values, strict=True)))
