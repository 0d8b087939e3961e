"""The weight and parameter stream of a layer (sequencer.md, "Weight and parameter stream")."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from model.errors import LockstepError
from model.golden.tiling import tile_weights
from model.graph.graph import Layer
from model.numeric.formats import signed_bits_for
from model.numeric.power import PowerFormat
from model.program.array import EngineShape
from model.program.reads import Reads, read_tiles
from model.program.words import pack, pack_fields, to_bits

Array = np.ndarray[Any, Any]


class Stream(NamedTuple):
    """Words in the order in which they are sent.

    Parameters
    ----------
    words : uint8 array (n, ceil(word_bits / 8))
        Least significant byte first.
    last : bool array (n,)
        With the last word of each layer.
    """

    words: Array
    last: Array


def join(streams: list[Stream]) -> Stream:
    """One stream after another."""
    return Stream(np.concatenate([s.words for s in streams]), np.concatenate([s.last for s in streams]))


def pass_tiles(weight: Array, shape: EngineShape, planes: int, banks: int, pairs: bool = False) -> Array:
    """Weight tiles in the order of the passes.

    Parameters
    ----------
    weight : integer array (out, in, ky, kx)
    planes : int
        Each input tile is taken so many times, kernel inside plane.
    banks : int
        Input tiles come in groups of so many, the last group filled up with tiles that meet activations of 0.
    pairs : bool
        A layer of pairs: two groups after one another are the low and the high halves.

    Returns
    -------
    int64 array [oc][pass][half][col][row], one half unless `pairs`
    """
    filler, halves = shape.wgt.filler, 2 if pairs else 1
    tiles = tile_weights(weight, shape.rows, shape.cols, filler)  # [oc][ic][kij][col][row]
    oc, ic, kijs, cols, rows = tiles.shape
    missing = -ic % (banks * halves)
    if missing:
        tiles = np.pad(tiles, ((0, 0), (0, missing), (0, 0), (0, 0), (0, 0)), constant_values=filler)
    split = tiles.reshape(oc, -1, halves, banks, kijs, cols, rows)  # [oc][line][half][bank][kij][col][row]
    passes = split.transpose(0, 1, 3, 4, 2, 5, 6).reshape(oc, -1, kijs, halves, cols, rows)
    # [oc][line * bank][kij][half][col][row] -> [oc][line * bank * plane * kij][half][col][row]
    return np.repeat(passes, planes, axis=1).reshape(oc, -1, halves, cols, rows)


def weight_patterns(weights: Array, shape: EngineShape) -> Array:
    """What the engine's format makes of `weights`, any integer array of its values; an integer is its own pattern."""
    return shape.wgt.encode(weights) if shape.wgt_power else weights


def weight_words(tiles: Array, shape: EngineShape) -> Array:
    """Weight tiles [oc][pass][half][col][row] as words of patterns, uint8 [oc][pass * half * groups][byte]."""
    oc, passes, halves, cols, rows = tiles.shape
    full = np.zeros((oc, passes, halves, shape.groups * shape.wgt_lanes, rows), np.int8)
    full[:, :, :, :cols] = weight_patterns(tiles, shape)
    words = pack_fields(full.reshape(-1, shape.wgt_lanes * rows), shape.wgt_width)  # (... * group, lane * row)
    return words.reshape(oc, passes * halves * shape.groups, -1)  # [oc][pass * half * group][byte]


def check_widths(layer: Layer, shape: EngineShape) -> None:
    """Raise LockstepError when the engine has not the weights of `layer`, or they, M or B are wider than its."""
    if shape.wgt_power or isinstance(layer.wgt, PowerFormat):
        strange = layer.wgt.values[~np.isin(layer.wgt.values, shape.wgt.values)].tolist()
        if strange:
            raise LockstepError(
                f"layer {layer.name}: its weights are {layer.wgt.name}; the engine's are {shape.wgt.name}, without "
                f"{', '.join(map(str, strange[:5]))}{' ...' if len(strange) > 5 else ''}"
            )
    same = isinstance(shape.wgt, PowerFormat) == isinstance(layer.wgt, PowerFormat)
    need = {
        "weights": (layer.wgt.bits if same else 0, shape.wgt_width),
        "multipliers": (signed_bits_for(int(layer.multiplier.min()), int(layer.multiplier.max())), shape.mul_width),
        "biases": (signed_bits_for(int(layer.bias.min()), int(layer.bias.max())), shape.bias_width),
    }
    for what, (bits, width) in need.items():
        if bits > width:
            raise LockstepError(f"layer {layer.name}: its {what} take {bits} bits; the engine has {width}")


def parameter_words(layer: Layer, shape: EngineShape) -> Array:
    """M and B of `layer`, output tile by output tile, as words uint8 [oc][col * param_words][byte]."""
    oc = -(-layer.out_channels // shape.cols)
    values = np.zeros((2, oc * shape.cols), np.int64)
    values[:, : layer.out_channels] = layer.multiplier, layer.bias
    bits = np.zeros((oc * shape.cols, shape.param_words * shape.word_bits), np.uint8)
    bits[:, : shape.mul_width] = to_bits(values[0], shape.mul_width)
    bits[:, shape.mul_width : shape.mul_width + shape.bias_width] = to_bits(values[1], shape.bias_width)
    words = pack(bits.reshape(-1, shape.word_bits))  # (oc * col * word, bit)
    return words.reshape(oc, shape.cols * shape.param_words, -1)  # [oc][col * word][byte]


def layer_stream(
    layer: Layer,
    weight: Array,
    shape: EngineShape,
    planes: int,
    banks: int,
    reads: Reads | None = None,
    pairs: bool = False,
) -> Stream:
    """The words of one layer; `weight` as the array takes it (see `model.program.taken`), `reads` unless all is read.

    Raises
    ------
    LockstepError
        When the weights or the parameters do not fit the engine.
    """
    check_widths(layer, shape)
    if reads is None:
        tiles = pass_tiles(weight, shape, planes, banks, pairs)
    else:
        tiles = read_tiles(weight, reads, banks, planes, shape.cols, layer.wgt.filler)[:, :, None]  # one half
    flits = weight_words(tiles, shape)
    before_last = flits.shape[1] - shape.groups * tiles.shape[2]
    words = np.concatenate([flits[:, :before_last], parameter_words(layer, shape), flits[:, before_last:]], axis=1)
    words = words.reshape(-1, words.shape[2])  # (oc * word, byte)
    last = np.zeros(len(words), bool)
    last[-1] = True
    return Stream(words, last)
