"""The weight and parameter stream of an output-stationary layer (docs/rtl/output_stationary.md)."""

from __future__ import annotations

from typing import Any

import numpy as np

from model.golden.os_tiling import weight_terms
from model.graph.graph import Layer
from model.program.array import EngineShape
from model.program.stream import Stream, check_widths, parameter_words, weight_patterns
from model.program.words import pack_fields

Array = np.ndarray[Any, Any]


def os_layer_stream(layer: Layer, weight: Array, shape: EngineShape, passes: int) -> Stream:
    """The words of one layer: per output tile its parameters, then its weights for every pass.

    Parameters
    ----------
    layer : Layer
    weight : integer array (out, terms, 1, 1)
        As the array takes it.
    shape : EngineShape
    passes : int
        Groups times planes.

    Raises
    ------
    LockstepError
        When the weights or the parameters do not fit the engine.
    """
    check_widths(layer, shape)
    terms = weight_terms(weight, shape.cols, shape.wgt.filler)  # [oc][term][col]
    tiles, count, cols = terms.shape
    words = -(-count // shape.word_terms)
    full = np.full((tiles, words * shape.word_terms, cols), shape.wgt.filler, np.int64)
    full[:, :count] = terms
    values = full.reshape(-1, shape.word_terms * cols)  # (oc * word, term * col)
    patterns = weight_patterns(values, shape)
    once = pack_fields(patterns, shape.wgt_width).reshape(tiles, words, -1)  # [oc][word][byte]
    every = np.tile(once, (1, passes, 1))  # [oc][pass * word][byte]
    stream = np.concatenate([parameter_words(layer, shape), every], axis=1)
    flat = stream.reshape(-1, stream.shape[2])  # (oc * word, byte)
    last = np.zeros(len(flat), bool)
    last[-1] = True
    return Stream(flat, last)
