"""One layer of an integer graph and one image, as a VectorSet for an array of a given size."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.golden import tiling
from model.golden.execute import layer_input
from model.graph.graph import IntegerGraph
from model.graph.wiring import require_zero
from model.numeric.power import PowerFormat
from model.vectors.entries import (
    AccFile,
    ActivationFile,
    ArraySize,
    Bits,
    Files,
    LayerShape,
    OutFile,
    Powers,
    PsumFile,
    Tiles,
    WeightFile,
)
from model.vectors.manifest import DATAFLOW, FORMAT, PE_BITS, SIMD, VERSION, Manifest
from model.vectors.reader import VectorSet

Array = np.ndarray[Any, Any]
HEADER_LINES = 3
ACC_BITS = 11  # at least: what the family's testbenches read


def describe(
    graph: IntegerGraph, name: str, image: str, rows: int, cols: int, psum_bits: int, simd: bool = False
) -> Manifest:
    """The manifest, hashes of files left out, of layer `name` of `graph` on an array of `rows` x `cols`.

    Parameters
    ----------
    graph : IntegerGraph
    name : str
        A layer's name.
    image : str
        What the input image is called.
    rows, cols : int
        Size of the array, 1..1024.
    psum_bits : int
        Width of a psum.
    simd : bool
        The array multiplies pairs of input channels: `rows` of it take twice as many.

    Raises
    ------
    LockstepError
        For an unknown layer, activations too wide for pairs, an impossible array, or psums that could overflow.
    """
    layer = graph.layer(name)
    require_zero(layer)
    if simd and layer.act.bits > PE_BITS // 2:
        raise LockstepError(
            f"layer {name} has activations of {layer.act.bits} bits; pairs (SIMD=1) take at most {PE_BITS // 2}, "
            f"half of a PE's {PE_BITS}"
        )
    ArraySize(rows, cols)  # what is asked for, before it is counted in channels
    rows = 2 * rows if simd else rows
    size = ArraySize(rows, cols)
    _, height, width = graph.wiring.before[graph.layers.index(layer)]
    cut = tiling.tiling_of(layer, height, width, rows, cols)
    acc_bits = max(ACC_BITS, (cut.kijs * cut.len_onij - 1).bit_length())
    power = Powers(**layer.wgt.describe()) if isinstance(layer.wgt, PowerFormat) else None
    least = layer.wgt.min if layer.wgt.symmetric and power is None else None
    bits = Bits(layer.act.bits, layer.wgt.bits, psum_bits, acc_bits, wgt_min=least, wgt_power=power)
    shape = LayerShape(cut.in_channels, cut.out_channels, cut.kernel, cut.stride, cut.padded_map, cut.out_map)
    lines = "column_even_odd" if simd else "column"
    files = Files(
        activation=ActivationFile("activation_tile{ic}.txt", HEADER_LINES, "high"),
        weight=WeightFile("weight_itile{ic}_otile{oc}_kij{kij}.txt", HEADER_LINES, "high", lines),
        psum=PsumFile("psum_itile{ic}_otile{oc}_kij{kij}.txt", HEADER_LINES, "high"),
        acc=AccFile("acc.txt", 0, 0),
        out=(OutFile("out_otile{oc}.txt", HEADER_LINES, "high", relu=layer.out is not None),),
    )
    recipe = graph.meta.get("recipe")
    seed = recipe.get("seed") if isinstance(recipe, dict) else None
    source = {"net": graph.name, "layer": name, "image": image, "graph_sha256": graph.sha256}
    source |= {} if seed is None else {"seed": seed}
    tiling.require_psum_bits(layer, psum_bits)
    tiles = Tiles(cut.ic_tiles, cut.oc_tiles)
    return Manifest(
        FORMAT, VERSION, DATAFLOW, size, bits, shape, tiles, "useful", files, source, mode=SIMD if simd else None
    )


def generate(graph: IntegerGraph, pixels: Array, manifest: Manifest) -> VectorSet:
    """The vectors of the layer and array that `manifest` (from `describe`) names.

    Parameters
    ----------
    graph : IntegerGraph
    pixels : uint8 array (channels, height, width)
        The image, as the graph's input codes.
    manifest : Manifest

    Returns
    -------
    VectorSet
        Its manifest's source has the hash of the pixels as well.

    Raises
    ------
    LockstepError
        When the pixels are not the graph's input.
    """
    layer = graph.layer(manifest.source["layer"])
    codes = layer_input(graph, pixels[None], layer.name)[0]
    act = tiling.tile_activations(codes, layer.padding, manifest.array.rows)
    wgt = tiling.tile_weights(layer.dense, manifest.array.rows, manifest.array.cols, layer.wgt.filler)
    psum = tiling.psums(act, wgt, manifest.useful_nij())
    relu = manifest.files.out[0].relu
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    told = manifest.with_source({**manifest.source, "image_sha256": digest})
    return VectorSet(told, act, wgt, psum, manifest.addresses(), ((relu, tiling.outputs(psum, relu)),))
