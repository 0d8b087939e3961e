"""cocotb tests of accelerator: each bit of the buses and counters is at the block that it belongs to.

The runs of the other tests count to a few thousand and have no strobes with a gap: here values are any, and nothing is
valid.
"""

from __future__ import annotations

from typing import Any

import cocotb

from model.golden.bus import COUNTERS
from tb.accelerator.work import engine_shape
from tb.common.drivers import begin_quiet, deposit, generator, next_cycle, pack, parameters, read, settled
from tb.common.scoreboard import Coverage

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
    bits = [f"{name}[{bit}] is" for name, (_, width) in places.items() for bit in range(width)]
    coverage = Coverage(*(f"{bit} {value}" for bit in bits for value in (0, 1)))
    for _ in range(40):
        given = {name: int.from_bytes(rng.bytes(len(getattr(dut, name)) // 8 + 1)) for name in ANY}
        given = {name: value % (1 << len(getattr(dut, name))) for name, value in given.items()}
        for name, value in given.items():
            getattr(dut, name).value = value
        await settled(dut)
        for name, (port, width) in places.items():
            wanted = given[name] % (1 << width)
            assert read(port) == wanted, f"{name} {wanted:#x} is {read(port):#x} at {port._path}"
            for bit in range(width):
                coverage.hit(f"{name}[{bit}] is {wanted >> bit & 1}")
        await next_cycle(dut)
    coverage.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_every_bit_of_the_counters_is_read(dut: Any) -> None:
    """One bit of one of them at a time, as after a long run."""
    await begin(dut)
    names = [register.name.lower() for register in COUNTERS]
    for counter in range(len(names)):
        for bit in range(32):
            counts = [int(each == counter) << bit for each in range(len(names))]
            await deposit(dut.u_engine.u_counters, count_q=pack(counts[::-1], 32))
            await settled(dut)
            shown = [read(getattr(dut.u_regs, f"{name}_i")) for name in names]
            assert shown == counts, f"bit {bit} of {names[counter]}: {shown}"
            await next_cycle(dut)
