"""cocotb tests that break what its neighbours owe accelerator: each must end in a $fatal, so none may pass."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.types import LogicArray

from tb.common.drivers import next_cycle, reset, start_clock

BUSES = {
    "s_axil": (
        "awaddr",
        "awprot",
        "awvalid",
        "wdata",
        "wstrb",
        "wvalid",
        "bready",
        "araddr",
        "arprot",
        "arvalid",
        "rready",
    ),
    "s_axis_act": ("tdata", "tvalid", "tlast"),
    "s_axis_wgt": ("tdata", "tvalid", "tlast"),
    "m_axis_result": ("tready",),
}


async def begin_buses(dut: Any) -> None:
    """Every input zero, clock, reset."""
    for bus, names in BUSES.items():
        for name in names:
            getattr(dut, f"{bus}_{name}").value = 0
    start_clock(dut)
    await reset(dut)


async def drive(dut: Any, cycles: int = 1, **ports: int | LogicArray) -> None:
    """Drive ports by their full names for some cycles, and leave them so."""
    for port, value in ports.items():
        getattr(dut, port).value = value
    for _ in range(cycles):
        await next_cycle(dut)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def accelerator_write_address_changes(dut: Any) -> None:
    await begin_buses(dut)
    await drive(dut, s_axil_awvalid=1, s_axil_awaddr=8)  # taken at once; the next has to wait for its data
    await drive(dut, cycles=2, s_axil_awaddr=12)
    await drive(dut, cycles=3, s_axil_awaddr=8)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def accelerator_write_data_withdrawn(dut: Any) -> None:
    await begin_buses(dut)
    await drive(dut, cycles=3, s_axil_wvalid=1, s_axil_wdata=5, s_axil_wstrb=15)
    await drive(dut, cycles=3, s_axil_wvalid=0)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def accelerator_read_address_withdrawn(dut: Any) -> None:
    await begin_buses(dut)
    await drive(dut, cycles=3, s_axil_arvalid=1)  # the first answer is not taken
    await drive(dut, cycles=3, s_axil_arvalid=0)


@cocotb.test(timeout_time=1, timeout_unit="us")
async def accelerator_unknown_write_data(dut: Any) -> None:
    await begin_buses(dut)
    await drive(dut, cycles=3, s_axil_wvalid=1, s_axil_wstrb=15, s_axil_wdata=LogicArray("X" + "0" * 31))


@cocotb.test(timeout_time=1, timeout_unit="us")
async def accelerator_weight_word_changes(dut: Any) -> None:
    await begin_buses(dut)
    await drive(dut, cycles=2, s_axis_wgt_tvalid=1)  # nothing runs: not taken
    await drive(dut, cycles=3, s_axis_wgt_tlast=1)


@cocotb.test(timeout_time=2, timeout_unit="us")
async def accelerator_activation_line_withdrawn(dut: Any) -> None:
    await begin_buses(dut)
    dut.s_axil_bready.value, dut.s_axil_wstrb.value = 1, 15
    for address, data in [*((0x1000 + 4 * word, 0) for word in range(12)), (0x0008, 1 << 8), (0x0000, 1)]:
        await drive(dut, s_axil_awvalid=1, s_axil_awaddr=address, s_axil_wvalid=1, s_axil_wdata=data)
        await drive(dut, cycles=3, s_axil_awvalid=0, s_axil_wvalid=0)
    await drive(dut, cycles=2, s_axis_act_tvalid=1)  # it runs, and takes no line
    await drive(dut, cycles=3, s_axis_act_tvalid=0)
