"""cocotb tests of accelerator: register map, whole runs over the buses, stalls, errors and what comes after them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cocotb
import numpy as np
from cocotbext.axi import AxiResp, AxiStreamFrame

from model.golden.bus import COUNTERS, LAYER_BYTES, LOST, TABLE, Register, Registers
from model.program.stream import Stream
from tb.accelerator.host import FLUSH, START, Host, flat
from tb.accelerator.work import Work, engine_shape, small_work
from tb.common.drivers import generator, next_cycle, parameters, read, reset, start_clock
from tb.common.scoreboard import Coverage

SHAPE = engine_shape(parameters())
PLAIN = (Register.CTRL, Register.RANGE, Register.LOAD_ADDR, Register.SHAPE, Register.WIDTHS)
FIXED = (Register.ACT_LINES, Register.PSUM_LINES)
TOO_LONG, EARLY, MISSING, BAD_RANGE = 1, 2, 3, 4


async def begin(dut: Any, stall: float = 0.0) -> tuple[Host, np.random.Generator]:
    """Clock, buses, reset; channels held back with probability `stall`."""
    start_clock(dut)
    dut.rst_ni.value = 0
    host, rng = Host(dut), generator()
    await next_cycle(dut)
    await reset(dut, 3)
    host.stall(rng, stall)
    return host, rng


async def prepare(host: Host, rng: np.random.Generator, first: int = 0) -> Work:
    """New work, its descriptors and its input loaded."""
    work = small_work(SHAPE, rng)
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
    assert await host.macs() == predicted.pixels * SHAPE.rows * SHAPE.cols


# ---------------------------------------------------------------- registers


@cocotb.test(timeout_time=200, timeout_unit="us")
async def test_registers_answer_as_the_map_says(dut: Any) -> None:
    """Random reads and writes of every register, the table's edges and what is not there, whole and in part."""
    host, rng = await begin(dut, stall=0.3)
    golden = Registers(parameters())
    end = TABLE + LAYER_BYTES * SHAPE.layers
    holes = (0x2C, 0x40, TABLE - 4, end, 0xFFFC, 0x8000 | Register.RANGE)
    addresses = [*Register, *holes, TABLE, end - 4, TABLE + 8]
    coverage = Coverage(
        "written", "refused write", "refused in part", "read", "refused read", "LOAD_ADDR behind the end"
    )
    for register in (*Register, *holes):  # every one is refused in part
        for strobes in (1, 2, 3):
            coverage.hit("refused in part", not golden.write(register, 0, (1 << strobes) - 1))
            assert not await host.try_write(register, 0, strobes), f"{register:#x} took {strobes} bytes"
    for _ in range(200):
        address = int(rng.choice(addresses)) + int(rng.integers(0, 4)) * int(rng.random() < 0.1)
        if rng.random() < 0.6:
            data = int(rng.integers(0, 1 << 32)) & int(rng.choice([0xFFFFFFFF, 0xFF, 2 * SHAPE.act_depth - 1]))
            data &= ~START if address & ~3 == Register.CTRL else -1
            if address % 4:
                continue  # the bus master makes these partial
            allowed = golden.write(address, data)
            assert await host.try_write(address, data) == allowed, f"write of {data:#x} to {address:#x}: not {allowed}"
            coverage.hit("written", allowed)
            coverage.hit("refused write", not allowed)
            coverage.hit("LOAD_ADDR behind the end", address == Register.LOAD_ADDR and not allowed)
        elif address & ~3 not in (Register.STATUS, *COUNTERS, Register.MACS_LO, Register.MACS_HI):
            expected = golden.read(address)
            assert await host.try_read(address & ~3) == expected, f"read of {address:#x}: not {expected}"
            coverage.hit("read", expected is not None)
            coverage.hit("refused read", expected is None)
    for register in (*PLAIN, *FIXED):
        assert await host.try_read(register) == golden.read(register), register.name
    assert await host.try_write(Register.CTRL, START | FLUSH) is False, "start and flush exclude each other"
    assert await host.status() == (False, False, 0, 0), "nothing was ever started"
    coverage.finish()


