"""Which lines an output tile reads: of a layer with groups, or one that takes several maps, not all of them.

The sequencer reads, for output tile t, the input tiles that begin at lines

    start + t*step_oc + j*step_ic,   j = 0 .. count-1                                                        (1)

in every bank. `reads_of` finds the shortest such reading that holds whatever a tile's output channels need. What it
reads beyond that meets weights of zero. A plain layer reads everything (step_oc = 0); a depthwise one, or a residual
add, one tile of each map, wherever the maps lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from model.errors import LockstepError
from model.golden.tiling import fill_columns
from model.graph.graph import Layer

Array = np.ndarray[Any, Any]


class Place(NamedTuple):
    """Where one of the maps taken lies: tile after tile, each with a line for every position.

    Parameters
    ----------
    base : int
        Line of its first tile, within a bank.
    channels : int
    apart : int
        Lines from tile to tile.
    """

    base: int
    channels: int
    apart: int


@dataclass(frozen=True, eq=False)
class Reads:
    """Equation (1), and what is found there.

    Parameters
    ----------
    start, step_oc, step_ic : int
        In lines.
    channels : int64 array [oc][j][lane]
        Input channel in each lane of the tiles read, -1 for none; lane = bank * rows + row.
    """

    start: int
    step_oc: int
    step_ic: int
    channels: Array

    @property
    def count(self) -> int:
        """Input tiles that an output tile reads."""
        return int(self.channels.shape[1])


def tiles_of(places: Sequence[Place], lanes: int) -> dict[int, Array]:
    """Every tile of the maps by its line: the input channel in each lane, int64 (lanes,), -1 for none."""
    found: dict[int, Array] = {}
    first = 0
    for place in places:
        for tile in range(-(-place.channels // lanes)):
            channel = tile * lanes + np.arange(lanes)
            found[place.base + tile * place.apart] = np.where(channel < place.channels, first + channel, -1)
        first += place.channels
    return found


def needed(layer: Layer, places: Sequence[Place], lanes: int, cols: int) -> list[set[int]]:
    """Lines of the tiles that hold what each output tile needs."""
    line_of = np.empty(layer.in_channels, np.int64)
    for line, channels in tiles_of(places, lanes).items():
        line_of[channels[channels >= 0]] = line
    group = np.arange(layer.out_channels) * layer.groups // layer.out_channels
    by_channel = line_of[layer.group_channels[group]]  # (out, channel of the group)
    return [set(by_channel[at : at + cols].reshape(-1).tolist()) for at in range(0, layer.out_channels, cols)]


def find(wanted: Sequence[set[int]], there: set[int]) -> tuple[int, int, int, int] | None:
    """Start, step_oc, step_ic and count of the shortest reading (1) of lines in `there` that holds `wanted`; or None.

    Candidates are all pairs of steps that lie in the memory: the distance of two tiles for `step_ic`; for `step_oc`
    those that keep the last output tile's first line inside.
    """
    lines = np.array(sorted(there))
    low = np.array([min(each) for each in wanted])
    last = len(wanted) - 1
    best: tuple[int, int, int, int] | None = None
    for step_oc in sorted({0, *((lines - lines[0]).tolist() if last else [])}):
        if lines[0] + last * step_oc > lines[-1]:
            break
        start = int((low - np.arange(len(wanted)) * step_oc).min())
        far = max(max(each) - start - t * step_oc for t, each in enumerate(wanted))
        for step_ic in (lines - start).tolist():
            if step_ic < 0 or (step_ic == 0 and far):
                continue
            count = far // step_ic + 1 if step_ic else 1
            if best is not None and count >= best[3]:
                continue
            every = start + np.arange(last + 1)[:, None] * step_oc + np.arange(count) * step_ic
            if there.issuperset(every.flat) and all(
                each <= set(row) for each, row in zip(wanted, every.tolist(), strict=True)
            ):
                best = start, step_oc, int(step_ic), count
    return best


def lie_anywhere(layer: Layer, places: Sequence[Place], lanes: int, cols: int) -> bool:
    """Whether `layer` can read its maps wherever they are as briefly as at `places`, which are side by side."""
    if len(places) != 2:
        return len(places) < 2
    other = places[1]._replace(base=places[0].base + sum(-(-p.channels // lanes) * p.apart for p in places) * 7 + 1)
    counts = []
    for each in (places, (places[0], other)):
        found = find(needed(layer, each, lanes, cols), set(tiles_of(each, lanes)))
        counts.append(found[3] if found else None)
    return counts[0] is not None and counts[0] == counts[1]


def reads_of(layer: Layer, places: Sequence[Place], lanes: int, cols: int) -> Reads:
    """The shortest reading of `layer`.

    Parameters
    ----------
    layer : Layer
    places : sequence of Place
        Its maps, in order.
    lanes : int
        Channels of a tile, over all banks.
    cols : int
        Of the array.

    Raises
    ------
    LockstepError
        When there is none: maps that do not lie in even steps.
    """
    tiles = tiles_of(places, lanes)
    found = find(needed(layer, places, lanes, cols), set(tiles))
    if found is None:
        raise LockstepError(f"layer {layer.name}: the maps that it takes do not lie side by side")
    start, step_oc, step_ic, count = found
    outs = -(-layer.out_channels // cols)
    lines = start + np.arange(outs)[:, None] * step_oc + np.arange(count) * step_ic
    channels = np.stack([[tiles[line] for line in row] for row in lines.tolist()])
    return Reads(start, step_oc, step_ic if count > 1 else 0, channels)


def read_tiles(weight: Array, reads: Reads, banks: int, planes: int, cols: int, filler: int = 0) -> Array:
    """Weight tiles in the order of the passes: as `model.program.stream.pass_tiles`, of what is read.

    Parameters
    ----------
    weight : integer array (out, in, ky, kx)
        With the zeros between groups.
    reads : Reads
    banks, planes : int
        As `pass_tiles` has them.
    cols : int
    filler : int
        Of the format, as `model.golden.tiling.tile_weights` has it.

    Returns
    -------
    int64 array [oc][pass][col][row]
    """
    outs, ins, ky, kx = weight.shape
    oc, count, lanes = reads.channels.shape
    full = np.full((outs, ins + 1, ky * kx), filler, np.int64)  # channel -1: one of codes 0
    full[:, :ins] = weight.reshape(outs, ins, ky * kx)
    by_tile = fill_columns(full, cols, filler).reshape(oc, cols, ins + 1, ky * kx)
    found = by_tile[np.arange(oc)[:, None, None], :, reads.channels]  # [oc][j][lane][col][kij]
    split = found.reshape(oc, count * banks, lanes // banks, cols, ky * kx)  # [oc][j * bank][row][col][kij]
    tiles = np.repeat(split, planes, axis=1).transpose(0, 1, 4, 3, 2)  # [oc][j * bank * plane][kij][col][row]
    return np.ascontiguousarray(tiles.reshape(oc, -1, cols, lanes // banks))
