"""Golden functions of the blocks around the array: skew, deskew, memory, accumulation, the whole core, and its feeders.

Each is the definition of its block, written for the reader; cycle numbers are those of the block's own ports.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

from model.numeric.fixed import Ints

Line = tuple[int, ...]


def skew(lines: Ints) -> Ints:
    """Lane r of every line, r cycles later: ``out[n, r] = lines[n - r, r]``, zero before the first.

    Parameters
    ----------
    lines : int64, shape (cycles, lanes)

    Examples
    --------
    >>> skew(np.array([[1, 2], [3, 4], [0, 0]])).tolist()
    [[1, 0], [3, 2], [0, 4]]
    """
    return _delayed(lines, range(lines.shape[1]))


def deskew(lines: Ints) -> Ints:
    """The inverse wave: ``out[n, c] = lines[n - (lanes - 1 - c), c]``, zero before the first.

    >>> deskew(np.array([[1, 0], [3, 2], [0, 4]])).tolist()
    [[0, 0], [1, 2], [3, 4]]
    """
    return _delayed(lines, reversed(range(lines.shape[1])))


def _delayed(lines: Ints, delays: Iterable[int]) -> Ints:
    out = np.zeros_like(lines)
    for lane, delay in enumerate(delays):
        out[delay:, lane] = lines[: len(lines) - delay, lane]
    return out


class Memory:
    """One write and one read port; a word read in the cycle it is written is still the old one.

    Parameters
    ----------
    depth : int
        Words; all unwritten (None) at first.
    """

    def __init__(self, depth: int) -> None:
        self._words: list[int | None] = [None] * depth

    def cycle(self, write: tuple[int, int] | None, read: int | None) -> int | None:
        """One cycle: `write` is (address, word) or None, `read` an address or None.

        Returns the word read; None when nothing was read or the word was never written.
        """
        word = None if read is None else self._words[read]
        if write is not None:
            self._words[write[0]] = write[1]
        return word


def accumulate(lines: Sequence[Line], relu: bool) -> Line:
    """Column sums of `lines`, negative ones replaced by 0 when `relu`.

    >>> accumulate([(1, -5), (2, 3)], relu=True)
    (3, 0)
    """
    sums = [sum(column) for column in zip(*lines, strict=True)]
    return tuple(max(0, value) if relu else value for value in sums)


@dataclass(frozen=True)
class Pixel:
    """The streaming half of an instruction: one activation line through the array, its psum into memory.

    Parameters
    ----------
    line : int
        Activation memory address.
    swap : bool
        First pixel of the next weight tile.
    add : int or None
        Bank to add the psum to (same address); None stores it as it is.
    bank, address : int
        Where the result goes.
    zero : bool
        Padding: all codes are 0 and `line` is not read.
    plane : int
        In 0..3: the codes are this plane of wider activations, the psum counts 2**(plane * plane_bits).
    side : int
        Comes out beside the sum.
    """

    line: int
    swap: bool
    add: int | None
    bank: int
    address: int
    zero: bool = False
    plane: int = 0
    side: int = 0


@dataclass(frozen=True)
class Gather:
    """The accumulating half of an instruction: one psum line into the sfp."""

    bank: int
    address: int
    first: bool
    last: bool
    relu: bool


@dataclass(frozen=True)
class Instruction:
    """One cycle of the core: either half may be absent."""

    pixel: Pixel | None = None
    gather: Gather | None = None


@dataclass(frozen=True)
class Trace:
    """What the core shows, with the cycle it shows it in; and what the banks hold at the end.

    A sum is what is written to memory, then the pixel's `side`.
    """

    psums: list[tuple[int, Line]]
    sums: list[tuple[int, Line]]
    outputs: list[tuple[int, Line]]
    banks: Mapping[tuple[int, int], Line]


def run_program(
    program: Sequence[Instruction], lines: Mapping[int, Line], tiles: Sequence[Ints], plane_bits: int, halves: int = 1
) -> Trace:
    """Execute one instruction a cycle and say what must leave the core, and when.

    A pixel's psum leaves, and its sum is written, rows + cols cycles after its instruction; pixels take effect one
    after another, so each adds to what the one before it wrote. A gather sees what was written before its own cycle,
    and its output leaves 2 cycles later.

    Parameters
    ----------
    program : sequence of Instruction
        Index is the cycle.
    lines : mapping of address to activation line (halves * rows codes)
    tiles : sequence of int64 arrays (halves * rows, cols)
        Weight tiles in the order of the swaps.
    plane_bits : int
        Bits of a plane: the core's ActWidth.
    halves : int
        Codes that a row takes: 2 in a layer of pairs.

    Raises
    ------
    KeyError
        When a psum line is used that was never written.
    """
    channels, cols = tiles[0].shape
    rows = channels // halves
    banks: dict[tuple[int, int], Line] = {}
    psums: list[tuple[int, Line]] = []
    sums: list[tuple[int, Line]] = []
    outputs: list[tuple[int, Line]] = []
    gathered: list[Line] = []
    in_flight: dict[int, tuple[Pixel, int]] = {}
    tile = -1
    for cycle in range(len(program) + rows + cols):
        instruction = program[cycle] if cycle < len(program) else Instruction()
        if instruction.gather is not None:
            gather = instruction.gather
            gathered = [] if gather.first else gathered
            gathered.append(banks[gather.bank, gather.address])
            if gather.last:
                outputs.append((cycle + 2, accumulate(gathered, gather.relu)))
        if instruction.pixel is not None:
            tile += instruction.pixel.swap
            in_flight[cycle + rows + cols] = (instruction.pixel, tile)
        if cycle in in_flight:
            pixel, its_tile = in_flight.pop(cycle)
            codes = (0,) * channels if pixel.zero else lines[pixel.line]
            psum = tuple(int(value) for value in np.array(codes) @ tiles[its_tile])
            psums.append((cycle, psum))
            old = (0,) * cols if pixel.add is None else banks[pixel.add, pixel.address]
            total = tuple(a + (b << pixel.plane * plane_bits) for a, b in zip(old, psum, strict=True))
            sums.append((cycle, (*total, pixel.side)))
            banks[pixel.bank, pixel.address] = total
    return Trace(psums, sums, outputs, banks)


class Level(NamedTuple):
    """One of nested loops: its number of steps, and what a step adds to the address, y and x."""

    steps: int
    address: int
    y: int
    x: int


class Step(NamedTuple):
    """What nested loops show at one step; `at`: where each of them is, innermost first."""

    address: int
    y: int
    x: int
    at: tuple[int, ...]


def walk(levels: Sequence[Level], start: tuple[int, int, int] = (0, 0, 0)) -> Iterator[Step]:
    """Nested loops, innermost first in `levels`: at every step the start plus the sum of index times step.

    Examples
    --------
    >>> [step.address for step in walk([Level(2, 1, 0, 0), Level(3, 10, 0, 0)], (5, 0, 0))]
    [5, 6, 15, 16, 25, 26]
    """
    for outward in product(*(range(level.steps) for level in reversed(levels))):
        at = outward[::-1]
        address, y, x = (
            begin + sum(i * level[of] for i, level in zip(at, levels, strict=True)) for of, begin in enumerate(start, 1)
        )
        yield Step(address, y, x, at)


class Flit(NamedTuple):
    """A word of the stream that is weights, of this column group; `high`: for the high halves of a layer of pairs."""

    group: int
    high: bool = False


class Parameter(NamedTuple):
    """A word of the stream that is part of a column's M and B."""

    col: int
    part: int


