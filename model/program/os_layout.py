"""A map loaded from outside for an output-stationary layer: lines already turned, a term of `rows` pixels each.

`model.program.taken` gives every pixel its terms as channels (mode ``patch``); this lays them down in the order in
which the array takes them: group after group, plane after plane, term after term.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.golden.os_tiling import turned, unturned
from model.program.array import EngineShape
from model.program.layout import Lines

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class TurnedMap:
    """The terms of every pixel of a layer, in bank 0.

    Parameters
    ----------
    shape : EngineShape
    base : int
        Address of the first line.
    channels, height, width : int
        Terms of a pixel; the output map before pooling.
    bits : int
        Of a code; plane s of ceil(bits / act_width) holds the bits from s * act_width on.
    pool : int
        Pixels come window after window, row by row in it; rows and columns that pooling drops are left out.
    """

    shape: EngineShape
    base: int
    channels: int
    height: int
    width: int
    bits: int
    pool: int

    @property
    def pairs(self) -> bool:
        """Never laid out for a reader of pairs."""
        return False

    @property
    def planes(self) -> int:
        """Planes of a code."""
        return -(-self.bits // self.shape.act_width)

    @property
    def order(self) -> Array:
        """Positions y * width + x in the order in which they are taken: int64 (pixels,)."""
        pool, rows, cols = self.pool, self.height // self.pool, self.width // self.pool
        grid = np.arange(self.height * self.width).reshape(self.height, self.width)[: rows * pool, : cols * pool]
        windows = grid.reshape(rows, pool, cols, pool).transpose(0, 2, 1, 3)  # (wy, dy, wx, dx) -> (wy, wx, dy, dx)
        return np.ascontiguousarray(windows.reshape(-1))

    @property
    def groups(self) -> int:
        """Groups of `rows` pixels."""
        return -(-len(self.order) // self.shape.rows)

    @property
    def lines(self) -> int:
        """Lines of the memory that it takes."""
        return self.groups * self.planes * self.channels

    def encode(self, codes: Array) -> Lines:
        """The lines of `codes`, unsigned integers (channels, height, width), in order of address."""
        expected = (self.channels, self.height, self.width)
        if codes.shape != expected or codes.dtype.kind != "u":
            raise LockstepError(f"a map of {codes.dtype}{codes.shape}; expected unsigned integers {expected}")
        if codes.size and int(codes.max()) >> self.bits:
            raise LockstepError(f"a map holds code {int(codes.max())}; expected at most {(1 << self.bits) - 1}")
        terms = turned(codes.reshape(self.channels, -1)[:, self.order], self.shape.rows)  # [group][term][row]
        width = self.shape.act_width
        planes = [(terms >> (plane * width)) & ((1 << width) - 1) for plane in range(self.planes)]
        lines = np.stack(planes, axis=1).reshape(-1, self.shape.rows)  # (group * plane * term, row)
        return Lines(self.base + np.arange(self.lines), lines.astype(np.uint8))

    def decode(self, lines: Array) -> Array:
        """Codes uint8 (channels, height, width) of the lines (n, rows) at `encode`'s addresses; 0 where they drop."""
        split = lines.reshape(self.groups, self.planes, self.channels, self.shape.rows).astype(np.int64)
        weight = np.int64(1) << (np.arange(self.planes) * self.shape.act_width)
        terms = unturned(np.tensordot(weight, split, (0, 1)), len(self.order))  # [term][pixel]
        codes = np.zeros((self.channels, self.height * self.width), np.uint8)
        codes[:, self.order] = terms
        return codes.reshape(self.channels, self.height, self.width)
