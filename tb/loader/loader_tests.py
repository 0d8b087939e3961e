"""cocotb tests of loader: each word goes where it belongs, and waits exactly as long as its shadow is full."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from model.golden.blocks import Flit, Parameter, deal
from tb.common.drivers import begin_quiet, deposit, generator, next_cycle, parameters, read, reset, settled
from tb.common.scoreboard import Coverage

P = parameters()
GROUPS, COLS, PAR_WORDS, SIMD = P["Groups"], P["Cols"], P["ParWords"], P.get("Simd", 0)
UPPER = 1 << (P["GroupWidth"] - SIMD)  # number of the first flit for high halves
ROUNDS = 4000  # cycles that no layer needs


def points() -> Coverage:
    """What the layers must meet."""
    return Coverage(
        *("one pass", "two passes", "more passes", "several output tiles"),
        *("a flit waits", "a parameter waits", "both shadows full", "a word waits for the start"),
        *("the stream pauses inside a tile", "the stream pauses inside parameters"),
        *("swap beside the last flit", "swap later", "parameters swap as flits pass"),
    )


class Bench:
    """A layer's words against `deal`, and two flags that say which shadow is full."""

    def __init__(self, dut: Any, rng: np.random.Generator) -> None:
        self.dut, self.rng, self.coverage = dut, rng, points()
        self.words: list[Flit | Parameter] = []
        self.at = 0
        self.full = self.par_full = False
        self.pairs = False

    async def start(self, passes: int, tiles: int) -> None:
        """Begin a layer; a word that is already there waits one cycle more."""
        dut = self.dut
        dut.passes_n_i.value, dut.tiles_n_i.value = passes - 1, tiles - 1
        self.pairs = SIMD == 1 and not self.pairs
        dut.simd_i.value = int(self.pairs)
        dut.start_i.value, dut.valid_i.value, dut.last_i.value = 1, int(self.rng.integers(0, 2)), 0
        self.coverage.hit("a word waits for the start", dut.valid_i.value)
        await settled(dut)
        self.idle()
        await next_cycle(dut)
        dut.start_i.value = 0
        self.words, self.at = list(deal(passes, tiles, GROUPS, COLS, PAR_WORDS, self.pairs)), 0
        self.full = self.par_full = False

    def idle(self) -> None:
        """Nothing is taken and nothing told."""
        for port in ("ready_o", "wgt_valid_o", "par_valid_o", "tile_ready_o", "missing_o", "early_o"):
            assert read(getattr(self.dut, port)) == 0, f"{port} is 1 while no layer runs"

    async def step(self, offered: float, eager: float, last: bool | None = None, par_eager: float = 0.5) -> bool:
        """One cycle of a layer, `last` beside the word by default where it belongs. Whether the word was taken."""
        dut, rng = self.dut, self.rng
        word = self.words[self.at] if self.at < len(self.words) else None
        parameter = isinstance(word, Parameter)
        ready = word is not None and not (self.par_full if parameter else self.full)
        valid = bool(rng.random() < offered)
        taken = ready and valid
        ends = isinstance(word, Flit) and word.group == GROUPS - 1 and word.high == self.pairs
        tile_ready = self.full or (taken and ends)
        take, par_take = tile_ready and rng.random() < eager, self.par_full and rng.random() < par_eager
        final = self.at == len(self.words) - 1
        told = (final if last is None else last) if valid else bool(rng.integers(0, 2))
        dut.valid_i.value, dut.last_i.value = int(valid), int(told)
        dut.take_i.value, dut.par_take_i.value = int(take), int(par_take)
        await settled(dut)
        want = {"ready_o": ready, "wgt_valid_o": taken and not parameter, "par_valid_o": taken and parameter}
        want |= {"tile_ready_o": tile_ready, "missing_o": taken and final and not told}
        want |= {"early_o": taken and told and not final}
        for port, value in want.items():
            assert read(getattr(dut, port)) == value, f"word {self.at} ({word}): {port} is not {int(value)}"
        if taken and isinstance(word, Flit):
            assert read(dut.wgt_group_o) == word.group + word.high * UPPER, f"word {self.at}: expected {word}"
        if taken and isinstance(word, Parameter):
            assert (read(dut.par_col_o), read(dut.par_part_o)) == word, f"word {self.at}: expected {word}"
        self.meet(word, valid, taken, ends, take, par_take)
        self.at += taken
        self.full = tile_ready and not take
        self.par_full = (self.par_full and not par_take) or (
            taken and isinstance(word, Parameter) and word == (COLS - 1, PAR_WORDS - 1)
        )
        await next_cycle(dut)
        return taken

    def meet(
        self, word: Flit | Parameter | None, valid: bool, taken: bool, ends: bool, take: bool, par_take: bool
    ) -> None:
        """Count what this cycle is an example of."""
        hit, parameter = self.coverage.hit, isinstance(word, Parameter)
        hit("a flit waits", valid and not taken and isinstance(word, Flit))
        hit("a parameter waits", valid and not taken and parameter)
        hit("both shadows full", self.full and self.par_full)
        inside = isinstance(word, Flit) and (word.group > 0 or word.high or GROUPS == 1)
        hit("the stream pauses inside a tile", not valid and inside)
        hit("the stream pauses inside parameters", not valid and parameter and word != (0, 0))
        hit("swap beside the last flit", take and taken and ends)
        hit("swap later", take and not (taken and ends))
        hit("parameters swap as flits pass", par_take and taken and isinstance(word, Flit))

    async def layer(self, passes: int, tiles: int, offered: float, eager: float, par_eager: float = 0.5) -> None:
        """A whole layer, until both shadows are empty again; then nothing more is taken."""
        await self.start(passes, tiles)
        names = {1: "one pass", 2: "two passes"}
        self.coverage.hit(names.get(passes, "more passes"))
        self.coverage.hit("several output tiles", tiles > 1)
        for _ in range(ROUNDS):
            if self.at == len(self.words) and not self.full and not self.par_full:
                break
            await self.step(offered, eager, par_eager=par_eager)
        assert self.at == len(self.words), f"only {self.at} of {len(self.words)} words were taken"
        for _ in range(3):
            await self.step(1.0, eager)

    async def long_layer(self, passes: int, tiles: int, *, whole: bool = True, **counts: int) -> None:
        """A layer whose middle is left out: played are its first pass or tile and, after a jump of `counts`, the rest.

        The words are those of a layer of `passes` passes and `tiles` tiles, which there is nothing else to tell from.
        One that is not played as a whole is given up behind the first pass of its second tile.
        """
        dut = self.dut
        await self.start(passes, tiles)
        dut.passes_n_i.value, dut.tiles_n_i.value = (
            counts.get("pass_q", passes - 3) + 2,
            counts.get("tile_q", tiles - 3) + 2,
        )
        flits = sum(isinstance(word, Flit) for word in self.words) // (passes * tiles)
        first = flits + (passes == 1) * COLS * PAR_WORDS
        end = len(self.words) if whole else len(self.words) // tiles + flits
        while self.at < first or self.full or self.par_full:
            await self.step(float(self.at < first), 1.0, par_eager=1.0)
        dut.valid_i.value = dut.take_i.value = dut.par_take_i.value = 0
        await deposit(dut, **counts)
        while self.at < end:
            await self.step(1.0, 1.0, par_eager=1.0)
        if not whole:
            await self.stop()
            return
        for _ in range(3):
            await self.step(1.0, 1.0, par_eager=1.0)

    async def stop(self) -> None:
        """Give the layer up: from the next cycle on nothing is there and nothing taken."""
        self.dut.stop_i.value, self.dut.valid_i.value = 1, 0
        self.dut.take_i.value = self.dut.par_take_i.value = 0
        await next_cycle(self.dut)
        self.dut.stop_i.value, self.dut.valid_i.value = 0, 1
        for _ in range(3):
            await settled(self.dut)
            self.idle()
            await next_cycle(self.dut)


