"""Where the codes of a map lie in the activation memory, in both directions (sequencer.md, "Activation memory").

A line holds `rows` codes, row r at ``[r*act_width +: act_width]``. An address is {bank, line}.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from model.errors import LockstepError
from model.program.array import EngineShape
from model.program.words import pack_fields

Array = np.ndarray[Any, Any]


class Lines(NamedTuple):
    """Lines and where they go.

    Parameters
    ----------
    address : int64 array (n,)
    codes : uint8 array (n, rows), or (n, cols) for what the write-back writes
    """

    address: Array
    codes: Array

    def packed(self, act_width: int) -> Array:
        """The lines as words: bytes uint8 (n, ceil(lanes * act_width / 8)), see `model.program.words`."""
        return pack_fields(self.codes, act_width)


def _tiled(codes: Array, lanes: int, tiles: int) -> Array:
    """Codes (channels, y, x) as uint8 [tile][y*x][lane], filled up with zeros."""
    full = np.zeros((tiles * lanes, codes.shape[1] * codes.shape[2]), np.uint8)
    full[: codes.shape[0]] = codes.reshape(codes.shape[0], -1)  # (channel, position)
    return np.ascontiguousarray(full.reshape(tiles, lanes, -1).transpose(0, 2, 1))  # (tile, position, lane)


def _untiled(tiles: Array, channels: int, height: int, width: int) -> Array:
    """The inverse of `_tiled`: [tile][y*x][lane] as (channels, y, x)."""
    flat = tiles.transpose(0, 2, 1).reshape(-1, height, width)  # (tile * lane, y, x)
    return np.ascontiguousarray(flat[:channels])


@dataclass(frozen=True)
class _Map:
    shape: EngineShape
    base: int
    channels: int
    height: int
    width: int
    pairs: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        if self.pairs and not self.shape.simd:
            raise LockstepError("a map in pairs, for an engine that multiplies none; expected simd 1")

    @property
    def halves(self) -> int:
        """Codes of a row in a line."""
        return 2 if self.pairs else 1

    @property
    def positions(self) -> int:
        """Positions of the map."""
        return self.height * self.width

    @property
    def tiles(self) -> int:
        """Channel tiles of `rows`."""
        return -(-self.channels // self.shape.rows)

    def _joined(self, tiles: Array) -> Array:
        """Tiles [tile][low or high half][bank][position][row] as lines of whole codes, without the second axis."""
        return tiles[:, 0] if not self.pairs else tiles[:, 0] | tiles[:, 1] << self.shape.half_width

    def _apart(self, lines: Array) -> Array:
        """The inverse of `_joined`."""
        half = self.shape.half_width
        return np.stack([lines % (1 << half), lines >> half] if self.pairs else [lines], axis=1)

    def _check(self, codes: Array, bits: int) -> None:
        expected = (self.channels, self.height, self.width)
        if codes.shape != expected or codes.dtype.kind != "u":
            raise LockstepError(f"a map of {codes.dtype}{codes.shape}; expected unsigned integers {expected}")
        if codes.size and int(codes.max()) >> bits:
            raise LockstepError(f"a map holds code {int(codes.max())}; expected at most {(1 << bits) - 1}")


@dataclass(frozen=True)
class OuterMap(_Map):
    """A map loaded from outside: plane after plane, tile after tile, position after position, in bank 0.

    Parameters
    ----------
    shape : EngineShape
    base : int
        Address of the first line.
    channels, height, width : int
    bits : int
        Of a code; plane s of ceil(bits / act_width) holds the bits from s * act_width on.
    pairs : bool
        Tile t holds channels t * 2 * rows + row in the low halves of its codes, those `rows` further on in the high
        halves. Codes of `EngineShape.half_width` bits at most.
    """

    bits: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pairs and self.bits > self.shape.half_width:
            raise LockstepError(f"a map of {self.bits} bits in pairs of {self.shape.half_width}; they do not fit")

    @property
    def sub(self) -> int:
        """What level `sub` of the sequencer walks: planes."""
        return self.planes

    @property
    def ic(self) -> int:
        """Lines of a plane at one position."""
        return -(-self.tiles // self.halves)

    @property
    def planes(self) -> int:
        """Planes of a code."""
        return -(-self.bits // self.shape.act_width)

    @property
    def lines(self) -> int:
        """Lines of the memory that it takes."""
        return self.planes * self.ic * self.positions

    def encode(self, codes: Array) -> Lines:
        """The lines of `codes`, unsigned integers (channels, height, width), in order of address."""
        self._check(codes, self.bits)
        width = self.shape.act_width
        apart = _tiled(codes, self.shape.rows, self.ic * self.halves)
        tiles = self._joined(apart.reshape(self.ic, self.halves, self.positions, self.shape.rows))
        planes = [(tiles >> (plane * width)) & ((1 << width) - 1) for plane in range(self.planes)]
        lines = np.stack(planes).reshape(-1, self.shape.rows)  # (plane * tile * position, row)
        return Lines(self.base + np.arange(self.lines), lines.astype(np.uint8))

    def decode(self, lines: Array) -> Array:
        """Codes uint8 (channels, height, width) of the lines (n, rows) at `encode`'s addresses."""
        planes = lines.reshape(self.planes, self.ic, self.positions, self.shape.rows).astype(np.int64)
        weight = np.int64(1) << (np.arange(self.planes) * self.shape.act_width)
        whole = np.tensordot(weight, planes, 1)  # (tile, position, row)
        tiles = self._apart(whole).reshape(-1, self.positions, self.shape.rows)  # (tile * half, position, row)
        return _untiled(tiles, self.channels, self.height, self.width).astype(np.uint8)


