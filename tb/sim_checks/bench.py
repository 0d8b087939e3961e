"""What the broken rules have in common: a block with every input at zero, and ports driven for some cycles."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any

import cocotb

from tb.common.drivers import next_cycle, reset, start_clock


async def begin(dut: Any) -> None:
    """Every input zero, clock, reset."""
    for handle in dut:
        if handle._name.endswith("_i") and handle._name not in ("clk_i", "rst_ni"):
            handle.value = 0
    start_clock(dut)
    await reset(dut)


async def show(dut: Any, cycles: int = 1, **ports: int) -> None:
    """Drive ports for some cycles, then set them back to zero."""
    for _ in range(cycles):
        for port, value in ports.items():
            getattr(dut, f"{port}_i").value = value
        await next_cycle(dut)
    for port in ports:
        getattr(dut, f"{port}_i").value = 0


def rule(body: Callable[[Any], Awaitable[None]]) -> Any:
    """A cocotb test that begins, breaks a rule as `body` does, and waits for the block to say so."""

    @functools.wraps(body)
    async def broken(dut: Any) -> None:
        await begin(dut)
        await body(dut)
        await show(dut, cycles=3)

    return cocotb.test(timeout_time=1, timeout_unit="us")(broken)
