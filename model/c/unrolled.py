"""The loops of a layer whose weights are statements: a shift and an addition each, or a few of them."""

from __future__ import annotations

import numpy as np

from model.c.loops import Shape, signature
from model.c.scale import signed_digits
from model.errors import LockstepError
from model.graph.graph import Layer

MOST_CLASSES = 2  # sums by exponent that are kept apart and shifted once, at the end
MOST_WEIGHTS = 20_000  # of a layer: each is a statement


def unrolled(layer: Layer, number: int, shape: Shape) -> str:
    """The function of the layer.

    Raises
    ------
    LockstepError
        When it has too many weights for a compiler to bear.
    """
    if layer.weight.size > MOST_WEIGHTS:
        raise LockstepError(
            f"layer {layer.name}: {layer.weight.size} weights are too many to be unrolled; "
            f"expected at most {MOST_WEIGHTS}, or WEIGHTS=packed"
        )
    (sy, sx), (py, px), pool = layer.stride, layer.padding, layer.pool
    maps, padded = range(len(shape.sizes)), max(layer.padding) > 0
    row = [shape.width * channels for channels in shape.channels]

    def each(text: str) -> str:
        return "".join(text.format(k=k, row=row[k], channels=shape.channels[k]) for k in maps)

    def where(text: str) -> str:
        return text if padded else ""

    window = _window(layer, number, shape)
    if pool > 1:
        window = (
            f"            for (int o = 0; o < {layer.out_channels}; o++)\n                out[o] = 0;\n"
            + each("            int32_t line{k} = at{k};\n")
            + where("            int32_t yy = y;\n")
            + f"            for (int dy = 0; dy < {pool}; dy++) {{\n"
            + each("            int32_t here{k} = line{k};\n")
            + where("            int32_t xx = x;\n")
            + f"            for (int dx = 0; dx < {pool}; dx++) {{\n"
            + window
            + "".join(f"            here{k} += {sx * shape.channels[k]};\n" for k in maps)
            + where(f"            xx += {sx};\n")
            + "            }\n"
            + "".join(f"            line{k} += {sy * row[k]};\n" for k in maps)
            + where(f"            yy += {sy};\n")
            + "            }\n"
        )
    return (
        signature(layer, number, shape)
        + "".join(f"    int32_t row{k} = {-(py * row[k] + px * shape.channels[k])};\n" for k in maps)
        + where(f"    int32_t y = {-py};\n")
        + f"    for (int oy = 0; oy < {shape.out_height}; oy++) {{\n"
        + each("        int32_t at{k} = row{k};\n")
        + where(f"        int32_t x = {-px};\n")
        + f"        for (int ox = 0; ox < {shape.out_width}; ox++) {{\n"
        + window
        + f"            out += {layer.out_channels};\n"
        + "".join(f"            at{k} += {pool * sx * shape.channels[k]};\n" for k in maps)
        + where(f"            x += {pool * sx};\n")
        + "        }\n"
        + "".join(f"        row{k} += {pool * sy * row[k]};\n" for k in maps)
        + where(f"        y += {pool * sy};\n")
        + "    }\n}\n"
    )


def _window(layer: Layer, number: int, shape: Shape) -> str:
    """Statements of all output channels at one position of the kernel's window."""
    (ky, kx), maps, padded = layer.kernel, range(len(shape.sizes)), max(layer.padding) > 0
    place, y_name, x_name = ("here", "yy", "xx") if layer.pool > 1 else ("at", "y", "x")
    taps, out = [(y, x) for y in range(ky) for x in range(kx)], []
    for index, (y, x) in enumerate(taps):
        check = (
            f"{y_name} + {y} >= 0 && {y_name} + {y} < {shape.height} && "
            f"{x_name} + {x} >= 0 && {x_name} + {x} < {shape.width}"
        )
        for k in maps:
            at = f"in{k} + {place}{k} + {(y * shape.width + x) * shape.channels[k]}"
            out.append(f"            const uint8_t *t{k}_{index} = {f'{check} ? {at} : 0' if padded else at};\n")
    exponents = {e for weight in np.unique(layer.weight).tolist() for _, e in signed_digits(weight)}
    classes = sorted(exponents) if len(exponents) <= MOST_CLASSES else []
    outs = layer.out_channels // layer.groups
    for o in range(layer.out_channels):
        out.append("            {\n")
        out.append(
            "".join(f"                int32_t p{e} = 0;\n" for e in classes) or "                int32_t p = 0;\n"
        )
        for index, (y, x) in enumerate(taps):
            begin = 0
            for k in maps:
                first = o // outs * shape.sizes[k]
                weights = layer.weight[o, begin : begin + shape.sizes[k], y, x].tolist()
                terms = "".join(
                    _statement(f"t{k}_{index}[{first + i}]", sign, e, bool(classes))
                    for i, weight in enumerate(weights)
                    for sign, e in signed_digits(weight)
                )
                begin += shape.sizes[k]
                if terms:
                    out.append(
                        f"                if (t{k}_{index}) {{\n{terms}                }}\n" if padded else terms
                    )
        if classes:
            total = " + ".join(f"p{e}" if e == 0 else f"p{e} * {1 << e}" for e in classes)
            out.append(f"                int32_t p = {total};\n")
        out.append(f"                {'uint8_t' if layer.out else 'int32_t'} code = code{number}(p, {o});\n")
        kept = f"if (code > out[{o}])\n                    " if layer.pool > 1 else ""
        out.append(f"                {kept}out[{o}] = code;\n            }}\n")
    return "".join(out)


def _statement(code: str, sign: int, exponent: int, classes: bool) -> str:
    target = f"p{exponent}" if classes else "p"
    part = code if classes or not exponent else f"(int32_t){code} << {exponent}"
    return f"                    {target} {'+' if sign > 0 else '-'}= {part};\n"
