"""cocotb tests of accelerator: each bit of the buses and counters is at the block that it belongs to.

The runs of the other tests count to a few thousand and have no strobes with a gap: here values are any, and nothing is
valid.
"""

from __future__ import annotations

from typing import Any

import cocotb

from model.golden.bus import COUNTERS
from tb.accelerator.work import engine_shape
from tb.common.drivers import any_word, begin_quiet, deposit, generator, next_cycle, pack, parameters, read, settled
from tb.common.scoreboard import BitCoverage

P = parameters()
SHAPE = engine_shape(P)
LINE, WORD = SHAPE.rows * SHAPE.act_width, SHAPE.wgt_lanes * SHAPE.rows * SHAPE.wgt_width  # bits that are used
AXIL = {"awaddr": 16, "awprot": 3, "wdata": 32, "wstrb": 4, "araddr": 16, "arprot": 3}
QUIET = (
    *(f"s_axil_{name}" for name in ("awvalid", "wvalid", "arvalid", "bready", "rready")),
    *("s_axis_act_tvalid", "s_axis_wgt_tvalid", "m_axis_result_tready"),
)
ANY = (
    *(f"s_axil_{name}" for name in AXIL),
    *("s_axis_act_tdata", "s_axis_act_tlast", "s_axis_wgt_tdata", "s_axis_wgt_tlast"),
)


async def begin(dut: Any) -> None:
    """Clock, quiet inputs, reset."""
    await begin_quiet(dut, QUIET + ANY)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_every_bit_of_the_buses_is_where_it_belongs(dut: Any) -> None:
    """Address, data and strobes at the register block; activations and weights at the engine."""
    await begin(dut)
    rng = generator()
    places = {f"s_axil_{name}": (getattr(dut.u_regs, f"s_axil_{name}"), width) for name, width in AXIL.items()}
    places |= {
        "s_axis_act_tdata": (dut.u_engine.load_data_i, LINE),
        "s_axis_wgt_tdata": (dut.u_engine.wgt_data_i, WORD),
        "s_axis_wgt_tlast": (dut.u_engine.wgt_last_i, 1),
    }
    coverage = BitCoverage({name: width for name, (_, width) in places.items()})
    for _ in range(40):
        given = {name: any_word(rng, len(getattr(dut, name))) for name in ANY}
        for name, value in given.items():
            getattr(dut, name).value = value
        await settled(dut)
        for name, (port, width) in places.items():
            wanted = given[name] % (1 << width)
            assert read(port) == wanted, f"{name} {wanted:#x} is {read(port):#x} at {port._path}"
            coverage.see(name, wanted)
        await next_cycle(dut)
    coverage.finish()


async def fetch(dut: Any, address: int) -> int:
    """The answer to a read; without a bus master, which would not leave the other wires alone."""
    dut.s_axil_araddr.value, dut.s_axil_arvalid.value, dut.s_axil_rready.value = address, 1, 1
    await next_cycle(dut)
    dut.s_axil_arvalid.value = 0
    await settled(dut)
    assert read(dut.s_axil_rvalid), "no answer in the next cycle"
    answer = read(dut.s_axil_rdata)
    await next_cycle(dut)
    return answer


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_every_bit_of_the_counters_is_read(dut: Any) -> None:
    """One bit of one of them at a time, as after a long run."""
    await begin(dut)
    for counter, register in enumerate(COUNTERS):
        for bit in range(32):
            counts = [int(each == counter) << bit for each in range(len(COUNTERS))]
            await deposit(dut.u_engine.u_counters, count_q=pack(counts[::-1], 32))
            shown = [await fetch(dut, each) for each in (register, COUNTERS[counter - 1])]
            assert shown == [1 << bit, 0], f"{register.name}, bit {bit}: it and the one before are {shown}"


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_the_load_address_is_the_engines(dut: Any) -> None:
    """All lines of the memory, one after the other, and the first again."""
    await begin(dut)
    rng = generator()
    for line in range(P["ActDepth"] + 2):
        data = any_word(rng, LINE)
        dut.s_axis_act_tdata.value, dut.s_axis_act_tvalid.value = data, 1
        await settled(dut)
        shown = read(dut.u_engine.load_addr_i), read(dut.u_engine.load_data_i), read(dut.s_axis_act_tready)
        assert shown == (line % P["ActDepth"], data, 1), f"line {line}: {shown}"
        await next_cycle(dut)
    dut.s_axis_act_tvalid.value = 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_every_bit_of_a_result_reaches_the_stream(dut: Any) -> None:
    """A line of logits as the engine holds it, one bit alone and all others."""
    await begin(dut)
    width = 32 * P["Cols"]
    for bit in range(width):
        for line in (1 << bit, (1 << width) - 1 ^ 1 << bit):
            await deposit(dut.u_engine, wide_q=line)
            await settled(dut)
            assert read(dut.u_results.line_i) == line, f"{line:#x} is {read(dut.u_results.line_i):#x}"
