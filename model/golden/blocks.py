"""Golden functions of the blocks around the array: skew, deskew, memory, accumulation, and the whole core.

Each is the definition of its block, written for the reader; cycle numbers are those of the block's own ports.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

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
    """

    line: int
    swap: bool
    add: int | None
    bank: int
    address: int


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
    """What the core shows, with the cycle it shows it in; and what the banks hold at the end."""

    psums: list[tuple[int, Line]]
    outputs: list[tuple[int, Line]]
    banks: Mapping[tuple[int, int], Line]


def run_program(program: Sequence[Instruction], lines: Mapping[int, Line], tiles: Sequence[Ints]) -> Trace:
    """Execute one instruction a cycle and say what must leave the core, and when.

    A pixel's psum leaves, and is written, rows + cols cycles after its instruction; pixels take effect one after
    another, so each adds to what the one before it wrote. A gather sees what was written before its own cycle, and
    its output leaves 2 cycles later.

    Parameters
    ----------
    program : sequence of Instruction
        Index is the cycle.
    lines : mapping of address to activation line (rows codes)
    tiles : sequence of int64 arrays (rows, cols)
        Weight tiles in the order of the swaps.

    Raises
    ------
    KeyError
        When a psum line is used that was never written.
    """
    rows, cols = tiles[0].shape
    banks: dict[tuple[int, int], Line] = {}
    psums: list[tuple[int, Line]] = []
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
            psum = tuple(int(value) for value in np.array(lines[pixel.line]) @ tiles[its_tile])
            psums.append((cycle, psum))
            old = (0,) * cols if pixel.add is None else banks[pixel.add, pixel.address]
            banks[pixel.bank, pixel.address] = tuple(a + b for a, b in zip(old, psum, strict=True))
    return Trace(psums, outputs, banks)
