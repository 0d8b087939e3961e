"""manifest.json of an output-stationary set: the same entries as `manifest.Manifest` where they mean the same.

There is one dialect, the one that is written here: three header lines, the highest row or column leftmost.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from model.errors import LockstepError
from model.files import read_json
from model.vectors.entries import ArraySize, Bits, LayerShape, require, require_digests
from model.vectors.manifest import FORMAT, MAX_PASSES, VERSION
from model.vectors.schema import build, plain
from model.vectors.text import Text

DATAFLOW = "output_stationary"
HEADER_LINES = 3
ACC = "acc.txt"


@dataclass(frozen=True)
class OsManifest:
    """A vector folder for an output-stationary array.

    Parameters
    ----------
    format, version, dataflow, array, bits, layer, source, sha256
        As in a weight-stationary manifest.
    terms : int
        Products of a pixel: kernel positions times input channels.
    groups : int
        Groups of `array.rows` pixels: output positions / rows, rounded up.
    oc_tiles : int
        Output channels / cols, rounded up.
    relu : bool
        The outputs are rectified.
    """

    format: str
    version: int
    dataflow: str
    array: ArraySize
    bits: Bits
    layer: LayerShape
    terms: int
    groups: int
    oc_tiles: int
    relu: bool
    source: dict[str, Any] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        layer = self.layer
        for name, value, wanted in (
            ("format", self.format, FORMAT),
            ("version", self.version, VERSION),
            ("dataflow", self.dataflow, DATAFLOW),
            ("terms", self.terms, layer.in_channels * layer.kernel[0] * layer.kernel[1]),
            ("groups", self.groups, -(-self.outputs // self.array.rows)),
            ("oc_tiles", self.oc_tiles, -(-layer.out_channels // self.array.cols)),
        ):
            require(value == wanted, f"{name} is {value!r}; expected {wanted!r}")
        least = (self.psum_lines - 1).bit_length()
        require(
            self.bits.acc >= least, f"bits.acc is {self.bits.acc}; expected {least} for {self.psum_lines} addresses"
        )
        count = self.oc_tiles * self.groups
        require(
            count <= MAX_PASSES, f"the layer takes {count} passes (oc_tiles x groups); expected at most {MAX_PASSES}"
        )
        require_digests(self.sha256, set(self.file_names()))

    @property
    def outputs(self) -> int:
        """Output positions."""
        return self.layer.out_map[0] * self.layer.out_map[1]

    @property
    def psum_lines(self) -> int:
        """Psum addresses of an output tile: rows of every group."""
        return self.groups * self.array.rows

    @property
    def activation_text(self) -> Text:
        """Content of one activation file."""
        return Text(self.terms, self.array.rows, self.bits.act, False)

    @property
    def weight_text(self) -> Text:
        """Content of one weight file."""
        return Text(self.terms, self.array.cols, self.bits.wgt, self.bits.wgt_power is None)

    @property
    def psum_text(self) -> Text:
        """Content of one psum file."""
        return Text(self.array.rows, self.array.cols, self.bits.psum, True)

    @property
    def acc_text(self) -> Text:
        """Content of the address file."""
        return Text(self.outputs, 1, self.bits.acc, False)

    @property
    def out_text(self) -> Text:
        """Content of one output file."""
        return Text(self.outputs, self.array.cols, self.bits.psum, True)

    def activation_file(self, group: int) -> str:
        """File of the activations of a group of pixels."""
        return f"activation_group{group}.txt"

    def weight_file(self, oc: int) -> str:
        """File of the weights of an output tile."""
        return f"weight_otile{oc}.txt"

    def psum_file(self, oc: int, group: int) -> str:
        """File of the sums of a group and an output tile."""
        return f"psum_group{group}_otile{oc}.txt"

    def out_file(self, oc: int) -> str:
        """File of the outputs of an output tile."""
        return f"out_otile{oc}.txt"

    def file_names(self) -> Iterator[str]:
        """Every file of the folder but the manifest, in a fixed order."""
        yield from (self.activation_file(group) for group in range(self.groups))
        yield from (self.weight_file(oc) for oc in range(self.oc_tiles))
        yield from (self.psum_file(oc, group) for oc in range(self.oc_tiles) for group in range(self.groups))
        yield ACC
        yield from (self.out_file(oc) for oc in range(self.oc_tiles))

    def with_hashes(self, sha256: dict[str, str]) -> OsManifest:
        """The same with the hashes of its files."""
        return replace(self, sha256=sha256)

    def to_json(self) -> str:
        """The manifest as text; equal manifests give equal bytes."""
        return json.dumps(plain(self) | {"relu": self.relu}, indent=1, sort_keys=True, allow_nan=False) + "\n"


def is_output_stationary(path: Path) -> bool:
    """Whether the manifest in the file `path` says so; False for whatever is no manifest at all."""
    if not path.is_file():
        return False
    try:
        told = read_json(path)
    except LockstepError:
        return False
    return isinstance(told, dict) and told.get("dataflow") == DATAFLOW


def read_os_manifest(path: Path) -> OsManifest:
    """The OsManifest in the file `path`.

    Raises
    ------
    LockstepError
        When it is missing, not JSON, or inconsistent; begins with the path and names the entry.
    """
    value = read_json(path)
    try:
        manifest: OsManifest = build(OsManifest, value)
    except LockstepError as error:
        raise LockstepError(f"{path}: {error}") from error
    return manifest
