"""cocotb tests of pool: the maximum of every window, in its cycle, whatever lies between the lines."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from model.golden.execute import finish
from model.graph.graph import Layer
from model.numeric.formats import IntFormat
from tb.common.drivers import begin_quiet, generator, next_cycle, pack, parameters, read, reset, settled, unpack
from tb.common.scoreboard import Coverage, Scoreboard
from tb.common.traffic import Ints, random_codes

COLS, WIDTH = parameters()["Cols"], parameters()["ActWidth"]
TOP = (1 << WIDTH) - 1
SIDES = (1, 2, 3, 4)  # of a window: 1 to 16 lines


def pooled(window: Ints, side: int) -> list[int]:
    """The golden maximum of a window int64 (side * side, COLS), of codes that requantization passes on unchanged."""
    one = np.ones(COLS, np.int64)
    code = IntFormat(WIDTH)
    weight = np.ones((COLS, 1, 1, 1), np.int8)
    layer = Layer("window", weight, IntFormat(2, signed=True), code, one, 0 * one, 0, code, (1, 1), (0, 0), side)
    result = finish(window.reshape(1, side, side, COLS), layer)  # (1, channel, 1, 1)
    return [int(value) for value in result[0, :, 0, 0]]


class Bench:
    """Drives windows and expects their maximum one cycle after the last line."""

    def __init__(self, dut: Any, rng: np.random.Generator) -> None:
        self.dut, self.rng = dut, rng
        self.cycle = 0
        self.board = Scoreboard("pooled code")
        self.coverage = Coverage(
            *(f"window of {side * side}" for side in SIDES),
            *("the largest first", "the largest last", "all zero", "at the top", "lower than the window before"),
            *("bubble inside a window", "windows back to back"),
        )
        self.before: list[int] | None = None

    async def step(self, line: list[int], first: int, last: int, valid: int = 1) -> None:
        """One cycle on the ports."""
        dut = self.dut
        dut.valid_i.value, dut.first_i.value, dut.last_i.value = valid, first, last
        dut.code_i.value = pack(line, WIDTH)
        await settled(dut)
        self.board.check(self.cycle, unpack(read(dut.code_o), WIDTH, COLS) if read(dut.valid_o) else None)
        self.cycle += 1
        await next_cycle(dut)

    async def idle(self) -> None:
        """A cycle that is not valid, with noise on everything else."""
        first, last = (int(flag) for flag in self.rng.integers(0, 2, size=2))
        await self.step([TOP] * COLS if first else random_codes(self.rng, 0, TOP, (COLS,)).tolist(), first, last, 0)

    async def window(self, side: int, bubbles: float) -> None:
        """One window: all zero, low or random, sometimes with its only maximum in the first or the last line."""
        highest = int(self.rng.choice([0, TOP // 2, TOP, TOP]))
        lines = random_codes(self.rng, 0, highest, (side * side, COLS))
        peak = int(self.rng.choice([-1, 0, side * side]))  # the last line, the first, or none of them
        if highest and peak < side * side:
            lines = np.minimum(lines, highest - 1)
            lines[peak] = highest
        result = pooled(lines, side)
        for index, line in enumerate(lines):
            while self.rng.random() < bubbles:
                self.coverage.hit("bubble inside a window", index > 0)
                await self.idle()
            if index == side * side - 1:
                self.board.expect(self.cycle + 1, result)
            await self.step(line.tolist(), int(index == 0), int(index == side * side - 1))
        best = lines.argmax(axis=0)
        self.coverage.hit(f"window of {side * side}")
        self.coverage.hit(
            "the largest first", side > 1 and bool((best[lines.min(axis=0) < lines.max(axis=0)] == 0).any())
        )
        self.coverage.hit("the largest last", side > 1 and bool((best == side * side - 1).any()))
        self.coverage.hit("all zero", max(result) == 0)
        self.coverage.hit("at the top", max(result) == TOP)
        if self.before is not None:
            self.coverage.hit(
                "lower than the window before", any(a < b for a, b in zip(result, self.before, strict=True))
            )
            self.coverage.hit("windows back to back", not bubbles)
        self.before = result


async def begin(dut: Any) -> Bench:
    """Clock, quiet inputs, reset."""
    await begin_quiet(dut, ("valid_i", "first_i", "last_i", "code_i"))
    return Bench(dut, generator())


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_windows_back_to_back_and_with_bubbles(dut: Any) -> None:
    """Windows of 1, 4, 9 and 16 lines; idle cycles with noise on every other input change nothing."""
    bench = await begin(dut)
    for bubbles in (0.0, 0.4):
        for side in [*SIDES, *bench.rng.choice(SIDES, size=40).tolist()]:
            await bench.window(int(side), bubbles)
    await bench.idle()
    await bench.idle()
    bench.coverage.finish()
    bench.board.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_reset_in_mid_window(dut: Any) -> None:
    """A window that was broken off gives no code and leaves nothing in the next one; a last line in reset is lost."""
    bench = await begin(dut)
    for side in (2, 3):
        await bench.step([TOP] * COLS, 1, 0)
        await bench.step([TOP] * COLS, 0, 0)
        dut.valid_i.value, dut.last_i.value = 1, 1
        await reset(dut)
        await bench.idle()
        await bench.window(side, 0.2)
        await bench.idle()
    bench.board.finish()
