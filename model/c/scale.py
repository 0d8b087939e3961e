"""The requantization of a layer as C: ``(p*M + B) >> S`` exactly, with a multiplication or without.

All three ways give the same integers; the narrowest type that the weights' bound allows is taken. Right shifts are of
values that are not negative and left shifts of unsigned ones, so that nothing is left to the compiler.
"""

from __future__ import annotations

from dataclasses import dataclass

from model.graph.graph import Layer
from model.numeric.formats import signed_bits_for

MOST_TERMS = 4
NO_TERM = 255
SIGN = 128  # of a term's byte; the shift is below it


def signed_digits(value: int) -> list[tuple[int, int]]:
    """`value` as a sum of (sign, exponent): ``sum(sign << exponent)``, with the fewest terms (non-adjacent form).

    Source: G. W. Reitwiesner, "Binary Arithmetic", Advances in Computers 1, 1960.

    Examples
    --------
    >>> signed_digits(7), signed_digits(-6), signed_digits(0)
    ([(-1, 0), (1, 3)], [(1, 1), (-1, 3)], [])
    """
    terms, exponent = [], 0
    while value:
        if value & 1:
            sign = 2 - (value & 3)
            terms.append((sign, exponent))
            value -= sign
        value >>= 1
        exponent += 1
    return terms


@dataclass(frozen=True)
class Scale:
    """C of a layer's requantization.

    Parameters
    ----------
    how : str
        ``multiply``; ``terms``: a few shifts a channel; ``bits``: shift and add over the bits of M.
    tables : str
        Definitions of the constants.
    total : str
        Statements that make ``t`` (of `kind`) from ``p`` and the channel number ``q``.
    kind : str
        ``int32_t`` or ``int64_t``.
    bytes : int
        Of the tables.
    """

    how: str
    tables: str
    total: str
    kind: str
    bytes: int


def scale(layer: Layer, number: int, multiplier: bool) -> Scale:
    """The requantization of `layer`, which is number `number`; `multiplier`: the target may multiply."""
    low, high = layer.psum_range
    factors, offsets = layer.multiplier.tolist(), layer.bias.tolist()
    pairs = list(zip(factors, offsets, strict=True))
    reach = [p * m + b for p in (low, high) for m, b in pairs] + [p * m for p in (low, high) for m in factors]
    kind = "int64_t" if signed_bits_for(min(reach), max(reach)) > 32 else "int32_t"
    biases, size = _table(_kind(offsets), f"b{number}", offsets)
    digits = [signed_digits(m) for m in factors]
    most = max(1, *map(len, digits))
    if not multiplier and kind == "int32_t" and most <= MOST_TERMS and all(e < 32 for each in digits for _, e in each):
        rows = [[(SIGN if sign < 0 else 0) | e for sign, e in each] + [NO_TERM] * (most - len(each)) for each in digits]
        table, more = _table("uint8_t", f"m{number}", [byte for row in rows for byte in row])
        return Scale("terms", table + biases, _terms(number, most), kind, size + more)
    table, more = _table(_kind(factors), f"m{number}", factors)
    if multiplier:
        total = f"    {kind} t = ({kind})p * m{number}[q] + b{number}[q];\n"
        return Scale("multiply", table + biases, total, kind, size + more)
    return Scale("bits", table + biases, _loop(number, kind, _kind(factors)), kind, size + more)


def _kind(values: list[int]) -> str:
    return "int64_t" if signed_bits_for(min(values), max(values)) > 32 else "int32_t"


def _table(kind: str, name: str, values: list[int]) -> tuple[str, int]:
    """A constant table and its bytes."""
    size = {"uint8_t": 1, "int32_t": 4, "int64_t": 8}[kind]
    # the least 64-bit integer has no literal of its own; B never is it: p*M + B fits 63 bits
    told = ", ".join(f"INT64_C({value})" if kind == "int64_t" else str(value) for value in values)
    return f"static const {kind} {name}[{len(values)}] = {{{told}}};\n", size * len(values)


def _terms(number: int, most: int) -> str:
    lines = [f"    const uint8_t *term = m{number} + q{'' if most == 1 else f' * {most}'};\n"]
    lines.append(f"    uint32_t sum = (uint32_t)b{number}[q];\n")
    for at in range(most):
        lines += [
            f"    if (term[{at}] != {NO_TERM}u) {{\n",
            f"        uint32_t part = (uint32_t)p << (term[{at}] & 31u);\n",
            f"        sum = term[{at}] & {SIGN}u ? sum - part : sum + part;\n",
            "    }\n",
        ]
    lines.append("    int32_t t = to_int32(sum);\n")
    return "".join(lines)


def _loop(number: int, kind: str, factor: str) -> str:
    word = "u" + kind
    return (
        f"    {factor} m = m{number}[q];\n"
        f"    {word} sum = ({word})b{number}[q];\n"
        f"    {word} part = ({word})({kind})p;\n"
        f"    u{factor} left = (u{factor})m;\n"
        "    if (m < 0) {\n"
        "        left = 0u - left;\n"
        "        part = 0u - part;\n"
        "    }\n"
        "    for (; left; left >>= 1, part += part)\n"
        "        if (left & 1u)\n"
        "            sum += part;\n"
        f"    {kind} t = to_{kind.removesuffix('_t')}(sum);\n"
    )
