"""cocotb tests of core at both ends of the psum range: the sum that goes back to memory is exact to its last bit.

They need a PsumWidth that a few pixels can fill.
"""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from tb.common.traffic import make_traffic
from tb.core.core_unit_tests import PSUM_DEPTH, SHAPE, Program, begin


async def fill(dut: Any, extreme: str, weight: int, total: int) -> None:
    """Add pixels with the same weight everywhere, at one address, until the sum is `total`, a multiple of `weight`."""
    bench = await begin(dut)
    acts, line = total // weight, SHAPE.rows * SHAPE.act_max  # all activations together; those of one pixel
    traffic = make_traffic(bench.rng, SHAPE, [-(-acts // line)], spread=False, extreme=extreme)
    cycles = np.flatnonzero(traffic.valid)
    left = acts - (len(cycles) - 1) * line
    traffic.act[cycles[-1]] = [min(max(left - row * SHAPE.act_max, 0), SHAPE.act_max) for row in range(SHAPE.rows)]
    program = Program(traffic, bench.rng)
    for index in range(len(program.issue)):
        program.aim(index, add=None if index == 0 else 0, bank=0, address=PSUM_DEPTH - 1)
    program.gather(program.end, [(0, PSUM_DEPTH - 1)], relu=False)
    assert program.trace().outputs[-1][1] == (total,) * SHAPE.cols, "the golden core itself does not come to the total"
    await bench.play(program)
    bench.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_sums_in_memory_reach_the_lowest_psum(dut: Any) -> None:
    """The most negative weight goes into the most negative psum without a remainder."""
    await fill(dut, "least", SHAPE.wgt_min, -1 << (SHAPE.psum_width - 1))


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_sums_in_memory_reach_the_highest_psum(dut: Any) -> None:
    """The highest multiple of the largest weight: with 10-bit psums and 4-bit weights, 73 * 7 = 511, the very end."""
    weight, most = SHAPE.wgt_max, (1 << (SHAPE.psum_width - 1)) - 1
    await fill(dut, "most", weight, most - most % weight)
