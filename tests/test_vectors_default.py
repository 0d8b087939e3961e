"""The committed sets: made again from the shipped graphs, they must be the same to the byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.graph import storage
from model.vectors.check import check_set
from model.vectors.generate import describe, generate
from model.vectors.manifest import NAME, read_manifest
from model.vectors.reader import read_set
from model.vectors.writer import render

ROOT = Path(__file__).resolve().parent.parent / "vectors"
DEFAULT = ROOT / "vgg16" / "features.27" / "imgsample"
SHIPPED = storage.ZOO / f"vgg16{storage.SUFFIX}"


@pytest.mark.skipif(not SHIPPED.exists(), reason="no trained vgg16 is shipped in model/zoo yet")
def test_the_default_set_is_made_again_to_the_byte():
    told = read_manifest(DEFAULT / NAME)
    graph = storage.load(SHIPPED)
    source, bits = told.source, told.bits
    assert (source["net"], source["layer"], source["image"]) == ("vgg16", "features.27", "sample")
    assert source["graph_sha256"] == graph.sha256, "vectors/ belongs to another graph: run make vectors and commit it"
    assert (told.array.rows, told.array.cols, bits.act, bits.wgt, bits.psum) == (8, 8, 4, 4, 16)
    samples = (np.load(path) for path in sorted(storage.ZOO.glob("sample_*.npy")))
    pixels = next(array for array in samples if array.shape == graph.input_shape)
    made = dict(render(generate(graph, pixels, describe(graph, "features.27", "sample", 8, 8, 16))))
    there = {path.name: path.read_bytes() for path in DEFAULT.iterdir()}
    assert sorted(made) == sorted(there)
    assert [name for name in made if made[name] != there[name]] == []


@pytest.mark.skipif(not SHIPPED.exists(), reason="no trained vgg16 is shipped in model/zoo yet")
def test_the_default_set_is_true_and_says_something():
    vectors = read_set(DEFAULT)
    assert check_set(vectors) == []
    assert vectors.psum is not None
    assert vectors.psum.min() < 0 < vectors.psum.max()
    assert vectors.act.max() > 1
    ((_, out),) = vectors.outs
    assert out.max() > 0
