"""cocotb tests that break a rule of the array's blocks. Each must end in a $fatal, so none may pass."""

from __future__ import annotations

from typing import Any

from cocotb.types import LogicArray

from tb.common.drivers import pack, reset
from tb.sim_checks.bench import rule, show


async def load(dut: Any, weight: int) -> None:
    """Put a weight into the shadow register of a mac_tile of group 0, lane 0."""
    await show(dut, wgt_valid=1, wgt=weight)


# ---------------------------------------------------------------- mac_tile: ActWidth 4, WgtWidth 4, PsumWidth 8


@rule
async def mac_tile_pixel_before_any_weight(dut: Any) -> None:
    await show(dut, valid=1, act=1)


@rule
async def mac_tile_pixel_after_reset_took_the_weight(dut: Any) -> None:
    await load(dut, 3)
    await show(dut, valid=1, swap=1, act=1)
    await reset(dut)
    await show(dut, valid=1, act=1)


@rule
async def mac_tile_swap_without_new_weight(dut: Any) -> None:
    await load(dut, 3)
    await show(dut, cycles=2, valid=1, swap=1)


@rule
async def mac_tile_swap_without_pixel(dut: Any) -> None:
    await load(dut, 3)
    await show(dut, swap=1)


@rule
async def mac_tile_psum_one_above_the_range(dut: Any) -> None:
    await load(dut, 1)
    await show(dut, valid=1, swap=1, act=1, psum=126)  # 127: fits
    await show(dut, valid=1, act=1, psum=127)


@rule
async def mac_tile_psum_one_below_the_range(dut: Any) -> None:
    await load(dut, pack([-1], 4))
    await show(dut, valid=1, swap=1, act=1, psum=pack([-127], 8))  # -128: fits
    await show(dut, valid=1, act=1, psum=pack([-128], 8))


@rule
async def mac_tile_unknown_operand(dut: Any) -> None:
    await load(dut, 1)
    dut.act_i.value = LogicArray("0X00")
    await show(dut, valid=1, swap=1)


@rule
async def mac_tile_pattern_of_negative_zero(dut: Any) -> None:
    await load(dut, 0b000)
    await load(dut, 0b110)  # -8: a weight
    await load(dut, 0b100)


@rule
async def mac_tile_pattern_past_the_last(dut: Any) -> None:
    await load(dut, 0b011)


@rule
async def mac_tile_power_psum_one_below_the_range(dut: Any) -> None:
    await load(dut, 0b110)
    await show(dut, valid=1, swap=1, act=1, psum=pack([-120], 8))  # -128: fits
    await show(dut, valid=1, act=1, psum=pack([-121], 8))


# ---------------------------------------------------------------- mac_tile of pairs: flit 2 is for the high half


@rule
async def mac_tile_swap_without_the_high_weight(dut: Any) -> None:
    dut.simd_i.value = 1
    await show(dut, wgt_valid=1, wgt=3)
    await show(dut, wgt_valid=1, wgt_group=2, wgt=3)
    await show(dut, valid=1, swap=1)  # well so far
    await show(dut, wgt_valid=1, wgt=3)
    await show(dut, valid=1, swap=1)


@rule
async def mac_tile_mode_changes_within_a_tile(dut: Any) -> None:
    await show(dut, wgt_valid=1, wgt=3)
    await show(dut, valid=1, swap=1)
    await show(dut, valid=1)  # well so far
    dut.simd_i.value = 1
    await show(dut, valid=1)


@rule
async def mac_tile_pair_above_the_range(dut: Any) -> None:
    dut.simd_i.value = 1
    await show(dut, wgt_valid=1, wgt=7)
    await show(dut, wgt_valid=1, wgt_group=2, wgt=1)
    await show(dut, valid=1, swap=1, act=15, psum=103)  # 103 + 7 * 3 + 1 * 3 = 127: fits
    await show(dut, valid=1, act=15, psum=106)


# ---------------------------------------------------------------- mac_array 2x2, of pairs


@rule
async def mac_array_mode_changes_too_early(dut: Any) -> None:
    for flit in (0, 2):  # of both rows, one cycle apart
        dut.wgt_group_i.value = pack([flit, flit], 2)
        await show(dut, wgt_valid=0b01)
        await show(dut, wgt_valid=0b10)
    dut.simd_i.value = 1  # the array is empty: well so far
    await show(dut, valid=0b01, swap=0b01)
    await show(dut, valid=0b10, swap=0b10)
    dut.simd_i.value = 0  # the pixel is at PE(1,1)
    await show(dut, cycles=2)


# ---------------------------------------------------------------- mac_array 2x2, l0 not in front of it


@rule
async def mac_array_rows_without_skew(dut: Any) -> None:
    await show(dut, wgt_valid=0b11)


# ---------------------------------------------------------------- ofifo of 3 lanes


@rule
async def ofifo_lanes_out_of_step(dut: Any) -> None:
    await show(dut, valid=0b001)
    await show(dut, valid=0b011)
    await show(dut, valid=0b010)  # lane 2 is missing


# ---------------------------------------------------------------- sram of 3 words


@rule
async def sram_write_behind_the_end(dut: Any) -> None:
    await show(dut, we=1, waddr=2)
    await show(dut, we=1, waddr=3)


@rule
async def sram_read_behind_the_end(dut: Any) -> None:
    await show(dut, re=1, raddr=2)
    await show(dut, re=1, raddr=3)


# ---------------------------------------------------------------- sfp: 2 columns of 8 bits


@rule
async def sfp_sum_above_the_range(dut: Any) -> None:
    await show(dut, valid=1, first=1, data=pack([0, 127], 8))
    await show(dut, valid=1, last=1, data=pack([0, 1], 8))


@rule
async def sfp_sum_below_the_range(dut: Any) -> None:
    await show(dut, valid=1, first=1, data=pack([-128, 0], 8))
    await show(dut, valid=1, last=1, data=pack([-1, 0], 8))


@rule
async def sfp_first_missing(dut: Any) -> None:
    await show(dut, valid=1, last=1)


@rule
async def sfp_last_missing(dut: Any) -> None:
    await show(dut, cycles=2, valid=1, first=1)
