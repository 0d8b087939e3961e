"""The loops of a layer whose weights are a table, decoded as they are used."""

from __future__ import annotations

from typing import Any

import numpy as np

from model.c.loops import Shape, signature
from model.c.pack import pack, patterns_a_word, words_a_part
from model.graph.graph import Layer
from model.numeric.formats import IntFormat
from model.numeric.power import PowerFormat


def packed(layer: Layer, number: int, shape: Shape, multiplier: bool) -> tuple[str, int]:
    """Table and functions of the layer, and the table's bytes; without a `multiplier` products are shifts and additions."""
    words = pack(layer, shape.sizes)
    return _words(number, words) + _psum(layer, number, shape, multiplier) + _loops(layer, number, shape), 2 * len(
        words
    )


def _words(number: int, words: np.ndarray[Any, Any]) -> str:
    lines = [", ".join(map(hex, words[at : at + 12])) for at in range(0, len(words), 12)]
    return f"static const uint16_t w{number}[{len(words)}] = {{\n    " + ",\n    ".join(lines) + "\n};\n"


def _take(layer: Layer, multiplier: bool) -> str:
    """Statements that add the product of `word`'s lowest pattern and code `a` to `p`."""
    fmt = layer.wgt
    if isinstance(fmt, IntFormat):
        mask, half = (1 << fmt.bits) - 1, 1 << (fmt.bits - 1)
        if multiplier:
            return f"p += ((int32_t)((word & {mask}u) ^ {half}u) - {half}) * (int32_t)*a++;"
        parts = [f"if (word & {1 << at}u) p += (int32_t)*a << {at};" for at in range(fmt.bits - 1)]
        return " ".join([*parts, f"if (word & {half}u) p -= (int32_t)*a << {fmt.bits - 1};", "a++;"])
    assert isinstance(fmt, PowerFormat)
    sign = 1 << (fmt.bits - 1)
    index = f"(word & {sign - 1}u)"
    shift = index if not fmt.zero else f"({index} - 1u)"
    shift = shift if fmt.step == 1 else f"{shift} * {fmt.step}u"
    part = f"(int32_t)((uint32_t)*a << {shift})"
    add = f"p = word & {sign}u ? p - {part} : p + {part};"
    return f"if ({index}) {{ {add} }} a++;" if fmt.zero else f"{add} a++;"


def _psum(layer: Layer, number: int, shape: Shape, multiplier: bool) -> str:
    """The function that adds up one output from packed weights."""
    (ky, kx), padded = layer.kernel, max(layer.padding) > 0
    maps = range(len(shape.sizes))
    per = patterns_a_word(layer.wgt)
    words = sum(words_a_part(layer.wgt, size) for size in shape.sizes)
    arguments = "".join(f"const uint8_t *in{k}, int32_t at{k}, " for k in maps)
    arguments += "int32_t y, int32_t left, " if padded else ""
    out = [f"static int32_t psum{number}({arguments}const uint16_t *w)\n{{\n"]
    out.append("    int32_t p = 0;\n")
    out.append(f"    for (int ky = 0; ky < {ky}; ky++) {{\n")
    out += [f"        int32_t from{k} = at{k};\n        at{k} += {shape.width * shape.channels[k]};\n" for k in maps]
    if padded:
        out.append(f"        if (y < 0 || y >= {shape.height}) {{\n            y++;\n            w += {kx * words};\n")
        out.append("            continue;\n        }\n        y++;\n        int32_t x = left;\n")
    out.append(f"        for (int kx = 0; kx < {kx}; kx++) {{\n")
    if padded:
        step = "".join(f"                from{k} += {shape.channels[k]};\n" for k in maps)
        out.append(f"            if (x < 0 || x >= {shape.width}) {{\n                x++;\n{step}")
        out.append(f"                w += {words};\n")
        out.append("                continue;\n            }\n            x++;\n")
    for k in maps:
        size = shape.sizes[k]
        out.append(f"            {{\n                const uint8_t *a = in{k} + from{k};\n")
        if size > per:
            out.append(
                f"                for (int n = {size // per}; n; n--) {{\n                    uint32_t word = *w++;\n"
            )
            out.append(
                f"                    for (int m = {per}; m; m--, word >>= {layer.wgt.bits}) {{ {_take(layer, multiplier)} }}\n"
            )
            out.append("                }\n")
        rest = size % per if size > per else size
        if rest:
            out.append("                uint32_t word = *w++;\n")
            out.append(
                f"                for (int m = {rest}; m; m--, word >>= {layer.wgt.bits}) {{ {_take(layer, multiplier)} }}\n"
            )
        out.append(f"                from{k} += {shape.channels[k]};\n            }}\n")
    out.append("        }\n    }\n    return p;\n}\n")
    return "".join(out)


