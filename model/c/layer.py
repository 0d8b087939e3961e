"""One layer as a C function: its tables, its loops. No product of variables is left that the formats do not ask for.

Offsets are carried along by additions, as the loops go, for the targets have no multiplier.
"""

from __future__ import annotations

from dataclasses import dataclass

from model.c.loops import Shape
from model.c.packed import packed
from model.c.scale import Scale, scale
from model.c.unrolled import unrolled
from model.errors import LockstepError
from model.graph.graph import IntegerGraph, Layer
from model.numeric.formats import signed_bits_for

STYLES = ("packed", "unrolled")


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
    style : {"packed", "unrolled"}
        Weights as tables that are decoded as they are used, or as shift-and-add statements.
    multiplier : bool
        Whether the target multiplies; without, everything is shifts and additions.

    Raises
    ------
    LockstepError
        When a sum does not fit 32 bits, or a layer is too large to be unrolled.
    """
    layer = graph.layers[number]
    if signed_bits_for(*layer.psum_range) > 32:
        need = signed_bits_for(*layer.psum_range)
        raise LockstepError(f"layer {layer.name}: its sums take {need} bits; generated C has 32")
    found, shape = scale(layer, number, multiplier), Shape.of(graph, number)
    loops, size = packed(layer, number, shape, multiplier) if style == "packed" else (unrolled(layer, number, shape), 0)
    text = [_comment(graph, number, found), found.tables, _code(layer, number, found), loops]
    return Source("".join(text), size + found.bytes, found.how)


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
    shifted = f"t >> {layer.shift}" if layer.shift else "t"
    if layer.out is None:
        floor = f"t < 0 ? ~(~t >> {layer.shift}) : {shifted}" if layer.shift else "t"
        last, kind = f"    return (int32_t)({floor});\n", "int32_t"
    else:
        top, cut = layer.out.max, f"    t >>= {layer.shift};\n" if layer.shift else ""
        last = f"    if (t < 0)\n        return 0;\n{cut}    return t > {top} ? {top} : (uint8_t)t;\n"
        kind = "uint8_t"
    return f"static {kind} code{number}(int32_t p, unsigned q)\n{{\n{found.total}{last}}}\n"
