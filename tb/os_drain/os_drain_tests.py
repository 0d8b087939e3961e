"""cocotb tests of os_drain: each row shifts exactly when the sums of those above it come by."""

from __future__ import annotations

from typing import Any

import cocotb

from model.golden.os_cycle import shifts
from tb.common.drivers import begin_quiet, generator, next_cycle, parameters, read, reset_behind, settled
from tb.common.scoreboard import Coverage

ROWS = parameters()["Rows"]


async def shown(dut: Any) -> tuple[int, ...]:
    """The enables of this cycle, row 0 first."""
    await settled(dut)
    word = read(dut.shift_o)
    return tuple(word >> row & 1 for row in range(ROWS))


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_rows_shift_after_each_group(dut: Any) -> None:
    """Groups as near as they may come, and apart."""
    await begin_quiet(dut, ("last_i",))
    rng = generator()
    coverage = Coverage("as near as may be", "one cycle more", "apart")
    lasts = [0]
    for _ in range(80):
        gap = int(rng.choice([0, 0, 1, 7]))
        coverage.hit(("as near as may be", "one cycle more", "apart")[min(gap, 2)])
        lasts += [1, *[0] * (ROWS - 1 + gap)]
    for cycle, wanted in enumerate(shifts(lasts, ROWS)):
        dut.last_i.value = lasts[cycle]
        enables = await shown(dut)
        assert enables == wanted, f"cycle {cycle}: rows shift {enables}, expected {wanted}"
        await next_cycle(dut)
    coverage.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_a_reset_stops_the_rows(dut: Any) -> None:
    """In every cycle of a drain; a group that ends beside the reset is none."""
    await begin_quiet(dut, ("last_i",))
    for cycles in range(ROWS + 2):
        await reset_behind(dut, "last_i", cycles)
        for _ in range(ROWS + 2):
            assert not any(await shown(dut)), f"a row shifts after a reset in cycle {cycles} of a drain"
            await next_cycle(dut)
