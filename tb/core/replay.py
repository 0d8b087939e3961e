"""A vector folder made ready for the core: parameters, schedule, port streams, expected lines and their places.

Everything comes from the folder and its manifest; nothing is computed from the operands, so what the files claim is
judged by the RTL alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.vectors.manifest import NAME, SIMD, Manifest
from model.vectors.os_manifest import is_output_stationary
from model.vectors.reader import VectorSet, read_set
from tb.common.schedule import LayerShape, Plan, plan
from tb.common.stream import Stream
from tb.core.os_replay import OsReplay, read_os_replay
from tb.core.parameters import core_parameters
from tb.core.place import Place

Array = np.ndarray[Any, Any]
DEFAULT_WGT_LANES = 2


@dataclass(frozen=True, eq=False)
class Replay:
    """One vector set, scheduled.

    Parameters
    ----------
    vectors : VectorSet
    plan : Plan
    """

    vectors: VectorSet
    plan: Plan

    @property
    def manifest(self) -> Manifest:
        """The set's description."""
        return self.vectors.manifest

    @property
    def parameters(self) -> dict[str, int]:
        """Verilog parameters of the core that fits this set."""
        bits, shape = self.manifest.bits, self.plan.shape
        plain = core_parameters(bits, shape, shape.psum_depth)
        return {**plain, "ActWidth": 2 * bits.act, "Simd": 1} if shape.simd else plain

    @property
    def macs(self) -> int:
        """Multiplications the layer itself needs: padded channels and positions without an output do not count."""
        layer = self.manifest.layer
        return layer.in_channels * layer.out_channels * self.plan.shape.taps * self.plan.shape.out_size

    @property
    def runs(self) -> tuple[tuple[int | None, bool], ...]:
        """(index of the output files judged, ReLU) of each run; psums are judged in the first only."""
        return tuple((index, relu) for index, (relu, _) in enumerate(self.vectors.outs)) or ((None, False),)

    def stream(self, relu: bool) -> Stream:
        """Words for the input ports."""
        bits = self.manifest.bits
        patterns = bits.weights.encode(self.vectors.wgt)
        return Stream(self.plan, self.vectors.act, patterns, bits.act, bits.wgt, relu)

    def psum_lines(self) -> Array | None:
        """Expected psums int64 [oc*ic*kij*position, cols] in order of appearance; None where the folder has none."""
        return None if self.vectors.psum is None else self.vectors.psum.reshape(-1, self.plan.shape.cols)

    def out_lines(self, index: int | None) -> Array | None:
        """Expected outputs int64 [oc*onij, cols] of output files `index`, or None for none."""
        return None if index is None else self.vectors.outs[index][1].reshape(-1, self.plan.shape.cols)

    def psum_place(self, line: int) -> Place:
        """Where psum line `line` (in order of appearance) belongs."""
        oc, ic, kij, position = (int(at) for at in np.unravel_index(line, self.plan.beat_cycle.shape))
        file = self.manifest.files.psum
        if file is None:
            return Place("psum", oc, ic, kij, position, "no psum file", 0)
        name = self.manifest.file_name(file.pattern, oc, ic, kij)
        before = 0 if "{kij}" in file.pattern else kij * self.plan.shape.pass_size
        return Place("psum", oc, ic, kij, position, name, file.header_lines + before + position + 1)

    def out_place(self, index: int | None, line: int) -> Place:
        """Where output line `line` of output files `index` belongs."""
        oc, position = divmod(line, self.plan.shape.out_size)
        if index is None:
            return Place("output", oc, None, None, position, "no output file", 0)
        file = self.manifest.files.out[index]
        name = self.manifest.file_name(file.pattern, oc=oc)
        return Place("output", oc, None, None, position, name, file.header_lines + position + 1)


def read_replay(
    folder: Path, manifest: Path | None = None, wgt_lanes: int = DEFAULT_WGT_LANES, simd: bool = False
) -> Replay | OsReplay:
    """Read the vector set in `folder` and schedule it.

    Parameters
    ----------
    folder : Path
    manifest : Path, optional
        Its description, when it is not ``manifest.json`` in the folder.
    wgt_lanes : int
        Columns of weights entering the array in a cycle, 1 up to its columns.
    simd : bool
        On an array of half the rows that multiplies pairs, whether the manifest says so or not.

    Raises
    ------
    LockstepError
        For whatever is wrong with the folder, and where nothing in it could be judged.
    """
    if is_output_stationary(manifest or folder / NAME):
        if simd:
            raise LockstepError(f"SIMD=1 with the output-stationary set {folder}; expected a weight-stationary one")
        return read_os_replay(folder, manifest, wgt_lanes)
    vectors = read_set(folder, manifest)
    if simd:
        vectors = replace(vectors, manifest=_in_pairs(vectors.manifest))
    told = vectors.manifest
    pairs = told.mode == SIMD
    rows, cols, bits = told.array.rows // (1 + pairs), told.array.cols, told.bits
    if not 1 <= wgt_lanes <= max(cols, DEFAULT_WGT_LANES):
        raise LockstepError(f"WGT_LANES is {wgt_lanes}; expected 1..{cols}, columns of weights that enter in a cycle")
    if vectors.psum is None and not vectors.outs:
        raise LockstepError(
            f"{folder}: the manifest names neither psum nor out files, so nothing can be checked; name at least one"
        )
    need = bits.weights.product_bits(bits.act * (1 + pairs))
    if bits.psum < need:
        name = "" if bits.wgt_power is None else f" ({bits.weights.name})"
        raise LockstepError(
            f"bits.psum is {bits.psum}; expected {need} or more, "
            f"the width of a product of {bits.act * (1 + pairs)} by {bits.wgt} bits{name}"
        )
    layer = told.layer
    shape = LayerShape(
        *(rows, cols, wgt_lanes, told.tiles.ic, told.tiles.oc),
        *(layer.kernel, layer.stride, layer.padded_map, layer.out_map),
        all_positions=told.positions == "all",
        simd=pairs,
    )
    return Replay(vectors, plan(shape, vectors.acc))


def _in_pairs(manifest: Manifest) -> Manifest:
    try:
        return manifest.in_pairs()
    except LockstepError as error:
        raise LockstepError(f"SIMD=1: {error}") from error
