"""cocotb tests of l0: lane r appears exactly r cycles late."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from model.golden.blocks import skew
from tb.common.drivers import generator, next_cycle, pack, parameters, read, reset, settled, start_clock, unpack
from tb.common.scoreboard import Scoreboard
from tb.common.traffic import random_codes

LANES, WIDTH = parameters()["Lanes"], parameters()["Width"]


async def play(dut: Any, lines: np.ndarray[Any, Any], board: Scoreboard, stop: int | None = None) -> None:
    """Drive one line a cycle; every output line, the idle ones too, is checked in its cycle."""
    expected = skew(lines)
    for cycle in range(len(lines) if stop is None else stop):
        dut.data_i.value = pack(lines[cycle].tolist(), WIDTH)
        board.expect(cycle, expected[cycle])
        await settled(dut)
        board.check(cycle, unpack(read(dut.data_o), WIDTH, LANES))
        await next_cycle(dut)


async def begin(dut: Any) -> Scoreboard:
    """Clock, quiet inputs, reset."""
    dut.data_i.value = 0
    start_clock(dut)
    await reset(dut)
    return Scoreboard("l0", "lane")


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_each_lane_is_delayed_by_its_number(dut: Any) -> None:
    """A new random line every cycle, then silence until the wave has run out."""
    board, rng = await begin(dut), generator()
    lines = random_codes(rng, 0, (1 << WIDTH) - 1, (200, LANES))
    await play(dut, np.vstack([lines, np.zeros((LANES + 2, LANES), dtype=np.int64)]), board)
    board.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_single_lines_stay_apart(dut: Any) -> None:
    """One line of ones every few cycles: nothing leaks into the silence between."""
    board, rng = await begin(dut), generator()
    lines = np.zeros((150, LANES), dtype=np.int64)
    lines[rng.choice(150 - LANES, size=30, replace=False)] = (1 << WIDTH) - 1
    await play(dut, lines, board)
    board.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_reset_in_mid_work_leaves_nothing_on_the_way(dut: Any) -> None:
    """Ones on every input up to and during the reset; zeros come out of every delayed lane afterwards."""
    board, rng = await begin(dut), generator()
    for cycles in (1, LANES, 3 * LANES):
        busy = np.full((cycles + 1, LANES), (1 << WIDTH) - 1, dtype=np.int64)
        await play(dut, busy, board, stop=cycles)
        await reset(dut, cycles=1)
        await play(dut, np.zeros((LANES + 1, LANES), dtype=np.int64), board)
        await play(dut, random_codes(rng, 0, (1 << WIDTH) - 1, (2 * LANES, LANES)), board)
        await reset(dut)
    board.finish()
