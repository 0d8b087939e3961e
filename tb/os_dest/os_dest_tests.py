"""cocotb tests of os_dest: the lines of one group after another, where each belongs, and none besides."""

from __future__ import annotations

from typing import Any

import cocotb

from model.golden.os_blocks import lines_of
from tb.common.drivers import begin_quiet, generator, next_cycle, parameters, read, reset_behind, settled
from tb.common.scoreboard import Coverage

P = parameters()
ROWS, ADDR, FLAGS = P["Rows"], P["AddrWidth"], P["FlagWidth"]
QUIET = ("start_i", "addr_i", "flags_i")


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_every_line_of_every_group(dut: Any) -> None:
    """Groups right behind one another and apart; addresses from one end of the memory to the other, and over it."""
    await begin_quiet(dut, QUIET)
    rng = generator()
    coverage = Coverage("right behind", "apart", "over the end", "all flags change")
    starts: list[int | None] = []
    flags: list[int] = []  # of the line of each cycle
    now = 0
    while len(starts) < 300:
        gap = int(rng.choice([0, 0, 1, 2, 5])) if starts else 2
        coverage.hit("right behind", gap == 0)
        coverage.hit("apart", gap > 0)
        starts += [None] * gap
        flags += [now] * gap
        low = (1 << ADDR) - ROWS
        address = int(rng.choice([0, max(0, low), (1 << ADDR) - 1, int(rng.integers(0, 1 << ADDR))]))
        coverage.hit("over the end", address > max(0, low) or ROWS == 1)
        word = now ^ ((1 << FLAGS) - 1) if rng.random() < 0.3 else int(rng.integers(0, 1 << FLAGS))
        coverage.hit("all flags change", word == now ^ ((1 << FLAGS) - 1))
        now = word
        starts += [address, *[None] * (ROWS - 1)]
        flags += [now] * ROWS
    for cycle, line in enumerate(lines_of(starts, ROWS)):
        start = starts[cycle]
        dut.start_i.value = int(start is not None)
        dut.addr_i.value = int(rng.integers(0, 1 << ADDR)) if start is None else start
        dut.flags_i.value = int(rng.integers(0, 1 << FLAGS)) if start is None else flags[cycle]
        await settled(dut)
        assert read(dut.valid_o) == (line is not None), f"valid_o is {read(dut.valid_o)} in cycle {cycle}"
        if line is not None:
            shown = read(dut.addr_o), read(dut.flags_o)
            wanted = line % (1 << ADDR), flags[cycle - 1]
            assert shown == wanted, f"cycle {cycle}: address and flags {shown}, expected {wanted}"
        await next_cycle(dut)
    coverage.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_a_reset_ends_a_group(dut: Any) -> None:
    """After each of its lines; a start beside the reset is none."""
    await begin_quiet(dut, QUIET)
    for lines in range(ROWS + 1):
        dut.addr_i.value, dut.flags_i.value = (1 << ADDR) - 1, (1 << FLAGS) - 1
        await reset_behind(dut, "start_i", lines)
        for _ in range(2):
            await settled(dut)
            assert (read(dut.valid_o), read(dut.addr_o), read(dut.flags_o)) == (0, 0, 0), f"reset after {lines} lines"
            await next_cycle(dut)
