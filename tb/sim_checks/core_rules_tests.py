"""cocotb tests that break a rule of core, 2x2, ActDepth 4, PsumDepth 4. Each must end in a $fatal, so none may pass."""

from __future__ import annotations

from typing import Any

from tb.common.drivers import parameters
from tb.common.instruction import InstructionFormat
from tb.sim_checks.bench import rule, show


async def issue(dut: Any, cycles: int = 1, **fields: int) -> None:
    """Issue one instruction for some cycles."""
    word, built = 0, parameters()
    both = built.get("OutputStationary") == 1
    for name, width in InstructionFormat(built["ActDepth"], built["PsumDepth"], both).fields():
        word = word << width | fields.get(name, 0)
    await show(dut, cycles, inst=word)


async def first_pixel(dut: Any) -> None:
    """A line, a flit and a pixel that uses them; its psum goes to bank 0, address 0, 4 cycles later."""
    await show(dut, act_we=1)
    await show(dut, wgt_valid=1)
    await issue(dut, x_valid=1, x_swap=1)


@rule
async def core_two_readers_of_a_bank(dut: Any) -> None:
    await first_pixel(dut)
    await show(dut, cycles=6)
    await issue(dut, x_valid=1, p_acc=1)
    await show(dut, cycles=2)
    await issue(dut, a_valid=1, a_first=1, a_last=1)  # 3 cycles after the pixel: its bank read


@rule
async def core_accumulation_too_early(dut: Any) -> None:
    await first_pixel(dut)
    await show(dut, cycles=3)
    await issue(dut, a_valid=1, a_first=1, a_last=1)  # 4 cycles after the pixel: its write


@rule
async def core_activation_read_while_written(dut: Any) -> None:
    await first_pixel(dut)
    dut.act_we_i.value, dut.act_waddr_i.value = 1, 0
    await issue(dut, x_valid=1)


@rule
async def core_added_to_nothing(dut: Any) -> None:
    await first_pixel(dut)
    await issue(dut, x_valid=1, p_acc=1, p_rbank=1, p_addr=2)
    await show(dut, cycles=8)


@rule
async def core_memory_sum_above_the_range(dut: Any) -> None:
    """PsumWidth 8 holds one psum of 105, not two."""
    await show(dut, act_we=1, act_wdata=0x0F)  # row 0: 15, row 1: 0
    await show(dut, wgt_valid=1, wgt=0x0707)  # row 0 of both columns: 7
    await issue(dut, x_valid=1, x_swap=1)
    await issue(dut, x_valid=1, p_acc=1)
    await show(dut, cycles=8)


@rule
async def core_plane_above_the_range(dut: Any) -> None:
    """PsumWidth 8 holds a psum of 105, not 16 times that."""
    await show(dut, act_we=1, act_wdata=0x0F)
    await show(dut, wgt_valid=1, wgt=0x0707)
    await issue(dut, x_valid=1, x_swap=1, p_plane=1)
    await show(dut, cycles=8)
