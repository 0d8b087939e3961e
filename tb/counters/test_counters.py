"""counters under cocotb: the engine's, one of one bit, counts that wrap."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate

NAMES = ("Events", "Width")
SETS = [(5, 32), (1, 1), (3, 4)]


@pytest.mark.parametrize("values", SETS, ids=str)
def test_counters(values: tuple[int, ...]) -> None:
    """Events in any mix, clearing, every bit of every count, reset."""
    simulate("counters", "tb.counters.counters_tests", dict(zip(NAMES, values, strict=True)))