@dataclass(frozen=True)
class InnerMap(_Map):
    """A map between two layers: as the write-back leaves it, in banks or segments.

    Parameters
    ----------
    shape : EngineShape
    base : int
        First line, within a bank.
    channels, height, width : int
    pairs : bool
        For a reader of pairs: with n = banks * rows, line t of a position holds channels 2*n*t + i in the low halves
        of its codes, those n further on in the high halves.
    """

    @property
    def sub(self) -> int:
        """What level `sub` of the sequencer walks: banks."""
        return min(self.shape.banks, self.tiles)

    @property
    def ic(self) -> int:
        """Lines of a bank at one position."""
        return -(-self.tiles // (self.sub * self.halves))

    @property
    def lines(self) -> int:
        """Lines that it takes in each bank."""
        return self.ic * self.positions

    def encode(self, codes: Array) -> Lines:
        """The lines of `codes`, unsigned integers (channels, height, width), in order of address."""
        self._check(codes, self.shape.half_width if self.pairs else self.shape.act_width)
        banks, size = self.shape.banks, (self.positions, self.shape.rows)
        tiles = _tiled(codes, self.shape.rows, self.ic * self.halves * banks)  # tile t: bank t % banks
        lines = self._joined(tiles.reshape(self.ic, self.halves, banks, *size)).transpose(1, 0, 2, 3)
        inside = self.base + np.arange(self.lines)
        address = (np.arange(banks)[:, None] * self.shape.bank_depth + inside).reshape(-1)  # (bank * line)
        return Lines(address, np.ascontiguousarray(lines.reshape(-1, self.shape.rows)))

    def decode(self, lines: Array) -> Array:
        """Codes uint8 (channels, height, width) of the lines (n, rows) at `encode`'s addresses."""
        banks = self.shape.banks
        split = lines.reshape(banks, -1, self.positions, self.shape.rows)  # (bank, tile in it, position, row)
        apart = self._apart(split.transpose(1, 0, 2, 3))  # (tile in a bank, half, bank, position, row)
        tiles = apart.reshape(-1, self.positions, self.shape.rows)  # (tile, position, row)
        return _untiled(tiles, self.channels, self.height, self.width).astype(np.uint8)

    def writes(self, codes: Array) -> Lines:
        """What the write-back writes, in its order: line addresses within a bank, codes (n, cols)."""
        self._check(codes, self.shape.half_width if self.pairs else self.shape.act_width)
        cols, parts = self.shape.cols, self.shape.segments * self.halves
        tiles = _tiled(codes, cols, -(-self.channels // cols))
        start = self.base + np.arange(len(tiles)) // parts * self.positions
        address = (start[:, None] + np.arange(self.positions)).reshape(-1)  # (output tile * position)
        return Lines(address, tiles.reshape(-1, cols))  # (output tile * position, col)


@dataclass(frozen=True)
class JoinedMap:
    """Several inner maps that a layer takes as one, one after another along the channels; they may lie anywhere.

    Parameters
    ----------
    parts : tuple of InnerMap
        Of one size.
    """

    parts: tuple[InnerMap, ...]

    @property
    def lines(self) -> int:
        """Lines that they take in each bank."""
        return sum(part.lines for part in self.parts)

    @property
    def tiles(self) -> int:
        """Channel tiles of `rows`; each map begins a new one."""
        return sum(part.tiles for part in self.parts)

    @property
    def pairs(self) -> bool:
        """They are never packed for a reader of pairs."""
        return False

    @property
    def sub(self) -> int:
        """What level `sub` of the sequencer walks: banks."""
        return max(part.sub for part in self.parts)

    @property
    def ic(self) -> int:
        """Lines of a bank at one position."""
        return -(-self.tiles // self.sub)

    def encode(self, codes: Array) -> Lines:
        """The lines of `codes`, unsigned integers (channels of all maps, height, width), map after map."""
        channels = sum(part.channels for part in self.parts)
        if codes.shape[0] != channels:
            raise LockstepError(f"maps of {codes.shape[0]} channels together; expected {channels}")
        ends = np.cumsum([part.channels for part in self.parts])[:-1]
        split = [part.encode(each) for part, each in zip(self.parts, np.split(codes, ends), strict=True)]
        return Lines(np.concatenate([each.address for each in split]), np.concatenate([each.codes for each in split]))
