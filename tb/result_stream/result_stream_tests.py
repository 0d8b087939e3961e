"""cocotb tests of result_stream: runs come out word by word with `last` at their ends; what finds no room is told."""

from __future__ import annotations

from collections import deque
from typing import Any

import cocotb

from model.golden.blocks import Line
from model.golden.bus import results
from tb.common.drivers import any_word, generator, next_cycle, pack, parameters, read, reset, settled, start_clock
from tb.common.scoreboard import Coverage

COLS, WIDTH, DEPTH = (parameters()[name] for name in ("Cols", "Width", "Depth"))


class Bench:
    """The block, what is still to come out of it, and the rules of its stream."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.rng = generator()
        self.expected: deque[tuple[int, bool]] = deque()
        self.words = 0
        self._standing: tuple[int, int] | None = None  # shown and not taken: must be shown again

    async def begin(self) -> None:
        """Clock, quiet inputs, reset."""
        for port in ("valid_i", "line_i", "end_i", "tready_i"):
            getattr(self.dut, port).value = 0
        start_clock(self.dut)
        await reset(self.dut)

    def line(self) -> Line:
        """A random line."""
        return tuple(any_word(self.rng, WIDTH) for _ in range(COLS))

    async def cycle(self, line: Line | None = None, end: bool = False, ready: bool = False) -> bool:
        """Drive one cycle, check the words; True when the line was lost."""
        dut = self.dut
        dut.valid_i.value, dut.line_i.value = int(line is not None), pack(line or (0,), WIDTH)
        dut.end_i.value, dut.tready_i.value = int(end), int(ready)
        await settled(dut)
        lost, shown = bool(read(dut.lost_o)), None
        assert not (lost and line is None), "a line was lost that never came"
        if read(dut.tvalid_o):
            shown = read(dut.tdata_o), read(dut.tlast_o)
        if self._standing is not None:
            assert shown == self._standing, f"{self._standing} was not taken, and became {shown}"
        self._standing = None if ready else shown
        if ready and shown is not None:
            assert self.expected, f"{shown} came out, expected nothing"
            word = self.expected.popleft()
            assert shown == word, f"word {self.words}: {shown} came out, expected {word}"
            self.words += 1
        await next_cycle(dut)
        return lost


@cocotb.test(timeout_time=200, timeout_unit="us")
async def test_runs_come_out_in_order_with_last_at_their_ends(dut: Any) -> None:
    """Runs of 0 to Depth + 3 lines through a reader that pauses; lines only come while there is room for sure."""
    bench = Bench(dut)
    await bench.begin()
    coverage = Coverage("a run without results", "a run of one line", "a run longer than the buffer", "two runs in it")
    for run in range(60):
        count = int(bench.rng.integers(0, DEPTH + 4)) if run % 4 else run // 4 % 2
        lines = [bench.line() for _ in range(count)]
        pace = (0.1, 0.5, 1.0)[int(bench.rng.integers(0, 3))]
        coverage.hit("a run without results", count == 0)
        coverage.hit("a run of one line", count == 1)
        coverage.hit("a run longer than the buffer", count > DEPTH + 1)
        coverage.hit("two runs in it", count and bench.expected)
        words = results(lines)
        for index, line in enumerate(lines):
            while len(bench.expected) > COLS * DEPTH:
                assert not await bench.cycle(ready=bool(bench.rng.random() < pace))
            bench.expected.extend(words[index * COLS : (index + 1) * COLS])
            assert not await bench.cycle(line, ready=bool(bench.rng.random() < pace)), "a line was lost with room left"
        await bench.cycle(end=True, ready=bool(bench.rng.random() < pace))
    for _ in range(COLS * (DEPTH + 2) + 5):
        await bench.cycle(ready=True)
    coverage.finish()
    assert not bench.expected, f"{len(bench.expected)} words never came out"
    assert bench.words > 60


@cocotb.test(timeout_time=200, timeout_unit="us")
async def test_newest_line_waits_for_the_end_of_its_run(dut: Any) -> None:
    """A single line does not come out before the run's end, and then with `last`; the first of two does."""
    bench = Bench(dut)
    await bench.begin()
    line = bench.line()
    assert not await bench.cycle(line, ready=True)
    for _ in range(20):
        await bench.cycle(ready=True)  # nothing is expected: a word that comes out fails
    bench.expected.extend(results([line]))
    await bench.cycle(end=True, ready=True)
    for _ in range(COLS + 1):
        await bench.cycle(ready=True)
    assert not bench.expected, "2 cycles after the end the words come out, one a cycle"
    pair = [bench.line(), bench.line()]
    words = results(pair)
    await bench.cycle(pair[0], ready=True)
    bench.expected.extend(words[:COLS])
    await bench.cycle(pair[1], ready=True)
    for _ in range(COLS):
        await bench.cycle(ready=True)
    assert not bench.expected, "the cycle after the next line the words come out, one a cycle"
    await bench.cycle(ready=True)
    bench.expected.extend(words[COLS:])
    await bench.cycle(end=True, ready=True)
    for _ in range(COLS + 1):
        await bench.cycle(ready=True)
    assert not bench.expected


@cocotb.test(timeout_time=200, timeout_unit="us")
async def test_exactly_what_finds_no_room_is_lost(dut: Any) -> None:
    """Depth + 1 lines have room; those that follow are told as lost, and the stream is that of a run without them."""
    bench = Bench(dut)
    await bench.begin()
    for ends in (1, 2):  # the second run ends over a buffer that is still full of the first
        lines = [bench.line() for _ in range(DEPTH + 4)]
        for index, line in enumerate(lines):
            assert await bench.cycle(line) == (index > DEPTH), f"line {index} of a buffer of {DEPTH} and one held back"
        await bench.cycle(end=True)
        if ends == 2:
            assert await bench.cycle(bench.line())
            await bench.cycle(end=True)
        bench.expected.extend(results(lines[: DEPTH + 1]))
        for _ in range((DEPTH + 1) * COLS + 4):
            await bench.cycle(ready=True)
        assert not bench.expected, f"{len(bench.expected)} words never came out"


@cocotb.test(timeout_time=200, timeout_unit="us")
async def test_reset_drops_everything(dut: Any) -> None:
    """In the middle of a line, with one held back: nothing of it comes out later; the next line begins at column 0."""
    bench = Bench(dut)
    await bench.begin()
    lines = [bench.line(), bench.line()]
    bench.expected.extend(results(lines)[:COLS])
    for line in lines:
        await bench.cycle(line)
    await bench.cycle(ready=True)
    dut.tready_i.value = 0
    await reset(dut)
    bench.expected.clear()
    bench._standing = None
    for _ in range(4):
        await bench.cycle(ready=True)
    line = bench.line()
    await bench.cycle(line, ready=True)
    bench.expected.extend(results([line]))
    await bench.cycle(end=True, ready=True)
    for _ in range(COLS + 1):
        await bench.cycle(ready=True)
    assert not bench.expected
