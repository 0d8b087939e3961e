"""cocotb tests of accelerator: every error, told and survived without a reset; and resets in the middle."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from model.golden.bus import LOST, Register
from model.program.stream import Stream
from tb.accelerator.bench import begin, check_run, prepare
from tb.accelerator.host import Host, flat
from tb.accelerator.states import STATES
from tb.accelerator.work import engine_shape, small_work
from tb.common.drivers import next_cycle, parameters, read, reset

SHAPE = engine_shape(parameters())
TOO_LONG, EARLY, MISSING, BAD_RANGE, NOT_BUILT, LOOPS = 1, 2, 3, 4, 6, 7


async def check_recovery(host: Host, rng: np.random.Generator) -> None:
    """Flush, then other work, without a reset: as if nothing had been."""
    await host.flush()
    while not host.result.empty():
        host.result.recv_nowait()
    await check_run(host, await prepare(host, rng))


@cocotb.test(timeout_time=500, timeout_unit="us")
async def test_last_too_early_is_error_2(dut: Any) -> None:
    """At the first word, in the middle, with sums of an output tile under way, and one word before the layer's last."""
    host, rng = await begin(dut)
    for layer in (0, 1):
        words = small_work(SHAPE, rng).program.layers[layer].stream_length
        for place in (0, 9, words // 2 if layer == 0 else words // 4, words - 2):
            work = await prepare(host, rng)
            stream = work.program.stream()
            last = stream.last.copy()
            last[(len(last) - words if layer else 0) + place] = True
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
async def test_a_mode_that_is_not_built_in_is_error_6(dut: Any) -> None:
    """Pairs, for this layer or for the reader of its output, or the other dataflow: the layer does not begin."""
    host, rng = await begin(dut)
    bits = (*(() if SHAPE.simd else (11, 12)), *(() if SHAPE.output_stationary else (13,)))
    for bit in bits:
        work = await prepare(host, rng)
        descriptors = work.program.descriptors
        descriptors[0, 9] |= 1 << bit
        await host.load_table(descriptors)
        host.send_weights(work.program.stream())
        await host.start(0, 2)
        assert await host.finish() == NOT_BUILT
        assert await host.status() == (False, True, NOT_BUILT, 0)
        assert (await host.counters())["pixels"] == 0
        await check_recovery(host, rng)


@cocotb.test(timeout_time=300, timeout_unit="us")
async def test_passes_that_are_not_the_loops_are_error_7(dut: Any) -> None:
    """Loops of more passes: the run waited for words that nobody took; of fewer: it ended and told nothing."""
    host, rng = await begin(dut)
    for columns in (4, 2):
        work = await prepare(host, rng)
        descriptors = work.program.descriptors
        descriptors[0, 2] = int(descriptors[0, 2]) & ~15 | columns - 1  # of a kernel of three
        await host.load_table(descriptors)
        host.send_weights(work.program.stream(0, 1))
        await host.start(0, 1)
        assert await host.finish() == LOOPS
        assert await host.status() == (False, True, LOOPS, 0)
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


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_reset_in_every_state_of_a_layer(dut: Any) -> None:
    """FETCH, RUN and DRAIN, each in its second cycle: idle right after, and work as ever."""
    host, rng = await begin(dut)
    state_q = dut.u_engine.u_sequencer.state_q
    for state, code in ((state, STATES.index(state)) for state in ("fetch", "run", "drain")):
        work = await prepare(host, rng)
        host.send_weights(work.program.stream())
        await host.start(0, 2)
        while read(state_q) != code:
            await next_cycle(dut)
        await next_cycle(dut)
        assert read(state_q) == code, f"{state} lasts one cycle only"
        await reset(dut)
        host.wgt.clear()
        await next_cycle(dut)
        assert await host.status() == (False, False, 0, 0), state
        await check_run(host, await prepare(host, rng))


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
