"""Words of any width, packed from narrow fields: rows of bytes, least significant byte first."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def to_bits(values: Array, width: int) -> Array:
    """The low `width` bits (at most 64) of integers (...), two's complement, as uint8 (..., width), bit 0 first."""
    if width <= 8:
        bits: Array = (values.astype(np.int64) & 0xFF).astype(np.uint8)[..., None] >> np.arange(width, dtype=np.uint8)
    else:
        bits = values.astype(np.int64)[..., None] >> np.arange(width, dtype=np.int64)
    one: Array = (bits & 1).astype(np.uint8)
    return one


def pack(bits: Array) -> Array:
    """Bits uint8 (n, width), bit 0 first, as bytes uint8 (n, ceil(width / 8)), byte 0 first."""
    return np.packbits(bits, axis=1, bitorder="little")


def pack_fields(values: Array, width: int) -> Array:
    """Words of the integers (n, fields), field f at ``[f*width +: width]``: bytes uint8 (n, ceil(fields*width / 8))."""
    bits = to_bits(values, width)  # (n, fields, width)
    return pack(bits.reshape(len(values), values.shape[1] * width))


def to_ints(words: Array) -> list[int]:
    """Words (n, bytes) as Python integers."""
    return [int.from_bytes(word.tobytes(), "little") for word in words]


def to_hex(words: Array) -> list[str]:
    """Words (n, bytes) as hexadecimal digits, most significant first: lines of a `$readmemh` file."""
    size = 2 * words.shape[1]
    text = np.ascontiguousarray(words[:, ::-1]).tobytes().hex()
    return [text[i : i + size] for i in range(0, len(text), size)]
