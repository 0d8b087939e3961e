"""Golden functions of the accelerator's outside: the buffer, the stream of results and the registers.

Each is the definition of its block, written for the reader; the register map is told in docs/rtl/accelerator.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from model.golden.blocks import Line

TABLE, LAYER_BYTES = 0x1000, 64  # the descriptor table: word w of layer l at TABLE + LAYER_BYTES * l + 4 * w
LOST = 5  # error code of the accelerator itself; 1 to 4, 6 and 7 are the engine's


class Register(IntEnum):
    """Byte addresses."""

    CTRL = 0x00
    STATUS = 0x04
    RANGE = 0x08
    LOAD_ADDR = 0x0C
    CYCLES = 0x10
    WAITING = 0x14
    FILLING = 0x18
    WRITES = 0x1C
    PIXELS = 0x20
    MACS_LO = 0x24
    MACS_HI = 0x28
    SHAPE = 0x30
    WIDTHS = 0x34
    ACT_LINES = 0x38
    PSUM_LINES = 0x3C
    MODES = 0x40


COUNTERS = (Register.CYCLES, Register.WAITING, Register.FILLING, Register.WRITES, Register.PIXELS)


class Fifo:
    """A buffer of `depth` words; a word can be taken in the cycle after it was pushed.

    Parameters
    ----------
    depth : int
    """

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._words: deque[int] = deque()

    @property
    def full(self) -> bool:
        """No word may be pushed, even if one is taken in this cycle."""
        return len(self._words) == self._depth

    @property
    def head(self) -> int | None:
        """The oldest word; None when there is none."""
        return self._words[0] if self._words else None

    def cycle(self, push: int | None, pop: bool) -> None:
        """One cycle: take the oldest word if `pop`, then add `push` unless it is None."""
        if pop:
            self._words.popleft()
        if push is not None:
            self._words.append(push)


def results(lines: Sequence[Line]) -> list[tuple[int, bool]]:
    """Words of a run's lines and whether each is the run's last.

    >>> results([(1, 2), (3, -4)])
    [(1, False), (2, False), (3, False), (-4, True)]
    """
    words = [word for line in lines for word in line]
    return [(word, index == len(words) - 1) for index, word in enumerate(words)]


def unpack_status(word: int) -> tuple[bool, bool, int, int]:
    """STATUS as (busy, done, error, layer).

    >>> unpack_status(0x00030502)
    (False, True, 5, 3)
    """
    return bool(word & 1), bool(word & 2), word >> 8 & 15, word >> 16 & 255


@dataclass
class Registers:
    """The register block: what an access answers, and what it changes.

    Parameters
    ----------
    parameters : mapping of str to int
        Verilog parameters of `accelerator`; weight format and modes may be left out, as there.
    busy : bool
        A run is under way.
    flush : bool
        Weight words are thrown away.
    first, count : int
        RANGE.
    load_addr : int
        LOAD_ADDR.
    table : dict of (layer, word) to int
        What was written.
    """

    parameters: Mapping[str, int]
    busy: bool = False
    flush: bool = False
    first: int = 0
    count: int = 0
    load_addr: int = 0
    table: dict[tuple[int, int], int] = field(default_factory=dict)

    def write(self, address: int, data: int, strobes: int = 15) -> bool:
        """Write `data` (unsigned 32 bits); False: SLVERR, nothing has changed. Bits 1:0 of the address do not count."""
        address &= ~3
        layer, offset = divmod(address - TABLE, LAYER_BYTES)
        if strobes != 15:
            return False
        if address == Register.CTRL:
            if data & 3 == 3 or (data & 3 and self.busy):
                return False
            self.flush = bool(data & 2)
            return True
        if self.busy:
            return False
        if address == Register.RANGE:
            self.first, self.count = data & 255, data >> 8 & 255
        elif address == Register.LOAD_ADDR and data < self.parameters["ActDepth"]:
            self.load_addr = data
        elif 0 <= layer < self.parameters["Layers"]:
            self.table[layer, offset // 4] = data
        else:
            return False
        return True

    def take_line(self) -> None:
        """An activation line came: LOAD_ADDR goes on, from the last line to the first."""
        self.load_addr = (self.load_addr + 1) % self.parameters["ActDepth"]

    def read(self, address: int) -> int | None:
        """What can be said beforehand of a read: its data, or None for SLVERR.

        Raises
        ------
        KeyError
            For STATUS and the counters, which only the run knows.
        """
        p, address = self.parameters, address & ~3
        if address not in set(Register):
            return None
        return {
            Register.CTRL: self.flush << 1,
            Register.RANGE: self.count << 8 | self.first,
            Register.LOAD_ADDR: self.load_addr,
            Register.SHAPE: p["Rows"]
            | p["Cols"] << 8
            | p["ActWidth"] << 16
            | p["WgtWidth"] << 20
            | p["WgtLanes"] << 24,
            Register.WIDTHS: p["PsumWidth"] | p["MulWidth"] << 8 | p["BiasWidth"] << 16 | (p["Layers"] - 1) << 24,
            Register.ACT_LINES: p["ActDepth"],
            Register.PSUM_LINES: p["PsumDepth"],
            Register.MODES: p.get("WgtPower", 0)
            | p.get("WgtStep", 1) << 8
            | p.get("WgtZero", 0) << 16
            | p.get("Simd", 0) << 17
            | p.get("OutputStationary", 0) << 18,
        }[Register(address)]
