"""cocotb tests that break a rule of the engine's blocks. Each must end in a $fatal, so none may pass."""

from __future__ import annotations

from typing import Any

from cocotb.types import LogicArray

from tb.sim_checks.bench import rule, show

# ---------------------------------------------------------------- pool, requantize: 2 columns; loader: 2 flits, 1 word


@rule
async def pool_first_missing(dut: Any) -> None:
    await show(dut, valid=1, first=1, last=1)
    await show(dut, valid=1, last=1)


@rule
async def pool_unknown_code(dut: Any) -> None:
    dut.code_i.value = LogicArray("000X0000")
    await show(dut, valid=1, first=1, last=1)


@rule
async def requantize_unknown_sum(dut: Any) -> None:
    dut.sum_i.value = LogicArray("X" + "0" * 15)
    await show(dut, valid=1, swap=1)


@rule
async def requantize_parameter_of_no_column(dut: Any) -> None:
    await show(dut, par_valid=1, par_col=1)
    await show(dut, par_valid=1, par_part=1)


@rule
async def loader_swap_of_half_a_tile(dut: Any) -> None:
    await show(dut, start=1, passes_n=1)
    await show(dut, valid=1)
    await show(dut, take=1)


@rule
async def loader_swap_of_no_parameters(dut: Any) -> None:
    await show(dut, start=1, passes_n=1)
    await show(dut, par_take=1)


@rule
async def loader_layer_over_a_tile_that_waits(dut: Any) -> None:
    await show(dut, start=1)
    await show(dut, cycles=3, valid=1)
    await show(dut, start=1)


@rule
async def loader_layer_over_another(dut: Any) -> None:
    await show(dut, start=1)
    await show(dut, start=1)


@rule
async def counters_unknown_event(dut: Any) -> None:
    await show(dut, event=1)
    dut.event_i.value = LogicArray("X0")
    await show(dut)


# ---------------------------------------------------------------- par_count: 2 columns of 1 word


@rule
async def par_count_word_over_a_full_shadow(dut: Any) -> None:
    await show(dut, cycles=2, valid=1)
    await show(dut, take=1)
    await show(dut, cycles=2, valid=1)  # swapped between: well so far
    await show(dut, valid=1)


# ---------------------------------------------------------------- writeback of whole lines


@rule
async def writeback_pairs_without_halves(dut: Any) -> None:
    await show(dut, start=1, map_n=3)
    await show(dut, valid=1)  # well so far
    await show(dut, valid=1, pair=1)


# ---------------------------------------------------------------- fifo of 2 words, result_stream of 1 line


@rule
async def fifo_push_into_a_full_one(dut: Any) -> None:
    await show(dut, cycles=2, push=1)
    await show(dut, push=1, pop=1)


@rule
async def fifo_pop_from_an_empty_one(dut: Any) -> None:
    await show(dut, push=1)
    await show(dut, cycles=2, pop=1)


@rule
async def result_stream_line_as_the_run_ends(dut: Any) -> None:
    await show(dut, valid=1)
    await show(dut, end=1)
    await show(dut, cycles=3)  # well so far
    await show(dut, valid=1, end=1)
