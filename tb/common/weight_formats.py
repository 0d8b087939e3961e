"""Verilog parameters of the weight formats, for tests that run on each of them."""

from __future__ import annotations

from model.numeric.power import POWERS
from model.numeric.weights import WeightFormat
from model.program.array import verilog_name, weight_fields


def weight_parameters(fmt: WeightFormat) -> dict[str, int]:
    """WgtWidth and, of a power-of-two format, WgtPower, WgtZero and WgtStep.

    >>> weight_parameters(POWERS["level5"])
    {'WgtWidth': 3, 'WgtPower': 2, 'WgtZero': 1, 'WgtStep': 3}
    """
    return {verilog_name(name): value for name, value in weight_fields(fmt).items()}


NAMED = {name: weight_parameters(fmt) for name, fmt in POWERS.items()}
