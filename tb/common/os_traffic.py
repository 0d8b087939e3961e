"""Legal random traffic for an output-stationary array: groups of pixels, term by term, before the skew.

Times are cycles at PE(0,0). The last terms of two groups are there `rows` cycles apart or more. Whatever is not marked
valid is noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from model.golden.cycle import Flow, idle
from tb.common.traffic import Shape, random_codes

Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class OsTraffic:
    """One array input a cycle; n is the number of cycles.

    Parameters
    ----------
    valid, first, last : int64, shape (n,)
        A term; the first, the last of its group.
    act : int64, shape (n, rows)
    wgt : int64, shape (n, cols)
    lanes : int
        Of the flits that do not come.
    filler : int
        Weights of a port on which nothing happens.
    """

    valid: Ints
    first: Ints
    last: Ints
    act: Ints
    wgt: Ints
    lanes: int
    filler: int = 0

    def __len__(self) -> int:
        return len(self.valid)

    def flow(self, cycle: int, row: int) -> Flow:
        """What enters `row` from the west in `cycle`; nothing before the first and after the last cycle."""
        n = cycle - row
        if not 0 <= n < len(self):
            return idle(self.lanes, self.filler)
        marks = (int(self.valid[n]), int(self.first[n]), int(self.act[n, row]), int(self.last[n]))
        return Flow(*marks, 0, (self.filler,) * self.lanes)

    def weight(self, cycle: int, column: int) -> int:
        """What enters `column` from the north in `cycle`."""
        n = cycle - column
        return int(self.wgt[n, column]) if 0 <= n < len(self) else self.filler

    def sums(self) -> list[tuple[int, Ints]]:
        """For every group, the cycle of its last term at PE(0,0) and its sums (rows, cols)."""
        found: list[tuple[int, Ints]] = []
        total = np.zeros((self.act.shape[1], self.wgt.shape[1]), np.int64)
        for n in np.flatnonzero(self.valid):
            total = total * (1 - self.first[n]) + np.outer(self.act[n], self.wgt[n])
            if self.last[n]:
                found.append((int(n), total))
        return found


def make_os_traffic(
    rng: np.random.Generator, shape: Shape, terms: list[int], bubbles: float = 0.0, extreme: str | None = None
) -> OsTraffic:
    """Groups of so many `terms`, as close behind one another as the drain allows.

    Parameters
    ----------
    rng : Generator
    shape : Shape
    terms : list of int
        Of each group, 1 or more.
    bubbles : float
        Probability of an empty cycle before a term.
    extreme : {"most", "least"}, optional
        All activations at their maximum and all weights at their maximum or minimum.
    """
    cycle, before = 0, -shape.rows
    times: list[tuple[int, int, int]] = []
    for count in terms:
        for index in range(count):
            while rng.random() < bubbles:
                cycle += 1
            last = index == count - 1
            if last:
                cycle = max(cycle, before + shape.rows)
                before = cycle
            times.append((cycle, int(index == 0), int(last)))
            cycle += 1
    total = cycle + 1
    valid, first, last_of = (np.zeros(total, np.int64) for _ in range(3))
    for at, begins, ends in times:
        valid[at], first[at], last_of[at] = 1, begins, ends
    act = random_codes(rng, 0, shape.act_max, (total, shape.rows))
    wgt = shape.weights(rng, (total, shape.cols))
    if extreme:
        act[:] = shape.act_max
        wgt[:] = shape.wgt_min if extreme == "least" else shape.wgt_max
    return OsTraffic(valid, first, last_of, act, wgt, shape.wgt_lanes, shape.wgt.filler)
