"""A manifest for a folder without one: the shapes say what is possible, the numbers say what is true.

Every usual reading that the files' names, line counts and widths allow is tried, and the odd ones where no usual one
holds: the convolution of the operands as that reading has them is compared with the result files. The reading under
which most words are true wins. An entry on which all winners agree is confirmed by the data; one on which they differ
(both operands' words reversed give the same sums) is a guess, and the proposal says so.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.vectors.candidates import families, roles
from model.vectors.entries import AccFile, OutFile, PsumFile
from model.vectors.evidence import Fit, Truth, fits
from model.vectors.manifest import NAME, Manifest
from model.vectors.reader import columns, weight_order
from model.vectors.survey import Group, survey
from model.vectors.text import Text, decode, read_digits

Array = np.ndarray[Any, Any]
CONVINCING = 0.9  # share of true words below which a reading is not believed


@dataclass(frozen=True)
class Proposal:
    """A manifest made from what a folder holds.

    Parameters
    ----------
    manifest : Manifest
    confirmed, guessed : tuple of str
        Entries that the data settle, and entries that they leave open, each as ``entry = value``.
    ignored : tuple of str
        Files that have no place in the manifest, with the reason.
    matched, total : int
        Words of the result files that are true under this manifest, of how many.
    """

    manifest: Manifest
    confirmed: tuple[str, ...]
    guessed: tuple[str, ...]
    ignored: tuple[str, ...]
    matched: int
    total: int

    def report(self) -> str:
        """What was found, one line an entry."""
        lines = [f"{self.matched} of {self.total} words agree with the convolution of the operands"]
        lines += [f"confirmed by the data: {entry}" for entry in self.confirmed]
        lines += [f"guess: {entry}" for entry in self.guessed]
        lines += [f"ignored: {entry}" for entry in self.ignored]
        return "\n".join(lines)


@dataclass(frozen=True)
class _Reading:
    """A candidate, the fits of each other group, and whether any of its true outputs is not 0."""

    manifest: Manifest
    fits: tuple[tuple[Group, list[Fit]], ...]
    telling: bool

    @property
    def score(self) -> float:
        """Sum over the groups of the share of true words under the best fit."""
        return sum(found[0].share for _, found in self.fits if found)

    @property
    def perfect(self) -> bool:
        """True when every word of a whole group of psums or outputs is true, and that says something."""
        best = [found[0] for _, found in self.fits if found and not isinstance(found[0].entry, AccFile)]
        return self.telling and any(fit.matched == fit.total for fit in best)


class _Folder:
    """The words of a folder's files, each file read once and decoded once for each shape of its lines."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._digits: dict[str, Array] = {}
        self._words: dict[tuple[str, Text], Array] = {}

    def words(self, group: Group, name: str, text: Text) -> Array:
        """Words [line][word], leftmost first, of file `name` of `group` if its lines are as `text` says."""
        if name not in self._digits:
            flat = Text(group.lines, group.width, 1, False)
            self._digits[name] = read_digits(self.folder / name, group.header_lines, flat)
        if (name, text) not in self._words:
            self._words[name, text] = decode(self._digits[name], text)
        return self._words[name, text]

    def truth(self, act: Group, wgt: Group, told: Manifest) -> Truth:
        """What the operands of a candidate manifest give."""
        pattern, text = told.files.activation.pattern, told.activation_text
        words = [self.words(act, told.file_name(pattern, ic=ic), text) for ic in range(told.tiles.ic)]
        tiles = np.stack([columns(tile, told.files.activation.first_word) for tile in words])
        pattern, text = told.files.weight.pattern, told.weight_text
        passes = [
            weight_order(self.words(wgt, told.file_name(pattern, *place), text), told) for place in told.passes(pattern)
        ]
        shape = told.tiles.oc, told.tiles.ic, told.kijs, told.array.cols, told.array.rows
        return Truth(told, tiles, np.concatenate(passes).reshape(shape))


def propose(folder: Path) -> Proposal:
    """A manifest for the vector set in `folder`.

    Raises
    ------
    LockstepError
        When the folder holds no operands, nothing to check them against, or nothing under which its numbers agree.
    """
    folder = Path(folder)
    groups = survey(folder)
    acts, weights, results = roles(groups)
    readings: list[_Reading] = []
    source = _Folder(folder)
    for _, alike in itertools.groupby(families(acts, weights, results), key=lambda family: family.oddity):
        for family in alike:
            others = [group for group in groups if group not in (family.act, family.wgt)]
            for manifest in family.manifests():
                truth = source.truth(family.act, family.wgt, manifest)
                found = tuple((group, fits(group, truth, source.words)) for group in others)
                readings.append(_Reading(manifest, found, bool(truth.out().any())))
        if any(reading.perfect for reading in readings):
            break  # no need to try the odder ones
    advice = f"write {NAME} by hand (docs/vectors.md)"
    if not readings:
        seen = "; ".join(f"{g.title}: {len(g.numbers)} x {g.lines} lines of {g.width}" for g in groups)
        raise LockstepError(f"{folder}: no activations, weights and results of shapes that fit ({seen}); {advice}")
    best = max(readings, key=lambda reading: reading.score)  # the first, so the most usual, of equals
    chosen = _choose(best)
    if not chosen:
        share = max((found[0].share for _, found in best.fits if found), default=0.0)
        told = f"at best {share:.0%} of a file's words agree with the convolution of the operands"
        raise LockstepError(f"{folder}: under no reading of its files do the numbers agree ({told}); {advice}")
    winners = [reading for reading in readings if reading.score > best.score - 1e-9]
    confirmed, guessed = _certainty(winners, chosen)
    ignored = [f"{g.title} ({_why(found)})" for g, found in best.fits if g not in chosen]
    fitted = chosen.values()
    total = sum(fit.total for fit in fitted)
    manifest = _assemble(best.manifest, chosen)
    return Proposal(manifest, confirmed, guessed, tuple(ignored), sum(fit.matched for fit in fitted), total)


