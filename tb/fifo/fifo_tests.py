"""cocotb tests of fifo: order kept through every filling, both ends at once, full and empty told in the very cycle."""

from __future__ import annotations

from typing import Any

import cocotb

from model.golden.bus import Fifo
from tb.common.drivers import any_word, begin_quiet, generator, next_cycle, parameters, read, reset, settled
from tb.common.scoreboard import Coverage

WIDTH, DEPTH = parameters()["Width"], parameters()["Depth"]


async def begin(dut: Any) -> None:
    """Clock, quiet inputs, reset."""
    await begin_quiet(dut, ("push_i", "data_i", "pop_i"))


async def cycle(dut: Any, fifo: Fifo, push: int | None, pop: bool) -> None:
    """Drive one cycle and compare what stands at the ports in it."""
    dut.push_i.value, dut.data_i.value, dut.pop_i.value = int(push is not None), push or 0, int(pop)
    await settled(dut)
    assert read(dut.full_o) == fifo.full, f"full_o {read(dut.full_o)}, expected {fifo.full}"
    assert read(dut.valid_o) == (fifo.head is not None), f"valid_o {read(dut.valid_o)} over {fifo.head}"
    if fifo.head is not None:
        assert read(dut.data_o) == fifo.head, f"data_o {read(dut.data_o):#x}, expected {fifo.head:#x}"
    fifo.cycle(push, pop)
    await next_cycle(dut)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_order_is_kept_through_any_traffic(dut: Any) -> None:
    """Phases that fill, drain and balance, each with both ends busy in one cycle now and then."""
    await begin(dut)
    rng, fifo = generator(), Fifo(DEPTH)
    coverage = Coverage("full", "empty again", "pushed and taken in one cycle", "taken while full")
    held = 0
    for phase in range(30):
        filling, taking = ((0.9, 0.2), (0.2, 0.9), (0.9, 0.9))[phase % 3]
        for _ in range(3 * DEPTH + 5):
            push = any_word(rng, WIDTH)
            pushing, pop = not fifo.full and rng.random() < filling, fifo.head is not None and rng.random() < taking
            coverage.hit("full", fifo.full)
            coverage.hit("empty again", phase > 0 and fifo.head is None)
            coverage.hit("pushed and taken in one cycle", (pushing and pop) or DEPTH == 1)
            coverage.hit("taken while full", fifo.full and pop)
            await cycle(dut, fifo, push if pushing else None, pop)
            held += pushing
    coverage.finish()
    assert held > 10 * DEPTH, "hardly anything went through"


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_reset_empties_it(dut: Any) -> None:
    """Filled to the brim, then a reset with both ends asking: it is empty and goes on as a new one."""
    await begin(dut)
    fifo = Fifo(DEPTH)
    for word in range(DEPTH):
        await cycle(dut, fifo, word % (1 << WIDTH), False)
    await cycle(dut, fifo, None, False)
    await reset(dut)
    fifo = Fifo(DEPTH)
    await cycle(dut, fifo, None, False)
    for word in range(DEPTH):
        await cycle(dut, fifo, (word + 1) % (1 << WIDTH), False)
    for _ in range(DEPTH):
        await cycle(dut, fifo, None, True)
    await cycle(dut, fifo, None, False)
