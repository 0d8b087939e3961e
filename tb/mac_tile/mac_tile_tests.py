"""cocotb tests of mac_tile: every register, every cycle, against the golden PE."""

from __future__ import annotations

from itertools import product
from typing import Any

import cocotb

from model.golden import cycle as golden
from tb.common.drivers import begin_quiet, generator, next_cycle, pack, parameters, read, reset, settled
from tb.common.scoreboard import Coverage
from tb.common.traffic import Shape, random_codes

PARAMETERS = parameters()
LANES = PARAMETERS["WgtLanes"]
COLUMN = PARAMETERS["Group"] * LANES + PARAMETERS["Lane"]
SHAPE = Shape.of(PARAMETERS, COLUMN + 1)
FILLER = SHAPE.wgt.filler
SIMD, HALF = SHAPE.simd, SHAPE.act_width // 2
UPPER = 1 << (PARAMETERS["GroupWidth"] - SIMD)  # number of the first flit for high halves
PSUM_MAX = (1 << (SHAPE.psum_width - 1)) - 1
WEIGHTS = ("most negative", "negative", "zero", "positive", "most positive")
ACTIVATIONS = ("zero", "some", "largest")
PSUMS = ("negative", "zero", "positive")
OPERANDS = {
    each: " x ".join(each) for each in product(WEIGHTS, ACTIVATIONS, PSUMS)
}  # which all sets together must meet


