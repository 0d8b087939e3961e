"""l0 under cocotb, for several shapes."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate

SETS = [(8, 17), (4, 8), (3, 1), (1, 5), (16, 8)]


@pytest.mark.parametrize(("lanes", "width"), SETS)
def test_l0(lanes: int, width: int) -> None:
    """Delay, separation, reset."""
    simulate("l0", "tb.l0.l0_tests", {"Lanes": lanes, "Width": width})
