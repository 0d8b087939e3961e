"""cocotb tests of accelerator: whole runs over the buses, their counters, their timing, and stalls of every kind."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotbext.axi import AxiStreamFrame

from model.golden.bus import LAYER_BYTES, TABLE, Register, unpack_status
from tb.accelerator.bench import begin, check_counters, check_run, prepare
from tb.accelerator.host import FLUSH, START, flat
from tb.accelerator.work import engine_shape, small_work
from tb.common.drivers import next_cycle, parameters, read

SHAPE = engine_shape(parameters())


@cocotb.test(timeout_time=300, timeout_unit="us")
async def test_a_run_gives_its_results_and_exactly_the_predicted_counters(dut: Any) -> None:
    """Weights wait at the port beforehand, so the cycle model predicts every counter, read over the bus."""
    host, rng = await begin(dut)
    for first in (0, SHAPE.layers - 2):  # the second fills the table to its end
        work = await prepare(host, rng, first)
        host.send_weights(work.program.stream())
        await host.start(first, 2)
        assert (await host.status())[:3] == (True, False, 0), "a start clears done"
        assert await host.finish() == 0
        assert await host.results() == flat(work.results)
        assert await host.status() == (False, True, 0, first + 1)
        await check_counters(host, work, exact=True)
    await host.no_results()


@cocotb.test(timeout_time=100, timeout_unit="us")
async def test_start_and_end_of_a_run_have_the_timing_of_the_docs(dut: Any) -> None:
    """Both halves of the start in cycle 0: response and run in 2, weights from 15 on; results 2 behind it."""
    host, rng = await begin(dut)
    work = await prepare(host, rng, lines=1)
    await host.write(Register.RANGE, 2 << 8)
    host.send_weights(work.program.stream())
    names = ("awready", "wready", "awvalid", "wvalid", "bvalid")
    ports = [getattr(dut, f"s_axil_{name}") for name in names]
    ports += [dut.s_axis_act_tready, dut.s_axis_wgt_tready, dut.m_axis_result_tvalid]
    trace: list[list[int]] = []

    async def record() -> None:
        while True:
            await next_cycle(dut)  # values of the cycle that ends
            trace.append([read(port) for port in ports])

    recorder = cocotb.start_soon(record())
    await host.write(Register.CTRL, START)
    assert await host.finish() == 0
    assert await host.results() == flat(work.results)
    recorder.cancel()
    start = next(cycle for cycle, row in enumerate(trace) if row[0] and row[2])
    column = [[row[port] for row in trace[start:]] for port in range(len(ports))]
    assert column[1][0], "the data came with the address"
    assert column[3][0], "the data came with the address"
    assert column[4].index(1) == 2, "response"
    assert column[5].index(0) == 2, "a run begins: activation lines have to wait"
    assert column[6].index(1) == 15, "first weight word"
    end = column[5].index(1, 2)
    assert end == 2 + work.program.cycles.total, "as long as the cycle model says"
    assert column[7].index(1) == end + 2, "the only line of results"


@cocotb.test(timeout_time=300, timeout_unit="us")
async def test_layers_one_by_one_give_the_same(dut: Any) -> None:
    """Two runs of one layer: the map stays where the first left it; a run without results has no frame."""
    host, rng = await begin(dut)
    work = await prepare(host, rng)
    for layer in (0, 1):
        host.send_weights(work.program.stream(layer, 1))
        await host.start(layer, 1)
        assert await host.finish() == 0
        assert await host.status() == (False, True, 0, layer)
    assert await host.results() == flat(work.results)
    await host.no_results()


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def test_stalls_on_every_bus_change_nothing_but_time(dut: Any) -> None:
    """Every channel held back at random, lightly and heavily."""
    host, rng = await begin(dut)
    for chance in (0.1, 0.5, 0.8):
        host.stall(rng, chance)
        await check_run(host, await prepare(host, rng))


@cocotb.test(timeout_time=300, timeout_unit="us")
async def test_a_run_waits_for_weights_as_long_as_it_takes(dut: Any) -> None:
    """No word for 1000 cycles after the start, nor for hundreds between the layers; these are counted as waiting."""
    host, rng = await begin(dut)
    work = await prepare(host, rng)
    await host.start(0, 2)
    for layer in (0, 1):
        for _ in range(1000):
            await next_cycle(dut)
        assert await host.status() == (True, False, 0, layer)
        assert (await host.counters())["waiting"] > 600 * (layer + 1)
        host.send_weights(work.program.stream(layer, 1))
    assert await host.finish() == 0
    assert await host.results() == flat(work.results)
    await check_counters(host, work, exact=False)


@cocotb.test(timeout_time=300, timeout_unit="us")
async def test_nothing_can_be_changed_while_it_runs(dut: Any) -> None:
    """Start, flush, range, address and table are refused and stay as they were; reading goes on, and a 0 in CTRL."""
    host, rng = await begin(dut)
    work = await prepare(host, rng)
    for _ in range(2):
        await host.load_lines(work.program.layers[0].load(work.codes))
        after = await host.read(Register.LOAD_ADDR)
        await host.start(0, 2)
        for address, data in (
            (Register.CTRL, START),
            (Register.CTRL, FLUSH),
            (Register.CTRL, START | FLUSH),
            (Register.RANGE, 0x0101),
            (Register.LOAD_ADDR, 3),
            (TABLE, 0),
            (TABLE + LAYER_BYTES + 4, 0xFFFFFFFF),
            (Register.STATUS, 0),
        ):
            assert not await host.try_write(address, data), f"{address:#x} took {data:#x} during a run"
        await host.write(Register.CTRL, 0)
        assert await host.read(Register.RANGE) == 0x0200
        assert await host.read(Register.LOAD_ADDR) == after
        assert await host.status() == (True, False, 0, 0)
        host.send_weights(work.program.stream())
        assert await host.finish() == 0
        assert await host.results() == flat(work.results)


@cocotb.test(timeout_time=300, timeout_unit="us")
async def test_activation_lines_wait_for_the_end_of_a_run(dut: Any) -> None:
    """Lines sent during a run are not taken before it ends, and then go to LOAD_ADDR; the run does not notice them."""
    host, rng = await begin(dut)
    work, other = await prepare(host, rng), small_work(SHAPE, rng)
    await host.write(Register.LOAD_ADDR, 0)
    await host.start(0, 2)
    lines = other.program.layers[0].load(other.codes)
    await host.act.send(AxiStreamFrame(lines.packed(SHAPE.act_width).tobytes()))
    for _ in range(100):
        await next_cycle(dut)
        assert not (read(dut.s_axis_act_tready) and read(dut.s_axis_act_tvalid)), "a line was taken during a run"
    host.send_weights(work.program.stream())
    assert await host.finish() == 0
    assert await host.results() == flat(work.results)
    await host.act.wait()
    assert await host.read(Register.LOAD_ADDR) == len(lines.address)
    await host.load_table(other.program.descriptors)
    await check_run(host, other)


@cocotb.test(timeout_time=300, timeout_unit="us")
async def test_load_address_goes_on_from_the_last_line_to_the_first(dut: Any) -> None:
    """A load that begins shortly before the end of the memory; what it wrote at the start is used."""
    host, rng = await begin(dut)
    work = await prepare(host, rng)
    lines = work.program.layers[0].load(work.codes)
    await host.load_lines(lines._replace(codes=(1 << SHAPE.act_width) - 1 - lines.codes))
    packed = lines.packed(SHAPE.act_width)
    await host.write(Register.LOAD_ADDR, SHAPE.act_depth - 3)
    await host.act.send(AxiStreamFrame(bytes(3 * packed.shape[1]) + packed.tobytes()))
    await host.act.wait()
    assert await host.read(Register.LOAD_ADDR) == len(packed)
    await check_run(host, work)


@cocotb.test(timeout_time=300, timeout_unit="us")
async def test_results_of_two_runs_are_two_frames(dut: Any) -> None:
    """Results that nobody reads do not stop the next run if they have room; each run is a frame."""
    host, rng = await begin(dut)
    host.result.pause = True
    works = [await prepare(host, rng, lines=1)]
    for last in (False, True):
        host.send_weights(works[-1].program.stream())
        await host.start(0, 2)
        assert await host.finish() == 0
        if not last:
            works.append(await prepare(host, rng, lines=1))
    assert host.result.empty()
    host.result.pause = False
    for work in works:
        assert await host.results() == flat(work.results)
    await host.no_results()


@cocotb.test(timeout_time=300, timeout_unit="us")
async def test_answers_that_nobody_takes_hold_up_no_run(dut: Any) -> None:
    """A write's answer and a read's wait from before the start to behind the end; the run is as any other."""
    host, rng = await begin(dut)
    work = await prepare(host, rng)
    host.send_weights(work.program.stream())
    await host.start(0, 2)
    host.axil.write_if.b_channel.pause = host.axil.read_if.r_channel.pause = True
    refused = cocotb.start_soon(host.try_write(Register.RANGE, 0))
    asked = cocotb.start_soon(host.try_read(Register.STATUS))
    assert await host.results() == flat(work.results)
    assert (read(dut.s_axil_bvalid), read(dut.s_axil_rvalid)) == (1, 1), "both answers still wait"
    host.axil.write_if.b_channel.pause = host.axil.read_if.r_channel.pause = False
    assert await refused is False, "a write in a run is refused"
    told = await asked
    assert told is not None
    assert unpack_status(told)[0], "it was read in the run"
    assert await host.finish() == 0
    await check_counters(host, work, exact=True)
