"""sequencer under cocotb, by itself: of pairs, of both dataflows, and of neither."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate

NAMES = (
    *("ActAddrWidth", "LineAddrWidth", "ActWidth", "PsumAddrWidth", "PsumDepth"),
    *("DrainCycles", "Layers", "Rows", "Simd", "OutputStationary"),
)
SETS = [
    (16, 16, 8, 10, 1024, 3, 256, 4, 1, 0),
    (16, 16, 8, 10, 1024, 3, 256, 4, 0, 1),
    (9, 7, 3, 4, 11, 36, 4, 1, 0, 0),  # drained as long as an array of 16x16
    (12, 9, 4, 1, 1, 2, 8, 1, 0, 1),  # one row, one line of psums: a group has as many terms as it likes
]


@pytest.mark.parametrize("values", SETS, ids=str)
def test_sequencer(values: tuple[int, ...]) -> None:
    """Every field at its limits, every pixel of drawn layers, every error, runs of several layers."""
    simulate("sequencer", "tb.sequencer.sequencer_tests", dict(zip(NAMES, values, strict=True)))
