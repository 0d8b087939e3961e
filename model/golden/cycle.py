"""The array, register by register and cycle by cycle: what every processing element holds after every clock edge.

The dataflow is weight-stationary. A pixel enters row r from the west r cycles after it entered row 0 and moves one
column a cycle, so the pixel that is at PE(0,0) in cycle n is at PE(r,c) in cycle n + r + c, together with the sum of
the rows above:

    psum(r, c) = psum(r-1, c) + weight(r, c) * act(r),        psum(-1, c) = 0                        (1)

Weights follow the same wave on a path of their own, one flit of `lanes` neighbouring columns at a time, into a shadow
register. The first pixel of a tile carries the swap bit: from this pixel on the PE multiplies by what the shadow held
when the pixel arrived.

In a layer of pairs an activation is two codes of half the bits, of two input channels, and a PE holds a weight for
each:

    psum(r, c) = psum(r-1, c) + weight(r, c) * low(r) + weight_hi(r, c) * high(r)                      (1')

Plain Python integers, one small function a level (PE, row, array): slow, and meant to be read. Integers are unbounded
here; that a psum fits its register is for the caller to know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Flow(NamedTuple):
    """What one row's west port, or one PE's east port, carries in a cycle.

    Parameters
    ----------
    valid, swap : int
        Pixel present; it is the first of its tile.
    act : int
        Activation code, 0 .. 2**ActWidth - 1.
    wgt_valid, wgt_group : int
        Weight flit present; it is for columns wgt_group*lanes ... wgt_group*lanes + lanes - 1.
    wgt : tuple of int
        The flit's weights, one a lane: values, whatever the bits that stand for them.
    """

    valid: int
    swap: int
    act: int
    wgt_valid: int
    wgt_group: int
    wgt: tuple[int, ...]


class Pairs(NamedTuple):
    """An array that can multiply pairs, and whether it does.

    Parameters
    ----------
    half : int
        Bits of a half of an activation.
    upper : int
        Number of the first weight flit for high halves, a power of two: flit g + upper holds the weights for the high
        halves of the columns of flit g.
    on : bool
        The layer is one of pairs; else an activation is one code.
    """

    half: int
    upper: int
    on: bool


class Pe(NamedTuple):
    """The registers of one processing element; the first six are the `Flow` to its eastern neighbour.

    `shadow_hi` and `active_hi`, weights of the high halves, exist only where the array can multiply pairs.
    """

    valid: int
    swap: int
    act: int
    wgt_valid: int
    wgt_group: int
    wgt: tuple[int, ...]
    shadow: int
    active: int
    psum: int
    shadow_hi: int = 0
    active_hi: int = 0


Row = list[Pe]
Array = list[Row]


def idle(lanes: int, filler: int = 0) -> Flow:
    """A port on which nothing happens, its weight lines low: the pattern of zeros, which has the value `filler`."""
    return Flow(0, 0, 0, 0, 0, (filler,) * lanes)


def reset(rows: int, cols: int, lanes: int, filler: int = 0) -> Array:
    """A rows x cols array just after reset: every register is zero, a weight's pattern of zeros has value `filler`."""
    start = Pe(*idle(lanes, filler), shadow=filler, active=filler, psum=0, shadow_hi=filler, active_hi=filler)
    return [[start for _ in range(cols)] for _ in range(rows)]


def east(pe: Pe) -> Flow:
    """What a PE shows its eastern neighbour."""
    return Flow(*pe[:6])


def registers(pairs: bool) -> tuple[str, ...]:
    """Names of the registers of a PE that can multiply pairs, or cannot."""
    return tuple(name for name in Pe._fields if pairs or not name.endswith("_hi"))


def step_pe(pe: Pe, west: Flow, north: int, column: int, pairs: Pairs | None = None) -> Pe:
    """The registers of the PE in `column` after one clock edge.

    Parameters
    ----------
    pe : Pe
        Registers before the edge.
    west : Flow
        What arrives from the west in this cycle.
    north : int
        The psum register of the PE above, 0 in row 0.
    column : int
        Tells which lane of which flit is for this PE.
    pairs : Pairs or None
        None: the array cannot multiply any.

    Notes
    -----
    Data registers keep their value while the flag beside them is low.
    """
    lanes = len(west.wgt)
    shadow, active, psum = pe.shadow, pe.active, pe.psum
    shadow_hi, active_hi = pe.shadow_hi, pe.active_hi
    if west.valid:
        if west.swap:
            active, active_hi = shadow, shadow_hi  # as before this edge: a flit arriving now is for the tile after
        if pairs and pairs.on:
            high, low = divmod(west.act, 1 << pairs.half)
            psum = north + active * low + active_hi * high  # equation (1')
        else:
            psum = north + active * west.act  # equation (1)
    if west.wgt_valid:
        upper, group = divmod(west.wgt_group, pairs.upper) if pairs else (0, west.wgt_group)
        if group == column // lanes and upper:
            shadow_hi = west.wgt[column % lanes]
        elif group == column // lanes:
            shadow = west.wgt[column % lanes]
    return Pe(
        valid=west.valid,
        swap=west.swap,
        act=west.act if west.valid else pe.act,
        wgt_valid=west.wgt_valid,
        wgt_group=west.wgt_group if west.wgt_valid else pe.wgt_group,
        wgt=west.wgt if west.wgt_valid else pe.wgt,
        shadow=shadow,
        active=active,
        psum=psum,
        shadow_hi=shadow_hi,
        active_hi=active_hi,
    )


def step_row(row: Row, west: Flow, north: Sequence[int], pairs: Pairs | None = None) -> Row:
    """A row after one clock edge; `north` is the psum above each of its columns."""
    flows = [west, *(east(pe) for pe in row)]
    return [step_pe(pe, flows[column], north[column], column, pairs) for column, pe in enumerate(row)]


def step(array: Array, west: Sequence[Flow], pairs: Pairs | None = None) -> Array:
    """The array after one clock edge; `west` is what enters each row in this cycle, already skewed."""
    norths = [[0] * len(array[0]), *([pe.psum for pe in row] for row in array)]
    return [step_row(row, west[r], norths[r], pairs) for r, row in enumerate(array)]


def south(row: Row) -> tuple[list[int], list[int]]:
    """Valid flags and psums at a row's southern edge, one a column; of the last row, they leave the array."""
    return [pe.valid for pe in row], [pe.psum for pe in row]


class Mismatch(NamedTuple):
    """One register that differs: where, which, and how."""

    row: int
    column: int
    register: str
    expected: object
    got: object

    def __str__(self) -> str:
        return f"PE({self.row},{self.column}) {self.register}: expected {self.expected}, got {self.got}"


def first_mismatch(expected: Array, got: Array) -> Mismatch | None:
    """The first register in which two arrays differ: by row, then column, then register in `Pe` order."""
    for r, (want_row, got_row) in enumerate(zip(expected, got, strict=True)):
        for c, (want, have) in enumerate(zip(want_row, got_row, strict=True)):
            for register in Pe._fields:
                if getattr(want, register) != getattr(have, register):
                    return Mismatch(r, c, register, getattr(want, register), getattr(have, register))
    return None
