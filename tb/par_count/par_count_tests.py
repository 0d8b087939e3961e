"""cocotb tests of par_count: where each parameter word goes, with pauses, given up anywhere, and from any reset."""

from __future__ import annotations

from typing import Any

import cocotb

from model.golden.blocks import Parameter, deal
from tb.common.drivers import begin_quiet, generator, next_cycle, parameters, read, reset, settled
from tb.common.scoreboard import Coverage

COLS, WORDS = parameters()["Cols"], parameters()["ParWords"]
TILE = [word for word in deal(1, 1, 0, COLS, WORDS) if isinstance(word, Parameter)]  # the words of an output tile


async def begin(dut: Any) -> None:
    """Clock, quiet inputs, reset."""
    await begin_quiet(dut, ("clear_i", "valid_i", "take_i"))


async def cycle(dut: Any, place: int, full: bool, **inputs: int) -> None:
    """One cycle with `inputs`, others 0; word number `place` of the tile is the next one, `full` says if all wait."""
    for port in ("clear_i", "valid_i", "take_i"):
        getattr(dut, port).value = inputs.get(port, 0)
    await settled(dut)
    shown = (read(dut.col_o), read(dut.part_o), read(dut.done_o), read(dut.full_o))
    wanted = (*TILE[place], int(inputs.get("valid_i", 0) and place == len(TILE) - 1), int(full))
    assert shown == wanted, f"column, part, done, full {shown}; expected {wanted}"
    await next_cycle(dut)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_every_word_has_its_column_and_part(dut: Any) -> None:
    """Tile after tile with pauses before words and before swaps; some are cleared."""
    await begin(dut)
    rng = generator()
    coverage = Coverage(
        "swap at once", "swap later", "cleared in a tile", "cleared while full", "cleared beside a word"
    )
    for tile in range(max(12, 400 // len(TILE))):
        place, full, given_up = 0, False, tile % 6
        while not full:
            if given_up == 0 and (place > 0 or len(TILE) == 1) and rng.random() < 4 / len(TILE):
                word = tile // 6 % 2
                coverage.hit("cleared in a tile")
                coverage.hit("cleared beside a word", bool(word))
                await cycle(dut, place, False, clear_i=1, valid_i=word)
                place, given_up = 0, 1
                continue
            word = int(rng.random() < 0.7)
            await cycle(dut, place, False, valid_i=word)
            place += word
            full, place = place == len(TILE), place % len(TILE)
        waits = int(rng.integers(0, 4))
        coverage.hit("swap later" if waits else "swap at once")
        for _ in range(waits):
            await cycle(dut, 0, True)
        if given_up == 2:
            coverage.hit("cleared while full")
            await cycle(dut, 0, True, clear_i=1)
        else:
            await cycle(dut, 0, True, take_i=1)
        await cycle(dut, 0, False)
    coverage.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_a_reset_begins_a_tile(dut: Any) -> None:
    """In the middle of a tile, and while its parameters wait; words that come during the reset are not counted."""
    await begin(dut)
    for words in sorted({1, len(TILE) // 2 + 1, len(TILE)}):
        for place in range(words):
            await cycle(dut, place, False, valid_i=1)
        dut.valid_i.value = int(words < len(TILE))
        await reset(dut)
        await cycle(dut, 0, False)
