"""Golden functions of the blocks that output stationary adds around the array: lines, windows, the whole core."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

from model.golden.blocks import Gather, Line, Parameter, Trace, accumulate
from model.numeric.fixed import Ints


def lines_of(starts: Sequence[int | None], rows: int) -> list[int | None]:
    """The address of the line of each cycle: a group's `rows` lines follow its start, one a cycle.

    Examples
    --------
    >>> lines_of([7, None, None, 4, None, None, None], rows=3)
    [None, 7, 8, 9, 4, 5, 6]
    """
    shown: list[int | None] = [None] * len(starts)
    for cycle, address in enumerate(starts):
        if address is not None:
            for line in range(min(rows, len(starts) - cycle - 1)):
                shown[cycle + 1 + line] = address + line
    return shown


class WindowLine(NamedTuple):
    """What a finished line is: dropped, or a part of a pooling window; the first of its output tile."""

    keep: bool
    first: bool
    last: bool
    swap: bool


def windows(groups: Iterable[bool], rows: int, window: int, out_map: int) -> Iterator[WindowLine]:
    """The finished lines of `groups`, `rows` each, marked; a group is True if it is the first of an output tile.

    `out_map` windows of `window` lines make an output tile; lines behind them belong to no pixel.

    Examples
    --------
    >>> [line.keep for line in windows([True, False], rows=2, window=1, out_map=3)]
    [True, True, True, False]
    """
    inside, left = 0, 0
    for begins, line in product(groups, range(rows)):
        swap = begins and line == 0
        if swap:
            inside, left = 0, out_map
        keep, last = left > 0, inside == window - 1
        yield WindowLine(keep, inside == 0, last, swap)
        left -= keep and last
        inside = 0 if last else inside + 1


@dataclass(frozen=True)
class Term:
    """The streaming half of an instruction, output stationary: a line of activations, one a row, and one of weights.

    Parameters
    ----------
    line : int
        Activation memory address.
    weights : tuple of int
        One a column.
    first, last : bool
        Of its group.
    add, bank, address, plane, side
        Of the last term: as in `model.golden.blocks.Pixel`, for line 0 of the group; line i goes to address + i.
    zero : bool
        All activations are 0, nothing is read.
    """

    line: int
    weights: Line
    first: bool
    last: bool
    add: int | None = None
    bank: int = 0
    address: int = 0
    plane: int = 0
    side: int = 0
    zero: bool = False


def run_terms(
    program: Sequence[tuple[Term | None, Gather | None]],
    lines: Mapping[int, Line],
    rows: int,
    cols: int,
    plane_bits: int,
) -> Trace:
    """Execute one instruction a cycle, output stationary, and say what must leave the core, and when.

    Line i of a group, the pixel of row rows-1-i, leaves rows + cols + 1 + i cycles after its last term.

    Raises
    ------
    KeyError
        When a psum line is used that was never written.
    """
    banks: dict[tuple[int, int], Line] = {}
    psums: list[tuple[int, Line]] = []
    sums: list[tuple[int, Line]] = []
    outputs: list[tuple[int, Line]] = []
    gathered: list[Line] = []
    leaving: dict[int, tuple[Term, int, Line]] = {}
    total: Ints = np.zeros((rows, cols), np.int64)
    for cycle in range(len(program) + 2 * rows + cols + 1):
        term, gather = program[cycle] if cycle < len(program) else (None, None)
        if gather is not None:
            gathered = [] if gather.first else gathered
            gathered.append(banks[gather.bank, gather.address])
            if gather.last:
                outputs.append((cycle + 2, accumulate(gathered, gather.relu)))
        if term is not None:
            codes = (0,) * rows if term.zero else lines[term.line]
            total = (0 if term.first else 1) * total + np.outer(codes, term.weights)
            for index in range(rows if term.last else 0):
                line = tuple(int(value) for value in total[rows - 1 - index])
                leaving[cycle + rows + cols + 1 + index] = (term, index, line)
        if cycle in leaving:
            end, index, line = leaving.pop(cycle)
            psums.append((cycle, line))
            place = end.address + index
            old = (0,) * cols if end.add is None else banks[end.add, place]
            result = tuple(a + (b << end.plane * plane_bits) for a, b in zip(old, line, strict=True))
            sums.append((cycle, (*result, end.side)))
            banks[end.bank, place] = result
    return Trace(psums, sums, outputs, banks)


class Terms(NamedTuple):
    """A word of the stream that holds weights: so many terms of its pass."""

    terms: int


def deal_terms(
    passes: int, tiles: int, terms: int, word_terms: int, cols: int, param_words: int
) -> Iterator[Terms | Parameter]:
    """Where the words of an output-stationary layer go, in order.

    Examples
    --------
    >>> [tuple(word) for word in deal_terms(passes=2, tiles=1, terms=3, word_terms=2, cols=1, param_words=1)]
    [(0, 0), (2,), (1,), (2,), (1,)]
    """
    for _ in range(tiles):
        yield from (Parameter(col, part) for col in range(cols) for part in range(param_words))
        for _, begin in product(range(passes), range(0, terms, word_terms)):
            yield Terms(min(word_terms, terms - begin))
