"""Weight formats by name and from JSON: integers and powers of two are values of one kind."""

from __future__ import annotations

from typing import Any

from model.errors import LockstepError
from model.numeric.formats import IntFormat
from model.numeric.power import POWERS, PowerFormat

WeightFormat = IntFormat | PowerFormat
FORMATS: dict[str, WeightFormat] = {
    **{f"int{bits}": IntFormat(bits, signed=True, symmetric=True) for bits in range(2, 9)},
    **POWERS,
}


def named(name: str) -> WeightFormat:
    """The weight format called `name`.

    Raises
    ------
    LockstepError
        When there is none; lists those there are.

    Examples
    --------
    >>> named("int4").max, named("pot4").max
    (7, 128)
    """
    if name not in FORMATS:
        raise LockstepError(f"no weight format {name!r}; expected one of {', '.join(FORMATS)}")
    return FORMATS[name]


def weight_format(weights: int | WeightFormat) -> WeightFormat:
    """The symmetric integer of so many bits, 2..8; a format as it is."""
    return named(f"int{weights}") if isinstance(weights, int) else weights


def int_of(value: dict[str, Any]) -> IntFormat:
    """The IntFormat that `IntFormat.describe` gave as `value`; LookupError or TypeError for anything else."""
    return IntFormat(bits=value["bits"], signed=value["signed"], symmetric=value["symmetric"])


def format_of(value: dict[str, Any]) -> WeightFormat:
    """The format whose `describe` gave `value`; LookupError or TypeError for anything else."""
    if "exponents" in value:
        return PowerFormat(value["exponents"], value["zero"], value["step"])
    return int_of(value)
