"""cocotb tests of a core that can multiply pairs: programs of both kinds in turns, each exact and in its cycle."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from tb.common.drivers import reset
from tb.common.traffic import make_traffic
from tb.core.core_unit_tests import ACT_DEPTH, SHAPE, Program, begin, points, random_program


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_random_programs_of_both_kinds_in_turns(dut: Any) -> None:
    """Pairs, single codes, pairs ...: tiles of any length, padding, both banks, sums; the mode changes in between."""
    bench, coverage = await begin(dut), points()
    for turn in range(6):
        on, bubbles = turn % 2 == 0, (0.0, 0.3)[turn // 2 % 2]
        lengths = bench.rng.integers(1, 13, size=min(9, ACT_DEPTH // 13)).tolist()
        program = random_program(make_traffic(bench.rng, SHAPE, lengths, bubbles, on=on), bench.rng, coverage)
        await bench.play(program)
    coverage.finish()
    bench.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_a_layer_of_pairs_is_the_product_of_twice_the_channels(dut: Any) -> None:
    """Back-to-back tiles, added up on the fly: the plain product over 2 * Rows channels a tile."""
    bench = await begin(dut)
    length, tiles = len(SHAPE.flits(True)), max(1, min(3, ACT_DEPTH // len(SHAPE.flits(True))))
    traffic = make_traffic(bench.rng, SHAPE, [length] * tiles, spread=False, on=True)
    codes = np.array([traffic.codes(n) for n in np.flatnonzero(traffic.valid)]).reshape(tiles, length, 2 * SHAPE.rows)
    assert codes.max() < 1 << SHAPE.act_width // 2
    plain = np.einsum("tlk,tkc->lc", codes, traffic.tiles)
    program = Program(traffic, bench.rng)
    for index in range(len(program.issue)):
        tile, position = divmod(index, length)
        program.aim(index, add=0 if tile else None, bank=0, address=position)
    sums = [line[:-1] for _, line in program.trace().sums[-length:]]
    assert np.array_equal(sums, plain), "the golden core itself is not the matrix product"
    program.gather(program.end, [(0, 0)], relu=False)
    await bench.play(program)
    bench.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_reset_among_pairs(dut: Any) -> None:
    """A program of pairs is broken off; one of single codes, then one of pairs, are exact right after it."""
    bench = await begin(dut)
    for turn in range(4):
        program = random_program(make_traffic(bench.rng, SHAPE, [5, 9, 7], 0.1, on=True), bench.rng, points())
        await bench.play(program, stop=int(bench.rng.integers(program.issue[0] + 2, program.end + 10)))
        await reset(dut)
        again = make_traffic(bench.rng, SHAPE, [8, 9], 0.1, on=turn % 2 == 0)
        await bench.play(random_program(again, bench.rng, points()))
    bench.finish()
