"""Random output-stationary vector sets for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from model.golden import os_tiling
from model.vectors.entries import ArraySize, Bits, LayerShape
from model.vectors.manifest import FORMAT, VERSION
from model.vectors.os_generate import os_outputs, render_os
from model.vectors.os_manifest import DATAFLOW, OsManifest
from model.vectors.os_set import OsSet


def make_os_set(
    rows: int = 4,
    cols: int = 4,
    ins: int = 2,
    outs: int = 5,
    kernel: tuple[int, int] = (3, 3),
    stride: tuple[int, int] = (1, 1),
    padded: tuple[int, int] = (5, 6),
    relu: bool = True,
    bits: tuple[int, int, int] = (4, 4, 16),
    seed: int = 3,
) -> OsSet:
    """A layer of random codes, with everything that the golden model says of it."""
    rng = np.random.default_rng(seed)
    act_bits, wgt_bits, psum_bits = bits
    out = ((padded[0] - kernel[0]) // stride[0] + 1, (padded[1] - kernel[1]) // stride[1] + 1)
    outputs = out[0] * out[1]
    groups = -(-outputs // rows)
    manifest = OsManifest(
        *(FORMAT, VERSION, DATAFLOW, ArraySize(rows, cols), Bits(act_bits, wgt_bits, psum_bits, 11)),
        layer=LayerShape(ins, outs, kernel, stride, padded, out),
        terms=ins * kernel[0] * kernel[1],
        groups=groups,
        oc_tiles=-(-outs // cols),
        relu=relu,
    )
    codes = rng.integers(0, 1 << act_bits, (ins, *padded), dtype=np.uint8)
    weight = rng.integers(-(1 << wgt_bits - 1), 1 << wgt_bits - 1, (outs, ins, *kernel))
    act = os_tiling.turned(os_tiling.map_terms(codes, kernel, stride, (0, 0)), rows)
    wgt = os_tiling.weight_terms(weight, cols)
    psum, acc = os_tiling.psums(act, wgt), np.arange(outputs)
    return OsSet(manifest, act, wgt, psum, acc, os_outputs(psum, acc, relu))


def write_os_set(vectors: OsSet, folder: Path) -> Path:
    """The set's files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in render_os(vectors):
        (folder / name).write_bytes(content)
    return folder