def deal(
    passes: int, tiles: int, groups: int, cols: int, param_words: int, pairs: bool = False
) -> Iterator[Flit | Parameter]:
    """Where the words of a layer go, in order (docs/rtl/sequencer.md, "Weight and parameter stream").

    Examples
    --------
    >>> [tuple(word) for word in deal(passes=2, tiles=1, groups=1, cols=2, param_words=1)]
    [(0, False), (0, 0), (1, 0), (0, False)]
    """
    for _, number in product(range(tiles), range(passes)):
        if number == passes - 1:
            yield from (Parameter(col, part) for col, part in product(range(cols), range(param_words)))
        yield from (Flit(group, high) for high in ((False, True) if pairs else (False,)) for group in range(groups))


def places(
    base: int, out_map: int, segments: int, halves: int = 1, pairs: bool = False
) -> Iterator[tuple[int, tuple[bool, ...]]]:
    """Where one line of codes after another goes, without end: its address, and for each part of it if it is written.

    Parts are the segments, or, of a line that can be filled half by half, the low halves of all segments, then the high
    ones. Output tile t fills segment ``t % segments`` of its `out_map` lines, both halves at once, or, in `pairs`, part
    ``t % (2 * segments)``. Those above it are written as well.

    Examples
    --------
    >>> where = places(base=8, out_map=2, segments=2)
    >>> [(address, enables[0]) for address, enables in (next(where) for _ in range(6))]
    [(8, True), (9, True), (8, False), (9, False), (10, True), (11, True)]
    """
    first = base
    parts = range(halves * segments)
    while True:
        for tile, line in product(parts if pairs else range(segments), range(out_map)):
            yield first + line, tuple((part if pairs else part % segments) >= tile for part in parts)
        first += out_map


class Tally:
    """Counts of events, that is, what the block `counters` shows.

    Parameters
    ----------
    events : int
    width : int
        Bits of a count; it wraps.
    """

    def __init__(self, events: int, width: int) -> None:
        self.counts = [0] * events
        self._mask = (1 << width) - 1

    def cycle(self, events: Sequence[int], clear: bool) -> None:
        """One cycle: each event that comes counts in the next; beside a clear none does."""
        self.counts = [
            0 if clear else count + come & self._mask for count, come in zip(self.counts, events, strict=True)
        ]
