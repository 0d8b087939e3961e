"""cocotb tests of os_window: every mark of every finished line, with gaps between lines and layers of all sizes."""

from __future__ import annotations

from itertools import islice
from typing import Any

import cocotb

from model.golden.os_blocks import windows
from tb.common.drivers import (
    begin_quiet,
    cycles_later,
    generator,
    next_cycle,
    parameters,
    read,
    reset,
    settled,
    telling,
)
from tb.common.scoreboard import Coverage

ROWS = parameters()["Rows"]
POINTS = ("dropped", "kept", "a window across groups", "given up")


async def begin(dut: Any) -> None:
    """Clock, quiet inputs, reset."""
    await begin_quiet(dut, ("start_i", "window_n_i", "map_n_i", "valid_i", "begins_i"))


async def layer(
    dut: Any,
    rng: Any,
    coverage: Coverage,
    shape: tuple[int, int, int],
    *,
    given_up: float = 0.0,
    gaps: float = 0.3,
    most: int | None = None,
) -> None:
    """Start a layer of (lines of a window, windows of a tile, tiles) and check its lines, the first `most` of them."""
    window, out_map, tiles = shape
    groups = -(-window * out_map // ROWS)
    dut.window_n_i.value, dut.map_n_i.value, dut.valid_i.value = window - 1, out_map - 1, 0
    dut.start_i.value = 1
    await next_cycle(dut)
    dut.start_i.value = 0
    begins = (group % groups == 0 for group in range(tiles * groups))
    coverage.hit("a window across groups", window > ROWS or ROWS == 1)
    for number, line in enumerate(islice(windows(begins, ROWS, window, out_map), most)):
        if number > 2 and rng.random() < given_up:
            coverage.hit("given up", True)
            break
        while rng.random() < gaps:
            dut.valid_i.value, dut.begins_i.value = 0, int(rng.integers(0, 2))
            await next_cycle(dut)
        dut.valid_i.value, dut.begins_i.value = 1, int(number // ROWS % groups == 0)
        await settled(dut)
        got = [read(getattr(dut, port)) for port in ("keep_o", "swap_o")]
        assert got == [line.keep, line.swap], f"line {number}: keep, swap {got}; expected {line}"
        if line.keep:
            got = [read(getattr(dut, port)) for port in ("first_o", "last_o")]
            assert got == [line.first, line.last], f"line {number}: first, last {got}; expected {line}"
        coverage.hit("kept", line.keep)
        coverage.hit("dropped", not line.keep or ROWS == 1)
        await next_cycle(dut)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_every_line_is_marked_as_the_golden_model_says(dut: Any) -> None:
    """Tiles that fill their groups and tiles that do not, windows across groups; a layer given up in the middle."""
    rng = generator()
    coverage = Coverage(*POINTS)
    await begin(dut)
    for _ in range(40):
        window, tiles = int(rng.choice([1, 1, 2, 4, 9])), int(rng.integers(1, 4))
        await layer(dut, rng, coverage, (window, int(rng.integers(1, 2 * ROWS + 2)), tiles), given_up=0.005)
    coverage.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_the_largest_window_and_a_reset_that_forgets_it(dut: Any) -> None:
    """Every bit of a place; a reset in the middle of a window leaves a block that waits for its first tile."""
    rng, coverage = generator(), Coverage(*POINTS)
    await begin(dut)
    await layer(dut, rng, coverage, (256, 1 << 14, 1), most=256 + ROWS + 2)
    await reset(dut)
    dut.valid_i.value, dut.begins_i.value = 1, 0
    await settled(dut)
    assert not read(dut.keep_o), "after a reset there is no tile that a line could belong to"
    dut.valid_i.value = 0
    await layer(dut, rng, coverage, (1, 1, 2))


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_the_largest_map_is_counted_to_its_end(dut: Any) -> None:
    """16,384 windows of one line, and what comes behind them: every bit of the count."""
    await begin(dut)
    most = 1 << 14
    dut.window_n_i.value, dut.map_n_i.value, dut.start_i.value = 0, most - 1, 1
    await next_cycle(dut)
    dut.start_i.value, dut.valid_i.value, dut.begins_i.value = 0, 1, 1
    now = ROWS
    await cycles_later(dut, ROWS)
    dut.begins_i.value = 0  # only the first group begins the tile
    for place in [*(place for place in telling(most) if place >= ROWS), most, most + 1]:
        if place > now:
            await cycles_later(dut, place - now)
            now = place
        await settled(dut)
        got = read(dut.keep_o), read(dut.swap_o)
        assert got == (place < most, False), f"line {place}: keep, swap {got}; the tile has {most} lines"
