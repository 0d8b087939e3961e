"""What the accelerator's tests have in common: begin, prepare work, run it, and judge all that a run leaves behind."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from tb.accelerator.host import Host, flat
from tb.accelerator.states import watch_states
from tb.accelerator.work import Work, engine_shape, small_work
from tb.common import measured
from tb.common.drivers import generator, next_cycle, parameters, reset, start_clock


async def begin(dut: Any, stall: float = 0.0) -> tuple[Host, np.random.Generator]:
    """Clock, buses, reset; channels held back with probability `stall`."""
    start_clock(dut)
    dut.rst_ni.value = 0
    host, rng = Host(dut), generator()
    await next_cycle(dut)
    await reset(dut, 3)
    if measured.folder():
        cocotb.start_soon(watch_states(dut))
    host.stall(rng, stall)
    return host, rng


async def prepare(host: Host, rng: np.random.Generator, first: int = 0, lines: int = 4) -> Work:
    """New work, its descriptors and its input loaded."""
    work = small_work(engine_shape(parameters()), rng, lines)
    await host.require(work.program)
    await host.load_table(work.program.descriptors, first)
    await host.load_lines(work.program.layers[0].load(work.codes))
    return work


async def check_run(host: Host, work: Work, first: int = 0) -> None:
    """Run `work`, whose descriptors and input are there, and compare results, status and counters."""
    await host.start(first, 2)
    host.send_weights(work.program.stream())
    assert await host.finish() == 0
    assert await host.results() == flat(work.results)
    assert await host.status() == (False, True, 0, first + 1)
    await check_counters(host, work, exact=False)


async def check_counters(host: Host, work: Work, exact: bool) -> None:
    """The counters of a whole run: all as predicted, or, after a stream with gaps, more waiting."""
    told, predicted = await host.counters(), work.program.cycles
    waiting = told["waiting"]
    expected = {
        "cycles": predicted.pixels + predicted.filling + waiting,
        "waiting": waiting,
        "filling": predicted.filling,
        "writes": predicted.writes,
        "pixels": predicted.pixels,
    }
    assert told == expected, f"counters {told}, expected {expected}"
    assert waiting == predicted.waiting if exact else waiting >= predicted.waiting, f"waited {waiting} cycles"
    assert await host.macs() == predicted.pixels * parameters()["Rows"] * parameters()["Cols"]
