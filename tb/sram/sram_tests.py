"""cocotb tests of sram: both ports busy at once, old data on a collision, and a read register that holds."""

from __future__ import annotations

from typing import Any

import cocotb

from model.golden.blocks import Memory
from tb.common.drivers import any_word, begin_quiet, generator, next_cycle, parameters, read, reset, settled
from tb.common.scoreboard import Coverage, Scoreboard

WIDTH, DEPTH = parameters()["Width"], parameters()["Depth"]


async def begin(dut: Any) -> None:
    """Clock, quiet inputs, reset."""
    await begin_quiet(dut, ("we_i", "waddr_i", "wdata_i", "re_i", "raddr_i"))


async def fill(dut: Any, memory: Memory, words: list[int]) -> None:
    """Write every address once."""
    dut.re_i.value = 0
    for address, word in enumerate(words):
        dut.we_i.value, dut.waddr_i.value, dut.wdata_i.value = 1, address, word
        memory.cycle((address, word), None)
        await next_cycle(dut)
    dut.we_i.value = 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_every_word_reads_back(dut: Any) -> None:
    """Write all, read all: no two addresses share a word and no bit is stuck."""
    await begin(dut)
    rng = generator()
    drawn = [any_word(rng, WIDTH) for _ in range(DEPTH)]
    for flip in (0, (1 << WIDTH) - 1, 0):
        memory, board = Memory(DEPTH), Scoreboard("sram", "word")
        await fill(dut, memory, [word ^ flip for word in drawn])
        for cycle in range(DEPTH + 1):
            dut.re_i.value, dut.raddr_i.value = int(cycle < DEPTH), cycle if cycle < DEPTH else 0
            if cycle < DEPTH:
                word = memory.cycle(None, cycle)
                assert word is not None
                board.expect(cycle + 1, [word])
            await settled(dut)
            board.check(cycle, [read(dut.rdata_o)] if cycle else None)
            await next_cycle(dut)
        board.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_both_ports_at_once(dut: Any) -> None:
    """Random reads and writes, often of one address in one cycle; rdata_o holds while nothing is read."""
    await begin(dut)
    rng, memory, board = generator(), Memory(DEPTH), Scoreboard("sram", "word")
    await fill(dut, memory, [address % (1 << WIDTH) for address in range(DEPTH)])
    coverage = Coverage(
        "read and write of one address", "hold over a write of the address last read", "read right after the write"
    )
    shown: int | None = None
    read_last = written_last = -1
    for cycle in range(400):
        near = int(rng.integers(0, min(DEPTH, 4)))  # few addresses, so that collisions happen
        write = (near, any_word(rng, WIDTH)) if rng.random() < 0.6 else None
        address = (near if rng.random() < 0.6 else int(rng.integers(0, DEPTH))) if rng.random() < 0.6 else None
        dut.we_i.value, dut.re_i.value = int(write is not None), int(address is not None)
        dut.waddr_i.value, dut.wdata_i.value = write or (int(rng.integers(0, DEPTH)), int(rng.integers(0, 2)))
        dut.raddr_i.value = int(rng.integers(0, DEPTH)) if address is None else address
        coverage.hit("read and write of one address", write is not None and address == write[0])
        coverage.hit(
            "hold over a write of the address last read",
            write is not None and address is None and write[0] == read_last,
        )
        coverage.hit("read right after the write", address is not None and address == written_last)
        if shown is not None:
            board.expect(cycle, [shown])
        await settled(dut)
        board.check(cycle, None if shown is None else [read(dut.rdata_o)])
        word = memory.cycle(write, address)
        shown = word if address is not None else shown
        read_last = read_last if address is None else address
        written_last = -1 if write is None else write[0]
        await next_cycle(dut)
    coverage.finish()
    board.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_nothing_happens_during_reset(dut: Any) -> None:
    """Enables that are high during a reset neither write nor read; words outlive it."""
    await begin(dut)
    memory = Memory(DEPTH)
    mask = (1 << WIDTH) - 1
    await fill(dut, memory, [address & mask for address in range(DEPTH)])
    last = DEPTH - 1
    dut.re_i.value, dut.raddr_i.value = 1, last
    await next_cycle(dut)
    dut.we_i.value, dut.waddr_i.value, dut.wdata_i.value, dut.raddr_i.value = 1, last, ~last & mask, 0
    await reset(dut)
    dut.we_i.value, dut.re_i.value = 0, 0
    await settled(dut)
    assert read(dut.rdata_o) == last & mask, "a read happened during reset"
    await next_cycle(dut)
    dut.re_i.value, dut.raddr_i.value = 1, last
    await next_cycle(dut)
    await settled(dut)
    assert read(dut.rdata_o) == last & mask, "a write happened during reset"