@cocotb.test(timeout_time=100, timeout_unit="us")
async def test_address_and_data_may_come_in_any_order(dut: Any) -> None:
    """Either channel long before the other, and both held back at random: each write lands with its own data."""
    host, _ = await begin(dut)
    channels = host.axil.write_if.aw_channel, host.axil.write_if.w_channel
    for late in (*channels, None):
        for value in range(4):
            if late is not None:
                late.pause = True
            task = cocotb.start_soon(host.write(Register.RANGE, 0x0100 + value))
            for _ in range(value * 3):
                await next_cycle(dut)
            if late is not None:
                assert not task.done(), "a write without its other half"
                assert await host.read(Register.RANGE) != 0x0100 + value
                late.pause = False
            await task
            assert await host.read(Register.RANGE) == 0x0100 + value


@cocotb.test(timeout_time=100, timeout_unit="us")
async def test_accesses_follow_each_other_every_other_cycle(dut: Any) -> None:
    """A burst of writes and of reads is taken at the rate that the docs give."""
    host, _ = await begin(dut)
    for words, access in (
        (32, host.axil.write(TABLE, bytes(4 * 32))),
        (10, host.axil.read(Register.STATUS, 4 * 10)),
    ):
        task, cycles = cocotb.start_soon(access), 0
        while not task.done():
            await next_cycle(dut)
            cycles += 1
        assert cycles <= 2 * words + 8, f"{words} accesses took {cycles} cycles"
        assert task.result().resp == AxiResp.OKAY


# ---------------------------------------------------------------- runs


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
    work = await prepare(host, rng)
    await check_run(host, work)
    host.result.pause = True
    one = one_line(work)
    for _ in range(2):
        await host.load_table(one.program.descriptors)
        await host.load_lines(one.program.layers[0].load(one.codes))
        host.send_weights(one.program.stream())
        await host.start(0, 2)
        assert await host.finish() == 0
    assert host.result.empty()
    host.result.pause = False
    for _ in range(2):
        assert await host.results() == flat(one.results)
    await host.no_results()


def one_line(work: Work) -> Work:
    """`work` with the first output tile of its logits only."""
    last = work.program.layers[-1]
    few = SHAPE.cols
    layer = replace(
        last.layer, weight=last.layer.weight[:few], multiplier=last.layer.multiplier[:few], bias=last.layer.bias[:few]
    )
    short = replace(last, layer=layer, descriptor=replace(last.descriptor, oc=1))
    program = replace(work.program, layers=(*work.program.layers[:-1], short))
    return Work(program, work.codes, work.results[:1])


# ---------------------------------------------------------------- errors


async def check_recovery(host: Host, rng: np.random.Generator) -> None:
    """Flush, then other work, without a reset: as if nothing had been."""
    await host.flush()
    while not host.result.empty():
        host.result.recv_nowait()
    await check_run(host, await prepare(host, rng))


@cocotb.test(timeout_time=500, timeout_unit="us")
async def test_last_too_early_is_error_2(dut: Any) -> None:
    """At the first word, in the middle, and one word before the layer's last."""
    host, rng = await begin(dut)
    for layer in (0, 1):
        for place in (0, 9, -2):
            work = await prepare(host, rng)
            stream = work.program.stream()
            end = int(np.flatnonzero(stream.last)[layer])
            begin_at = 0 if layer == 0 else int(np.flatnonzero(stream.last)[0]) + 1
            last = stream.last.copy()
            last[begin_at + place if place >= 0 else end + 1 + place] = True
            host.send_weights(Stream(stream.words, last))
            await host.start(0, 2)
            assert await host.finish() == EARLY
            assert await host.status() == (False, True, EARLY, layer)
            assert not host.wgt.idle(), "the words behind the error are still there"
            await check_recovery(host, rng)


