"""cocotb tests of act_mem: each bank and segment a memory of its own, behind one read port."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from model.golden.blocks import Memory
from tb.common.drivers import (
    any_word,
    begin_quiet,
    generator,
    looped,
    next_cycle,
    pack,
    parameters,
    read,
    settled,
    unpack,
)
from tb.common.scoreboard import Coverage, Scoreboard

P = parameters()
WIDTH, DEPTH, BANKS, HALVES = P["Width"], P["Depth"], P["Banks"], P["Halves"]
SEGS = HALVES * P["Segs"]  # parts with an enable: with two halves the low ones of all segments, then the high ones
LINES, PART = DEPTH // BANKS, WIDTH // SEGS
HALF = P["LaneWidth"] // 2  # bits, where there are two
Words = list[list[int]]  # [bank][part]


def line_of(parts: list[int]) -> int:
    """A line from its parts: one after another, or, with two halves, each code's high half from the upper parts."""
    stored = pack(parts, PART)
    if HALVES == 1:
        return stored
    halves = unpack(stored, HALF, WIDTH // HALF)
    lanes = len(halves) // 2
    return pack([half for lane in range(lanes) for half in (halves[lane], halves[lanes + lane])], HALF)


class Golden:
    """A Memory for each bank and segment."""

    def __init__(self) -> None:
        self.parts = [[Memory(LINES) for _ in range(SEGS)] for _ in range(BANKS)]

    def cycle(self, line: int, words: Words, enables: list[list[bool]], bank: int, address: int | None) -> int | None:
        """Write the enabled parts of `line` in every bank, read `address` in `bank`; returns the word read."""
        found = []
        for number, parts in enumerate(self.parts):
            for seg, memory in enumerate(parts):
                write = (line, words[number][seg]) if enables[number][seg] else None
                word = memory.cycle(write, address if number == bank else None)
                found += [word] if number == bank else []
        return None if address is None else line_of([-1 if word is None else word for word in found])


def random_words(rng: np.random.Generator) -> Words:
    """A word for every part."""
    return [[any_word(rng, PART) for _ in range(SEGS)] for _ in range(BANKS)]


def drive(dut: Any, line: int, words: Words, enables: list[list[bool]]) -> None:
    """Put a write on the port: bank b, part p at b * SEGS + p."""
    dut.we_i.value = pack([enable for bank in enables for enable in bank], 1)
    dut.waddr_i.value, dut.wdata_i.value = line, pack([line_of(bank) for bank in words], WIDTH)


async def begin(dut: Any) -> tuple[Golden, np.random.Generator]:
    """Clock, quiet inputs, reset; then every line of every bank is written."""
    await begin_quiet(dut, ("we_i", "waddr_i", "wdata_i", "re_i", "raddr_i"))
    golden, rng, every = Golden(), generator(), [[True] * SEGS] * BANKS
    for line in range(LINES):
        words = random_words(rng)
        drive(dut, line, words, every)
        golden.cycle(line, words, every, 0, None)
        await next_cycle(dut)
    dut.we_i.value = 0
    return golden, rng


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_every_line_of_every_bank_reads_back(dut: Any) -> None:
    """No two addresses share a word; a read address is {bank, line}."""
    golden, rng = await begin(dut)
    board = Scoreboard("act_mem", "line")
    none = [[False] * SEGS] * BANKS
    for cycle in range(DEPTH + 1):
        if cycle < DEPTH:
            dut.re_i.value, dut.raddr_i.value = 1, cycle
            word = golden.cycle(0, random_words(rng), none, cycle // LINES, cycle % LINES)
            assert word is not None
            board.expect(cycle + 1, [word])
        await settled(dut)
        board.check(cycle, [read(dut.rdata_o)] if cycle else None)
        await next_cycle(dut)
    board.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_both_ports_at_once(dut: Any) -> None:
    """Any set of banks and segments is written while a line is read; the line read holds until the next one is."""
    golden, rng = await begin(dut)
    board = Scoreboard("act_mem", "line")
    coverage = Coverage(
        *("line read while it is written", "one segment of the line read is written"),
        *("the line read is written in another bank", "another bank is read next", "hold beside noise on the address"),
    )
    shown: int | None = None
    bank_before = -1
    for cycle in range(300):
        line, words = int(rng.integers(0, min(LINES, 3))), random_words(rng)  # few, so that collisions happen
        enables = [[bool(rng.random() < 0.5) for _ in range(SEGS)] for _ in range(BANKS)]
        bank, address = int(rng.integers(0, BANKS)), int(rng.integers(0, min(LINES, 3)))
        reading = bool(rng.random() < 0.6)
        drive(dut, line, words, enables)
        dut.re_i.value, dut.raddr_i.value = int(reading), bank * LINES + address
        if shown is not None:
            board.expect(cycle, [shown])
        await settled(dut)
        wakes = [read(looped(dut, "gen_bank", number, "gen_part", 0, "u_sram").re_i) for number in range(BANKS)]
        assert wakes == [int(reading and number == bank) for number in range(BANKS)], "a read wakes its bank alone"
        board.check(cycle, None if shown is None else [read(dut.rdata_o)])
        word = golden.cycle(line, words, enables, bank, address if reading else None)
        shown = word if reading else shown
        same = reading and line == address
        others = any(any(enables[other]) for other in range(BANKS) if other != bank)
        coverage.hit("line read while it is written", same and all(enables[bank]))
        coverage.hit("one segment of the line read is written", (same and sum(enables[bank]) == 1) or SEGS == 1)
        coverage.hit("the line read is written in another bank", (same and others) or BANKS == 1)
        coverage.hit("another bank is read next", (reading and bank != bank_before >= 0) or BANKS == 1)
        coverage.hit("hold beside noise on the address", not reading and shown is not None)
        bank_before = bank if reading else bank_before
        await next_cycle(dut)
    coverage.finish()
    board.finish()