def _loops(layer: Layer, number: int, shape: Shape) -> str:
    """The loops over output positions and channels, weights from the table."""
    (sy, sx), (py, px), pool = layer.stride, layer.padding, layer.pool
    maps, padded = range(len(shape.sizes)), max(layer.padding) > 0
    words = sum(words_a_part(layer.wgt, size) for size in shape.sizes) * layer.kernel[0] * layer.kernel[1]
    row = [shape.width * channels for channels in shape.channels]  # codes of a row of each map
    out = [signature(layer, number, shape)]
    out += [f"    int32_t row{k} = {-(py * row[k] + px * shape.channels[k])};\n" for k in maps]
    if padded:
        out.append(f"    int32_t y = {-py};\n")
    out.append(f"    for (int oy = 0; oy < {shape.out_height}; oy++) {{\n")
    out.append("".join(f"        int32_t at{k} = row{k};\n" for k in maps))
    if padded:
        out.append(f"        int32_t x = {-px};\n")
    out.append(f"        for (int ox = 0; ox < {shape.out_width}; ox++) {{\n")
    out.append(f"            const uint16_t *w = w{number};\n            unsigned q = 0;\n")
    out.append("".join(f"            int32_t of{k} = at{k};\n" for k in maps))
    out.append(f"            for (int g = 0; g < {layer.groups}; g++) {{\n")
    out.append(
        f"                for (int o = 0; o < {layer.out_channels // layer.groups}; o++, q++, w += {words}) {{\n"
    )
    where = "y, x, " if padded else ""
    if pool == 1:
        given = "".join(f"in{k}, of{k}, " for k in maps)
        out.append(f"                    *out++ = code{number}(psum{number}({given}{where}w), q);\n")
    else:
        given = "".join(f"in{k}, here{k}, " for k in maps)
        where = "yy, xx, " if padded else ""
        out.append("                    uint8_t best = 0;\n")
        out.append("".join(f"                    int32_t line{k} = of{k};\n" for k in maps))
        out.append("                    int32_t yy = y;\n" if padded else "")
        out.append(f"                    for (int dy = 0; dy < {pool}; dy++) {{\n")
        out.append("".join(f"                        int32_t here{k} = line{k};\n" for k in maps))
        out.append("                        int32_t xx = x;\n" if padded else "")
        out.append(f"                        for (int dx = 0; dx < {pool}; dx++) {{\n")
        out.append(f"                            uint8_t code = code{number}(psum{number}({given}{where}w), q);\n")
        out.append("                            best = code > best ? code : best;\n")
        out.append("".join(f"                            here{k} += {sx * shape.channels[k]};\n" for k in maps))
        out.append(f"                            xx += {sx};\n" if padded else "")
        out.append("                        }\n")
        out.append("".join(f"                        line{k} += {sy * row[k]};\n" for k in maps))
        out.append(f"                        yy += {sy};\n" if padded else "")
        out.append("                    }\n                    *out++ = best;\n")
    out.append("                }\n")
    out.append("".join(f"                of{k} += {shape.sizes[k]};\n" for k in maps))
    out.append("            }\n")
    out.append("".join(f"            at{k} += {pool * sx * shape.channels[k]};\n" for k in maps))
    out.append(f"            x += {pool * sx};\n" if padded else "")
    out.append("        }\n")
    out.append("".join(f"        row{k} += {pool * sy * row[k]};\n" for k in maps))
    out.append(f"        y += {pool * sy};\n" if padded else "")
    out.append("    }\n}\n")
    return "".join(out)
