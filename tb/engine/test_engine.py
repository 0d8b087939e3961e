"""engine under cocotb: what its wires carry to the blocks; that it computes is shown in tb/network."""

from __future__ import annotations

import pytest

from model.program.draw import EVERY_ARRAY
from tb.common.runner import simulate
from tb.engine.arrays import SETS


@pytest.mark.parametrize("array", SETS)
def test_engine(array: str) -> None:
    """Descriptors with any values; starts in and beyond the table."""
    simulate("engine", "tb.engine.engine_tests", SETS[array])


def test_both_dataflows_pairs_and_plain_engines_are_among_them() -> None:
    assert {(each["Simd"], each["OutputStationary"]) for each in SETS.values()} == {(0, 0), (1, 0), (0, 1)}
    assert all(name.removesuffix(" both") in EVERY_ARRAY for name in SETS)
