"""loader under cocotb: whole and broken groups, one, several and many words a column, least sizes."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate

NAMES = ("Groups", "GroupWidth", "Cols", "ColWidth", "ParWords", "Simd")
SETS = [
    (4, 2, 8, 3, 1, 0),
    (3, 2, 5, 3, 2, 0),
    (1, 1, 1, 1, 129, 0),
    (5, 3, 4, 2, 1, 0),
    (3, 3, 5, 3, 2, 1),
    (1, 2, 1, 1, 3, 1),
]


@pytest.mark.parametrize("values", SETS, ids=str)
def test_loader(values: tuple[int, ...]) -> None:
    """Order, waiting, `last`, stop."""
    simulate("loader", "tb.loader.loader_tests", dict(zip(NAMES, values, strict=True)))
