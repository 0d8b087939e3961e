"""cocotb tests that break a rule of the second dataflow. Each must end in a $fatal, so none may pass."""

from __future__ import annotations

from typing import Any

from cocotb.types import LogicArray

from tb.sim_checks.bench import rule, show
from tb.sim_checks.core_rules_tests import issue

# ---------------------------------------------------------------- mac_tile of both dataflows


@rule
async def mac_tile_unknown_dataflow(dut: Any) -> None:
    dut.os_i.value = LogicArray("X")


@rule
async def mac_tile_shift_while_weights_are_stationary(dut: Any) -> None:
    dut.os_i.value = 1
    await show(dut, shift=1)  # well so far
    dut.os_i.value = 0
    await show(dut, shift=1)


@rule
async def mac_tile_sum_behind_a_waiting_one(dut: Any) -> None:
    dut.os_i.value = 1
    await show(dut, valid=1, swap=1, wgt_valid=1, shift=1)  # the row above sends while this one adds: well so far
    await show(dut, shift=1)


@rule
async def mac_tile_last_without_a_term(dut: Any) -> None:
    dut.os_i.value = 1
    await show(dut, valid=1, swap=1)
    await show(dut, wgt_valid=1)


@rule
async def mac_tile_sum_of_terms_above_the_range(dut: Any) -> None:
    dut.os_i.value = 1
    await show(dut, valid=1, swap=1, wgt_n=7, act=15)  # 105
    await show(dut, valid=1, wgt_n=7, act=3)  # 126: fits
    await show(dut, valid=1, wgt_n=1, act=2)


@rule
async def mac_tile_weight_of_the_other_dataflow(dut: Any) -> None:
    await show(dut, wgt_valid=1, wgt=3)
    await show(dut, valid=1, swap=1)
    await show(dut, valid=1)  # well so far
    dut.os_i.value = 1
    await show(dut, valid=1, swap=1, wgt_n=2)  # leaves its weight where the stationary one was
    dut.os_i.value = 0
    await show(dut, valid=1)


# ---------------------------------------------------------------- os_drain and os_dest of 3 rows


@rule
async def os_drain_unknown_last(dut: Any) -> None:
    dut.last_i.value = LogicArray("X")


@rule
async def os_drain_groups_too_close(dut: Any) -> None:
    await show(dut, last=1)
    await show(dut, cycles=2)
    await show(dut, last=1)  # three cycles apart: well so far
    await show(dut)
    await show(dut, last=1)


@rule
async def os_dest_unknown_start(dut: Any) -> None:
    dut.start_i.value = LogicArray("X")


@rule
async def os_dest_groups_too_close(dut: Any) -> None:
    await show(dut, start=1)
    await show(dut, cycles=2)
    await show(dut, start=1)  # three cycles apart: well so far
    await show(dut)
    await show(dut, start=1)


# ---------------------------------------------------------------- os_loader: 2 terms a word, 1 parameter word


@rule
async def os_loader_unknown_stop(dut: Any) -> None:
    dut.stop_i.value = LogicArray("X")


@rule
async def os_loader_unknown_last(dut: Any) -> None:
    dut.last_i.value = LogicArray("X")
    await show(dut, cycles=2)  # beside no word: well so far
    await show(dut, valid=1)


@rule
async def os_loader_layer_over_another(dut: Any) -> None:
    await show(dut, start=1)
    await show(dut, start=1)


@rule
async def os_loader_layer_over_parameters_that_wait(dut: Any) -> None:
    await show(dut, start=1)
    await show(dut, valid=1)
    await show(dut, valid=1, term=1, term_last=1)
    await show(dut, start=1)


@rule
async def os_loader_term_that_is_not_there(dut: Any) -> None:
    await show(dut, start=1)
    await show(dut, valid=1)  # the parameters
    await show(dut, valid=1, term=1)
    await show(dut, valid=1, term=1)  # both terms of a word: well so far
    await show(dut, term=1)


# ---------------------------------------------------------------- os_window of 2 rows


@rule
async def os_window_unknown_valid(dut: Any) -> None:
    dut.valid_i.value = LogicArray("X")


@rule
async def os_window_unknown_beginning(dut: Any) -> None:
    dut.begins_i.value = LogicArray("X")
    await show(dut, cycles=2)  # beside no line: well so far
    await show(dut, valid=1)


# ---------------------------------------------------------------- core of both dataflows, 2x2


@rule
async def core_unknown_dataflow(dut: Any) -> None:
    dut.os_i.value = LogicArray("X")


@rule
async def core_unknown_last_term(dut: Any) -> None:
    dut.os_i.value = 1
    await show(dut, act_we=1)
    await issue(dut, x_valid=1, x_swap=1, x_last=1)  # well so far
    word = "1" + "0" * (len(dut.inst_i) - 2)
    dut.inst_i.value = LogicArray(f"{word}X")


@rule
async def core_flit_while_outputs_are_stationary(dut: Any) -> None:
    await show(dut, wgt_valid=1)  # well so far
    dut.os_i.value = 1
    await show(dut, wgt_valid=1)


# ---------------------------------------------------------------- sequencer: a table that nobody has written


@rule
async def sequencer_unwritten_descriptor(dut: Any) -> None:
    dut.desc_data_i.value = LogicArray("X" * 32)
    await show(dut, cycles=2)  # nothing is read: well so far
    await show(dut, start=1, count=1)
    await show(dut, cycles=3)
