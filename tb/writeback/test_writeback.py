"""writeback under cocotb: without segments, with two, and with a number that is no power of two."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate

SETS = [(14, 1), (6, 2), (5, 3), (8, 4)]


@pytest.mark.parametrize(("addr_width", "segs"), SETS)
def test_writeback(addr_width: int, segs: int) -> None:
    """Addresses and segments of layer after layer."""
    simulate("writeback", "tb.writeback.writeback_tests", {"AddrWidth": addr_width, "Segs": segs})
