"""cocotb test of fifo, for the counting alone: two bits of a wide bus change, and no others."""

from __future__ import annotations

from typing import Any

import cocotb

from tb.common.drivers import begin_quiet, next_cycle, read, settled

BITS = (3, 70)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def test_two_bits_change(dut: Any) -> None:
    """On the way in, and in the memory."""
    await begin_quiet(dut, ("push_i", "data_i", "pop_i"))
    word = sum(1 << bit for bit in BITS)
    dut.push_i.value, dut.data_i.value = 1, word
    await next_cycle(dut)
    dut.push_i.value = dut.data_i.value = 0
    await settled(dut)
    assert read(dut.data_o) == word
    await next_cycle(dut)
