"""Small networks in any weight format, and the engines that run them in each mode, for the tests of combinations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from model.graph.graph import IntegerGraph
from model.graph.kinds import residual_add
from model.numeric.formats import IntFormat
from model.numeric.power import PowerFormat
from model.numeric.weights import WeightFormat
from model.program.array import EngineShape
from model.program.fit import fitting_shape
from tests.integer_graphs import PIXEL, random_layer

NAMES = ("int2", "int4", "int8", "pot4", "pot2", "ternary", "level5", "pot5")  # each tried in each mode everywhere
MODES = ("ws", "simd", "os")  # as DATAFLOW= and SIMD= have them: plain, pairs, output stationary
SIDE = 4  # of the array, and of the map


def format_name(parameters: dict[str, int]) -> str:
    """The weight format of Verilog `parameters`."""
    power = parameters.get("WgtPower", 0)
    if not power:
        return IntFormat(parameters["WgtWidth"], signed=True).name
    return PowerFormat(power, bool(parameters.get("WgtZero", 0)), parameters.get("WgtStep", 1)).name


def branched_graph(wgt: WeightFormat, act_bits: int, seed: int = 0) -> IntegerGraph:
    """Three convolutions, a layer of two of their maps, a classifier; a sum and a depthwise layer where 0 is a weight.

    Pixels have 8 bits, codes between layers `act_bits`; no channel count is a multiple of `SIDE`.
    """
    rng = np.random.default_rng(seed)
    act = IntFormat(act_bits)
    codes: dict[str, Any] = {"act": act, "out": act, "wgt": wgt}
    layers = [
        random_layer(rng, "conv.0", (6, 2, 3, 3), act=PIXEL, out=act, padding=(1, 1), wgt=wgt),
        random_layer(rng, "conv.1", (6, 6, 3, 3), padding=(1, 1), **codes),
        random_layer(rng, "conv.2", (6, 6, 1, 1), **codes),
    ]
    two = ("conv.1", "conv.2")
    if wgt.filler == 0:
        layers.append(residual_add("both", two, 6, act, shift=1, wgt=wgt))
        layers.append(random_layer(rng, "depthwise", (6, 1, 3, 3), padding=(1, 1), groups=6, **codes))
    else:
        layers.append(random_layer(rng, "both", (6, 12, 1, 1), inputs=two, **codes))
    layers.append(random_layer(rng, "classifier", (5, 6, SIDE, SIDE), act=act, out=None, wgt=wgt))
    return IntegerGraph(f"branched_{wgt.name}", (2, SIDE, SIDE), tuple(layers), tuple("abcde"), {})


def lean_graph(wgt: WeightFormat, act_bits: int, seed: int = 0) -> IntegerGraph:
    """One input channel, then many: on an array of 8x8 each of the modes pays, where the codes are narrow enough."""
    rng = np.random.default_rng(seed)
    act = IntFormat(act_bits)
    layers = (
        random_layer(rng, "conv.0", (20, 1, 3, 3), act=PIXEL, out=act, padding=(1, 1), pool=2, wgt=wgt),
        random_layer(rng, "conv.1", (8, 20, 3, 3), act=act, out=act, padding=(1, 1), wgt=wgt),
        random_layer(rng, "classifier", (5, 8, SIDE, SIDE), act=act, out=None, wgt=wgt),
    )
    return IntegerGraph(f"lean_{wgt.name}", (1, 2 * SIDE, 2 * SIDE), layers, tuple("abcde"), {})


def engine_of(graph: IntegerGraph, mode: str) -> EngineShape:
    """The engine of SIDE x SIDE for `graph` in a mode; with room for it in the others as well."""
    shape = fitting_shape(graph, SIDE, SIDE, 4, simd=mode == "simd", dataflow="auto" if mode == "os" else "ws")
    return replace(shape, act_depth=512, psum_depth=SIDE * SIDE)
