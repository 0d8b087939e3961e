"""cocotb tests of shift_add: every weight by every activation, on psums at both ends of their range and between."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import Timer

from model.numeric.power import PowerFormat
from tb.common.drivers import generator, pack, parameters, read, unpack
from tb.common.traffic import random_codes

VALUES = parameters()
FORMAT = PowerFormat(VALUES["WgtPower"], bool(VALUES["WgtZero"]), VALUES["WgtStep"])
ACT_MAX, WIDTH = (1 << VALUES["ActWidth"]) - 1, VALUES["PsumWidth"]
PSUM_MIN, PSUM_MAX = -(1 << (WIDTH - 1)), (1 << (WIDTH - 1)) - 1


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def test_every_weight_by_every_activation(dut: Any) -> None:
    """The sum is exact wherever it fits: from the least psum that lets it, from the greatest, and from one between."""
    rng, sums = generator(), 0
    for weight, pattern in zip(FORMAT.values.tolist(), FORMAT.encode(FORMAT.values).tolist(), strict=True):
        for act in range(ACT_MAX + 1):
            product = weight * act
            low, high = PSUM_MIN - min(0, product), PSUM_MAX - max(0, product)
            between = int(random_codes(rng, low, high, (1,))[0])
            for psum in (low, high, between):
                dut.act_i.value, dut.wgt_i.value, dut.psum_i.value = act, pattern, pack([psum], WIDTH)
                await Timer(1, "ns")
                (got,) = unpack(read(dut.sum_o), WIDTH, 1, signed=True)
                assert got == psum + product, f"{psum} + {weight} * {act}: expected {psum + product}, got {got}"
                sums += 1
    assert sums == 3 * FORMAT.levels * (ACT_MAX + 1) > 0


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def test_patterns_are_those_of_the_format(dut: Any) -> None:
    """On the psum 0 with the activation 1 the sum is the weight itself."""
    dut.act_i.value, dut.psum_i.value = 1, 0
    values = {}
    for pattern in FORMAT.encode(FORMAT.values).tolist():
        dut.wgt_i.value = pattern
        await Timer(1, "ns")
        values[pattern] = unpack(read(dut.sum_o), WIDTH, 1, signed=True)[0]
    np.testing.assert_array_equal(FORMAT.decode(np.array(list(values))), list(values.values()))
