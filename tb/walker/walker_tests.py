"""cocotb tests of walker: nests of any counts and steps, at any pace, begun again at any time."""

from __future__ import annotations

from itertools import islice
from typing import Any

import cocotb
import numpy as np

from model.golden.blocks import Level, Step, walk
from tb.common.drivers import generator, next_cycle, pack, parameters, read, reset, settled, start_clock, unpack
from tb.common.scoreboard import Coverage

P = parameters()
LEVELS, COUNT, ADDR, COORD = P["Levels"], P["CountWidth"], P["AddrWidth"], P["CoordWidth"]
MOVES = [tuple(bool(P[name] >> level & 1) for name in ("StepsAddr", "StepsY", "StepsX")) for level in range(LEVELS)]
MOST = 250  # steps of a nest


def signed(rng: np.random.Generator, width: int) -> int:
    """A two's complement number, small ones often."""
    bits = int(rng.integers(1, width + 1))
    return int(rng.integers(-(1 << (bits - 1)), 1 << (bits - 1)))


def nest(rng: np.random.Generator) -> list[Level]:
    """Loops of up to MOST steps in all; a level that does not move a value has step 0."""
    counts = [1] * LEVELS
    for level in rng.permutation(LEVELS):
        room = min(MOST // int(np.prod(counts)), 1 << COUNT)
        counts[int(level)] = int(rng.choice([1, 2, 3, int(rng.integers(1, 10)), 1 << COUNT])) if room > 1 else 1
        counts[int(level)] = min(counts[int(level)], room)
    widths = ADDR, COORD, COORD
    steps = [
        [signed(rng, width) if moves else 0 for moves, width in zip(level, widths, strict=True)] for level in MOVES
    ]
    return [Level(count, *step) for count, step in zip(counts, steps, strict=True)]


class Bench:
    """Sets a nest up and compares each step with the golden walk."""

    def __init__(self, dut: Any, rng: np.random.Generator) -> None:
        self.dut, self.rng = dut, rng
        self.coverage = Coverage(
            *(f"level {level} counts" for level in range(LEVELS)),
            *("a loop of one step", "the longest loop", "address below 0", "address over the end"),
            *("negative y", "negative x", "held", "held at the end", "begun again in the middle"),
        )

    def settle(self, levels: list[Level], start: tuple[int, int, int]) -> None:
        """Put a nest on the ports; noise where a level has no step."""
        dut, rng = self.dut, self.rng
        dut.count_n_i.value = pack([level.steps - 1 for level in levels], COUNT)
        for port, of, width in (("addr_step_i", 0, ADDR), ("y_step_i", 1, COORD), ("x_step_i", 2, COORD)):
            steps = [
                level[of + 1] if moves[of] else int(rng.integers(0, 1 << width))
                for level, moves in zip(levels, MOVES, strict=True)
            ]
            getattr(dut, port).value = pack(steps, width)
        dut.addr_start_i.value, dut.y_start_i.value, dut.x_start_i.value = (
            pack([value], width) for value, width in zip(start, (ADDR, COORD, COORD), strict=True)
        )

    def compare(self, levels: list[Level], step: Step) -> None:
        """Everything that the walker shows, against `step`."""
        dut = self.dut
        shown = read(dut.addr_o), read(dut.y_o), read(dut.x_o)
        wanted = step.address % (1 << ADDR), step.y % (1 << COORD), step.x % (1 << COORD)
        assert shown == wanted, f"{step}: address, y, x are {shown}, expected {wanted}"
        index = tuple(unpack(read(dut.index_o), COUNT, LEVELS))
        assert index == step.at, f"index is {index}, expected {step.at}"
        ends = [at == level.steps - 1 for at, level in zip(step.at, levels, strict=True)]
        assert unpack(read(dut.first_o), 1, LEVELS) == [at == 0 for at in step.at], f"{step}: first_o"
        assert unpack(read(dut.last_o), 1, LEVELS) == ends, f"{step}: last_o"

    def meet(self, levels: list[Level], step: Step) -> None:
        """Count what this step is an example of."""
        hit = self.coverage.hit
        for level, at in enumerate(step.at):
            hit(f"level {level} counts", at > 0)
        hit("a loop of one step", any(level.steps == 1 for level in levels) or LEVELS == 1)
        hit("the longest loop", any(level.steps == 1 << COUNT for level in levels) or 1 << COUNT > MOST)
        hit("address below 0", step.address < 0)
        hit("address over the end", step.address >= 1 << ADDR)
        hit("negative y", step.y < 0)
        hit("negative x", step.x < 0)

    async def begin_walk(self) -> None:
        """start_i for one cycle, with or without a take beside it."""
        self.dut.start_i.value, self.dut.take_i.value = 1, int(self.rng.integers(0, 2))
        await next_cycle(self.dut)
        self.dut.start_i.value = 0

    async def walk(self, levels: list[Level], start: tuple[int, int, int], pace: float, stop: int | None) -> None:
        """One walk, up to `stop` steps."""
        self.settle(levels, start)
        await self.begin_walk()
        step = None
        for step in islice(walk(levels, start), stop):
            while True:
                take = bool(self.rng.random() < pace)
                self.dut.take_i.value = int(take)
                await settled(self.dut)
                self.compare(levels, step)
                self.meet(levels, step)
                await next_cycle(self.dut)
                if take:
                    break
                self.coverage.hit("held")
        if stop is None:
            assert step is not None
            for _ in range(2):  # a take too many changes nothing
                await settled(self.dut)
                self.compare(levels, step)
                self.coverage.hit("held at the end", self.dut.take_i.value)
                await next_cycle(self.dut)


async def begin(dut: Any) -> Bench:
    """Clock, quiet inputs, reset."""
    for port in ("count_n_i", "addr_step_i", "y_step_i", "x_step_i", "addr_start_i", "y_start_i", "x_start_i"):
        getattr(dut, port).value = 0
    dut.start_i.value, dut.take_i.value = 0, 0
    start_clock(dut)
    await reset(dut)
    return Bench(dut, generator())


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_nests_against_nested_loops(dut: Any) -> None:
    """Whole walks and walks that are broken off, one behind the other."""
    bench = await begin(dut)
    rng = bench.rng
    for number in range(16):
        levels = nest(rng)
        if number == 0:  # every level counts
            levels = [level._replace(steps=2 if at < 7 else 1) for at, level in enumerate(levels)]
        if number == 1:
            levels = [level._replace(steps=2 if at >= LEVELS - 7 else 1) for at, level in enumerate(levels)]
        if number == 2:  # one long loop, over the end of the memory
            far = {"steps": min(1 << COUNT, MOST), "address": (1 << (ADDR - 1)) - 1}
            levels = [level._replace(steps=1) if at else level._replace(**far) for at, level in enumerate(levels)]
        start = signed(rng, ADDR), signed(rng, COORD), signed(rng, COORD)
        steps = int(np.prod([level.steps for level in levels]))
        stop = int(rng.integers(1, steps)) if number % 4 == 3 and steps > 1 else None
        bench.coverage.hit("begun again in the middle", stop is not None)
        await bench.walk(levels, start, float(rng.choice([1.0, 1.0, 0.5])), stop)
    bench.coverage.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_each_level_counts_as_far_as_it_can(dut: Any) -> None:
    """All its steps, the other levels one each: every bit of its index."""
    bench = await begin(dut)
    for level in range(LEVELS):
        levels = [each._replace(steps=1 << COUNT if at == level else 1) for at, each in enumerate(nest(bench.rng))]
        await bench.walk(levels, (0, 0, 0), 1.0, None)
