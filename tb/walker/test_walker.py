"""walker under cocotb: the nest of the sequencer, and others."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate

NAMES = ("Levels", "CountWidth", "AddrWidth", "CoordWidth", "StepsAddr", "StepsY", "StepsX")
SETS = [
    (9, 10, 16, 11, 0b111111111, 0b000101010, 0b000010101),
    (4, 3, 5, 4, 0b1011, 0b0110, 0b1101),
    (1, 4, 6, 5, 1, 1, 0),
]


@pytest.mark.parametrize("values", SETS, ids=str)
def test_walker(values: tuple[int, ...]) -> None:
    """Random nests against nested loops."""
    simulate("walker", "tb.walker.walker_tests", dict(zip(NAMES, values, strict=True)))
