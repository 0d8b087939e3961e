"""par_count under cocotb: one column of one word, a number of columns that is no power of two, words of many parts."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate

NAMES = ("Cols", "ColWidth", "ParWords")
SETS = [(5, 3, 3), (1, 1, 1), (8, 3, 1), (2, 2, 256)]


@pytest.mark.parametrize("values", SETS, ids=str)
def test_par_count(values: tuple[int, ...]) -> None:
    """Every word's column and part, in tile after tile; clearing and reset anywhere."""
    simulate("par_count", "tb.par_count.par_count_tests", dict(zip(NAMES, values, strict=True)))
