"""cocotb tests of counters: every count in every cycle, up to where it wraps."""

from __future__ import annotations

from typing import Any

import cocotb

from model.golden.blocks import Tally
from tb.common.drivers import (
    begin_quiet,
    deposit,
    generator,
    next_cycle,
    pack,
    parameters,
    read,
    reset,
    settled,
    unpack,
)
from tb.common.scoreboard import Coverage

EVENTS, WIDTH = parameters()["Events"], parameters()["Width"]
PORTS = ("clear_i", "event_i")
NARROW = 6  # bits that are counted through


async def cycle(dut: Any, golden: Tally, events: int = 0, clear: int = 0) -> None:
    """One cycle: the counts of now, then what comes."""
    dut.event_i.value, dut.clear_i.value = events, clear
    await settled(dut)
    shown = unpack(read(dut.count_o), WIDTH, EVENTS)
    assert shown == golden.counts, f"counts {shown}, expected {golden.counts}"
    golden.cycle([events >> each & 1 for each in range(EVENTS)], bool(clear))
    await next_cycle(dut)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_any_events(dut: Any) -> None:
    """All mixes of events, many cycles long; some beside a clear."""
    await begin_quiet(dut, PORTS)
    rng, golden = generator(), Tally(EVENTS, WIDTH)
    coverage = Coverage("nothing", "all at once", "clear beside events")
    for _ in range(600):
        events, clear = int(rng.integers(0, 1 << EVENTS)), int(rng.random() < 0.02)
        coverage.hit("nothing", not events)
        coverage.hit("all at once", events == (1 << EVENTS) - 1)
        coverage.hit("clear beside events", clear and events)
        await cycle(dut, golden, events, clear)
    coverage.finish()


async def after_a_long_time(dut: Any, golden: Tally, counts: list[int]) -> None:
    """To where the counts are `counts`: narrow ones by counting, wide ones at once."""
    if WIDTH <= NARROW:
        await cycle(dut, golden, clear=1)
        for step in range(max(counts)):
            await cycle(dut, golden, sum(int(step < count) << each for each, count in enumerate(counts)))
    else:
        dut.event_i.value = dut.clear_i.value = 0
        await deposit(dut, count_q=pack(counts, WIDTH))
        golden.counts = list(counts)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_every_bit_counts(dut: Any) -> None:
    """From below each power of two over it, one event alone and others still; the highest wraps."""
    await begin_quiet(dut, PORTS)
    golden = Tally(EVENTS, WIDTH)
    for event in range(EVENTS):
        for bit in range(WIDTH):
            await after_a_long_time(dut, golden, [((2 << bit) - 1) * (each == event) for each in range(EVENTS)])
            for events in (0, 1 << event, 1 << event, 0):
                await cycle(dut, golden, events)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_a_reset_clears(dut: Any) -> None:
    """Every bit of every count, with events beside it."""
    await begin_quiet(dut, PORTS)
    await after_a_long_time(dut, Tally(EVENTS, WIDTH), [(1 << WIDTH) - 1] * EVENTS)
    dut.event_i.value = (1 << EVENTS) - 1
    await reset(dut, cycles=1)
    golden = Tally(EVENTS, WIDTH)
    await cycle(dut, golden)
    await cycle(dut, golden, 1)
    await cycle(dut, golden)
