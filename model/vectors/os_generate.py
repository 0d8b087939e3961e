"""One layer of an integer graph and one image as an output-stationary set; such a set as files (docs/vectors.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.golden import os_tiling
from model.golden.execute import layer_input
from model.graph.graph import IntegerGraph
from model.vectors.manifest import FORMAT, NAME, VERSION, Manifest
from model.vectors.os_manifest import ACC, DATAFLOW, OsManifest
from model.vectors.os_set import OsSet
from model.vectors.text import Text, encode

Array = np.ndarray[Any, Any]


def describe_os(told: Manifest) -> OsManifest:
    """The output-stationary manifest of the layer and array that a weight-stationary one (of `describe`) names."""
    layer, rows = told.layer, told.array.rows
    groups = -(-layer.out_map[0] * layer.out_map[1] // rows)
    bits = replace(told.bits, acc=max(told.bits.acc, (groups * rows - 1).bit_length()))  # a line for every row
    return OsManifest(
        *(FORMAT, VERSION, DATAFLOW, told.array, bits, layer),
        terms=layer.in_channels * layer.kernel[0] * layer.kernel[1],
        groups=groups,
        oc_tiles=told.tiles.oc,
        relu=told.files.out[0].relu,
        source=told.source,
    )


def ws_pass_cycles(told: Manifest) -> int:
    """Cycles in which a pixel enters, weight stationary: a pass for each kernel position and pair of tiles."""
    return told.tiles.oc * told.tiles.ic * told.kijs * told.positions_per_kij


def os_pass_cycles(told: OsManifest) -> int:
    """Cycles in which a term enters, or the drain holds it back, output stationary."""
    return told.oc_tiles * told.groups * max(told.terms, told.array.rows)


def generate_os(graph: IntegerGraph, pixels: Array, manifest: OsManifest) -> OsSet:
    """The vectors of the layer that `manifest` names; `pixels` uint8 (channels, height, width), the graph's input."""
    layer = graph.layer(manifest.source["layer"])
    codes = layer_input(graph, pixels[None], layer.name)[0]
    terms = os_tiling.map_terms(codes, layer.kernel, layer.stride, layer.padding)
    act = os_tiling.turned(terms, manifest.array.rows)
    wgt = os_tiling.weight_terms(layer.dense, manifest.array.cols, layer.wgt.filler)
    psum = os_tiling.psums(act, wgt)
    acc = np.arange(manifest.outputs)
    source = {**manifest.source, "image_sha256": hashlib.sha256(pixels.tobytes()).hexdigest()}
    told = OsManifest(**{**vars(manifest), "source": source})
    return OsSet(told, act, wgt, psum, acc, os_outputs(psum, acc, told.relu))


def os_outputs(psum: Array, acc: Array, relu: bool) -> Array:
    """Outputs [oc][onij][col]: of psums [oc][group][line][col] those at addresses `acc`, rectified where `relu`."""
    out: Array = psum.reshape(len(psum), -1, psum.shape[-1])[:, acc]  # (oc, group * line, col)
    return np.maximum(out, 0) if relu else out


def render_os(vectors: OsSet) -> Iterator[tuple[str, bytes]]:
    """(name, content) of every file, the manifest with the hashes of the others last."""
    told, hashes = vectors.manifest, {}
    for name, content in _texts(vectors):
        hashes[name] = hashlib.sha256(content).hexdigest()
        yield name, content
    yield NAME, told.with_hashes(hashes).to_json().encode()


def _texts(vectors: OsSet) -> Iterator[tuple[str, bytes]]:
    told = vectors.manifest
    rows, cols = f"row{told.array.rows - 1}..row0", f"col{told.array.cols - 1}..col0"
    for group in range(told.groups):
        what, text = f"activation,group{group}", told.activation_text
        yield _file(told.activation_file(group), what, f"a-line-is-one-term:{rows}", vectors.act[group], text)
    for oc in range(told.oc_tiles):
        what, text = f"weight,oc{oc}", told.weight_text
        words = vectors.wgt[oc] if told.bits.wgt_power is None else told.bits.weights.encode(vectors.wgt[oc])
        yield _file(told.weight_file(oc), what, f"a-line-is-one-term:{cols}", words, text)
    for oc in range(told.oc_tiles):
        for group in range(told.groups):
            what, text = f"psum,oc{oc},group{group}", told.psum_text
            line = f"a-line-is-one-output-position:{cols}"
            yield _file(told.psum_file(oc, group), what, line, vectors.psum[oc, group], text)
    yield ACC, encode(vectors.acc.reshape(-1, 1), told.acc_text)  # an address a line
    for oc in range(told.oc_tiles):
        what, text = f"out,oc{oc},{'relu' if told.relu else 'raw'}", told.out_text
        yield _file(told.out_file(oc), what, f"a-line-is-one-output-position:{cols}", vectors.out[oc], text)


def _file(name: str, what: str, line: str, words: Array, text: Text) -> tuple[str, bytes]:
    kind = "signed" if text.signed else "sign-and-index" if what.startswith("weight") else "unsigned"
    head = f"#{what}\n#{line}\n#{text.lines}-lines,{text.bits}-bits-a-word,{kind},msb-first\n".encode()
    try:
        return name, head + encode(words[:, ::-1], text)
    except LockstepError as error:
        raise LockstepError(f"{name}: {error}") from error
