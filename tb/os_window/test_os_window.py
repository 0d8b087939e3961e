"""os_window under cocotb: one row, few rows, many."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate

SETS = [(1,), (3,), (8,)]
NAMES = ("Rows",)


@pytest.mark.slow
@pytest.mark.parametrize("values", SETS, ids=str)
def test_os_window(values: tuple[int, ...]) -> None:
    simulate("os_window", "tb.os_window.os_window_tests", dict(zip(NAMES, values, strict=True)))