def _choose(reading: _Reading) -> dict[Group, Fit]:
    """The convincing fit of each group, where it agrees with the others: widths, positions, one psum, one acc."""
    chosen: dict[Group, Fit] = {}
    for group, found in sorted(reading.fits, key=lambda item: -(item[1][0].share if item[1] else 0)):
        for fit in found:
            if fit.share < CONVINCING:
                break
            others = list(chosen.values())
            kind = type(fit.entry)
            words = [other for other in others if not isinstance(other.entry, AccFile)]
            same_bits = kind is AccFile or all(other.bits == fit.bits for other in words)
            same_positions = fit.positions is None or all(o.positions in (None, fit.positions) for o in others)
            alone = kind is OutFile or not any(isinstance(o.entry, kind) for o in others)
            if same_bits and same_positions and alone:
                chosen[group] = fit
                break
    return chosen if any(not isinstance(fit.entry, AccFile) for fit in chosen.values()) else {}


def _why(found: list[Fit]) -> str:
    if not found:
        return "its shape fits none of psums, addresses and outputs"
    if found[0].share < CONVINCING:
        return f"at best {found[0].share:.0%} of its words agree"
    return "another file of its kind is there already"


def _assemble(manifest: Manifest, chosen: dict[Group, Fit]) -> Manifest:
    """`manifest` with the result files that were `chosen`."""
    entries = sorted((fit.entry for fit in chosen.values()), key=lambda entry: entry.pattern)
    files = replace(
        manifest.files,
        psum=next((entry for entry in entries if isinstance(entry, PsumFile)), None),
        acc=next((entry for entry in entries if isinstance(entry, AccFile)), None),
        out=tuple(entry for entry in entries if isinstance(entry, OutFile)),
    )
    positions = next((fit.positions for fit in chosen.values() if fit.positions), "useful")
    length = manifest.len_onij if positions == "useful" else manifest.len_nij
    acc = next((fit.bits for fit in chosen.values() if isinstance(fit.entry, AccFile)), None)
    psum = next(fit.bits for fit in chosen.values() if not isinstance(fit.entry, AccFile))
    bits = replace(manifest.bits, psum=psum, acc=acc or max(11, (manifest.kijs * length - 1).bit_length()))
    return replace(manifest, positions=positions, files=files, bits=bits)


def _entries(reading: _Reading, chosen: dict[Group, Fit]) -> list[dict[str, object]]:
    """Every equally good way to fill the manifest under `reading`, as entry -> value; first words as relations too."""
    told = reading.manifest
    base: dict[str, object] = {
        "array": (told.array.rows, told.array.cols),
        "bits.act": told.bits.act,
        "bits.wgt": told.bits.wgt,
        "layer.kernel": told.layer.kernel,
        "layer.stride": told.layer.stride,
        "layer.padded_map": told.layer.padded_map,
        "tiles": (told.tiles.ic, told.tiles.oc),
        "files.activation.pattern": told.files.activation.pattern,
        "files.weight.pattern": told.files.weight.pattern,
        "files.weight.line": told.files.weight.line,
        "files.activation.first_word": told.files.activation.first_word,
        "files.weight.first_word": told.files.weight.first_word,
    }
    if told.files.weight.line != "row":
        same = told.files.activation.first_word == told.files.weight.first_word
        base["activation and weight words in the same order"] = same
    ways = [base]
    for group, found in reading.fits:
        if group not in chosen:
            continue
        best = [fit for fit in found if fit.share > found[0].share - 1e-9]
        extra = []
        for fit in best:
            item: dict[str, object] = {f"{group.title} is": _kind(fit), f"{group.title} pattern": fit.entry.pattern}
            if isinstance(fit.entry, AccFile):
                item[f"{group.title} base"] = fit.entry.base
            else:
                item[f"{group.title} first_word"] = fit.entry.first_word
                if told.files.weight.line == "row":
                    same = fit.entry.first_word == told.files.weight.first_word
                    item[f"{group.title} and weight words in the same order"] = same
            if isinstance(fit.entry, OutFile):
                item[f"{group.title} relu"] = fit.entry.relu
            if fit.positions:
                item[f"{group.title} positions"] = fit.positions
            extra.append(item)
        ways = [way | item for way in ways for item in extra]
    return ways


def _kind(fit: Fit) -> str:
    return {PsumFile: "psum", AccFile: "acc", OutFile: "out"}[type(fit.entry)]


def _certainty(winners: list[_Reading], chosen: dict[Group, Fit]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Entries on which all winners agree, and entries on which they do not, with the value of the first winner."""
    values: dict[str, list[object]] = defaultdict(list)
    ways = [way for reading in winners for way in _entries(reading, chosen)]
    for way in ways:
        for name, value in way.items():
            if value not in values[name]:
                values[name].append(value)
    confirmed = [f"{name} = {_say(values[name][0])}" for name in ways[0] if len(values[name]) == 1]
    guessed = [
        f"{name} = {_say(values[name][0])} ({', '.join(_say(v) for v in values[name][1:])} would do as well)"
        for name in ways[0]
        if len(values[name]) > 1
    ]
    return tuple(confirmed), tuple(guessed)


def _say(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value[0]}x{value[1]}" if isinstance(value, tuple) else str(value)
