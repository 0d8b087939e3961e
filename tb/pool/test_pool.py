"""pool under cocotb, for several shapes."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate

SETS = [(8, 4), (1, 1), (5, 3), (16, 8)]


@pytest.mark.parametrize(("cols", "act_width"), SETS)
def test_pool(cols: int, act_width: int) -> None:
    """Windows, bubbles, reset."""
    simulate("pool", "tb.pool.pool_tests", {"Cols": cols, "ActWidth": act_width})
