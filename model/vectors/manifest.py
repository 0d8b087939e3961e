"""manifest.json: one description for every vector folder, our own and other people's.

The dataclasses are the schema (docs/vectors.md explains each entry). They are checked when built, so a Manifest that
exists is consistent in itself; whether the files agree with it is the reader's question.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.files import read_json
from model.vectors.entries import (
    FIRST_WORDS,
    WEIGHT_LINES,
    ArraySize,
    Bits,
    Files,
    LayerShape,
    Tiles,
    require,
    require_digests,
)
from model.vectors.schema import build, plain
from model.vectors.text import Text

FORMAT, VERSION, DATAFLOW = "lockstep-vectors", 1, "weight_stationary"
NAME = "manifest.json"
MAX_PASSES = 1_000_000  # a typing error in a channel count must not ask for all memory
SIMD = "simd"
PE_BITS = 4  # of a PE's activation
POSITIONS = ("useful", "all")

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Manifest:
    """A vector folder, described. `source`, `sha256` (of files, by name) and `mode` are optional.

    `mode` "simd": rows 2r and 2r + 1 of a line are the low and the high half of row r of the circuit, which has
    ``array.rows / 2``.
    """

    format: str
    version: int
    dataflow: str
    array: ArraySize
    bits: Bits
    layer: LayerShape
    tiles: Tiles
    positions: str
    files: Files
    source: dict[str, Any] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)
    mode: str | None = None

    def __post_init__(self) -> None:
        fixed = (
            ("format", self.format, FORMAT),
            ("version", self.version, VERSION),
            ("dataflow", self.dataflow, DATAFLOW),
        )
        for name, value, wanted in fixed:
            require(value == wanted, f"{name} is {value!r}; expected {wanted!r}")
        require(self.positions in POSITIONS, f"positions is {self.positions!r}; expected one of {', '.join(POSITIONS)}")
        require(self.mode in (None, SIMD), f"mode is {self.mode!r}; expected {SIMD!r}, or none")
        if self.mode == SIMD:
            self._check_pairs()
        self._check_tiles()
        self._check_files()
        names = list(self.file_names())
        known = set(names)
        twice = next((name for name in names if names.count(name) > 1), None) if len(known) < len(names) else None
        require(twice is None, f"two patterns of files name {twice!r}; expected every file to have one meaning")
        require_digests(self.sha256, known)

    def _check_pairs(self) -> None:
        rows, most = self.array.rows, PE_BITS // 2
        require(rows % 2 == 0, f"mode is {SIMD!r}, but array.rows is {rows}; expected an even number of rows")
        require(
            self.bits.act <= most,
            f"mode is {SIMD!r}, but bits.act is {self.bits.act}; expected at most {most}, half of a PE's {PE_BITS}",
        )

    def _check_tiles(self) -> None:
        layer = self.layer
        for name, tiles, channels, side in (
            ("ic", self.tiles.ic, layer.in_channels, self.array.rows),
            ("oc", self.tiles.oc, layer.out_channels, self.array.cols),
        ):
            need = -(-channels // side)
            require(tiles == need, f"tiles.{name} is {tiles}; expected {need} ({channels} channels in tiles of {side})")
        count = self.tiles.ic * self.tiles.oc * self.kijs
        require(count <= MAX_PASSES, f"the layer takes {count} passes (ic x oc x kij); expected at most {MAX_PASSES}")

    def _check_files(self) -> None:
        files, tiles = self.files, self.tiles
        rules: list[tuple[str, Any, tuple[str, ...]]] = [("activation", files.activation, ("ic",))]
        rules += [("weight", files.weight, ("ic", "oc", "kij", "tile"))]
        rules += [("psum", files.psum, ("ic", "oc", "kij", "tile"))] if files.psum else []
        rules += [("acc", files.acc, ())] if files.acc else []
        rules += [(f"out[{index}]", out, ("oc",)) for index, out in enumerate(files.out)]
        for name, file, allowed in rules:
            where, pattern = f"files.{name}", file.pattern
            require(file.header_lines >= 0, f"{where}.header_lines is {file.header_lines}; expected 0 or more")
            first = getattr(file, "first_word", "high")
            require(first in FIRST_WORDS, f"{where}.first_word is {first!r}; expected one of {', '.join(FIRST_WORDS)}")
            path = PurePosixPath(pattern)
            inside = (
                pattern not in ("", ".") and not path.is_absolute() and ".." not in path.parts and "\0" not in pattern
            )
            require(inside, f"{where}.pattern is {pattern!r}; expected a file name inside the folder")
            used = re.findall(r"\{([^{}]*)\}", pattern)
            odd = next((mark for mark in used if mark not in allowed), None)
            options = ", ".join(f"{{{mark}}}" for mark in allowed) or "none"
            require(odd is None, f"{where}.pattern {pattern!r} holds {{{odd}}}; known there: {options}")
            for mark, count in (("ic", tiles.ic), ("oc", tiles.oc)):
                clear = count == 1 or mark not in allowed or mark in used or "tile" in used
                require(clear, f"{where}.pattern {pattern!r} lacks {{{mark}}}, but there are {count} {mark} tiles")
        line = files.weight.line
        require(line in WEIGHT_LINES, f"files.weight.line is {line!r}; expected one of {', '.join(WEIGHT_LINES)}")
        even = not line.startswith("column_") or self.array.rows % 2 == 0
        require(
            even, f"files.weight.line is {line!r}, but array.rows is {self.array.rows}; expected an even number of rows"
        )
        if files.acc:
            base, last = files.acc.base, files.acc.base + self.kijs * self.positions_per_kij - 1
            require(base >= 0, f"files.acc.base is {base}; expected 0 or more")
            require(
                last < 1 << self.bits.acc,
                f"bits.acc is {self.bits.acc}; expected {last.bit_length()} for addresses up to {last}",
            )

    @property
    def kijs(self) -> int:
        """Number of kernel positions."""
        return self.layer.kernel[0] * self.layer.kernel[1]

    @property
    def len_nij(self) -> int:
        """Number of padded map positions."""
        return self.layer.padded_map[0] * self.layer.padded_map[1]

    @property
    def len_onij(self) -> int:
        """Number of output positions."""
        return self.layer.out_map[0] * self.layer.out_map[1]

    @property
    def positions_per_kij(self) -> int:
        """Psums of one kernel position: len_onij ("useful") or len_nij ("all")."""
        return self.len_onij if self.positions == "useful" else self.len_nij

    def useful_nij(self) -> Array:
        """Padded map position (int64, [kij][onij]) that each kernel position pairs with each output position."""
        (ky, kx), (sy, sx), (oy, ox) = self.layer.kernel, self.layer.stride, self.layer.out_map
        y = np.arange(ky)[:, None, None, None] + sy * np.arange(oy)[:, None]  # (ky, 1, oy, 1)
        x = np.arange(kx)[:, None, None] + sx * np.arange(ox)  # (kx, 1, ox)
        return (y * self.layer.padded_map[1] + x).reshape(
            self.kijs, self.len_onij
        )  # (ky, kx, oy, ox) flattened by pairs

    def addresses(self) -> Array:
        """Psum addresses, base left out (int64, [onij][kij]): kij * positions_per_kij + position."""
        kij = np.arange(self.kijs)[:, None]
        position = np.arange(self.len_onij)[None] if self.positions == "useful" else self.useful_nij()
        return np.ascontiguousarray((kij * self.positions_per_kij + position).T)

    @property
    def activation_text(self) -> Text:
        """Content of one activation file."""
        return Text(self.len_nij, self.array.rows, self.bits.act, False)

    @property
    def weight_text(self) -> Text:
        """Content of one weight file."""
        lines, words = {"column": (self.array.cols, self.array.rows), "row": (self.array.rows, self.array.cols)}.get(
            self.files.weight.line, (2 * self.array.cols, self.array.rows // 2)
        )
        lines *= 1 if "{kij}" in self.files.weight.pattern else self.kijs
        return Text(lines, words, self.bits.wgt, self.bits.wgt_power is None)

    @property
    def psum_text(self) -> Text:
        """Content of one psum file."""
        whole = self.files.psum is not None and "{kij}" not in self.files.psum.pattern
        return Text(self.positions_per_kij * (self.kijs if whole else 1), self.array.cols, self.bits.psum, True)

    @property
    def acc_text(self) -> Text:
        """Content of the address file."""
        return Text(self.len_onij * self.kijs, 1, self.bits.acc, False)

    @property
    def out_text(self) -> Text:
        """Content of one output file."""
        return Text(self.len_onij, self.array.cols, self.bits.psum, True)

    def file_name(self, pattern: str, oc: int = 0, ic: int = 0, kij: int = 0) -> str:
        """The file that `pattern` names for these tiles; ``{tile}`` counts oc * tiles.ic + ic."""
        for mark, value in (("oc", oc), ("ic", ic), ("kij", kij), ("tile", oc * self.tiles.ic + ic)):
            pattern = pattern.replace(f"{{{mark}}}", str(value))
        return pattern

    def passes(self, pattern: str) -> Iterator[tuple[int, int, int]]:
        """(oc, ic, kij) of each file of a weight or psum `pattern`, in order; kij is 0 where a file holds all."""
        kijs = range(self.kijs if "{kij}" in pattern else 1)
        return ((oc, ic, kij) for oc in range(self.tiles.oc) for ic in range(self.tiles.ic) for kij in kijs)

    def file_names(self) -> Iterator[str]:
        """Every file of the folder but the manifest, in a fixed order."""
        files = self.files
        yield from (self.file_name(files.activation.pattern, ic=ic) for ic in range(self.tiles.ic))
        for pattern in (file.pattern for file in (files.weight, files.psum) if file):
            yield from (self.file_name(pattern, oc, ic, kij) for oc, ic, kij in self.passes(pattern))
        if files.acc:
            yield files.acc.pattern
        yield from (self.file_name(out.pattern, oc=oc) for out in files.out for oc in range(self.tiles.oc))

    def with_source(self, source: dict[str, Any]) -> Manifest:
        """The same with another `source`."""
        return replace(self, source=source)

    def with_hashes(self, sha256: dict[str, str]) -> Manifest:
        """The same with the hashes of its files."""
        return replace(self, sha256=sha256)

    def in_pairs(self) -> Manifest:
        """The same files for a circuit of half the rows that multiplies pairs."""
        return replace(self, mode=SIMD)

    def to_json(self) -> str:
        """The manifest as text: sorted keys, one space of indent, a last newline; equal manifests give equal bytes."""
        return json.dumps(plain(self), indent=1, sort_keys=True, allow_nan=False) + "\n"


def from_json(value: Any, where: str = NAME) -> Manifest:
    """The Manifest of a parsed JSON value; LockstepError begins with `where` and names the entry."""
    try:
        manifest: Manifest = build(Manifest, value)
    except LockstepError as error:
        raise LockstepError(f"{where}: {error}") from error
    return manifest


def read_manifest(path: Path) -> Manifest:
    """The Manifest in the file `path`.

    Raises
    ------
    LockstepError
        When it is missing, not JSON, or inconsistent.
    """
    return from_json(read_json(path), str(path))
