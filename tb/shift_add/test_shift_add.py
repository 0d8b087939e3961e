"""shift_add under cocotb, for the named formats and others."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate
from tb.common.weight_formats import NAMED

NAMES = ("ActWidth", "WgtWidth", "WgtPower", "WgtZero", "WgtStep", "PsumWidth")
SETS = [
    *((4, *values.values(), 16) for values in NAMED.values()),
    (3, 3, 3, 1, 2, 9),  # as narrow as a product allows
    (8, 4, 5, 0, 1, 24),  # three indices that no weight has
    (1, 4, 8, 0, 1, 9),
]


@pytest.mark.parametrize("values", SETS, ids=str)
def test_shift_add(values: tuple[int, ...]) -> None:
    """Every product."""
    simulate("shift_add", "tb.shift_add.shift_add_tests", dict(zip(NAMES, values, strict=True)))
