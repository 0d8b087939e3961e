"""How well result files fit what the operands of a candidate manifest give: as psums, as addresses, or as outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from model.golden.tiling import outputs, psums
from model.vectors.entries import AccFile, OutFile, PsumFile
from model.vectors.manifest import Manifest
from model.vectors.survey import Group, Naming
from model.vectors.text import Text

Array = np.ndarray[Any, Any]
Words = Callable[[Group, str, Text], Array]  # a file of a group, decoded


@dataclass(frozen=True)
class Fit:
    """One reading of a group of result files.

    Parameters
    ----------
    entry : PsumFile, AccFile or OutFile
        The reading, as the manifest would hold it.
    bits : int
        Width of a word.
    positions : str or None
        Which positions it counts, where it counts any.
    matched, total : int
        Words that are true under this reading, of how many.
    """

    entry: PsumFile | AccFile | OutFile
    bits: int
    positions: str | None
    matched: int
    total: int

    @property
    def share(self) -> float:
        """Share of words that are true."""
        return self.matched / self.total


class Truth:
    """Psums, outputs and addresses of a candidate's operands, each computed when first asked for."""

    def __init__(self, manifest: Manifest, act: Array, wgt: Array) -> None:
        self.manifest, self._act, self._wgt = manifest, act, wgt
        self._kept: dict[str, Array] = {}

    def psum(self, positions: str) -> Array:
        """Psums [oc][ic][kij][position][col]."""
        told = self.manifest
        if positions not in self._kept:
            every = np.tile(np.arange(told.len_nij), (told.kijs, 1))
            self._kept[positions] = psums(self._act, self._wgt, told.useful_nij() if positions == "useful" else every)
        return self._kept[positions]

    def out(self) -> Array:
        """Outputs [oc][onij][col], not rectified."""
        if "out" not in self._kept:
            self._kept["out"] = outputs(self.psum("useful"), relu=False)
        return self._kept["out"]


def fits(group: Group, truth: Truth, words_of: Words) -> list[Fit]:
    """Every reading that the shape of `group` allows, the best first (of equals the most usual one)."""
    told = truth.manifest
    found = [*_as_out(group, truth, words_of), *_as_psum(group, truth, words_of), *_as_acc(group, told, words_of)]
    psums_first = "psum" in group.title.lower()  # a 1x1 kernel's psums are its outputs: then the name decides
    return sorted(found, key=lambda fit: (-fit.share, psums_first and not isinstance(fit.entry, PsumFile)))


def _words(group: Group, naming: Naming, told: Manifest, words_of: Words, text: Text) -> Array:
    """All words of a group [oc][ic][kij][line][word], leftmost first; an axis its names do not count has length 1."""
    sizes = [told.tiles.oc, told.tiles.ic, told.kijs]
    used = {mark: mark in naming.counts or "tile" in naming.counts for mark in ("oc", "ic")}
    used["kij"] = "kij" in naming.counts
    ranges = [range(n if used[mark] else 1) for mark, n in zip(("oc", "ic", "kij"), sizes, strict=True)]
    files = [told.file_name(naming.pattern, oc, ic, kij) for oc in ranges[0] for ic in ranges[1] for kij in ranges[2]]
    words = np.stack([words_of(group, name, text) for name in files])
    return words.reshape(*(len(r) for r in ranges), *words.shape[1:])  # (file, line, word) -> (oc, ic, kij, line, word)


def _counted(naming: Naming, told: Manifest) -> bool:
    """True when the numbers in the names agree with the tiles and kernel positions of `told`."""
    sizes = {"oc": told.tiles.oc, "ic": told.tiles.ic, "kij": told.kijs, "tile": told.tiles.oc * told.tiles.ic}
    return all(sizes[mark] == count for mark, count in naming.counts.items())


def _as_out(group: Group, truth: Truth, words_of: Words) -> Iterator[Fit]:
    told = truth.manifest
    cols = told.array.cols
    if group.lines != told.len_onij or group.width % cols or not 2 <= group.width // cols <= 62:
        return
    text = Text(group.lines, cols, group.width // cols, True)
    relus = (True, False) if "relu" in group.title.lower() else (False, True)
    for naming in group.namings(("oc",)):
        if not _counted(naming, told) or ("oc" not in naming.counts and told.tiles.oc > 1):
            continue
        words = _words(group, naming, told, words_of, text)[:, 0, 0]  # (oc, onij, word)
        for first in ("high", "low"):
            ordered = words[:, :, ::-1] if first == "high" else words
            for relu in relus:
                true = np.maximum(truth.out(), 0) if relu else truth.out()
                entry = OutFile(naming.pattern, group.header_lines, first, relu)
                yield Fit(entry, text.bits, None, int((ordered == true).sum()), true.size)


def _as_psum(group: Group, truth: Truth, words_of: Words) -> Iterator[Fit]:
    told = truth.manifest
    cols = told.array.cols
    if group.width % cols or not 2 <= group.width // cols <= 62:
        return
    text = Text(group.lines, cols, group.width // cols, True)
    for naming in group.namings(("kij", "oc", "ic", "tile")):
        marks = set(naming.counts) | ({"oc", "ic"} if "tile" in naming.counts else set())
        needed = {mark for mark, n in (("oc", told.tiles.oc), ("ic", told.tiles.ic)) if n > 1}
        if not _counted(naming, told) or not needed <= marks:
            continue
        for positions, length in (("useful", told.len_onij), ("all", told.len_nij)):
            if group.lines != length * (1 if "kij" in marks else told.kijs):
                continue
            true = truth.psum(positions)
            words = _words(group, naming, told, words_of, text).reshape(
                true.shape
            )  # lines of all kij become (kij, position)
            for first in ("high", "low"):
                ordered = words[..., ::-1] if first == "high" else words
                entry = PsumFile(naming.pattern, group.header_lines, first)
                yield Fit(entry, text.bits, positions, int((ordered == true).sum()), true.size)


def _as_acc(group: Group, told: Manifest, words_of: Words) -> Iterator[Fit]:
    if len(group.numbers) > 1 or group.width > 32 or group.lines != told.len_onij * told.kijs:
        return
    name = group.names()[0]
    words = words_of(group, name, Text(group.lines, 1, group.width, False)).reshape(told.len_onij, told.kijs)
    kij = np.arange(told.kijs)
    for positions, table, length in (
        ("useful", np.arange(told.len_onij)[:, None], told.len_onij),
        ("all", told.useful_nij().T, told.len_nij),
    ):
        true = kij * length + table
        bases, counts = np.unique(words - true, return_counts=True)
        base = int(bases[counts.argmax()])
        if base >= 0:
            entry = AccFile(name, group.header_lines, base)
            yield Fit(entry, group.width, positions, int(counts.max()), words.size)
