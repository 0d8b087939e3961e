"""cocotb tests of mac_array built for both dataflows: every register at every edge, and the sums that leave."""

from __future__ import annotations

from typing import Any

import cocotb

from model.golden import os_cycle as golden
from model.golden.cycle import Flow, Pe, idle
from tb.common.drivers import (
    generator,
    looped,
    next_cycle,
    pack,
    parameters,
    read,
    reset,
    settled,
    start_clock,
    unpack,
)
from tb.common.os_traffic import OsTraffic, make_os_traffic
from tb.common.scoreboard import Scoreboard
from tb.common.traffic import Shape, Traffic, make_traffic

SHAPE = Shape.of(parameters())
ROWS, COLS = SHAPE.rows, SHAPE.cols
WEIGHTS = {"wgt": SHAPE.wgt_lanes} | dict.fromkeys(("shadow", "active", "shadow_hi", "active_hi"), 1)
SIGNED = ("psum", "drain")
EXTRA = ("shift", "done", "drain")


class Bench:
    """Drives the waves of either dataflow, steps the golden array, compares all registers and the southern ports."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.cycle = 0
        self.board = Scoreboard("line")
        rows = [looped(dut, "gen_row", r, "u_row") for r in range(ROWS)]
        tiles = [[looped(row, "gen_col", c, "u_tile") for c in range(COLS)] for row in rows]
        self.handles = [[[getattr(tile, f"{name}_q") for name in Pe._fields] for tile in row] for row in tiles]
        self.extra = [[[getattr(tile.gen_os, f"{name}_q") for name in EXTRA] for tile in row] for row in tiles]
        self.clear()

    def clear(self) -> None:
        """As after a reset."""
        self.array = golden.reset(ROWS, COLS, SHAPE.wgt_lanes, SHAPE.wgt.filler)
        self.left = 0  # cycles until the drain is empty
        self.history: list[tuple[int, int]] = []

    async def play(self, traffic: OsTraffic | Traffic, stop: int | None = None) -> None:
        """Drive `traffic` (or its first `stop` cycles), let it run out; all lines must reach the southern edge."""
        os = isinstance(traffic, OsTraffic)
        cycles = len(traffic) + 2 * ROWS + COLS + 2 if stop is None else stop
        leaving = lines(traffic)
        self.history = []  # the mode changes what the southern ports show
        for cycle in range(cycles):
            west = [traffic.flow(cycle, row) for row in range(ROWS)]
            weights = [
                traffic.weight(cycle, c) if isinstance(traffic, OsTraffic) else SHAPE.wgt.filler for c in range(COLS)
            ]
            self.drive(os, west, weights)
            await settled(self.dut)
            self.compare(os)
            if cycle in leaving:
                self.board.expect(cycle, leaving[cycle])
            self.board.check(cycle, self.last_line())
            self.array = golden.step(self.array, os, west, golden.shifting(self.left, ROWS), weights)
            self.left = golden.left_after(self.left, int(os and west[-1].wgt_valid), ROWS)
            self.cycle += 1
            await next_cycle(self.dut)

    def drive(self, os: bool, west: list[Flow], weights: list[int]) -> None:
        """Put one cycle on the ports."""
        dut = self.dut
        dut.os_i.value = int(os)
        dut.wgt_n_i.value = SHAPE.bus(weights)
        dut.valid_i.value = pack([flow.valid for flow in west], 1)
        dut.swap_i.value = pack([flow.swap for flow in west], 1)
        dut.act_i.value = pack([flow.act for flow in west], SHAPE.act_width)
        dut.wgt_valid_i.value = pack([flow.wgt_valid for flow in west], 1)
        dut.wgt_group_i.value = pack([flow.wgt_group for flow in west], SHAPE.group_width)
        dut.wgt_i.value = SHAPE.bus(weight for flow in west for weight in flow.wgt)

    def compare(self, os: bool) -> None:
        """All registers and the southern ports against the golden array."""
        for r, row in enumerate(self.array):
            for c, want in enumerate(row):
                got = self.tile(r, c)
                assert got == want, f"cycle {self.cycle}: PE({r},{c}): expected {want}, got {got}"
        valids, psums = golden.south(self.array[-1], os)
        assert unpack(read(self.dut.psum_valid_o), 1, COLS) == valids, f"cycle {self.cycle}: valid is not {valids}"
        got_psums = unpack(read(self.dut.psum_o), SHAPE.psum_width, COLS, signed=True)
        assert got_psums == psums, f"cycle {self.cycle}: psum_o is {got_psums}, expected {psums}"

    def tile(self, r: int, c: int) -> golden.OsPe:
        """The registers of one PE of the device."""
        words: dict[str, Any] = {}
        for name, handle in zip((*Pe._fields, *EXTRA), (*self.handles[r][c], *self.extra[r][c]), strict=True):
            bits = read(handle)
            if name in WEIGHTS:
                values = SHAPE.from_bus(bits, WEIGHTS[name])
                words[name] = tuple(values) if name == "wgt" else values[0]
            else:
                words[name] = unpack(bits, SHAPE.psum_width, 1, signed=True)[0] if name in SIGNED else bits
        more = [words.pop(name) for name in EXTRA]
        return golden.OsPe(Pe(**words), *more)

    def last_line(self) -> tuple[int, ...] | None:
        """The line that is leaving the last column, collected on its way, or None."""
        self.history = [*self.history, (read(self.dut.psum_valid_o), read(self.dut.psum_o))][-COLS:]
        if not self.history[-1][0] >> (COLS - 1):
            return None
        past = [(0, 0)] * (COLS - len(self.history)) + self.history
        return tuple(unpack(past[c][1], SHAPE.psum_width, COLS, signed=True)[c] for c in range(COLS))


def lines(traffic: OsTraffic | Traffic) -> dict[int, tuple[int, ...]]:
    """Every line that must leave the last column, by its cycle: of a group the pixel of row Rows-1 first."""
    if isinstance(traffic, Traffic):
        return {n + ROWS + COLS - 1: psums for n, psums in traffic.psums()}
    return {
        n + ROWS + COLS + index: tuple(int(value) for value in sums[ROWS - 1 - index])
        for n, sums in traffic.sums()
        for index in range(ROWS)
    }


async def begin(dut: Any) -> Bench:
    """Clock, quiet inputs, reset."""
    bench = Bench(dut)
    bench.drive(True, [idle(SHAPE.wgt_lanes, SHAPE.wgt.filler)] * ROWS, [SHAPE.wgt.filler] * COLS)
    start_clock(dut)
    await reset(dut)
    return bench


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_registers_with_bubbles(dut: Any) -> None:
    """Groups of any number of terms, fewer than there are rows among them, with empty cycles anywhere."""
    bench, rng = await begin(dut), generator()
    await bench.play(make_os_traffic(rng, SHAPE, [1, *rng.integers(1, 2 * ROWS + 2, size=6).tolist(), 1], bubbles=0.3))
    bench.board.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_no_bubble_between_groups_of_as_many_terms_as_rows(dut: Any) -> None:
    """The shortest groups that follow each other in every cycle: a line leaves in every cycle as well."""
    bench, rng = await begin(dut), generator()
    traffic = make_os_traffic(rng, SHAPE, [ROWS] * 5)
    assert traffic.valid[:-1].all(), "the traffic has bubbles"
    times = sorted(lines(traffic))
    assert times == list(range(times[0], times[0] + 5 * ROWS)), "the lines have gaps"
    await bench.play(traffic)
    bench.board.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_sums_exact_at_both_ends(dut: Any) -> None:
    """The largest and the least sums there are; then one of the other sign right behind."""
    bench, rng = await begin(dut), generator()
    reach = (1 << (SHAPE.psum_width - 1)) // (SHAPE.act_max * max(-SHAPE.wgt_min, SHAPE.wgt_max))
    for extreme in ("least", "most"):
        await bench.play(make_os_traffic(rng, SHAPE, [min(ROWS + 3, reach)] * 2, extreme=extreme))
    bench.board.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_modes_take_turns(dut: Any) -> None:
    """Weight stationary, output stationary and back: nothing of one is left in the sums of the other."""
    bench, rng = await begin(dut), generator()
    for _ in range(2):
        await bench.play(make_os_traffic(rng, SHAPE, [ROWS + 1, ROWS]))
        await bench.play(make_traffic(rng, SHAPE, [SHAPE.groups + 2] * 3, bubbles=0.2))
    bench.board.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_reset_in_mid_work(dut: Any) -> None:
    """Whatever was on the way is lost, every register zero; the next group is whole."""
    bench, rng = await begin(dut), generator()
    for _ in range(3):
        traffic = make_os_traffic(rng, SHAPE, [ROWS + 2] * 3)
        stop = int(rng.integers(ROWS, len(traffic)))
        bench.board = Scoreboard("line")
        await bench.play(traffic, stop)
        bench.drive(True, [Flow(1, 1, SHAPE.act_max, 1, 0, (SHAPE.wgt.filler,) * SHAPE.wgt_lanes)] * ROWS, [-1] * COLS)
        await reset(dut)
        bench.clear()
    bench.board = Scoreboard("line")
    await bench.play(make_os_traffic(rng, SHAPE, [ROWS + 2] * 2))
    bench.board.finish()
