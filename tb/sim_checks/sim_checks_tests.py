"""cocotb tests that break a rule of a block: each must end in the block's own $fatal, so none of them may pass."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.types import LogicArray

from tb.common.drivers import next_cycle, pack, parameters, reset, start_clock
from tb.common.instruction import InstructionFormat


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


async def load(dut: Any, weight: int) -> None:
    """Put a weight into the shadow register of a mac_tile of group 0, lane 0."""
    await show(dut, wgt_valid=1, wgt=weight)


# ---------------------------------------------------------------- mac_tile: ActWidth 4, WgtWidth 4, PsumWidth 8


@cocotb.test(timeout_time=1, timeout_unit="us")
async def mac_tile_pixel_before_any_weight(dut: Any) -> None:
    await begin(dut)
    await show(dut, valid=1, act=1)
    await show(dut, cycles=3)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def mac_tile_pixel_after_reset_took_the_weight(dut: Any) -> None:
    await begin(dut)
    await load(dut, 3)
    await show(dut, valid=1, swap=1, act=1)
    await reset(dut)
    await show(dut, valid=1, act=1)
    await show(dut, cycles=3)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def mac_tile_swap_without_new_weight(dut: Any) -> None:
    await begin(dut)
    await load(dut, 3)
    await show(dut, cycles=2, valid=1, swap=1)
    await show(dut, cycles=3)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def mac_tile_swap_without_pixel(dut: Any) -> None:
    await begin(dut)
    await load(dut, 3)
    await show(dut, swap=1)
    await show(dut, cycles=3)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def mac_tile_psum_one_above_the_range(dut: Any) -> None:
    await begin(dut)
    await load(dut, 1)
    await show(dut, valid=1, swap=1, act=1, psum=126)  # 127: fits
    await show(dut, valid=1, act=1, psum=127)
    await show(dut, cycles=3)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def mac_tile_psum_one_below_the_range(dut: Any) -> None:
    await begin(dut)
    await load(dut, pack([-1], 4))
    await show(dut, valid=1, swap=1, act=1, psum=pack([-127], 8))  # -128: fits
    await show(dut, valid=1, act=1, psum=pack([-128], 8))
    await show(dut, cycles=3)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def mac_tile_unknown_operand(dut: Any) -> None:
    await begin(dut)
    await load(dut, 1)
    dut.act_i.value = LogicArray("0X00")
    await show(dut, valid=1, swap=1)
    await show(dut, cycles=3)


# ---------------------------------------------------------------- mac_array 2x2, l0 not in front of it


@cocotb.test(timeout_time=1, timeout_unit="us")
async def mac_array_rows_without_skew(dut: Any) -> None:
    await begin(dut)
    await show(dut, wgt_valid=0b11)
    await show(dut, cycles=3)


# ---------------------------------------------------------------- ofifo of 3 lanes


@cocotb.test(timeout_time=1, timeout_unit="us")
async def ofifo_lanes_out_of_step(dut: Any) -> None:
    await begin(dut)
    await show(dut, valid=0b001)
    await show(dut, valid=0b011)
    await show(dut, valid=0b010)  # lane 2 is missing
    await show(dut, cycles=3)


# ---------------------------------------------------------------- sram of 3 words


@cocotb.test(timeout_time=1, timeout_unit="us")
async def sram_write_behind_the_end(dut: Any) -> None:
    await begin(dut)
    await show(dut, we=1, waddr=2)
    await show(dut, we=1, waddr=3)
    await show(dut, cycles=3)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def sram_read_behind_the_end(dut: Any) -> None:
    await begin(dut)
    await show(dut, re=1, raddr=2)
    await show(dut, re=1, raddr=3)
    await show(dut, cycles=3)


# ---------------------------------------------------------------- sfp: 2 columns of 8 bits


@cocotb.test(timeout_time=1, timeout_unit="us")
async def sfp_sum_above_the_range(dut: Any) -> None:
    await begin(dut)
    await show(dut, valid=1, first=1, data=pack([0, 127], 8))
    await show(dut, valid=1, last=1, data=pack([0, 1], 8))
    await show(dut, cycles=3)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def sfp_sum_below_the_range(dut: Any) -> None:
    await begin(dut)
    await show(dut, valid=1, first=1, data=pack([-128, 0], 8))
    await show(dut, valid=1, last=1, data=pack([-1, 0], 8))
    await show(dut, cycles=3)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def sfp_first_missing(dut: Any) -> None:
    await begin(dut)
    await show(dut, valid=1, last=1)
    await show(dut, cycles=3)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def sfp_last_missing(dut: Any) -> None:
    await begin(dut)
    await show(dut, cycles=2, valid=1, first=1)
    await show(dut, cycles=3)


# ---------------------------------------------------------------- core 2x2, ActDepth 4, PsumDepth 4


async def issue(dut: Any, cycles: int = 1, **fields: int) -> None:
    """Issue one instruction for some cycles."""
    word = 0
    for name, width in InstructionFormat(parameters()["ActDepth"], parameters()["PsumDepth"]).fields():
        word = word << width | fields.get(name, 0)
    await show(dut, cycles, inst=word)


async def first_pixel(dut: Any) -> None:
    """A line, a flit and a pixel that uses them; its psum goes to bank 0, address 0, 4 cycles later."""
    await begin(dut)
    await show(dut, act_we=1)
    await show(dut, wgt_valid=1)
    await issue(dut, x_valid=1, x_swap=1)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def core_two_readers_of_a_bank(dut: Any) -> None:
    await first_pixel(dut)
    await show(dut, cycles=6)
    await issue(dut, x_valid=1, p_acc=1)
    await show(dut, cycles=2)
    await issue(dut, a_valid=1, a_first=1, a_last=1)  # 3 cycles after the pixel: its bank read
    await show(dut, cycles=3)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def core_accumulation_too_early(dut: Any) -> None:
    await first_pixel(dut)
    await show(dut, cycles=3)
    await issue(dut, a_valid=1, a_first=1, a_last=1)  # 4 cycles after the pixel: its write
    await show(dut, cycles=3)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def core_activation_read_while_written(dut: Any) -> None:
    await first_pixel(dut)
    dut.act_we_i.value, dut.act_waddr_i.value = 1, 0
    await issue(dut, x_valid=1)
    await show(dut, cycles=3)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def core_added_to_nothing(dut: Any) -> None:
    await first_pixel(dut)
    await issue(dut, x_valid=1, p_acc=1, p_rbank=1, p_addr=2)
    await show(dut, cycles=8)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def core_memory_sum_above_the_range(dut: Any) -> None:
    """PsumWidth 8 holds one psum of 105, not two."""
    await begin(dut)
    await show(dut, act_we=1, act_wdata=0x0F)  # row 0: 15, row 1: 0
    await show(dut, wgt_valid=1, wgt=0x0707)  # row 0 of both columns: 7
    await issue(dut, x_valid=1, x_swap=1)
    await issue(dut, x_valid=1, p_acc=1)
    await show(dut, cycles=8)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def core_plane_above_the_range(dut: Any) -> None:
    """PsumWidth 8 holds a psum of 105, not 16 times that."""
    await begin(dut)
    await show(dut, act_we=1, act_wdata=0x0F)
    await show(dut, wgt_valid=1, wgt=0x0707)
    await issue(dut, x_valid=1, x_swap=1, p_plane=1)
    await show(dut, cycles=8)


# ---------------------------------------------------------------- pool, requantize: 2 columns; loader: 2 flits, 1 word


@cocotb.test(timeout_time=1, timeout_unit="us")
async def pool_first_missing(dut: Any) -> None:
    await begin(dut)
    await show(dut, valid=1, first=1, last=1)
    await show(dut, valid=1, last=1)
    await show(dut, cycles=3)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def pool_unknown_code(dut: Any) -> None:
    await begin(dut)
    dut.code_i.value = LogicArray("000X0000")
    await show(dut, valid=1, first=1, last=1)
    await show(dut, cycles=3)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def requantize_unknown_sum(dut: Any) -> None:
    await begin(dut)
    dut.sum_i.value = LogicArray("X" + "0" * 15)
    await show(dut, valid=1, swap=1)
    await show(dut, cycles=3)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def loader_swap_of_half_a_tile(dut: Any) -> None:
    await begin(dut)
    await show(dut, start=1, passes_n=1)
    await show(dut, valid=1)
    await show(dut, take=1)
    await show(dut, cycles=3)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def loader_swap_of_no_parameters(dut: Any) -> None:
    await begin(dut)
    await show(dut, start=1, passes_n=1)
    await show(dut, par_take=1)
    await show(dut, cycles=3)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def loader_layer_over_a_tile_that_waits(dut: Any) -> None:
    await begin(dut)
    await show(dut, start=1, passes_n=1)
    await show(dut, cycles=2, valid=1)
    await show(dut, start=1)
    await show(dut, cycles=3)


# ---------------------------------------------------------------- fifo of 2 words, result_stream of 1 line


@cocotb.test(timeout_time=1, timeout_unit="us")
async def fifo_push_into_a_full_one(dut: Any) -> None:
    await begin(dut)
    await show(dut, cycles=2, push=1)
    await show(dut, push=1, pop=1)
    await show(dut, cycles=3)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def fifo_pop_from_an_empty_one(dut: Any) -> None:
    await begin(dut)
    await show(dut, push=1)
    await show(dut, cycles=2, pop=1)
    await show(dut, cycles=3)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def result_stream_line_as_the_run_ends(dut: Any) -> None:
    await begin(dut)
    await show(dut, valid=1)
    await show(dut, end=1)
    await show(dut, cycles=3)  # well so far
    await show(dut, valid=1, end=1)
    await show(dut, cycles=3)


# ---------------------------------------------------------------- accelerator: what its neighbours owe its buses

BUSES = {
    "s_axil": (
        "awaddr",
        "awprot",
        "awvalid",
        "wdata",
        "wstrb",
        "wvalid",
        "bready",
        "araddr",
        "arprot",
        "arvalid",
        "rready",
    ),
    "s_axis_act": ("tdata", "tvalid", "tlast"),
    "s_axis_wgt": ("tdata", "tvalid", "tlast"),
    "m_axis_result": ("tready",),
}


async def begin_buses(dut: Any) -> None:
    """Every input zero, clock, reset."""
    for bus, names in BUSES.items():
        for name in names:
            getattr(dut, f"{bus}_{name}").value = 0
    start_clock(dut)
    await reset(dut)


async def drive(dut: Any, cycles: int = 1, **ports: int | LogicArray) -> None:
    """Drive ports by their full names for some cycles, and leave them so."""
    for port, value in ports.items():
        getattr(dut, port).value = value
    for _ in range(cycles):
        await next_cycle(dut)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def accelerator_write_address_changes(dut: Any) -> None:
    await begin_buses(dut)
    await drive(dut, s_axil_awvalid=1, s_axil_awaddr=8)  # taken at once; the next has to wait for its data
    await drive(dut, cycles=2, s_axil_awaddr=12)
    await drive(dut, cycles=3, s_axil_awaddr=8)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def accelerator_write_data_withdrawn(dut: Any) -> None:
    await begin_buses(dut)
    await drive(dut, cycles=3, s_axil_wvalid=1, s_axil_wdata=5, s_axil_wstrb=15)
    await drive(dut, cycles=3, s_axil_wvalid=0)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def accelerator_read_address_withdrawn(dut: Any) -> None:
    await begin_buses(dut)
    await drive(dut, cycles=3, s_axil_arvalid=1)  # the first answer is not taken
    await drive(dut, cycles=3, s_axil_arvalid=0)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def accelerator_unknown_write_data(dut: Any) -> None:
    await begin_buses(dut)
    await drive(dut, cycles=3, s_axil_wvalid=1, s_axil_wstrb=15, s_axil_wdata=LogicArray("X" + "0" * 31))


@cocotb.test(timeout_time=1, timeout_unit="us")
async def accelerator_weight_word_changes(dut: Any) -> None:
    await begin_buses(dut)
    await drive(dut, cycles=2, s_axis_wgt_tvalid=1)  # nothing runs: not taken
    await drive(dut, cycles=3, s_axis_wgt_tlast=1)


@cocotb.test(timeout_time=2, timeout_unit="us")
async def accelerator_activation_line_withdrawn(dut: Any) -> None:
    await begin_buses(dut)
    dut.s_axil_bready.value, dut.s_axil_wstrb.value = 1, 15
    for address, data in [*((0x1000 + 4 * word, 0) for word in range(12)), (0x0008, 1 << 8), (0x0000, 1)]:
        await drive(dut, s_axil_awvalid=1, s_axil_awaddr=address, s_axil_wvalid=1, s_axil_wdata=data)
        await drive(dut, cycles=3, s_axil_awvalid=0, s_axil_wvalid=0)
    await drive(dut, cycles=2, s_axis_act_tvalid=1)  # it runs, and takes no line
    await drive(dut, cycles=3, s_axis_act_tvalid=0)
