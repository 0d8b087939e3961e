"""cocotb tests of sfp: sums of any length, rectified or raw, in their cycle."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from model.golden.blocks import accumulate
from tb.common.drivers import begin_quiet, generator, next_cycle, pack, parameters, read, reset, settled, unpack
from tb.common.scoreboard import Coverage, Scoreboard
from tb.common.traffic import random_codes

COLS, WIDTH = parameters()["Cols"], parameters()["PsumWidth"]
LOW, HIGH = -(1 << (WIDTH - 1)), (1 << (WIDTH - 1)) - 1


class Bench:
    """Drives lines, expects the golden sums one cycle after each last line, and checks that out_o holds in between."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.cycle = 0
        self.board = Scoreboard("sfp output")
        self.coverage = Coverage(
            "one line",
            "nine lines",
            "negative sum rectified",
            "negative sum raw",
            "bubble inside a sum",
            "sum at the top",
            "sum at the bottom",
        )
        self.held = (0,) * COLS

    async def step(self, line: list[int], first: int = 0, last: int = 0, relu: int = 0, valid: int = 1) -> None:
        """One cycle on the ports."""
        dut = self.dut
        dut.valid_i.value, dut.first_i.value, dut.last_i.value, dut.relu_i.value = valid, first, last, relu
        dut.data_i.value = pack(line, WIDTH)
        await settled(dut)
        out = tuple(unpack(read(dut.out_o), WIDTH, COLS, signed=True))
        out_valid = read(dut.out_valid_o)
        self.board.check(self.cycle, out if out_valid else None)
        assert out_valid or out == self.held, f"cycle {self.cycle}: out_o changed to {out} without out_valid_o"
        self.held = out
        self.cycle += 1
        await next_cycle(dut)

    async def idle(self, rng: np.random.Generator) -> None:
        """A cycle that is not valid, with noise on everything else."""
        flags = [int(flag) for flag in rng.integers(0, 2, size=3)]
        await self.step(random_codes(rng, LOW, HIGH, (COLS,)).tolist(), flags[0], flags[1], flags[2], valid=0)

    async def gather(self, lines: list[tuple[int, ...]], relu: int, rng: np.random.Generator, bubbles: float) -> None:
        """One sum; relu_i is noise until the last line."""
        for index, line in enumerate(lines):
            while rng.random() < bubbles:
                self.coverage.hit("bubble inside a sum", index > 0)
                await self.idle(rng)
            last = int(index == len(lines) - 1)
            if last:
                self.board.expect(self.cycle + 1, accumulate(lines, bool(relu)))
            await self.step(list(line), int(index == 0), last, relu if last else int(rng.integers(0, 2)))
        raw = accumulate(lines, False)
        self.coverage.hit("one line", len(lines) == 1)
        self.coverage.hit("nine lines", len(lines) == 9)
        self.coverage.hit("negative sum rectified", relu and min(raw) < 0)
        self.coverage.hit("negative sum raw", not relu and min(raw) < 0)
        self.coverage.hit("sum at the top", max(raw) == HIGH)
        self.coverage.hit("sum at the bottom", min(raw) == LOW)


def lines_with_sums_in_range(rng: np.random.Generator, count: int) -> list[tuple[int, ...]]:
    """Random lines of which every partial sum fits, often at the very end of the range."""
    lines: list[tuple[int, ...]] = []
    total = np.zeros(COLS, dtype=np.int64)
    for _ in range(count):
        targets = random_codes(rng, LOW, HIGH, (COLS,))
        line = np.clip(targets - total, LOW, HIGH)
        total += line
        lines.append(tuple(int(word) for word in line))
    return lines


async def begin(dut: Any) -> Bench:
    """Clock, quiet inputs, reset."""
    await begin_quiet(dut, ("valid_i", "first_i", "last_i", "relu_i", "data_i"))
    return Bench(dut)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_sums_back_to_back(dut: Any) -> None:
    """Sums of 1 to 10 lines, one right behind the other, raw or rectified."""
    bench, rng = await begin(dut), generator()
    lengths = [1, 1, 9, 9, *rng.integers(1, 11, size=60).tolist()]
    for index, length in enumerate(lengths):
        await bench.gather(lines_with_sums_in_range(rng, length), index % 2, rng, 0.0)
    await bench.idle(rng)
    await bench.idle(rng)
    bench.coverage.hit("bubble inside a sum")  # the other test's point
    bench.coverage.finish()
    bench.board.finish()
    assert bench.board.checked == len(lengths)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_sums_with_bubbles(dut: Any) -> None:
    """Idle cycles with noise on every other input change nothing."""
    bench, rng = await begin(dut), generator()
    lengths = [1, 1, 9, 9, *rng.integers(1, 11, size=40).tolist()]
    for index, length in enumerate(lengths):
        await bench.gather(lines_with_sums_in_range(rng, length), index % 2, rng, 0.4)
    await bench.idle(rng)
    await bench.idle(rng)
    bench.coverage.finish()
    bench.board.finish()
    assert bench.board.checked == len(lengths)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_reset_in_mid_sum(dut: Any) -> None:
    """A broken-off sum gives no output and leaves nothing in the next one; a last line during reset is lost."""
    bench, rng = await begin(dut), generator()
    for length in (1, 3, 7):
        lines = lines_with_sums_in_range(rng, length)
        for index, line in enumerate(lines):
            await bench.step(list(line), int(index == 0))
        dut.valid_i.value, dut.first_i.value, dut.last_i.value = 1, 1, 1
        await reset(dut)
        bench.held = (0,) * COLS
        await bench.idle(rng)
        await bench.gather(lines_with_sums_in_range(rng, length), 0, rng, 0.2)
        await bench.idle(rng)
    bench.board.finish()
