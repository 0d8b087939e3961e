"""delay under cocotb: a wire, one register, some and many."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate

NAMES = ("Width", "Cycles")
SETS = [(5, 3), (8, 1), (1, 16), (4, 0)]


@pytest.mark.parametrize("values", SETS, ids=str)
def test_delay(values: tuple[int, ...]) -> None:
    """Latency; reset."""
    simulate("delay", "tb.delay.delay_tests", dict(zip(NAMES, values, strict=True)))