class Bench:
    """Drives one PE, steps the golden PE beside it and compares all registers in every cycle."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.pe = golden.reset(1, 1, LANES, FILLER)[0][0]
        self.cycle = 0
        self.on = False

    @property
    def pairs(self) -> golden.Pairs | None:
        """What the golden PE is told."""
        return golden.Pairs(HALF, UPPER, self.on) if SIMD else None

    def mode(self, on: bool) -> None:
        """Pairs, or single codes, from the present cycle on."""
        self.on = on
        self.dut.simd_i.value = int(on)

    async def step(self, west: golden.Flow, north: int) -> None:
        """One cycle: drive, look, advance."""
        dut = self.dut
        dut.valid_i.value, dut.swap_i.value, dut.act_i.value = west.valid, west.swap, west.act
        dut.wgt_valid_i.value, dut.wgt_group_i.value = west.wgt_valid, west.wgt_group
        dut.wgt_i.value = SHAPE.bus(west.wgt)
        dut.psum_i.value = pack([north], SHAPE.psum_width)
        await settled(dut)
        self.compare()
        self.pe = golden.step_pe(self.pe, west, north, COLUMN, self.pairs)
        self.cycle += 1
        await next_cycle(dut)

    def compare(self) -> None:
        """All registers, and the ports that show them."""
        dut, pe = self.dut, self.pe
        for register in golden.registers(bool(SIMD)):
            value = getattr(pe, register)
            if register == "wgt" or register.startswith(("shadow", "active")):
                want = SHAPE.bus(value if register == "wgt" else [value])
            else:
                want = pack([value], SHAPE.psum_width if register == "psum" else 64)
            got = read(getattr(dut, f"{register}_q"))
            assert got == want, f"cycle {self.cycle}: {register}: expected {want:#x}, got {got:#x}"
            if not register.startswith(("shadow", "active")):
                assert read(getattr(dut, f"{register}_o")) == want, (
                    f"cycle {self.cycle}: port {register}_o is not {want:#x}"
                )

    async def reset(self) -> None:
        """Reset while the inputs stay as they are; afterwards every register is zero."""
        await reset(self.dut)
        self.pe = golden.reset(1, 1, LANES, FILLER)[0][0]


async def begin(dut: Any) -> Bench:
    """Clock, quiet inputs, reset."""
    await begin_quiet(dut, ("simd_i", "valid_i", "swap_i", "act_i", "wgt_valid_i", "wgt_group_i", "wgt_i", "psum_i"))
    return Bench(dut)


def operands_of(weight: int, act: int, north: int) -> str:
    """The point of OPERANDS that a product and the psum it is added to are."""
    ends = {SHAPE.wgt_min: WEIGHTS[0], SHAPE.wgt_max: WEIGHTS[-1]}
    sign = ends.get(weight) or WEIGHTS[2 + (weight > 0) - (weight < 0)]
    size = ACTIVATIONS[(act > 0) + (act == SHAPE.act_max)]
    return OPERANDS[sign, size, PSUMS[1 + (north > 0) - (north < 0)]]


async def random_cycles(bench: Bench, rng: Any, cycles: int, coverage: Coverage) -> None:
    """Any legal mix of pixels, swaps, flits and idle cycles; psums up to both ends of their range."""
    fresh = fresh_hi = loaded = False
    operands = Coverage(*(f"operands: {each}" for each in OPERANDS.values()))
    for _ in range(cycles):
        wgt_valid = int(rng.random() < 0.5)
        group = COLUMN // LANES if rng.random() < 0.6 else int(rng.integers(0, UPPER))
        upper = int(rng.integers(0, 1 + SIMD))
        weights = tuple(int(w) for w in SHAPE.weights(rng, (LANES,)))
        on = bool(SIMD and fresh_hi and rng.random() < 0.6)  # of the tile that a swap begins
        swap = int(fresh and rng.random() < 0.5)
        if swap and on != bench.on:
            coverage.hit("mode changes from tile to tile")
            bench.mode(on)
        valid = int(swap or (loaded and rng.random() < 0.7))
        act = int(random_codes(rng, 0, SHAPE.act_max, (1,))[0])
        pe = bench.pe
        weight, weight_hi = (pe.shadow, pe.shadow_hi) if swap else (pe.active, pe.active_hi)
        term = weight * (act % (1 << HALF)) + weight_hi * (act >> HALF) if bench.on else weight * act
        low, high = -PSUM_MAX - 1 - min(0, term), PSUM_MAX - max(0, term)
        north = int(random_codes(rng, low, high, (1,))[0])
        capture = bool(wgt_valid and group == COLUMN // LANES)
        if valid and not bench.on:
            operands.hit(f"operands: {operands_of(weight, act, north)}")
        coverage.hit("flit for this column together with a swap", capture and swap)
        coverage.hit("flit for another group", wgt_valid and not capture)
        coverage.hit("bubble between pixels", loaded and not valid)
        coverage.hit("swap two cycles in a row", swap and bench.pe.swap)
        coverage.hit("psum reaches its maximum", valid and north + term == PSUM_MAX)
        coverage.hit("psum reaches its minimum", valid and north + term == -PSUM_MAX - 1)
        coverage.hit(
            "most negative weight times largest activation", valid and weight == SHAPE.wgt_min and act == SHAPE.act_max
        )
        coverage.hit("activation zero", valid and act == 0)
        if SIMD:
            coverage.hit("pair of weights of both signs", valid and bench.on and weight * weight_hi < 0)
            coverage.hit("flit for the high half in a layer of single codes", capture and upper and not bench.on)
        await bench.step(golden.Flow(valid, swap, act, wgt_valid, group + upper * UPPER, weights), north)
        fresh_hi = (capture and bool(upper)) or (fresh_hi and not swap)
        fresh = (capture and not upper) or (fresh and not swap)
        loaded = loaded or bool(swap)
    operands.record()


def coverage_points() -> Coverage:
    """What the random tests must meet."""
    points = [
        "flit for this column together with a swap",
        "bubble between pixels",
        "swap two cycles in a row",
        "psum reaches its maximum",
        "psum reaches its minimum",
        "most negative weight times largest activation",
        "activation zero",
        "flit for another group",
    ]
    pairs = [
        "mode changes from tile to tile",
        "pair of weights of both signs",
        "flit for the high half in a layer of single codes",
    ]
    return Coverage(*points, *(pairs if SIMD else []))


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_registers_equal_the_golden_pe(dut: Any) -> None:
    """Random legal traffic, all coverage points met."""
    bench, coverage = await begin(dut), coverage_points()
    await random_cycles(bench, generator(), 900, coverage)
    coverage.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_every_product_is_exact(dut: Any) -> None:
    """All weights by all activations (of 8-bit codes, but for powers of two, a selection with both ends)."""
    bench = await begin(dut)
    exhaustive = SHAPE.wgt_power > 0 or SHAPE.act_width <= 4
    acts = range(SHAPE.act_max + 1) if exhaustive else [*range(0, SHAPE.act_max, 37), SHAPE.act_max]
    few = (SHAPE.wgt_min, -77, -1, 0, 1, 100, SHAPE.wgt_max)
    for weight in SHAPE.wgt.values.tolist() if SHAPE.wgt_power > 0 or SHAPE.wgt_width <= 4 else few:
        flit = [FILLER] * LANES
        flit[COLUMN % LANES] = weight
        await bench.step(golden.Flow(0, 0, 0, 1, COLUMN // LANES, tuple(flit)), 0)
        for index, act in enumerate(acts):
            await bench.step(golden.Flow(1, int(index == 0), act, 0, 0, (FILLER,) * LANES), 0)
    await bench.step(golden.idle(LANES, FILLER), 0)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_reset_in_mid_work_clears_every_register(dut: Any) -> None:
    """Several times, in the middle of traffic that goes on during the reset."""
    bench, rng = await begin(dut), generator()
    for _ in range(12):
        await random_cycles(bench, rng, int(rng.integers(10, 30)), coverage_points())
        dut.valid_i.value, dut.swap_i.value, dut.wgt_valid_i.value = 1, 1, 1
        dut.wgt_group_i.value, dut.act_i.value, dut.psum_i.value = COLUMN // LANES, SHAPE.act_max, PSUM_MAX
        dut.wgt_i.value = (1 << (LANES * SHAPE.wgt_width)) - 1
        await bench.reset()
    await bench.step(golden.idle(LANES, FILLER), 0)
