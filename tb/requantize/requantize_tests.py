"""cocotb tests of requantize: every shift, both ends of every range, parameters that change under running lines."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import cocotb
import numpy as np

from model.golden.blocks import Line
from model.graph.graph import MAX_SHIFT
from model.numeric.fixed import requantize
from tb.common.drivers import generator, next_cycle, pack, parameters, read, reset, settled, start_clock, unpack
from tb.common.scoreboard import Coverage, Scoreboard

P = parameters()
COLS, ACT, PSUM, MUL, BIAS = P["Cols"], P["ActWidth"], P["PsumWidth"], P["MulWidth"], P["BiasWidth"]
WIDE, WORD, SIDE = P["WideWidth"], P["WordWidth"], P["SideWidth"]
PAR_WORDS = -(-(MUL + BIAS) // WORD)
ONES = (1 << ACT) - 1
LATENCY = 2
Pair = tuple[int, int]  # M, B
Word = tuple[int, int, int]  # column, part, data


def kinds(width: int) -> list[str]:
    """Sorts of a two's complement number of `width` bits that there are."""
    inner = [*(["negative"] if width > 1 else []), *(["positive"] if width > 2 else [])]
    return ["lowest", "zero", "highest", *inner]


def kind_of(value: int, width: int) -> str:
    """One of `kinds`."""
    ends = {-(1 << (width - 1)): "lowest", 0: "zero", (1 << (width - 1)) - 1: "highest"}
    return ends.get(value, "negative" if value < 0 else "positive")


def value_of(kind: str, width: int, rng: np.random.Generator) -> int:
    """A number of that kind; of any magnitude, where there is a choice."""
    highest = (1 << (width - 1)) - 1
    size = int(rng.integers(0, 1 << int(rng.integers(1, width))))
    inner = {"negative": -max(1, min(size, highest)), "positive": max(1, min(size, highest - 1))}
    return {"lowest": -highest - 1, "zero": 0, "highest": highest, **inner}[kind]


def signed(value: int, width: int) -> int:
    """The lowest `width` bits as two's complement."""
    return unpack(value, width, 1, signed=True)[0]


@dataclass(frozen=True)
class Tile:
    """Lines with their parameters; the first swaps them in, others may swap again (`swaps`)."""

    shift: int
    top: int
    pairs: list[Pair]
    sums: list[Line]
    swaps: list[bool]

    def words(self) -> list[Word]:
        """Its parameters, column by column, low part first."""
        bits = [pack([m], MUL) | pack([b], BIAS) << MUL for m, b in self.pairs]
        return [
            (col, part, value >> (part * WORD) & ((1 << WORD) - 1))
            for col, value in enumerate(bits)
            for part in range(PAR_WORDS)
        ]


def grid(number: int, shift: int, top: int, rng: np.random.Generator) -> Tile:
    """The next of all pairs of kinds of M and B, each met by every kind of psum."""
    pairs = list(product(kinds(MUL), kinds(BIAS)))
    chosen = [pairs[(number * COLS + col) % len(pairs)] for col in range(COLS)]
    here = kinds(PSUM)
    sums = [
        tuple(value_of(here[(line + col) % len(here)], PSUM, rng) for col in range(COLS)) for line in range(len(here))
    ]
    swaps = [True] + [False] * (len(sums) - 1)
    return Tile(shift, top, [(value_of(m, MUL, rng), value_of(b, BIAS, rng)) for m, b in chosen], sums, swaps)


def edges(shift: int, top: int, rng: np.random.Generator) -> Tile:
    """Results at the ends of the clamp and one beside them, wherever B reaches; some lines swap again."""
    pairs = []
    for _ in range(COLS):
        target = int(rng.choice([-1, 0, top, top + 1, ONES, ONES + 1]))
        bias = (target << shift) + int(rng.choice([0, 0, (1 << shift) - 1]))
        fits = signed(bias, BIAS) == bias
        pairs.append((int(rng.integers(-1, 2)), bias if fits else int(rng.choice([-1, 0, 1]))))
    count = int(rng.integers(2, 6))
    sums = [tuple(int(p) for p in rng.choice([-1, 0, 1, -1, 0, 2, -2], COLS)) for _ in range(count)]
    return Tile(shift, top, pairs, sums, [True, *(bool(again) for again in rng.random(count - 1) < 0.4)])


