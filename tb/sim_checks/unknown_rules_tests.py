"""cocotb tests of the table UNKNOWN: unknown values at a port. Each must end in a $fatal, so none may pass."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.types import LogicArray

from tb.common.drivers import next_cycle, parameters
from tb.common.instruction import InstructionFormat
from tb.sim_checks.bench import begin
from tb.sim_checks.bus_rules_tests import begin_buses
from tb.sim_checks.unknown import PIXEL, UNKNOWN, X


def pixel() -> LogicArray:
    """The instruction that PIXEL means."""
    built = parameters()
    fields = InstructionFormat(built["ActDepth"], built["PsumDepth"], False).fields()
    bits = {"x_valid": "1", "x_zero": X}
    return LogicArray("".join(bits.get(name, "0") * width for name, width in fields))


def test_of(name: str) -> Any:
    """The cocotb test of an entry: its values at its ports, which stay there."""

    async def unknown(dut: Any) -> None:
        await (begin_buses if UNKNOWN[name].top == "accelerator" else begin)(dut)
        for port, value in UNKNOWN[name].ports.items():
            handle = getattr(dut, port)
            if value == X:
                handle.value = LogicArray(X * len(handle.value))
            else:
                handle.value = pixel() if value == PIXEL else value
        for _ in range(4):
            await next_cycle(dut)

    unknown.__name__ = unknown.__qualname__ = name
    return cocotb.test(timeout_time=1, timeout_unit="us")(unknown)


globals().update({name: test_of(name) for name in UNKNOWN})
