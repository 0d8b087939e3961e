"""cocotb tests of writeback: where line after line goes, with pauses, over the end of the memory, layer after layer."""

from __future__ import annotations

from itertools import islice
from typing import Any

import cocotb

from model.golden.blocks import places
from tb.common.drivers import (
    begin_quiet,
    cycles_later,
    generator,
    next_cycle,
    pack,
    parameters,
    read,
    reset,
    settled,
    telling,
)
from tb.common.scoreboard import Coverage

ADDR, SEGS, HALVES = parameters()["AddrWidth"], parameters()["Segs"], parameters()["Halves"]
DEPTH = 1 << ADDR


async def begin(dut: Any) -> None:
    """Clock, quiet inputs, reset."""
    await begin_quiet(dut, ("start_i", "base_i", "map_n_i", "valid_i", "pair_i"))


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_every_line_goes_to_its_place(dut: Any) -> None:
    """Layers of maps from one line on; base and map hold while a layer runs, a layer may end anywhere."""
    await begin(dut)
    rng = generator()
    coverage = Coverage("one line a tile", "pause", "back for the next segment", "on to the next lines", "over the end")
    for layer in range(30):
        base, out_map = int(rng.choice([0, DEPTH - 2, int(rng.integers(0, DEPTH))])), int(rng.choice([1, 2, 3, 7, 20]))
        pairs = HALVES == 2 and bool(rng.integers(0, 2))
        tiles = SEGS * HALVES if pairs else SEGS  # that fill the same lines
        dut.start_i.value, dut.base_i.value, dut.map_n_i.value = 1, base, out_map - 1
        dut.pair_i.value = int(pairs)
        dut.valid_i.value = int(rng.integers(0, 2)) if layer else 0  # no line counts in the cycle of a start
        await next_cycle(dut)
        dut.start_i.value = 0
        where, before = places(base, out_map, SEGS, HALVES, pairs), None
        coverage.hit("one line a tile", out_map == 1)
        for _ in range(int(rng.integers(1, 4 * tiles * out_map))):
            address, enables = next(where)
            while rng.random() < 0.3:
                dut.valid_i.value = 0
                coverage.hit("pause")
                await next_cycle(dut)
            dut.valid_i.value = 1
            await settled(dut)
            shown = read(dut.addr_o), read(dut.seg_o)
            assert shown == (address % DEPTH, pack(enables, 1)), f"layer {layer}: {shown}, expected {address, enables}"
            if before is not None:
                coverage.hit(
                    "back for the next segment", SEGS * HALVES == 1 or enables.index(True) > before[1].index(True)
                )
                coverage.hit("on to the next lines", SEGS * HALVES == 1 or enables.index(True) < before[1].index(True))
            coverage.hit("over the end", address >= DEPTH)
            before = address, enables
            await next_cycle(dut)
        dut.valid_i.value = 0
    coverage.finish()


async def count(dut: Any, out_map: int) -> None:
    """The first tile of a map of so many lines, and two lines of the next."""
    dut.base_i.value, dut.map_n_i.value, dut.pair_i.value = 0, out_map - 1, 0
    dut.start_i.value, dut.valid_i.value = 1, 0
    await next_cycle(dut)
    dut.start_i.value, dut.valid_i.value = 0, 1
    now = 0
    lines = list(islice(places(0, out_map, SEGS, HALVES, False), out_map + 2))
    for place in [*telling(out_map), out_map, out_map + 1]:
        if place > now:
            await cycles_later(dut, place - now)
            now = place
        await settled(dut)
        address, enables = lines[place]
        shown = read(dut.addr_o), read(dut.seg_o)
        assert shown == (address % DEPTH, pack(enables, 1)), f"line {place}: {shown}, expected {address, enables}"


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_the_largest_map_is_counted_to_its_end(dut: Any) -> None:
    """16,384 lines a tile, and the first lines of the next tile: every bit of the count."""
    await begin(dut)
    await count(dut, 1 << 14)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_maps_of_any_size_are_counted_to_their_end(dut: Any) -> None:
    """Odd ones and even ones of every magnitude: a count whose bits touch each other ends early or late."""
    await begin(dut)
    rng = generator()
    for bit in range(4, 14):
        some = (1 << bit) + int(rng.integers(1, (1 << bit) - 1))
        await count(dut, some)
        await count(dut, some + 1)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_a_reset_is_a_start_at_0_of_tiles_of_one_line(dut: Any) -> None:
    """In the middle of a layer, when every register has another value."""
    await begin(dut)
    dut.base_i.value, dut.map_n_i.value = DEPTH - 1, 0
    dut.start_i.value = 1
    await next_cycle(dut)
    dut.start_i.value, dut.valid_i.value = 0, 1
    await next_cycle(dut)
    dut.map_n_i.value = (1 << 14) - 1
    await next_cycle(dut)
    await reset(dut)
    dut.map_n_i.value = 0
    for line in islice(places(0, 1, SEGS, HALVES, False), 2 * SEGS + 1):
        await settled(dut)
        assert (read(dut.addr_o), read(dut.seg_o)) == (line[0], pack(line[1], 1))
        await next_cycle(dut)
