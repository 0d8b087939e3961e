"""The requantization of a layer as C: ``(p*M + B) >> S`` exactly, with a multiplication or without.

Powers of two that divide a channel's M are taken out of it first, for a floor of a floor is one floor:

    (p*M + B) >> S = (p*(M >> t) + (B >> t)) >> (S - t),    t = how often 2 divides M, S at most              (1)

so that sums are narrow where M is a few powers of two. All ways give the same integers; the narrowest type that
the bounds allow is taken. Right shifts are of values that are not negative, left shifts of unsigned ones, so
that nothing is left to the compiler.
"""

from __future__ import annotations

from dataclasses import dataclass

from model.c.text import table
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
    total : tuple of str
        Statements that make ``t`` from ``p`` and the channel number ``q``.
    shift : str
        How far ``t`` is then shifted to the right.
    bytes : int
        Of the tables.
    """

    how: str
    tables: str
    total: tuple[str, ...]
    shift: str
    bytes: int


def scale(layer: Layer, number: int, multiplier: bool) -> Scale:
    """The requantization of `layer`, which is number `number`; `multiplier`: the target may multiply."""
    twos = [_twos(m, layer.shift) for m in layer.multiplier.tolist()]
    kind = "int32_t"
    if _reach_bits(layer, twos) > 32:  # of 64 bits, a shift that is the same for all costs half
        kind, twos = "int64_t", [min(twos)] * len(twos)
    factors, offsets = _reduced(layer, twos)
    shifts = [layer.shift - t for t in twos]
    if kind == "int32_t":
        shifts = [min(shift, 31) for shift in shifts]  # C has no further ones, and what 31 leave is the sign already
    tables, size = _constants(_kind(offsets), f"b{number}", offsets)
    if (same := len(set(shifts)) == 1) is False:
        told, more = _constants("uint8_t", f"s{number}", shifts)
        tables, size = tables + told, size + more
    shift = str(shifts[0]) if same else f"s{number}[q]"
    digits = [signed_digits(m) for m in factors]
    most = max(1, *map(len, digits))
    if not multiplier and kind == "int32_t" and most <= MOST_TERMS:
        rows = [[(SIGN if sign < 0 else 0) | e for sign, e in each] + [NO_TERM] * (most - len(each)) for each in digits]
        told, more = _constants("uint8_t", f"m{number}", [byte for row in rows for byte in row])
        return Scale("terms", told + tables, _terms(number, most), shift, size + more)
    told, more = _constants(_kind(factors), f"m{number}", factors)
    if multiplier:
        total = (f"{kind} t = ({kind})p * m{number}[q] + b{number}[q];",)
        return Scale("multiply", told + tables, total, shift, size + more)
    return Scale("bits", told + tables, _bits(number, kind, _kind(factors)), shift, size + more)


def _twos(value: int, most: int) -> int:
    """How often 2 divides `value`, `most` at most."""
    return min(most, (value & -value).bit_length() - 1) if value else most


def _reduced(layer: Layer, twos: list[int]) -> tuple[list[int], list[int]]:
    """M and B by (1)."""
    factors = [m >> t for m, t in zip(layer.multiplier.tolist(), twos, strict=True)]
    return factors, [b >> t for b, t in zip(layer.bias.tolist(), twos, strict=True)]


def _reach_bits(layer: Layer, twos: list[int]) -> int:
    """Width of every number on the way from p to the code, M alone included."""
    reach = [
        product
        for m, b in zip(*_reduced(layer, twos), strict=True)
        for p in (*layer.psum_range, 1)
        for product in (p * m, p * m + b)
    ]
    return signed_bits_for(min(reach), max(reach))


def _kind(values: list[int]) -> str:
    return "int64_t" if signed_bits_for(min(values), max(values)) > 32 else "int32_t"


def _constants(kind: str, name: str, values: list[int]) -> tuple[str, int]:
    """A constant table and its bytes."""
    size = {"uint8_t": 1, "int32_t": 4, "int64_t": 8}[kind]
    return table(kind, name, [_literal(value, kind) for value in values], across=8), size * len(values)


def _literal(value: int, kind: str) -> str:
    """`value` in C, where the least integers have no literal of their own: -2147483648 is a minus and a wider one."""
    if kind == "int64_t":
        return f"INT64_C({value})"  # the least never occurs: p*M + B fits 63 bits
    return str(value) if value != -(1 << 31) else f"({value + 1} - 1)"


def _terms(number: int, most: int) -> tuple[str, ...]:
    """Statements of `terms`: each byte of the table is a shift and a sign, or NO_TERM."""
    lines = [
        f"const uint8_t *term = m{number} + q{'' if most == 1 else f' * {most}'};",
        f"uint32_t sum = (uint32_t)b{number}[q];",
    ]
    for at in range(most):
        lines += [
            f"if (term[{at}] != {NO_TERM}) {{",
            f"    uint32_t part = (uint32_t)p << (term[{at}] & 31);",
            f"    sum = term[{at}] & {SIGN} ? sum - part : sum + part;",
            "}",
        ]
    return (*lines, "int32_t t = to_int32(sum);")


def _bits(number: int, kind: str, factor: str) -> tuple[str, ...]:
    """Statements of `bits`: M as it is, bit by bit."""
    return (
        f"{factor} m = m{number}[q];",
        f"u{kind} sum = (u{kind})b{number}[q];",
        f"u{kind} part = (u{kind})({kind})p;",
        f"u{factor} left = (u{factor})m;",
        "if (m < 0) {",
        "    left = 0u - left;",
        "    part = 0u - part;",
        "}",
        "for (; left; left >>= 1, part += part)",
        "    if (left & 1u)",
        "        sum += part;",
        f"{kind} t = to_{kind.removesuffix('_t')}(sum);",
    )
