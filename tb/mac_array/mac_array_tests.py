"""cocotb tests of mac_array: every register of every PE, at every clock edge, equals the golden array."""

from __future__ import annotations

from typing import Any

import cocotb

from model.golden import cycle as golden
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
from tb.common.scoreboard import Coverage, Scoreboard
from tb.common.traffic import Shape, Traffic, make_traffic

SHAPE = Shape.of(parameters())
# A large array gets fewer tiles: one look at 8x8 reads 576 registers.
SCALE = 1 if SHAPE.rows * SHAPE.cols <= 16 else 3
REGISTERS = golden.registers(bool(SHAPE.simd))
# Those that hold patterns, and how many.
WEIGHTS = {"wgt": SHAPE.wgt_lanes} | dict.fromkeys(("shadow", "active", "shadow_hi", "active_hi"), 1)
NO_PAIRS = {
    "shadow_hi": SHAPE.wgt.filler,
    "active_hi": SHAPE.wgt.filler,
}  # golden registers that are not there, at rest


class Bench:
    """Drives the skewed wave, steps the golden array, compares all registers and southern ports in every cycle."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.array = golden.reset(SHAPE.rows, SHAPE.cols, SHAPE.wgt_lanes, SHAPE.wgt.filler)
        self.compared = 0
        self.cycle = 0
        self.board = Scoreboard("psum")
        self.history: list[tuple[int, int]] = []  # the southern ports of the last Cols cycles
        rows = [looped(dut, "gen_row", r, "u_row") for r in range(SHAPE.rows)]
        tiles = [[looped(row, "gen_col", c, "u_tile") for c in range(SHAPE.cols)] for row in rows]
        self.handles = [[[getattr(tile, f"{register}_q") for register in REGISTERS] for tile in row] for row in tiles]

    async def play(self, traffic: Traffic, stop: int | None = None) -> None:
        """Drive `traffic` (or its first `stop` cycles), let the wave run out; psums must reach the southern edge."""
        cycles = len(traffic) + SHAPE.rows + SHAPE.cols + 1 if stop is None else stop
        self.dut.simd_i.value = int(traffic.on)
        leaving = {n + SHAPE.rows + SHAPE.cols - 1: psums for n, psums in traffic.psums()}
        for cycle in range(cycles):
            west = [traffic.flow(cycle, row) for row in range(SHAPE.rows)]
            self.drive(west)
            await settled(self.dut)
            self.compare()
            if cycle in leaving:
                self.board.expect(cycle, leaving[cycle])
            self.board.check(cycle, self.last_line())
            self.array = golden.step(self.array, west, traffic.pairs)
            self.cycle += 1
            await next_cycle(self.dut)

    def drive(self, west: list[golden.Flow]) -> None:
        """Put one cycle on the western ports."""
        dut = self.dut
        dut.valid_i.value = pack([flow.valid for flow in west], 1)
        dut.swap_i.value = pack([flow.swap for flow in west], 1)
        dut.act_i.value = pack([flow.act for flow in west], SHAPE.act_width)
        dut.wgt_valid_i.value = pack([flow.wgt_valid for flow in west], 1)
        dut.wgt_group_i.value = pack([flow.wgt_group for flow in west], SHAPE.group_width)
        dut.wgt_i.value = SHAPE.bus(weight for flow in west for weight in flow.wgt)

    def registers(self) -> golden.Array:
        """Every register of the device, as the golden array holds them."""
        return [[self.tile(handles) for handles in row] for row in self.handles]

    def tile(self, handles: list[Any]) -> golden.Pe:
        """The registers of one PE."""
        words: dict[str, Any] = dict(NO_PAIRS)
        for register, handle in zip(REGISTERS, handles, strict=True):
            bits = read(handle)
            if register in WEIGHTS:
                values = SHAPE.from_bus(bits, WEIGHTS[register])
                words[register] = tuple(values) if register == "wgt" else values[0]
            elif register == "psum":
                words[register] = unpack(bits, SHAPE.psum_width, 1, signed=True)[0]
            else:
                words[register] = bits
        return golden.Pe(**words)

    def compare(self) -> None:
        """All registers and the southern ports against the golden array."""
        mismatch = golden.first_mismatch(self.array, self.registers())
        assert mismatch is None, f"cycle {self.cycle}: {mismatch}"
        self.compared += SHAPE.rows * SHAPE.cols
        valids, psums = golden.south(self.array[-1])
        assert unpack(read(self.dut.psum_valid_o), 1, SHAPE.cols) == valids, (
            f"cycle {self.cycle}: psum_valid_o is not {valids}"
        )
        got = unpack(read(self.dut.psum_o), SHAPE.psum_width, SHAPE.cols, signed=True)
        assert got == psums, f"cycle {self.cycle}: psum_o is {got}, expected {psums}"

    def last_line(self) -> tuple[int, ...] | None:
        """The psums of the pixel that is leaving the last column, collected on their way: its line, or None."""
        self.history = [*self.history, (read(self.dut.psum_valid_o), read(self.dut.psum_o))][-SHAPE.cols :]
        if not self.history[-1][0] >> (SHAPE.cols - 1):
            return None
        past = [(0, 0)] * (SHAPE.cols - len(self.history)) + self.history
        return tuple(unpack(past[c][1], SHAPE.psum_width, SHAPE.cols, signed=True)[c] for c in range(SHAPE.cols))

    async def reset(self) -> None:
        """Reset with the inputs as they are; every register is zero afterwards, whatever was on the way is lost."""
        await reset(self.dut)
        self.array = golden.reset(SHAPE.rows, SHAPE.cols, SHAPE.wgt_lanes, SHAPE.wgt.filler)
        self.history = []


async def begin(dut: Any) -> Bench:
    """Clock, quiet inputs, reset."""
    bench = Bench(dut)
    dut.simd_i.value = 0
    bench.drive([golden.idle(SHAPE.wgt_lanes, SHAPE.wgt.filler)] * SHAPE.rows)
    dut.os_i.value = dut.wgt_n_i.value = 0
    start_clock(dut)
    await reset(dut)
    return bench


def finish(bench: Bench) -> None:
    """All psums came, registers were compared."""
    bench.board.finish()
    assert bench.compared > 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_registers_with_bubbles_and_early_weights(dut: Any) -> None:
    """Random tiles of 1 to 12 pixels with bubbles and flits anywhere in their window."""
    bench, rng = await begin(dut), generator()
    traffic = make_traffic(rng, SHAPE, rng.integers(1, 13, size=24 // SCALE).tolist(), bubbles=0.3)
    coverage = Coverage("bubble inside a tile", "flit together with a swap", "negative psum", "positive psum")
    coverage.hit(
        "bubble inside a tile", ((traffic.valid[:-1] == 0) & (traffic.valid[1:] == 1) & (traffic.swap[1:] == 0)).any()
    )
    coverage.hit("flit together with a swap", (traffic.swap & traffic.wgt_valid).any())
    for _, psums in traffic.psums():
        coverage.hit("negative psum", min(psums) < 0)
        coverage.hit("positive psum", max(psums) > 0)
    await bench.play(traffic)
    coverage.finish()
    finish(bench)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_registers_of_back_to_back_tiles_shorter_than_the_wave(dut: Any) -> None:
    """Tiles of Groups pixels without a bubble: several tiles are inside the array at once."""
    bench, rng = await begin(dut), generator()
    traffic = make_traffic(rng, SHAPE, [SHAPE.groups] * (36 // SCALE), spread=False)
    assert traffic.valid[SHAPE.groups : -1].all(), "the traffic has bubbles"
    await bench.play(traffic)
    finish(bench)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_psum_exact_at_full_depth(dut: Any) -> None:
    """All activations and weights at their ends, of both signs: the largest psums there are."""
    bench, rng = await begin(dut), generator()
    for extreme in ("least", "most"):
        traffic = make_traffic(rng, SHAPE, [SHAPE.groups + 1] * 2, extreme=extreme)
        weight = SHAPE.wgt_min if extreme == "least" else SHAPE.wgt_max
        assert set(traffic.psums()[0][1]) == {SHAPE.rows * SHAPE.act_max * weight}
        await bench.play(traffic)
    finish(bench)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_reset_in_mid_work(dut: Any) -> None:
    """Reset strikes anywhere in a wave; the work begun anew afterwards is exact."""
    bench, rng = await begin(dut), generator()
    for _ in range(9 // SCALE):
        traffic = make_traffic(rng, SHAPE, [4, 5, 6], bubbles=0.2)
        await bench.play(traffic, stop=int(rng.integers(SHAPE.groups + 1, len(traffic))))
        bench.drive([golden.Flow(1, 1, SHAPE.act_max, 1, 0, (-1,) * SHAPE.wgt_lanes)] * SHAPE.rows)
        await bench.reset()
    await bench.play(make_traffic(rng, SHAPE, [SHAPE.groups] * 4))
    finish(bench)
