"""fifo under cocotb, for several shapes."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate

SETS = [(8, 1), (5, 3), (33, 4), (8, 17)]


@pytest.mark.parametrize(("width", "depth"), SETS)
def test_fifo(width: int, depth: int) -> None:
    """Order, full, empty, reset."""
    simulate("fifo", "tb.fifo.fifo_tests", {"Width": width, "Depth": depth})