def points() -> Coverage:
    """What the lines must meet."""
    corners = product(kinds(PSUM), kinds(MUL), kinds(BIAS))
    return Coverage(
        *(f"{p} psum, {m} M, {b} B" for p, m, b in corners),
        *(f"shift {shift}" for shift in range(MAX_SHIFT + 1)),
        *("below zero", "zero", "the largest code", "one too many", "too many, but all bits hold it"),
        *("the largest code has a zero bit", "swap line behind swap line", "word beside a swap", "word beside a line"),
        *("bubble inside a tile", "no bubble"),
    )


class Bench:
    """Drives sums and parameter words, expects the golden codes, wide values and side bits two cycles later."""

    def __init__(self, dut: Any, rng: np.random.Generator) -> None:
        self.dut, self.rng, self.coverage = dut, rng, points()
        self.cycle = self.shift = 0
        self.top = ONES
        self.board = Scoreboard("codes, wide values, side")
        self.shadow = [[0] * PAR_WORDS for _ in range(COLS)]
        self.active: list[Pair] = [(0, 0)] * COLS
        self.swapped = False

    def pairs(self) -> list[Pair]:
        """M and B that the shadow holds."""
        values = [sum(word << (part * WORD) for part, word in enumerate(words)) for words in self.shadow]
        return [(signed(value, MUL), signed(value >> MUL, BIAS)) for value in values]

    def promise(self, line: Line, swap: bool, side: int) -> None:
        """Expect what the golden function makes of `line`."""
        self.active = self.pairs() if swap else self.active
        multiplier, bias = np.array(self.active, np.int64).T
        psum, ends = np.array(line, np.int64), np.iinfo(np.int64)
        codes = requantize(psum, multiplier, bias, self.shift, 0, self.top).tolist()
        values = requantize(psum, multiplier, bias, self.shift, int(ends.min), int(ends.max)).tolist()
        self.board.expect(self.cycle + LATENCY, [*codes, *(signed(value, WIDE) for value in values), side])
        hit = self.coverage.hit
        for value, p, (m, b) in zip(values, line, self.active, strict=True):
            hit(f"{kind_of(p, PSUM)} psum, {kind_of(m, MUL)} M, {kind_of(b, BIAS)} B")
            hit("below zero", value < 0)
            hit("zero", value == 0)
            hit("the largest code", value == self.top)
            hit("one too many", value == self.top + 1)
            hit("too many, but all bits hold it", self.top < value <= ONES)
        hit(f"shift {self.shift}")
        hit("the largest code has a zero bit", self.top < ONES)
        hit("swap line behind swap line", swap and self.swapped)

    async def step(self, line: Line | None = None, swap: bool = False, word: Word | None = None) -> None:
        """One cycle: a line or noise, a word or noise."""
        dut, rng = self.dut, self.rng
        side = int(rng.integers(0, 1 << SIDE))
        if line is not None:
            self.promise(line, swap, side)
            self.coverage.hit("word beside a swap", swap and word is not None)
            self.coverage.hit("word beside a line", not swap and word is not None)
        self.swapped = line is not None and swap
        noise = rng.integers(0, 1 << (PSUM - 1), COLS).tolist()
        dut.valid_i.value, dut.side_i.value = int(line is not None), side
        dut.swap_i.value = int(swap if line is not None else rng.integers(0, 2))
        dut.sum_i.value = pack(noise if line is None else line, PSUM)
        dut.par_valid_i.value = int(word is not None)
        col, part, data = word or (int(rng.integers(0, COLS)), int(rng.integers(0, PAR_WORDS)), (1 << WORD) - 1)
        dut.par_col_i.value, dut.par_part_i.value, dut.par_data_i.value = col, part, data
        await settled(dut)
        shown = None
        if read(dut.valid_o):
            shown = unpack(read(dut.code_o), ACT, COLS) + unpack(read(dut.wide_o), WIDE, COLS, signed=True)
            shown.append(read(dut.side_o))
        self.board.check(self.cycle, shown)
        if word is not None:
            self.shadow[col][part] = data
        self.cycle += 1
        await next_cycle(dut)

    async def run(self, tiles: list[Tile]) -> None:
        """All tiles; the words of each come in any order, from the first swap of the tile before on."""
        waiting = self.shuffled(tiles[0])
        for tile, following in zip(tiles, [*tiles[1:], None], strict=True):
            if (tile.shift, tile.top) != (self.shift, self.top):
                for _ in range(LATENCY):  # settings change only when no line is under way
                    await self.step(word=waiting.pop() if waiting else None)
                self.shift, self.top = tile.shift, tile.top
                self.dut.shift_i.value, self.dut.max_i.value = self.shift, self.top
            while waiting:
                await self.step(word=waiting.pop())
            bubbles = self.rng.choice([0.0, 0.3])
            self.coverage.hit("no bubble", not bubbles)
            waiting = self.shuffled(following)
            for index, (line, swap) in enumerate(zip(tile.sums, tile.swaps, strict=True)):
                while self.rng.random() < bubbles:
                    self.coverage.hit("bubble inside a tile", index > 0)
                    await self.step()
                await self.step(line, swap, waiting.pop() if waiting and self.rng.random() < 0.6 else None)

    def shuffled(self, tile: Tile | None) -> list[Word]:
        """The words of `tile` in any order; none without a tile."""
        words = tile.words() if tile else []
        return [words[index] for index in self.rng.permutation(len(words))]

    async def drain(self) -> None:
        """Until nothing is under way."""
        for _ in range(LATENCY + 1):
            await self.step()


