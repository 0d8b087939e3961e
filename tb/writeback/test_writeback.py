"""writeback under cocotb: without segments, with two, and with a number that is no power of two."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate

NAMES = ("AddrWidth", "Segs", "Halves")
SETS = [(14, 1, 1), (6, 2, 1), (5, 3, 1), (8, 4, 1), (14, 1, 2), (5, 3, 2)]


@pytest.mark.parametrize("values", SETS, ids=str)
def test_writeback(values: tuple[int, ...]) -> None:
    """Addresses and segments of layer after layer; of lines that can be filled half by half, layers of both kinds."""
    simulate("writeback", "tb.writeback.writeback_tests", dict(zip(NAMES, values, strict=True)))
