"""The smallest engine that a network runs on."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from model.errors import LockstepError
from model.graph.graph import IntegerGraph
from model.numeric.formats import IntFormat, signed_bits_for
from model.numeric.power import PowerFormat
from model.numeric.weights import WeightFormat
from model.program.array import ADDRESS_BITS, EngineShape, check_at_least, weight_fields
from model.program.compile import compile_graph
from model.program.layout import OuterMap
from model.program.memory import least_depth, place
from model.program.os_layout import TurnedMap
from model.program.pairs import packed_maps
from model.program.plan import memory_blocks

PAIR_WIDTH = 4  # bits of the least activation that holds pairs of two-bit codes


def fitting_shape(
    graph: IntegerGraph,
    rows: int = 8,
    cols: int = 8,
    act_width: int | None = None,
    wgt_width: int | None = None,
    wgt_lanes: int | None = None,
    mode: str = "fold",
    simd: bool = True,
    dataflow: str = "ws",
) -> EngineShape:
    """The smallest engine of rows x cols for `graph`.

    Psums are as wide as the weights can make them, M and B as wide as they are, the activation memory holds the maps
    that are alive during any layer, the psum memory the longest pass.

    Parameters
    ----------
    graph : IntegerGraph
    rows, cols : int
        As in `EngineShape`.
    wgt_lanes : int or None
        As in `EngineShape`. None: two, of one column one; with `dataflow` "os" as many more as whole terms ask for.
    act_width, wgt_width : int or None
        None: the widest codes between layers (of the input, if there is one layer only), the widest weights; where
        there are codes of one or two bits and `simd`, activations of four bits at least. With `wgt_width` the engine
        multiplies by integers, else in the format of the weights.
    mode : str
        How the input is laid out, see `model.program.taken`.
    simd : bool
        Build in the multiplication of pairs, if any layer is the faster for it.
    dataflow : str
        As for `compile_graph`: an engine of both dataflows where a layer is output stationary. One that multiplies
        pairs is weight stationary.

    Raises
    ------
    LockstepError
        When no engine of this array runs it.
    """
    check_at_least("rows", rows, 1)
    check_at_least("cols", cols, 1)
    inner = [layer.out.bits for layer in graph.layers if layer.out is not None]
    widest = max(inner, default=graph.layers[0].act.bits)
    lanes = _lanes(rows, cols, dataflow) if wgt_lanes is None else wgt_lanes
    wgt = weights_of(graph) if wgt_width is None else IntFormat(wgt_width, signed=True)
    if simd:
        wider = max(PAIR_WIDTH, widest) if min(inner, default=widest) <= PAIR_WIDTH // 2 else widest
        wider = wider if act_width is None else act_width
        if wider % 2 == 0:
            able = _fitting(graph, rows, cols, wider, wgt, lanes, mode, True)
            if able.simd and dataflow != "os":
                return able
    return _fitting(graph, rows, cols, widest if act_width is None else act_width, wgt, lanes, mode, False, dataflow)


def _lanes(rows: int, cols: int, dataflow: str) -> int:
    """Columns of weights in a word of the stream."""
    least = min(2, cols)
    return max(least, cols // math.gcd(rows, cols)) if dataflow == "os" else least  # cols divides lanes * rows


def _fitting(
    graph: IntegerGraph,
    rows: int,
    cols: int,
    act_width: int,
    wgt: WeightFormat,
    wgt_lanes: int,
    mode: str,
    simd: bool,
    dataflow: str = "ws",
) -> EngineShape:
    """As above, for these activations; `simd` stays only if a layer is multiplied in pairs."""
    both = dataflow == "os" or (dataflow == "auto" and wgt_lanes * rows % cols == 0)
    banks = max(1, cols // rows)  # of any two numbers: the shape below refuses those of which none divides the other
    most = EngineShape(
        rows=rows,
        cols=cols,
        act_width=act_width,
        **weight_fields(wgt),
        psum_width=48,
        wgt_lanes=wgt_lanes,
        act_depth=banks * _power_below(max(1, (1 << ADDRESS_BITS) // banks)),
        psum_depth=1 << 20,
        mul_width=48,
        bias_width=64,
        layers=255,
        simd=int(simd),
        output_stationary=int(both),
    )
    program = compile_graph(graph, most, mode, dataflow=dataflow)
    entering = program.layers[0].source
    assert isinstance(entering, OuterMap | TurnedMap)
    blocks = memory_blocks(graph, most, entering, packed_maps(graph, most))
    lines = least_depth(blocks)
    if banks > 1:
        lines = max(2, 1 << (lines - 1).bit_length())
        while place(blocks, lines) is None:
            lines *= 2
        lines *= banks
    used = any(item.descriptor.simd for item in program.layers)
    return replace(
        most,
        psum_width=max(wgt.product_bits(act_width), *(signed_bits_for(*layer.psum_range) for layer in graph.layers)),
        act_depth=lines,
        psum_depth=max(rows if item.descriptor.os else item.descriptor.pass_size for item in program.layers),
        output_stationary=int(any(item.descriptor.os for item in program.layers)),
        mul_width=max(signed_bits_for(int(x.multiplier.min()), int(x.multiplier.max())) for x in graph.layers),
        bias_width=max(signed_bits_for(int(x.bias.min()), int(x.bias.max())) for x in graph.layers),
        layers=max(2, len(graph.layers)),
        simd=int(used),
    )


def weights_of(graph: IntegerGraph) -> WeightFormat:
    """The format that has the weights of all layers: integers of the widest, or the powers of two that hold all others.

    Raises
    ------
    LockstepError
        When there is no such format among those of the layers.
    """
    formats = list(dict.fromkeys(layer.wgt for layer in graph.layers))
    widest = max(fmt.bits for fmt in formats)
    for fmt in [IntFormat(widest, signed=True)] if not any(isinstance(f, PowerFormat) for f in formats) else formats:
        if all(np.isin(other.values, fmt.values).all() for other in formats):
            return fmt
    told = ", ".join(sorted(fmt.name for fmt in formats))
    raise LockstepError(
        f"{graph.name}: weights of {told}; no array multiplies by all, expected one that has the others'"
    )


def _power_below(value: int) -> int:
    return 1 << (value.bit_length() - 1)