async def begin(dut: Any) -> Bench:
    """Clock, quiet inputs, reset."""
    for port in ("par_valid_i", "par_col_i", "par_part_i", "par_data_i", "shift_i", "valid_i", "swap_i", "side_i"):
        getattr(dut, port).value = 0
    dut.sum_i.value, dut.max_i.value = 0, ONES
    start_clock(dut)
    await reset(dut)
    return Bench(dut, generator())


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_every_shift_sign_and_end_of_the_clamp(dut: Any) -> None:
    """Two tiles a layer, shifts 0 to 40 in any order: all signs and extremes, then the ends of the clamp."""
    bench = await begin(dut)
    tiles = []
    for number, shift in enumerate(bench.rng.permutation(MAX_SHIFT + 1).tolist()):
        top = ONES if number % 3 == 0 else int(bench.rng.integers(0, ONES))
        top = ONES // 2 if shift == 0 else top  # where the narrowest bias reaches both sides of it
        tiles += [
            grid(number, shift, top, bench.rng),
            *(edges(shift, top, bench.rng) for _ in range(1 if shift else 5)),
        ]
    await bench.run(tiles)
    await bench.drain()
    bench.coverage.finish()
    bench.board.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_reset_in_mid_tile(dut: Any) -> None:
    """Lines under way are lost; the first tile after it uses its own parameters, and without a swap they are zero."""
    bench = await begin(dut)
    for _ in range(3):
        await bench.run([edges(1, ONES, bench.rng)])
        dut.valid_i.value, dut.swap_i.value = 1, 1
        await reset(dut)
        bench.board = Scoreboard("codes, wide values, side")
        bench.shadow, bench.active = [[0] * PAR_WORDS for _ in range(COLS)], [(0, 0)] * COLS
        await bench.step((-1,) * COLS)
        await bench.run([grid(0, 1, ONES, bench.rng)])
        await bench.drain()
        bench.board.finish()
