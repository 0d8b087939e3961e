"""os_drain under cocotb: arrays of one row, of few and of many."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate

NAMES = ("Rows",)
SETS = [(5,), (1,), (2,), (16,)]


@pytest.mark.parametrize("values", SETS, ids=str)
def test_os_drain(values: tuple[int, ...]) -> None:
    """Enables of every row; reset."""
    simulate("os_drain", "tb.os_drain.os_drain_tests", dict(zip(NAMES, values, strict=True)))
