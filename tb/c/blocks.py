"""RV32C code read just so far that a block of it tells how many instructions it has and how deep its stack goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

SP = 2
OP_IMM = 0x13


class Block(NamedTuple):
    """What a block of code does when it is run to its end.

    Parameters
    ----------
    instructions : int
    dip : int
        The lowest that it moves the stack pointer to, from where it stands at its beginning; 0 or less.
    """

    instructions: int
    dip: int


def words(code: bytes) -> Iterator[int]:
    """Instructions one by one: those whose two lowest bits are set have four bytes, the others two."""
    at = 0
    while at < len(code):
        size = 4 if code[at] & 3 == 3 else 2
        yield int.from_bytes(code[at : at + size], "little")
        at += size


def read(code: bytes) -> Block:
    """Instructions and dip of a block.

    Examples
    --------
    16 bytes pushed (c.addi sp, -16), a nop of four bytes, 48 more pushed (c.addi16sp) and taken back:

    >>> read(bytes.fromhex("4111" "13000000" "7971" "4561"))
    Block(instructions=4, dip=-64)
    """
    count = moved = dip = 0
    known = True
    for word in words(code):
        count += 1
        step = stack_step(word)
        known = known and step is not None
        moved += step or 0
        if known:
            dip = min(dip, moved)
    return Block(count, dip)


def stack_step(word: int) -> int | None:
    """By how much an instruction moves the stack pointer; None where it is set to something else."""
    if word & 3 == 3:
        writes = word >> 7 & 31 == SP and word & 0x7F not in (0x23, 0x63)  # stores and branches have no target
        if writes and word & 0xFFFFF == SP << 15 | SP << 7 | OP_IMM:  # addi sp, sp, imm
            return _signed(word >> 20, 12)
        return None if writes else 0
    quadrant, function = word & 3, word >> 13
    if word >> 7 & 31 != SP or quadrant == 0:
        return 0
    if (quadrant, function) == (1, 0):  # c.addi
        return _signed((word >> 12 & 1) << 5 | word >> 2 & 31, 6)
    if (quadrant, function) == (1, 3):  # c.addi16sp
        places = ((12, 9), (6, 4), (5, 6), (4, 8), (3, 7), (2, 5))
        return _signed(sum((word >> at & 1) << to for at, to in places), 10)
    moves = (quadrant, function) in ((1, 2), (2, 0), (2, 2)) or ((quadrant, function) == (2, 4) and word >> 2 & 31)
    return None if moves else 0  # c.li, c.slli, c.lwsp, c.mv and c.add write it; c.sw, branches, c.jr do not


def _signed(value: int, bits: int) -> int:
    return value - ((value >> (bits - 1) & 1) << bits)
