"""cocotb tests of os_loader: each word goes where it belongs, each term is the next one, nothing waits in vain."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from model.golden.blocks import Parameter
from model.golden.os_blocks import deal_terms
from tb.common.drivers import begin_quiet, deposit, generator, next_cycle, parameters, read, reset, settled
from tb.common.scoreboard import Coverage

P = parameters()
TERMS, WIDTH, COLS, PAR_WORDS = P["Terms"], P["TermWidth"], P["Cols"], P["ParWords"]
POINTS = ("a parameter waits", "a word half used", "a term waits for its word", "several tiles", "one pass")


class Bench:
    """The words of a layer against `deal_terms`."""

    def __init__(self, dut: Any, rng: np.random.Generator) -> None:
        self.dut, self.rng, self.coverage = dut, rng, Coverage(*POINTS)

    async def start(self, passes: int, tiles: int) -> None:
        """Begin a layer."""
        dut = self.dut
        dut.passes_n_i.value, dut.tiles_n_i.value, dut.start_i.value = passes - 1, tiles - 1, 1
        dut.valid_i.value = dut.term_i.value = 0
        await settled(dut)
        assert not read(dut.ready_o), "a word is taken before the layer begins"
        await next_cycle(dut)
        dut.start_i.value = 0

    async def layer(
        self, passes: int, tiles: int, terms: int, stop: int | None = None, last_at: int = -1, **counts: int
    ) -> list[str]:
        """Play a layer, or its first `stop` words; `last` beside word `last_at`. Returns the errors that were told.

        With `counts` it is a longer one whose middle is left out: after its first pass (of one tile) or its first tile
        (of one pass) these registers jump, from where it has three more.
        """
        dut, rng, told = self.dut, self.rng, []
        words = list(deal_terms(passes, tiles, terms, TERMS, COLS, PAR_WORDS))
        last_at %= len(words)
        self.coverage.hit("several tiles", tiles > 1)
        self.coverage.hit("one pass", passes == 1)
        await self.start(counts.get("pass_q", passes - 3) + 3, counts.get("tile_q", tiles - 3) + 3)
        jump = COLS * PAR_WORDS + -(-terms // TERMS) if counts else None
        at, used, in_pass, full, eager = 0, 0, 0, False, float(rng.choice([0.02, 0.4]))
        data = int(rng.integers(0, 1 << 30)) & ((1 << TERMS * WIDTH) - 1)
        while at < (len(words) if stop is None else stop):
            if at == jump:
                dut.valid_i.value = dut.term_i.value = dut.par_take_i.value = 0
                await deposit(dut, **counts)
                jump = None
            word, valid = words[at], bool(rng.random() < 0.8)
            parameter = isinstance(word, Parameter)
            term = not parameter and valid and bool(rng.random() < 0.8)
            final = term and in_pass == terms - 1
            done = (term and used == word[0] - 1) if not parameter else (valid and not full)
            dut.valid_i.value, dut.data_i.value = int(valid), data
            dut.last_i.value = int(at == last_at) if valid else int(rng.integers(0, 2))
            dut.term_i.value, dut.term_last_i.value = int(term), int(final if term else rng.integers(0, 2))
            take = full and bool(rng.random() < eager)
            dut.par_take_i.value = int(take)
            await settled(dut)
            where = f"word {at} ({word}), term {used}"
            assert read(dut.term_ready_o) == (valid and not parameter), f"{where}: term_ready_o"
            assert (valid and read(dut.ready_o)) == done, f"{where}: ready_o"
            assert read(dut.par_valid_o) == (done and parameter), f"{where}: par_valid_o"
            if done and parameter:
                assert (read(dut.par_col_o), read(dut.par_part_o)) == word, f"{where}: column and part"
            if not parameter and valid:
                assert read(dut.wgt_o) == (data >> used * WIDTH) & ((1 << WIDTH) - 1), f"{where}: wgt_o"
            told += [name for name in ("missing", "early") if read(getattr(dut, f"{name}_o"))]
            self.coverage.hit("a parameter waits", parameter and valid and not done)
            self.coverage.hit("a word half used", (not parameter and word[0] < TERMS) or TERMS == 1)
            self.coverage.hit("a term waits for its word", not parameter and not valid)
            if done and parameter and word == (COLS - 1, PAR_WORDS - 1):
                full = True
            elif take:
                full = False
            if term:
                used, in_pass = used + 1, 0 if final else in_pass + 1
            if done:
                at, used = at + 1, 0
                data = int(rng.integers(0, 1 << 30)) & ((1 << TERMS * WIDTH) - 1)
            await next_cycle(dut)
        dut.valid_i.value = dut.term_i.value = 0
        if stop is None:  # a layer ends with its last sum, which takes the last parameters
            dut.par_take_i.value = int(full)
            await next_cycle(dut)
        dut.par_take_i.value = 0
        return told


async def begin(dut: Any) -> Bench:
    """Clock, quiet inputs, reset."""
    layer = ("start_i", "stop_i", "passes_n_i", "tiles_n_i")
    await begin_quiet(dut, (*layer, "valid_i", "last_i", "data_i", "term_i", "term_last_i", "par_take_i"))
    return Bench(dut, generator())


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_words_and_terms_of_whole_layers(dut: Any) -> None:
    """Layers of all shapes under a stream and an array that pause; `last` is where it belongs."""
    bench = await begin(dut)
    for _ in range(14):
        passes, tiles, terms = (int(n) for n in bench.rng.integers(1, 5, 3))
        assert await bench.layer(passes, tiles, terms) == []
    assert await bench.layer(1, 2, TERMS + 1) == []
    bench.coverage.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_layers_of_any_length_end_where_they_should(dut: Any) -> None:
    """Passes and output tiles up to those that their counts have bits for; what lies in the middle is left out."""
    bench = await begin(dut)
    for bit in range(2, len(dut.passes_n_i)):
        for last in (1 << bit, *bench.rng.integers(1 << bit, 2 << bit, 2).tolist()):
            assert await bench.layer(4, 1, TERMS, pass_q=last - 2) == []
    for bit in range(2, len(dut.tiles_n_i)):
        for last in (1 << bit, *bench.rng.integers(1 << bit, 2 << bit, 2).tolist()):
            assert await bench.layer(1, 4, 1, tile_q=last - 2) == []


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_last_at_the_wrong_word_is_told(dut: Any) -> None:
    """Too early: told there, and missing at the end."""
    bench = await begin(dut)
    for word in (0, COLS * PAR_WORDS, -2):
        assert await bench.layer(2, 2, TERMS + 1, last_at=word) == ["early", "missing"]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_a_reset_gives_the_layer_up(dut: Any) -> None:
    """In the middle of a word: nothing is taken, and the word begins with its first term again."""
    bench = await begin(dut)
    for words in (1, COLS * PAR_WORDS, COLS * PAR_WORDS + 2):
        await bench.layer(3, 2, TERMS, stop=words)
        if TERMS > 1 and words >= COLS * PAR_WORDS:
            dut.valid_i.value = dut.term_i.value = 1
            dut.term_last_i.value = 0
            await next_cycle(dut)
            dut.term_i.value = 0
        await reset(dut)
        data = sum((term + 1) << term * WIDTH for term in range(TERMS))
        dut.valid_i.value, dut.data_i.value = 1, data
        await settled(dut)
        shown = (read(dut.ready_o), read(dut.term_ready_o), read(dut.wgt_o))
        assert shown == (0, 0, 1), f"ready, term_ready, wgt {shown}; expected a loader at rest, (0, 0, 1)"
        await next_cycle(dut)
        assert await bench.layer(1, 1, 2) == []


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_a_layer_given_up_leaves_nothing(dut: Any) -> None:
    """After a stop nothing is taken; the next layer starts from its beginning."""
    bench = await begin(dut)
    for words in (1, COLS * PAR_WORDS, COLS * PAR_WORDS + 2):
        await bench.layer(3, 2, TERMS, stop=words)
        dut.stop_i.value = 1
        await next_cycle(dut)
        dut.stop_i.value, dut.valid_i.value = 0, 1
        await settled(dut)
        assert not read(dut.ready_o), "a word is taken after the stop"
        await next_cycle(dut)
        assert await bench.layer(1, 1, 2) == []
