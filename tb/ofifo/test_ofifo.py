"""ofifo under cocotb, for several shapes."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate

SETS = [(8, 16), (4, 24), (5, 8), (1, 16), (16, 16)]


@pytest.mark.parametrize(("lanes", "width"), SETS)
def test_ofifo(lanes: int, width: int) -> None:
    """Alignment, gaps, reset."""
    simulate("ofifo", "tb.ofifo.ofifo_tests", {"Lanes": lanes, "Width": width})
