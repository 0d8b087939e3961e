"""Verilog parameters of the weight formats, for tests that run on each of them."""

from __future__ import annotations

from model.numeric.power import POWERS, PowerFormat
from model.numeric.weights import WeightFormat


def weight_parameters(fmt: WeightFormat) -> dict[str, int]:
    """WgtWidth and, of a power-of-two format, WgtPower, WgtZero and WgtStep.

    >>> weight_parameters(POWERS["level5"])
    {'WgtWidth': 3, 'WgtPower': 2, 'WgtZero': 1, 'WgtStep': 3}
    """
    if not isinstance(fmt, PowerFormat):
        return {"WgtWidth": fmt.bits}
    return {"WgtWidth": fmt.bits, "WgtPower": fmt.exponents, "WgtZero": int(fmt.zero), "WgtStep": fmt.step}


NAMED = {name: weight_parameters(fmt) for name, fmt in POWERS.items()}