@cocotb.test(timeout_time=300, timeout_unit="us")
async def test_last_missing_is_error_3(dut: Any) -> None:
    """The first layer's last word without `last`: the run ends there, the second layer's words are left."""
    host, rng = await begin(dut)
    for layer in (0, 1):
        work = await prepare(host, rng)
        stream = work.program.stream()
        last = stream.last.copy()
        last[np.flatnonzero(last)[layer]] = False
        words = np.concatenate([stream.words, stream.words[:1]])
        host.send_weights(Stream(words, np.append(last, True)))
        await host.start(0, 2)
        assert await host.finish() == MISSING
        assert await host.status() == (False, True, MISSING, layer)
        await check_recovery(host, rng)


@cocotb.test(timeout_time=300, timeout_unit="us")
async def test_layers_outside_the_table_are_error_4(dut: Any) -> None:
    """No layer at all, one behind the end: told at once, nothing is read or taken."""
    host, rng = await begin(dut)
    work = await prepare(host, rng)
    host.send_weights(work.program.stream())
    for first, count in ((0, 0), (SHAPE.layers - 1, 2), (SHAPE.layers, 1), (255, 255), (1, 255)):
        await host.start(first, count)
        assert (await host.status())[:3] == (False, True, BAD_RANGE), f"{count} layers from {first}"
        assert (await host.counters())["cycles"] == 0
    await host.start(0, 2)
    assert await host.finish() == 0, "no word of the stream was lost"
    assert await host.results() == flat(work.results)


@cocotb.test(timeout_time=300, timeout_unit="us")
async def test_a_pass_longer_than_the_memory_is_error_1(dut: Any) -> None:
    """A map that is one window wider than the psum memory."""
    host, rng = await begin(dut)
    work = await prepare(host, rng)
    descriptors = work.program.descriptors
    descriptors[0, 1] += 1 << 18  # one more row of windows
    await host.load_table(descriptors)
    host.send_weights(work.program.stream())
    await host.start(0, 2)
    assert await host.finish() == TOO_LONG
    await check_recovery(host, rng)


@cocotb.test(timeout_time=300, timeout_unit="us")
async def test_results_without_room_are_error_5(dut: Any) -> None:
    """Nobody reads: ResultDepth + 1 lines are kept, framed as a run, the rest is lost and told; reading heals it."""
    host, rng = await begin(dut)
    kept = parameters()["ResultDepth"] + 1
    work = await prepare(host, rng)
    assert len(work.results) > kept, "this parameter set cannot lose a line"
    host.result.pause = True
    host.send_weights(work.program.stream())
    await host.start(0, 2)
    assert await host.finish() == LOST
    assert await host.status() == (False, True, LOST, 1)
    assert not host.wgt.active, "the run goes to its end"
    host.result.pause = False
    assert await host.results() == flat(work.results[:kept])
    await host.no_results()
    await check_recovery(host, rng)


# ---------------------------------------------------------------- reset


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_reset_in_the_middle_leaves_nothing_behind(dut: Any) -> None:
    """In FETCH, in RUN at several cycles, with results waiting: idle again, registers at zero, and work as ever."""
    host, rng = await begin(dut)
    for cycles in (3, 40, 150, 401):
        work = await prepare(host, rng)
        host.send_weights(work.program.stream())
        await host.write(Register.LOAD_ADDR, 5)
        host.result.pause = cycles > 400
        await host.start(0, 2)
        if cycles > 400:
            await host.finish()
            assert read(dut.m_axis_result_tvalid), "there should be results to drop"
        else:
            for _ in range(cycles):
                await next_cycle(dut)
            assert (await host.status())[0], "the run was over before its reset"
        host.wgt.clear()
        await reset(dut)
        host.result.pause = False
        host.wgt.clear()
        await next_cycle(dut)
        assert await host.status() == (False, False, 0, 0)
        assert not any((await host.counters()).values())
        assert await host.read(Register.RANGE) == await host.read(Register.LOAD_ADDR) == 0
        while not host.result.empty():
            host.result.recv_nowait()
        await host.no_results(10)
        await check_run(host, await prepare(host, rng))