async def begin(dut: Any) -> Bench:
    """Clock, quiet inputs, reset."""
    await begin_quiet(
        dut, ("start_i", "stop_i", "simd_i", "passes_n_i", "tiles_n_i", "valid_i", "last_i", "take_i", "par_take_i")
    )
    return Bench(dut, generator())


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_every_word_goes_where_it_belongs(dut: Any) -> None:
    """Layers of 1 to 5 passes and 1 to 3 output tiles; streams and swaps that never, seldom or mostly wait."""
    bench = await begin(dut)
    for passes, tiles in [(1, 1), (1, 3), (2, 2), (3, 1), (5, 2)]:
        for offered, eager, par_eager in [(1.0, 1.0, 1.0), (0.4, 0.9, 0.9), (0.9, 0.2, 0.2), (0.9, 0.9, 0.03)]:
            await bench.layer(passes, tiles, offered, eager, par_eager)
    bench.coverage.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_layers_of_any_length_end_where_they_should(dut: Any) -> None:
    """Passes and output tiles up to those that their counts have bits for; what lies in the middle is left out."""
    bench = await begin(dut)
    for bit in range(2, len(dut.passes_n_i)):
        some = bench.rng.integers(1 << bit, 2 << bit, 2).tolist()
        for last in (1 << bit, (1 << bit) + 1, *some):  # but for the bit, that is the first pass or the one after it
            await bench.long_layer(4, 1, pass_q=last - 2)
        await bench.long_layer(4, 2, pass_q=(1 << bit) - 2, whole=False)  # its next tile does not begin with parameters
    for bit in range(2, len(dut.tiles_n_i)):
        for last in (1 << bit, *bench.rng.integers(1 << bit, 2 << bit, 3).tolist()):
            await bench.long_layer(1, 4, tile_q=last - 2)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_last_in_the_wrong_place_is_told_as_it_is_taken(dut: Any) -> None:
    """Early on any word but the final one, missing on that; then the layer is given up, and the next one is whole."""
    bench = await begin(dut)
    for passes in (1, 3):
        for place in (0.0, bench.rng.random(), None, 1.0):
            await bench.start(passes, 2)
            final = len(bench.words) - 1
            wrong = final - 1 if place is None else int(place * final)
            while bench.at < wrong:
                await bench.step(0.8, 0.6)
            while not await bench.step(0.5, 0.6, last=wrong != final):
                pass
            await bench.stop()
            await bench.layer(passes, 1, 0.9, 0.9)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_stop_and_reset_leave_nothing(dut: Any) -> None:
    """In any place of a layer, with full or half-full shadows: the next layer begins with its first word."""
    bench = await begin(dut)
    for index in range(12):
        await bench.start(3, 2)
        for _ in range(int(bench.rng.integers(1, 3 * (GROUPS + COLS * PAR_WORDS)))):
            await bench.step(0.9, 0.3)
        if index % 2:
            await bench.stop()
        else:
            dut.start_i.value = 1
            dut.take_i.value = dut.par_take_i.value = 0
            await reset(dut)
            dut.start_i.value = 0
            await settled(dut)
            bench.idle()
            await next_cycle(dut)
        await bench.layer(2, 1, 0.9, 0.5)
