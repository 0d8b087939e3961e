"""The array built for both dataflows, register by register: weight stationary as in `cycle`, or output stationary.

Output stationary, PE(r,c) keeps the sum of one pixel and one output channel. Term k of a group of pixels enters row r
from the west (activation of row r's pixel) and column c from the north (weight of channel c), both skewed, so they meet
in PE(r,c) r + c cycles after PE(0,0):

    sum(r, c) = (first term ? 0 : sum(r, c)) + weight(c) * act(r)                                      (1)

`swap` marks the first term, `wgt_valid` the last one (no weights come from the west). A cycle behind the last term the
sum goes to the drain register and waits there; when row rows-1 has its own, all rows move south together, one row a
cycle, row r for r cycles: lines leave in the order rows-1 .. 0, while the next group is added up already.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from model.golden import cycle
from model.golden.cycle import Flow, Pe


class OsPe(NamedTuple):
    """The registers of a PE built for both dataflows: those of `cycle.Pe`, and three more.

    Parameters
    ----------
    pe : Pe
        Output stationary, `active` takes the weight south and `psum` is the sum.
    shift, done : int
        To the eastern neighbour: the drain moves; `drain` was filled by this PE.
    drain : int
        A finished sum, its own or one from above.
    """

    pe: Pe
    shift: int
    done: int
    drain: int


OsRow = list[OsPe]
OsArray = list[OsRow]


def reset(rows: int, cols: int, lanes: int, filler: int = 0) -> OsArray:
    """A rows x cols array just after reset: every register is zero, as in `cycle.reset`."""
    return [[OsPe(pe, 0, 0, 0) for pe in row] for row in cycle.reset(rows, cols, lanes, filler)]


def step_pe(pe: OsPe, os: bool, west: Flow, shift: int, north: int, wgt_north: int, column: int) -> OsPe:
    """The registers of the PE in `column` after one clock edge.

    Parameters
    ----------
    pe : OsPe
        Registers before the edge.
    os : bool
        Output stationary.
    west : Flow
        What arrives from the west in this cycle; output stationary, `wgt_valid` marks the last term.
    shift : int
        From the west: take what is in the drain above.
    north : int
        What the PE above shows: its psum, or output stationary its drain; 0 in row 0.
    wgt_north : int
        Its weight, or what enters the column.
    column : int
        As in `cycle.step_pe`.
    """
    if not os:
        return OsPe(cycle.step_pe(pe.pe, west, north, column), shift, 0, north if shift else pe.drain)
    before = pe.pe
    after = before._replace(valid=west.valid, swap=west.swap, wgt_valid=west.wgt_valid)
    if west.valid:
        base = 0 if west.swap else before.psum
        after = after._replace(act=west.act, active=wgt_north, psum=base + wgt_north * west.act)  # equation (1)
    drain = before.psum if before.wgt_valid else north if shift else pe.drain
    return OsPe(after, shift, before.wgt_valid, drain)


def shown(pe: OsPe, os: bool) -> int:
    """What a PE shows to the south on its psum wires."""
    return pe.drain if os else pe.pe.psum


def step_row(row: OsRow, os: bool, west: Flow, shift: int, north: Sequence[int], wgt_north: Sequence[int]) -> OsRow:
    """A row after one clock edge; `north` and `wgt_north` are above each of its columns."""
    flows = [west, *(cycle.east(pe.pe) for pe in row)]
    shifts = [shift, *(pe.shift for pe in row)]
    return [step_pe(pe, os, flows[c], shifts[c], north[c], wgt_north[c], c) for c, pe in enumerate(row)]


def step(array: OsArray, os: bool, west: Sequence[Flow], shift: Sequence[int], wgt_north: Sequence[int]) -> OsArray:
    """The array after one clock edge.

    Parameters
    ----------
    array : OsArray
    os : bool
    west : sequence of Flow
        What enters each row in this cycle, already skewed.
    shift : sequence of int
        For each row, from `shifts`.
    wgt_north : sequence of int
        What enters each column in this cycle, already skewed.
    """
    norths = [[0] * len(array[0]), *([shown(pe, os) for pe in row] for row in array)]
    weights = [list(wgt_north), *([pe.pe.active for pe in row] for row in array)]
    return [step_row(row, os, west[r], shift[r], norths[r], weights[r]) for r, row in enumerate(array)]


def south(row: OsRow, os: bool) -> tuple[list[int], list[int]]:
    """Valid flags and psums (or finished sums) at a row's southern edge, one a column; they leave the last row."""
    valids = [int(pe.done or pe.shift) if os else pe.pe.valid for pe in row]
    return valids, [shown(pe, os) for pe in row]


def shifting(left: int, rows: int) -> tuple[int, ...]:
    """The shift enable of every row, `left` cycles before the last sum of a group has left its row."""
    return tuple(int(0 < rows - left <= row) for row in range(rows))


def left_after(left: int, last: int, rows: int) -> int:
    """`left` a cycle later; `last`: the last term of a group enters row rows-1."""
    return rows if last else max(0, left - 1)


def shifts(lasts: Iterable[int], rows: int) -> Iterator[tuple[int, ...]]:
    """The shift enables cycle by cycle: row r shifts r times, from two cycles after `last` on.

    Examples
    --------
    >>> list(shifts([1, 0, 0, 0, 0], rows=3))
    [(0, 0, 0), (0, 0, 0), (0, 1, 1), (0, 0, 1), (0, 0, 0)]
    """
    left = 0
    for last in lasts:
        yield shifting(left, rows)
        left = left_after(left, last, rows)
