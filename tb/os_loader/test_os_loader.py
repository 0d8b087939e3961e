"""os_loader under cocotb: one term a word and several, one parameter word a column, two and many."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate

NAMES = ("Terms", "TermWidth", "Cols", "ColWidth", "ParWords")
SETS = [(2, 12, 3, 2, 2), (1, 8, 1, 1, 129), (3, 8, 2, 1, 1)]


@pytest.mark.parametrize("values", SETS, ids=str)
def test_os_loader(values: tuple[int, ...]) -> None:
    simulate("os_loader", "tb.os_loader.os_loader_tests", dict(zip(NAMES, values, strict=True)))
