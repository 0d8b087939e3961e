"""cocotb tests of os_window: every mark of every finished line, with gaps between lines and layers of all sizes."""

from __future__ import annotations

from typing import Any

import cocotb

from model.golden.os_blocks import windows
from tb.common.drivers import generator, next_cycle, parameters, read, reset, settled, start_clock
from tb.common.scoreboard import Coverage

ROWS = parameters()["Rows"]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_every_line_is_marked_as_the_golden_model_says(dut: Any) -> None:
    """Tiles that fill their groups and tiles that do not, windows across groups; a layer given up in the middle."""
    rng = generator()
    coverage = Coverage("dropped", "kept", "a window across groups", "given up")
    for port in ("start_i", "window_n_i", "map_n_i", "valid_i", "begins_i"):
        getattr(dut, port).value = 0
    start_clock(dut)
    await reset(dut)
    for _ in range(40):
        window, tiles = int(rng.choice([1, 1, 2, 4, 9])), int(rng.integers(1, 4))
        out_map = int(rng.integers(1, 2 * ROWS + 2))
        groups = -(-window * out_map // ROWS)
        dut.window_n_i.value, dut.map_n_i.value, dut.valid_i.value = window - 1, out_map - 1, 0
        dut.start_i.value = 1
        await next_cycle(dut)
        dut.start_i.value = 0
        begins = [group == 0 for _ in range(tiles) for group in range(groups)]
        coverage.hit("a window across groups", window > ROWS or ROWS == 1)
        for number, line in enumerate(windows(begins, ROWS, window, out_map)):
            if number > 2 and rng.random() < 0.005:
                coverage.hit("given up", True)
                break
            while rng.random() < 0.3:
                dut.valid_i.value, dut.begins_i.value = 0, int(rng.integers(0, 2))
                await next_cycle(dut)
            dut.valid_i.value, dut.begins_i.value = 1, int(begins[number // ROWS])
            await settled(dut)
            got = [read(getattr(dut, port)) for port in ("keep_o", "swap_o")]
            assert got == [line.keep, line.swap], f"line {number}: keep, swap {got}; expected {line}"
            if line.keep:
                got = [read(getattr(dut, port)) for port in ("first_o", "last_o")]
                assert got == [line.first, line.last], f"line {number}: first, last {got}; expected {line}"
            coverage.hit("kept", line.keep)
            coverage.hit("dropped", not line.keep or ROWS == 1)
            await next_cycle(dut)
    coverage.finish()
