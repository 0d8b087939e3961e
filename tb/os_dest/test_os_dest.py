"""os_dest under cocotb: arrays of one row, of few and of many."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate

NAMES = ("Rows", "AddrWidth", "FlagWidth")
SETS = [(3, 5, 6), (1, 4, 5), (8, 8, 9), (16, 10, 5)]


@pytest.mark.parametrize("values", SETS, ids=str)
def test_os_dest(values: tuple[int, ...]) -> None:
    """Lines of groups; reset."""
    simulate("os_dest", "tb.os_dest.os_dest_tests", dict(zip(NAMES, values, strict=True)))
