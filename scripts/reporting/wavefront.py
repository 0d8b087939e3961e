"""Which PEs of the array are at work in which cycle, and on which pass, as a dump of `make sim WAVES=vcd` shows it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from model.errors import LockstepError
from tb.waves.vcd import Dump, instances

TILE = r"gen_row\[(\d+)\]\.u_row\.gen_col\[(\d+)\]\.u_tile"
MOST_CYCLES = 20_000  # kept from the first pixel on; a dump of a large layer is cut there
IDLE = -1


@dataclass(frozen=True)
class Wavefront:
    """The array's valid flags, cycle by cycle from the first pixel on.

    Parameters
    ----------
    rows, cols : int
    start_ps : int
        Time at which cycle 0 begins: the first in which a PE holds a pixel.
    cycle_ps : int
        Length of a cycle.
    date : str
        The dump's own.
    busy : list of int
        PEs with valid_q = 1, by cycle, up to the last cycle that has one.
    passes : list of lists of int
        Of the first `frames` cycles, by row and column: the pass that the PE's pixel belongs to (0 is the first), IDLE
        without one. A PE's pass ends where its swap_q comes beside valid_q.
    pass_count : int
        Passes that PE (0, 0) began in the cycles kept.
    whole : bool
        False when the dump goes on behind MOST_CYCLES.
    """

    rows: int
    cols: int
    start_ps: int
    cycle_ps: int
    date: str
    busy: list[int]
    passes: list[list[int]]
    pass_count: int
    whole: bool


def read(path: Path, frames: int) -> Wavefront:
    """The wavefront in the dump `path`.

    Parameters
    ----------
    path : Path
    frames : int
        Cycles of which every PE is kept.

    Raises
    ------
    LockstepError
        When it is no dump, holds no array, or no pixel enters it.
    """
    with Dump(path) as dump:
        valid = instances(dump.signals, rf"{TILE}\.valid_q")
        if not valid:
            raise LockstepError(f"{path} holds no PE of the array; expected a dump of `make sim WAVES=vcd`")
        rows, cols = (max(place[axis] for place in valid) + 1 for axis in (0, 1))
        places = [(r, c) for r in range(rows) for c in range(cols)]
        if set(places) != set(valid):
            raise LockstepError(f"{path} holds {len(valid)} PEs, not {rows} x {cols}; expected a whole array")
        scope = valid[0, 0].removesuffix(".valid_q")
        names = [valid[place] for place in places]
        swaps = [name.removesuffix("valid_q") + "swap_q" for name in names]
        count = [IDLE] * len(places)
        busy: list[int] = []
        passes: list[list[int]] = []
        before = start = cycle = 0
        whole = True
        for edge in dump.edges(f"{scope}.clk_i", [f"{scope}.rst_ni", *names, *swaps]):
            reset, *values = edge.values
            flags = [bit == "1" for bit in values[: len(places)]]
            begin, before = before, edge.time
            if not busy and (reset != "1" or not any(flags)):  # before the reset flags may be any
                continue
            if len(busy) == MOST_CYCLES:
                whole = False
                break
            if not busy:
                start, cycle = begin, edge.time - begin
            for index, bit in enumerate(values[len(places) :]):
                count[index] += flags[index] and bit == "1"
            busy.append(sum(flags))
            if len(passes) < frames:
                passes.append([number if flag else IDLE for number, flag in zip(count, flags, strict=True)])
    if not busy:
        raise LockstepError(f"no pixel enters the array in {path}; expected the dump of a replay")
    while whole and not busy[-1]:
        busy.pop()
    return Wavefront(rows, cols, start, cycle, dump.date, busy, passes[: len(busy)], count[0] + 1, whole)
