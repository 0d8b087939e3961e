"""cocotb tests of a mac_array that can multiply pairs: every register, in layers of both kinds in turns."""

from __future__ import annotations

from typing import Any

import cocotb

from tb.common.drivers import generator
from tb.common.traffic import make_traffic
from tb.mac_array.mac_array_tests import SHAPE, begin, finish


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_registers_of_pairs_and_single_codes_in_turns(dut: Any) -> None:
    """Layers of pairs and of single codes, with bubbles or back to back; the mode changes when the array is empty."""
    bench, rng = await begin(dut), generator()
    for turn in range(4):
        on = turn % 2 == 0
        least = len(SHAPE.flits(on))
        lengths = [least] * 6 if turn > 1 else rng.integers(1, 13, size=6).tolist()
        await bench.play(make_traffic(rng, SHAPE, lengths, 0.3 * (turn < 2), spread=turn < 2, on=on))
    finish(bench)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_psum_of_pairs_exact_at_full_depth(dut: Any) -> None:
    """All halves and all weights at their ends, of both signs; then a reset in mid-work."""
    bench, rng = await begin(dut), generator()
    for extreme in ("least", "most"):
        traffic = make_traffic(rng, SHAPE, [len(SHAPE.flits(True)) + 1] * 2, extreme=extreme, on=True)
        weight = SHAPE.wgt_min if extreme == "least" else SHAPE.wgt_max
        assert set(traffic.psums()[0][1]) == {2 * SHAPE.rows * ((1 << SHAPE.act_width // 2) - 1) * weight}
        await bench.play(traffic)
    traffic = make_traffic(rng, SHAPE, [9, 8, 7], bubbles=0.2, on=True)
    await bench.play(traffic, stop=len(traffic) - 3)
    await bench.reset()
    await bench.play(make_traffic(rng, SHAPE, [5, 9], bubbles=0.2))
    finish(bench)
