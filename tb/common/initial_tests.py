"""cocotb test for `test_initial`: writes down what sram's registers hold before the first clock edge."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import Timer

from tb.common.drivers import parameters, read


@cocotb.test()
async def test_first_values(dut: Any) -> None:
    """Every word, and the read register, is a number."""
    await Timer(1, unit="ns")
    values = [read(dut.mem[word]) for word in range(parameters()["Depth"])] + [read(dut.rdata_q)]
    Path(os.environ["FIRST_VALUES"]).write_text(" ".join(map(str, values)))
