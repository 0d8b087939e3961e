"""Legal random traffic for the array: tiles of pixels with their weight flits, before the skew.

Times are cycles at PE(0,0). The flits of a tile whose first pixel is there in cycle t, the tile before it having
begun in cycle s, are there in cycles s .. t-1. Whatever is not marked valid is noise.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.golden.cycle import Flow, Pairs, idle
from model.numeric.formats import IntFormat
from model.numeric.power import PowerFormat
from model.numeric.weights import WeightFormat
from tb.common.drivers import pack, unpack

Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Shape:
    """The array's parameters, by their Verilog names."""

    rows: int
    cols: int
    act_width: int
    wgt_width: int
    psum_width: int
    wgt_lanes: int
    wgt_power: int = 0
    wgt_zero: int = 0
    wgt_step: int = 1
    simd: int = 0

    @classmethod
    def of(cls, parameters: dict[str, int], cols: int | None = None) -> Shape:
        """From Verilog parameters; a row has Rows 1, a PE's `cols` are given."""
        names = ("ActWidth", "WgtWidth", "PsumWidth", "WgtLanes")
        given = {"WgtPower": 0, "WgtZero": 0, "WgtStep": 1, "Simd": 0} | parameters
        values = [given[name] for name in (*names, "WgtPower", "WgtZero", "WgtStep", "Simd")]
        return cls(given.get("Rows", 1), given["Cols"] if cols is None else cols, *values)

    @cached_property
    def wgt(self) -> WeightFormat:
        """The weight format; of integers the one with the most negative code."""
        if self.wgt_power:
            return PowerFormat(self.wgt_power, bool(self.wgt_zero), self.wgt_step)
        return IntFormat(self.wgt_width, signed=True)

    def weights(self, rng: np.random.Generator, size: tuple[int, ...]) -> Ints:
        """Random weights, the extremes and the filler (of integers 0) more often than others."""
        if not self.wgt_power:
            return random_codes(rng, self.wgt.min, self.wgt.max, size)
        places = random_codes(rng, 0, self.wgt.levels - 1, size)
        values = np.where(rng.random(size) < 0.1, self.wgt.filler, self.wgt.values[places])
        return np.asarray(values, dtype=np.int64)

    def bus(self, weights: Iterable[int]) -> int:
        """Weights as one bus of patterns, weight i at [i*WgtWidth +: WgtWidth]."""
        return pack((self._patterns[weight] for weight in weights), self.wgt_width)

    def from_bus(self, bus: int, count: int) -> list[int]:
        """The inverse of `bus`."""
        return [self._weights[pattern] for pattern in unpack(bus, self.wgt_width, count)]

    @cached_property
    def _weights(self) -> dict[int, int]:
        """Weight of each pattern that is one; a table, for tests look at thousands of single registers."""
        found = {}
        for pattern in range(1 << self.wgt_width):
            with suppress(LockstepError):
                found[pattern] = int(self.wgt.decode(np.array(pattern)))
        return found

    @cached_property
    def _patterns(self) -> dict[int, int]:
        """Pattern of each weight."""
        values = self.wgt.values
        return dict(zip(values.tolist(), self.wgt.encode(values).tolist(), strict=True))

    @property
    def groups(self) -> int:
        """Flits that fill the array with a weight a PE."""
        return -(-self.cols // self.wgt_lanes)

    def flits(self, on: bool) -> list[int]:
        """Numbers of the flits of a tile, of pairs or not."""
        halves = (0, self.upper) if on else (0,)
        return [half + group for half in halves for group in range(self.groups)]

    @property
    def upper(self) -> int:
        """Number of the first flit for high halves."""
        return 1 << max(1, (self.groups - 1).bit_length())

    @property
    def group_width(self) -> int:
        """Bits of a flit's number."""
        return self.upper.bit_length() - 1 + self.simd

    def pairs(self, on: bool) -> Pairs | None:
        """What the golden array is told."""
        assert self.simd or not on, "this array multiplies no pairs"
        return Pairs(self.act_width // 2, self.upper, on) if self.simd else None

    @property
    def act_max(self) -> int:
        """Largest activation."""
        return (1 << self.act_width) - 1

    @property
    def wgt_min(self) -> int:
        """Most negative weight."""
        return self.wgt.min

    @property
    def wgt_max(self) -> int:
        """Largest weight."""
        return self.wgt.max


@dataclass(frozen=True)
class Traffic:
    """One array input a cycle; n is the number of cycles.

    Parameters
    ----------
    valid, swap, wgt_valid, wgt_group : int64, shape (n,)
    act : int64, shape (n, rows)
    wgt : int64, shape (n, lanes, rows)
    tiles : int64, shape (tiles, channels, cols)
        The weights that the flits carry; channels are rows, or, of pairs, low and high half of row 0, of row 1 ...
    tile_of : int64, shape (n,)
        Tile of the pixel of each cycle, -1 where there is none.
    filler : int
        Weights of a port on which nothing happens.
    pairs : Pairs or None
        What the golden array is told.
    """

    valid: Ints
    swap: Ints
    act: Ints
    wgt_valid: Ints
    wgt_group: Ints
    wgt: Ints
    tiles: Ints
    tile_of: Ints
    filler: int = 0
    pairs: Pairs | None = None

    @property
    def on(self) -> bool:
        """It is of pairs."""
        return self.pairs is not None and self.pairs.on

    def __len__(self) -> int:
        return len(self.valid)

    def flow(self, cycle: int, row: int) -> Flow:
        """What enters `row` in `cycle`, `row` cycles after row 0; nothing before the first and after the last cycle."""
        n = cycle - row
        if not 0 <= n < len(self):
            return idle(self.wgt.shape[1], self.filler)
        weights = tuple(int(w) for w in self.wgt[n, :, row])
        return Flow(
            int(self.valid[n]),
            int(self.swap[n]),
            int(self.act[n, row]),
            int(self.wgt_valid[n]),
            int(self.wgt_group[n]),
            weights,
        )

    def codes(self, n: int | np.integer) -> Ints:
        """Codes of cycle `n`, one a channel."""
        line: Ints = self.act[n]
        if self.pairs is None or not self.pairs.on:
            return line
        halves = np.divmod(line, 1 << self.pairs.half)
        return np.stack(halves[::-1], axis=1).reshape(-1)  # (row, low or high) -> (channel)

    def psums(self) -> list[tuple[int, tuple[int, ...]]]:
        """For every pixel, its cycle at PE(0,0) and its psums, one a column: line times weight matrix."""
        return [
            (int(n), tuple(int(p) for p in self.codes(n) @ self.tiles[self.tile_of[n]]))
            for n in np.flatnonzero(self.valid)
        ]


def random_codes(rng: np.random.Generator, low: int, high: int, size: tuple[int, ...]) -> Ints:
    """Codes of [low, high]: one in four the lowest, one in four the highest, one in eight zero, the rest uniform."""
    codes = rng.integers(low, high, size=size, endpoint=True)
    kind = rng.integers(0, 8, size=size)
    codes[kind < 2] = low
    codes[(kind >= 2) & (kind < 4)] = high
    codes[kind == 4] = 0
    return np.asarray(codes, dtype=np.int64)


def make_traffic(
    rng: np.random.Generator,
    shape: Shape,
    lengths: list[int],
    bubbles: float = 0.0,
    spread: bool = True,
    extreme: str | None = None,
    on: bool = False,
) -> Traffic:
    """Tiles of `lengths` pixels, as close behind one another as the weights allow.

    Parameters
    ----------
    rng : Generator
    shape : Shape
    lengths : list of int
        Pixels of each tile, 1 or more.
    bubbles : float
        Probability of an empty cycle before a pixel.
    spread : bool
        Flits anywhere in their window, in any order, some preceded by a decoy that they overwrite; else in order,
        just in time.
    extreme : {"most", "least"}, optional
        All activations at their maximum and all weights at their maximum or minimum: the ends of the psum range.
    on : bool
        A layer of pairs.
    """
    rows, cols, lanes, numbers = shape.rows, shape.cols, shape.wgt_lanes, shape.flits(on)
    groups = len(numbers)
    tiles = shape.weights(rng, (len(lengths), rows * (1 + on), cols))
    if extreme:
        tiles[:] = shape.wgt_min if extreme == "least" else shape.wgt_max
    lead = groups + int(rng.integers(0, 4)) if spread else groups
    pixels: list[tuple[int, int]] = []  # cycle, tile
    starts: list[int] = []
    cycle = lead
    for tile, length in enumerate(lengths):
        if starts:
            cycle = max(cycle, starts[-1] + groups)
        for index in range(length):
            while rng.random() < bubbles:
                cycle += 1
            if index == 0:
                starts.append(cycle)
            pixels.append((cycle, tile))
            cycle += 1
    total = cycle + 1

    valid, swap, wgt_valid = (np.zeros(total, dtype=np.int64) for _ in range(3))
    tile_of = np.full(total, -1, dtype=np.int64)
    act = random_codes(rng, 0, shape.act_max, (total, rows))
    if extreme:
        act[:] = shape.act_max
    wgt_group = rng.integers(0, 1 << shape.group_width, size=total)
    wgt = shape.weights(rng, (total, lanes, rows))
    for cycle, tile in pixels:
        valid[cycle] = 1
        tile_of[cycle] = tile
    swap[starts] = 1
    for tile, start in enumerate(starts):
        window = np.arange(starts[tile - 1] if tile else 0, start)
        chosen = np.sort(rng.choice(window, size=groups, replace=False)) if spread else window[-groups:]
        order = rng.permutation(groups) if spread else np.arange(groups)
        for slot, index in zip(chosen, order, strict=True):
            wgt_valid[slot] = 1
            wgt_group[slot] = numbers[index]
            high, group = divmod(numbers[index], shape.upper)
            columns = tiles[tile][
                high :: 1 + on, group * lanes : (group + 1) * lanes
            ]  # (rows, up to lanes): the last group may be short
            wgt[slot, : columns.shape[1]] = columns.T
        if spread:
            _add_decoys(rng, window, chosen, [numbers[index] for index in order], shape, wgt_valid, wgt_group)
    return Traffic(valid, swap, act, wgt_valid, wgt_group, wgt, tiles, tile_of, shape.wgt.filler, shape.pairs(on))


def _add_decoys(
    rng: np.random.Generator,
    window: Ints,
    chosen: Ints,
    order: list[int],
    shape: Shape,
    wgt_valid: Ints,
    wgt_group: Ints,
) -> None:
    """Turn spare cycles of the window into flits that must not matter: overwritten later, or for no existing group."""
    for slot in np.setdiff1d(window, chosen):
        later = [number for taken, number in zip(chosen, order, strict=True) if taken > slot]
        absent = sorted(set(range(1 << shape.group_width)) - set(order))
        if (later or absent) and rng.random() < 0.5:
            wgt_valid[slot] = 1
            wgt_group[slot] = rng.choice(later + absent)
