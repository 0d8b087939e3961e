"""cocotb tests of mac_row: psums, valid flags and weights at the southern edge, every cycle, against the golden row."""

from __future__ import annotations

from typing import Any

import cocotb

from model.golden import cycle as golden
from tb.common.drivers import generator, next_cycle, pack, parameters, read, reset, settled, start_clock, unpack
from tb.common.scoreboard import Coverage
from tb.common.traffic import Shape, Traffic, make_traffic, random_codes

SHAPE = Shape.of(parameters())
PSUM_MAX = (1 << (SHAPE.psum_width - 1)) - 1


class Bench:
    """Drives one row and the psums above it, with the golden row beside it."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.row = golden.reset(1, SHAPE.cols, SHAPE.wgt_lanes, SHAPE.wgt.filler)[0]
        self.seen = 0

    async def play(self, traffic: Traffic, rng: Any, coverage: Coverage, stop: int | None = None) -> None:
        """Drive `traffic` (or its first `stop` cycles) and let the wave run out."""
        self.dut.simd_i.value = int(traffic.on)
        for cycle in range(len(traffic) + SHAPE.cols + 1 if stop is None else stop):
            west = traffic.flow(cycle, 0)
            norths = self.norths(traffic, cycle, rng, coverage)
            self.drive(west, norths)
            await settled(self.dut)
            self.compare(cycle)
            self.row = golden.step_row(self.row, west, norths, traffic.pairs)
            await next_cycle(self.dut)

    def norths(self, traffic: Traffic, cycle: int, rng: Any, coverage: Coverage) -> list[int]:
        """Psums from above: anything that the product at that column can be added to."""
        result = []
        for column in range(SHAPE.cols):
            n = cycle - column
            product = 0
            if 0 <= n < len(traffic) and traffic.valid[n]:
                product = int(traffic.codes(n) @ traffic.tiles[traffic.tile_of[n], :, column])
            north = int(random_codes(rng, -PSUM_MAX - 1 - min(0, product), PSUM_MAX - max(0, product), (1,))[0])
            coverage.hit("psum at the end of its range", product and north + product in (PSUM_MAX, -PSUM_MAX - 1))
            coverage.hit("positive product", product > 0)
            coverage.hit("negative product", product < 0)
            result.append(north)
        return result

    def drive(self, west: golden.Flow, norths: list[int]) -> None:
        """Put one cycle on the ports."""
        dut = self.dut
        dut.valid_i.value, dut.swap_i.value, dut.act_i.value = west.valid, west.swap, west.act
        dut.wgt_valid_i.value, dut.wgt_group_i.value = west.wgt_valid, west.wgt_group
        dut.wgt_i.value = SHAPE.bus(west.wgt)
        dut.psum_i.value = pack(norths, SHAPE.psum_width)

    def compare(self, cycle: int) -> None:
        """Southern edge against the golden row."""
        valids, psums = golden.south(self.row)
        got_valids = unpack(read(self.dut.psum_valid_o), 1, SHAPE.cols)
        got_psums = unpack(read(self.dut.psum_o), SHAPE.psum_width, SHAPE.cols, signed=True)
        for column in range(SHAPE.cols):
            assert got_valids[column] == valids[column], (
                f"cycle {cycle}, column {column}: valid is {got_valids[column]}"
            )
            message = f"cycle {cycle}, column {column}: expected psum {psums[column]}, got {got_psums[column]}"
            assert got_psums[column] == psums[column], message
        weights = SHAPE.bus([pe.active for pe in self.row])
        shown = read(self.dut.wgt_s_o)  # the row below has it as its north
        assert shown == weights, f"cycle {cycle}: wgt_s_o {shown:#x}, expected the active weights {weights:#x}"
        self.seen += sum(valids)


async def begin(dut: Any) -> Bench:
    """Clock, quiet inputs, reset."""
    bench = Bench(dut)
    dut.simd_i.value = 0
    bench.drive(golden.idle(SHAPE.wgt_lanes, SHAPE.wgt.filler), [0] * SHAPE.cols)
    start_clock(dut)
    await reset(dut)
    return bench


def points() -> Coverage:
    """What the traffic must meet."""
    return Coverage("psum at the end of its range", "positive product", "negative product")


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_psums_with_bubbles_and_early_weights(dut: Any) -> None:
    """Tiles of 1 to 12 pixels, a bubble before one pixel in three, flits anywhere in their window."""
    bench, rng, coverage = await begin(dut), generator(), points()
    traffic = make_traffic(rng, SHAPE, rng.integers(1, 13, size=25).tolist(), bubbles=0.33)
    await bench.play(traffic, rng, coverage)
    coverage.finish()
    assert bench.seen == SHAPE.cols * traffic.valid.sum() > 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_psums_of_tiles_as_short_as_their_weights_allow(dut: Any) -> None:
    """No bubble: the next tile begins as soon as its last flit is in, tile after tile."""
    bench, rng, coverage = await begin(dut), generator(), points()
    traffic = make_traffic(rng, SHAPE, [SHAPE.groups] * 40, spread=False)
    assert traffic.valid[SHAPE.groups : -1].all(), "the traffic has bubbles"
    await bench.play(traffic, rng, coverage)
    coverage.finish()
    assert bench.seen == SHAPE.cols * traffic.valid.sum() > 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_reset_in_mid_work(dut: Any) -> None:
    """A broken-off wave leaves nothing behind."""
    bench, rng = await begin(dut), generator()
    for _ in range(8):
        traffic = make_traffic(rng, SHAPE, [5, 6, 7, 8], bubbles=0.2)
        await bench.play(traffic, rng, points(), stop=int(rng.integers(SHAPE.groups + 2, len(traffic))))
        await reset(dut)
        bench.row = golden.reset(1, SHAPE.cols, SHAPE.wgt_lanes, SHAPE.wgt.filler)[0]
    await bench.play(make_traffic(rng, SHAPE, [4] * 4), rng, points())
    assert bench.seen > 0
