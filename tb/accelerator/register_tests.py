"""cocotb tests of accelerator: the register map, refusals, write channels in any order, the rate of accesses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cocotb
import pytest
from cocotbext.axi import AxiResp

from model.errors import LockstepError
from model.golden.bus import COUNTERS, LAYER_BYTES, TABLE, Register, Registers
from tb.accelerator.bench import begin
from tb.accelerator.host import FLUSH, START
from tb.accelerator.work import engine_shape, small_work
from tb.common.drivers import next_cycle, parameters
from tb.common.scoreboard import Coverage

SHAPE = engine_shape(parameters())
PLAIN = (Register.CTRL, Register.RANGE, Register.LOAD_ADDR, Register.SHAPE, Register.WIDTHS)
FIXED = (Register.ACT_LINES, Register.PSUM_LINES, Register.MODES)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def test_registers_answer_as_the_map_says(dut: Any) -> None:
    """Random reads and writes of every register, the table's edges and what is not there, whole and in part."""
    host, rng = await begin(dut, stall=0.3)
    golden = Registers(parameters())
    end = TABLE + LAYER_BYTES * SHAPE.layers
    holes = (0x2C, 0x44, TABLE - 4, end, 0xFFFC, 0x8000 | Register.RANGE)
    addresses = [*Register, *holes, TABLE, end - 4, TABLE + 8]
    coverage = Coverage(
        "written", "refused write", "refused in part", "read", "refused read", "LOAD_ADDR behind the end"
    )
    for register in (*Register, *holes):  # every one is refused in part
        for strobes in (1, 2, 3):
            coverage.hit("refused in part", not golden.write(register, 0, (1 << strobes) - 1))
            assert not await host.try_write(register, 0, strobes), f"{register:#x} took {strobes} bytes"
    for _ in range(200):
        address = int(rng.choice(addresses)) + int(rng.integers(0, 4)) * int(rng.random() < 0.1)
        if rng.random() < 0.6:
            data = int(rng.integers(0, 1 << 32)) & int(rng.choice([0xFFFFFFFF, 0xFF, 2 * SHAPE.act_depth - 1]))
            data &= ~START if address & ~3 == Register.CTRL else -1
            if address % 4:
                continue  # the bus master makes these partial
            allowed = golden.write(address, data)
            assert await host.try_write(address, data) == allowed, f"write of {data:#x} to {address:#x}: not {allowed}"
            coverage.hit("written", allowed)
            coverage.hit("refused write", not allowed)
            coverage.hit("LOAD_ADDR behind the end", address == Register.LOAD_ADDR and not allowed)
        elif address & ~3 not in (Register.STATUS, *COUNTERS, Register.MACS_LO, Register.MACS_HI):
            expected = golden.read(address)
            assert await host.try_read(address & ~3) == expected, f"read of {address:#x}: not {expected}"
            coverage.hit("read", expected is not None)
            coverage.hit("refused read", expected is None)
    for register in (*PLAIN, *FIXED):
        assert await host.try_read(register) == golden.read(register), register.name
    assert await host.try_write(Register.CTRL, START | FLUSH) is False, "start and flush exclude each other"
    assert await host.status() == (False, False, 0, 0), "nothing was ever started"
    coverage.finish()


@cocotb.test(timeout_time=100, timeout_unit="us")
async def test_software_reads_what_is_built_in_and_refuses_the_rest(dut: Any) -> None:
    """The registers tell the engine; work for it may be loaded, work for one with a mode or a format more may not."""
    host, rng = await begin(dut)
    assert await host.shape() == SHAPE
    await host.require(small_work(SHAPE, rng).program)
    twice = replace(SHAPE, psum_depth=2 * SHAPE.psum_depth)
    with pytest.raises(LockstepError, match=f"has psum_depth {SHAPE.psum_depth}; the program was compiled for"):
        await host.require(small_work(twice, rng).program)
    assert await host.status() == (False, False, 0, 0), "nothing was started"


@cocotb.test(timeout_time=100, timeout_unit="us")
async def test_address_and_data_may_come_in_any_order(dut: Any) -> None:
    """Either channel long before the other, and both held back at random: each write lands with its own data."""
    host, _ = await begin(dut)
    channels = host.axil.write_if.aw_channel, host.axil.write_if.w_channel
    for late in (*channels, None):
        for value in range(4):
            if late is not None:
                late.pause = True
            task = cocotb.start_soon(host.write(Register.RANGE, 0x0100 + value))
            for _ in range(value * 3):
                await next_cycle(dut)
            if late is not None:
                assert not task.done(), "a write without its other half"
                assert await host.read(Register.RANGE) != 0x0100 + value
                late.pause = False
            await task
            assert await host.read(Register.RANGE) == 0x0100 + value


@cocotb.test(timeout_time=100, timeout_unit="us")
async def test_accesses_follow_each_other_every_other_cycle(dut: Any) -> None:
    """A burst of writes and of reads is taken at the rate that the docs give."""
    host, _ = await begin(dut)
    for words, access in (
        (32, host.axil.write(TABLE, bytes(4 * 32))),
        (10, host.axil.read(Register.STATUS, 4 * 10)),
    ):
        task, cycles = cocotb.start_soon(access), 0
        while not task.done():
            await next_cycle(dut)
            cycles += 1
        assert cycles <= 2 * words + 8, f"{words} accesses took {cycles} cycles"
        assert task.result().resp == AxiResp.OKAY
