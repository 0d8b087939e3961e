"""One layer as a C function: its tables, its loops. No product of variables is left that the formats do not ask for.

Offsets are carried along by additions, as the loops go, for the targets have no multiplier.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model.c.pack import patterns_a_word
from model.c.packed import packed
from model.c.scale import Scale, scale
from model.c.shape import Shape, code_type
from model.c.text import Lines
from model.c.unrolled import unrolled
from model.errors import LockstepError
from model.graph.graph import IntegerGraph, Layer
from model.numeric.formats import signed_bits_for
from model.numeric.power import PowerFormat

STYLES = ("packed", "unrolled", "mixed")
MOST_MIXED = 200  # weights of a layer that is unrolled among packed ones


@dataclass(frozen=True)
class Source:
    """A layer as C.

    Parameters
    ----------
    text : str
        Tables and the function ``layer<n>``.
    table_bytes : int
        Of its constants; unrolled weights are code and not among them.
    how : str
        Of its requantization, see `model.c.scale`.
    """

    text: str
    table_bytes: int
    how: str


def layer_source(graph: IntegerGraph, number: int, style: str, multiplier: bool) -> Source:
    """C of layer `number`.

    Parameters
    ----------
    graph : IntegerGraph
    number : int
    style : {"packed", "unrolled", "mixed"}
        Weights as tables that are decoded as they are used, or as shift-and-add statements; mixed: statements where a
        tap does not fill one word of the table, which is where decoding is slow and weights are few.
    multiplier : bool
        Whether the target multiplies; without, everything is shifts and additions.

    Raises
    ------
    LockstepError
        When a sum does not fit 32 bits, or a layer is too large to be unrolled.
    """
    layer = graph.layers[number]
    if (bits := sum_bits(layer)) > 32:
        raise LockstepError(f"layer {layer.name}: its sums, shift by shift, may take {bits} bits; generated C has 32")
    found, shape = scale(layer, number, multiplier), Shape.of(graph, number)
    thin = max(shape.sizes) < patterns_a_word(layer.wgt) and layer.weight.size <= MOST_MIXED
    if style == "unrolled" or (style == "mixed" and thin):
        loops, size = unrolled(layer, number, shape), 0
    else:
        loops, size = packed(layer, number, shape, multiplier)
    text = [_comment(graph, number, found), found.tables, _code(layer, number, found), loops]
    return Source("".join(text), size + found.bytes, found.how)


def sum_bits(layer: Layer) -> int:
    """Width of every sum on the way to a psum, also between the terms of one weight: of -1 as 1 + 2 + 4 - 8, say.

    An integer of b bits is at most 2**b - 1 in terms of either sign, a power of two itself.
    """
    weights = layer.weight.reshape(layer.out_channels, -1).astype(np.int64)
    terms = np.abs(weights) if isinstance(layer.wgt, PowerFormat) else np.full(weights.shape, (1 << layer.wgt.bits) - 1)
    most = int(terms.sum(axis=1).max()) * layer.act.max
    return signed_bits_for(-most, most)


def _comment(graph: IntegerGraph, number: int, found: Scale) -> str:
    layer, wiring = graph.layers[number], graph.wiring
    ins, outs = ("x".join(map(str, shape)) for shape in (wiring.before[number], wiring.after[number]))
    kernel = "x".join(map(str, layer.kernel))
    groups = f", {layer.groups} groups" if layer.groups > 1 else ""
    pool = f", then {layer.pool}x{layer.pool} max pooling" if layer.pool > 1 else ""
    return (
        f"/* {layer.name}: {ins} to {outs}, kernel {kernel}, stride {layer.stride[0]}x{layer.stride[1]}, padding "
        f"{layer.padding[0]}x{layer.padding[1]}{groups}{pool}; weights {layer.wgt.name}, scale by {found.how} */\n"
    )


def _code(layer: Layer, number: int, found: Scale) -> str:
    """The function that makes a code, or a logit, of a sum."""
    c = Lines()
    with c.block(f"static {code_type(layer)} code{number}(int32_t p, unsigned q)"):
        c.put(*found.total)
        if layer.out is None:
            c.put(f"return (int32_t)(t < 0 ? ~(~t >> {found.shift}) : t >> {found.shift});")
        else:
            c.put("if (t < 0)", "    return 0;", f"t >>= {found.shift};")
            c.put(f"return t > {layer.out.max} ? {layer.out.max} : (uint8_t)t;")
    return str(c)
