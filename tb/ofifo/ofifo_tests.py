"""cocotb tests of ofifo: skewed columns leave as aligned lines, in their cycle, and only then."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from model.golden.blocks import deskew, skew
from tb.common.drivers import generator, next_cycle, pack, parameters, read, reset, settled, start_clock, unpack
from tb.common.scoreboard import Scoreboard
from tb.common.traffic import random_codes

LANES, WIDTH = parameters()["Lanes"], parameters()["Width"]
LOW, HIGH = -(1 << (WIDTH - 1)), (1 << (WIDTH - 1)) - 1


async def play(
    dut: Any, valid: np.ndarray[Any, Any], rng: np.random.Generator, board: Scoreboard, stop: int | None = None
) -> None:
    """A random line in every cycle whose `valid` is 1, noise in the others, skewed as they come from the array."""
    lines = random_codes(rng, LOW, HIGH, (len(valid), LANES))
    flags = skew(np.repeat(valid[:, None], LANES, axis=1))
    data = np.where(flags == 1, skew(lines), random_codes(rng, LOW, HIGH, lines.shape))
    aligned, ready = deskew(data), deskew(flags)
    for cycle in range(len(valid) if stop is None else stop):
        dut.valid_i.value = pack(flags[cycle].tolist(), 1)
        dut.data_i.value = pack(data[cycle].tolist(), WIDTH)
        if ready[cycle].all():
            board.expect(cycle, aligned[cycle])
        await settled(dut)
        board.check(cycle, unpack(read(dut.data_o), WIDTH, LANES, signed=True) if read(dut.valid_o) else None)
        await next_cycle(dut)


async def begin(dut: Any) -> Scoreboard:
    """Clock, quiet inputs, reset."""
    dut.valid_i.value, dut.data_i.value = 0, 0
    start_clock(dut)
    await reset(dut)
    return Scoreboard("ofifo", "lane")


def idle_end(valid: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """`valid` with enough empty cycles for the wave to run out."""
    return np.concatenate([valid, np.zeros(2 * LANES, dtype=np.int64)])


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_lines_without_a_gap(dut: Any) -> None:
    """One line a cycle, extremes of both signs."""
    board, rng = await begin(dut), generator()
    await play(dut, idle_end(np.ones(150, dtype=np.int64)), rng, board)
    board.finish()
    assert board.checked == 150


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_lines_with_gaps(dut: Any) -> None:
    """Random bubbles; valid_o is high exactly in the cycles of whole lines."""
    board, rng = await begin(dut), generator()
    valid = rng.integers(0, 2, size=200)
    await play(dut, idle_end(valid), rng, board)
    board.finish()
    assert board.checked == valid.sum()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_reset_in_mid_work_leaves_no_line_behind(dut: Any) -> None:
    """A wave broken off by a reset, inputs busy all the while, never shows again."""
    board, rng = await begin(dut), generator()
    for cycles in (1, LANES, 3 * LANES):
        await play(dut, np.ones(cycles, dtype=np.int64), rng, board)
        dut.valid_i.value = (1 << LANES) - 1
        await reset(dut, cycles=1)
        await play(dut, np.zeros(LANES + 1, dtype=np.int64), rng, board)
        await play(dut, idle_end(np.ones(5, dtype=np.int64)), rng, board)
        await reset(dut)
    board.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_a_line_leaves_only_whole(dut: Any) -> None:
    """A line that lacks one lane is none. A reset comes in its cycle, as no other may have such a line (SIM_CHECKS)."""
    await begin(dut)
    for missing in (None, *range(LANES)):
        for lane in range(LANES):
            dut.valid_i.value = 0 if lane == missing else 1 << lane
            dut.rst_ni.value = int(lane < LANES - 1)
            await settled(dut)
            whole = lane == LANES - 1 and missing is None
            assert read(dut.valid_o) == whole, f"lane {lane}, without lane {missing}: valid_o {read(dut.valid_o)}"
            await next_cycle(dut)
        await reset(dut)
