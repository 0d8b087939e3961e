"""cocotb tests of a mac_row that can multiply pairs: layers of both kinds in turns."""

from __future__ import annotations

from typing import Any

import cocotb

from tb.common.drivers import generator
from tb.common.traffic import make_traffic
from tb.mac_row.mac_row_tests import SHAPE, begin, points


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_pairs_and_single_codes_in_turns(dut: Any) -> None:
    """A layer of pairs after one of single codes and back, bubbles and back-to-back tiles in both."""
    bench, rng, coverage = await begin(dut), generator(), points()
    expected = 0
    for turn in range(8):
        on = turn % 2 == 0
        least = len(SHAPE.flits(on))
        lengths = [least] * 8 if turn % 3 == 0 else rng.integers(1, 13, size=8).tolist()
        traffic = make_traffic(rng, SHAPE, lengths, bubbles=0.3 * (turn % 3), spread=turn % 3 > 0, on=on)
        await bench.play(traffic, rng, coverage)
        expected += SHAPE.cols * int(traffic.valid.sum())
    coverage.finish()
    assert bench.seen == expected > 0
