"""Every manifest that the shapes of a folder's files allow, the most usual first; the data choose (propose.py)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from model.errors import LockstepError
from model.vectors.entries import (
    FIRST_WORDS,
    WEIGHT_LINES,
    ActivationFile,
    ArraySize,
    Bits,
    Files,
    LayerShape,
    Tiles,
    WeightFile,
)
from model.vectors.manifest import DATAFLOW, FORMAT, VERSION, Manifest
from model.vectors.survey import Group, Naming

WEIGHT_WORDS = re.compile(r"w(ei)?gh?t|filter")
ACTIVATION_WORDS = re.compile(r"act|inp|ifmap|image")
RESULT_WORDS = re.compile(r"out|psum|acc|ofmap|result")
MAX_ACT_BITS = 8
SQUARE_KERNELS = (3, 1, 5, 2, 4, 7)
WORD_BITS = (4, 8, 2, 3, 5, 6, 7)
STRIDES = ((1, 1), (2, 2), (3, 3), (4, 4), (1, 2), (2, 1))

Pair = tuple[int, int]


def roles(groups: list[Group]) -> tuple[list[Group], list[Group], list[Group]]:
    """Groups that may be activations, those that may be weights, and those that may be results, by their names."""
    weights = [g for g in groups if WEIGHT_WORDS.search(g.title.lower())]
    rest = [g for g in groups if g not in weights]
    acts = [g for g in rest if ACTIVATION_WORDS.search(g.title.lower()) and not RESULT_WORDS.search(g.title.lower())]
    results = [g for g in rest if g not in acts]
    if not weights:
        weights = results
    if not acts:
        acts = results
    return acts, weights, results


@dataclass(frozen=True)
class Family:
    """Readings of one pair of groups that share what the names and line counts say: tiles, kernel, maps and stride."""

    act: Group
    wgt: Group
    act_naming: Naming
    wgt_naming: Naming
    tiles: Tiles
    kernel: Pair
    padded: Pair
    stride: Pair
    out_map: Pair

    @property
    def oddity(self) -> tuple[bool, bool, bool]:
        """Smaller for the more usual: square maps, square kernels, one stride for both axes."""
        return self.padded[0] != self.padded[1], self.kernel[0] != self.kernel[1], self.stride[0] != self.stride[1]

    def manifests(self) -> Iterator[Manifest]:
        """Manifests without results: each meaning of a weight line, word width and word order that fits."""
        for size, bits, line in _words(self.act, self.wgt, self.wgt_naming, self.kernel):
            channels = self.tiles.ic * size.rows, self.tiles.oc * size.cols
            layer = LayerShape(*channels, self.kernel, self.stride, self.padded, self.out_map)
            for first_act, first_wgt in itertools.product(FIRST_WORDS, FIRST_WORDS):
                files = Files(
                    ActivationFile(self.act_naming.pattern, self.act.header_lines, first_act),
                    WeightFile(self.wgt_naming.pattern, self.wgt.header_lines, first_wgt, line),
                )
                try:
                    yield Manifest(FORMAT, VERSION, DATAFLOW, size, bits, layer, self.tiles, "useful", files)
                except LockstepError:
                    continue  # not a reading after all


def families(acts: list[Group], weights: list[Group], results: list[Group]) -> list[Family]:
    """Every family that the names and line counts allow, the most usual first."""
    found = []
    for act, wgt in itertools.product(acts, weights):
        if act is wgt:
            continue
        evidence = [group for group in results if group is not act and group is not wgt]
        for act_naming, wgt_naming in itertools.product(act.namings(("ic",)), wgt.namings(("kij", "oc", "ic", "tile"))):
            tiles = _tiles(act_naming, wgt_naming)
            if tiles is None:
                continue
            for kernel in _kernels(wgt, wgt_naming):
                shapes = _shapes(act.lines, kernel, evidence)
                found += [Family(act, wgt, act_naming, wgt_naming, tiles, kernel, *shape) for shape in shapes]
    return sorted(found, key=lambda family: family.oddity)


def squarest(number: int) -> list[Pair]:
    """All (y, x) with y * x == number, the squarest first.

    >>> squarest(12)
    [(3, 4), (4, 3), (2, 6), (6, 2), (1, 12), (12, 1)]
    """
    pairs = [(y, number // y) for y in range(1, number + 1) if number % y == 0]
    return sorted(pairs, key=lambda pair: (abs(pair[0] - pair[1]), pair[0]))


def _tiles(act: Naming, wgt: Naming) -> Tiles | None:
    """Tile counts that both namings agree on."""
    ic = act.counts.get("ic", 1)
    if "tile" in wgt.counts and "oc" not in wgt.counts:
        oc, rest = divmod(wgt.counts["tile"], ic)
        return (
            Tiles(ic, oc) if rest == 0 and min(ic, oc) > 1 else None
        )  # with one tile of a kind, that kind's mark says it
    return Tiles(ic, wgt.counts.get("oc", 1)) if wgt.counts.get("ic", 1) == ic else None


def _kernels(wgt: Group, naming: Naming) -> list[Pair]:
    if "kij" in naming.counts:
        return squarest(naming.counts["kij"])
    return [(side, side) for side in SQUARE_KERNELS if wgt.lines % (side * side) == 0]


def _words(act: Group, wgt: Group, naming: Naming, kernel: Pair) -> Iterator[tuple[ArraySize, Bits, str]]:
    """Array sizes, widths and meanings of a weight line that fit the widths and line counts."""
    lines = wgt.lines if "kij" in naming.counts else wgt.lines // (kernel[0] * kernel[1])
    for line, bits in itertools.product(WEIGHT_LINES, WORD_BITS):
        if wgt.width % bits:
            continue
        words = wgt.width // bits
        if line.startswith("column_"):
            rows, cols = 2 * words, lines // 2
            if lines % 2:
                continue
        else:
            rows, cols = (words, lines) if line == "column" else (lines, words)
        if act.width % rows == 0 and act.width // rows <= MAX_ACT_BITS:
            try:
                yield ArraySize(rows, cols), Bits(act=act.width // rows, wgt=bits, psum=16, acc=11), line
            except LockstepError:
                continue


def _shapes(len_nij: int, kernel: Pair, results: list[Group]) -> Iterator[tuple[Pair, Pair, Pair]]:
    """(padded map, stride, output map) that some result's line count speaks for, or all-position psums leave open."""
    kijs = kernel[0] * kernel[1]
    counts = {g.lines for g in results} | {g.lines // kijs for g in results if g.lines % kijs == 0}
    for padded in squarest(len_nij):
        if padded[0] < kernel[0] or padded[1] < kernel[1]:
            continue
        for stride in STRIDES:
            out = (padded[0] - kernel[0]) // stride[0] + 1, (padded[1] - kernel[1]) // stride[1] + 1
            if out[0] * out[1] in counts or (stride == (1, 1) and len_nij in counts):
                yield padded, stride, out
