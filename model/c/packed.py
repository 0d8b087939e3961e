"""The loops of a layer whose weights are a table, decoded as they are used.

Offsets into the maps are integers that additions carry along, and become a pointer only inside the map: a pointer that
C has not defined is never made. Where no M is negative the largest sum is the one of the largest code, so that max
pooling requantizes once.
"""

from __future__ import annotations

from model.c.pack import pack, patterns_a_word, words_a_tap
from model.c.shape import Shape, codes_rise, signature
from model.c.text import Lines, table
from model.graph.graph import Layer
from model.numeric.formats import IntFormat


def packed(layer: Layer, number: int, shape: Shape, multiplier: bool) -> tuple[str, int]:
    """Table and functions of the layer, and the table's bytes.

    Parameters
    ----------
    layer : Layer
    number : int
        Its own, which its names end in.
    shape : Shape
    multiplier : bool
        Whether the target multiplies; without, products are shifts and additions.
    """
    words = pack(layer, shape.sizes)
    c = Lines()
    _psum(c, layer, number, shape, multiplier)
    _loops(c, layer, number, shape)
    return table("uint16_t", f"w{number}", map(hex, words.tolist())) + str(c), words.nbytes


def _product(layer: Layer, multiplier: bool) -> list[str]:
    """Statements that add the product of `word`'s lowest pattern and the code at `a` to `p`."""
    fmt = layer.wgt
    sign = 1 << (fmt.bits - 1)
    if isinstance(fmt, IntFormat):
        if multiplier:
            return [f"p += ((int32_t)((word & {2 * sign - 1}u) ^ {sign}u) - {sign}) * (int32_t)*a;"]
        places = [(f"word & {1 << at}u", "+", at) for at in range(fmt.bits - 1)]
        places.append((f"word & {sign}u", "-", fmt.bits - 1))
        return [
            f"if ({bit}) p {add}= {'(int32_t)*a' if not at else f'(int32_t)*a << {at}'};" for bit, add, at in places
        ]
    index = f"(word & {sign - 1}u)"
    shift = f"({index} - 1u)" if fmt.zero else index
    shift = shift if fmt.step == 1 else f"{shift} * {fmt.step}u"
    part = f"(int32_t)((uint32_t)*a << {shift})"
    add = f"p = word & {sign}u ? p - {part} : p + {part};"
    return [f"if ({index}) {add}" if fmt.zero else add]


def _psum(c: Lines, layer: Layer, number: int, shape: Shape, multiplier: bool) -> None:
    """The function that adds up one output."""
    ky, kx = layer.kernel
    a_tap = words_a_tap(layer.wgt, shape.sizes)
    arguments = [f"const uint8_t *in{k}, int32_t at{k}" for k in shape.maps]
    arguments += ["int32_t y, int32_t left"] if shape.padded else []
    with c.block(f"static int32_t psum{number}({', '.join(arguments)}, const uint16_t *w)"):
        c.put("int32_t p = 0;")
        with c.block(f"for (int ky = 0; ky < {ky}; ky++)"):
            c.each(f"int32_t from{k} = at{k};" for k in shape.maps)
            c.each(f"at{k} += {row};" for k, row in zip(shape.maps, shape.rows, strict=True))
            if shape.padded:
                with c.block(f"if (y < 0 || y >= {shape.height})"):
                    c.put("y++;", f"w += {kx * a_tap};", "continue;")
                c.put("y++;", "int32_t x = left;")
            with c.block(f"for (int kx = 0; kx < {kx}; kx++)"):
                if shape.padded:
                    with c.block(f"if (x < 0 || x >= {shape.width})"):
                        c.put("x++;", f"w += {a_tap};")
                        c.each(f"from{k} += {shape.channels[k]};" for k in shape.maps)
                        c.put("continue;")
                    c.put("x++;")
                for k in shape.maps:
                    _tap(c, layer, shape, k, multiplier)
        c.put("return p;")


def _tap(c: Lines, layer: Layer, shape: Shape, k: int, multiplier: bool) -> None:
    """The products of one tap in map `k`: whole words, then the rest of one."""
    size, per = shape.sizes[k], patterns_a_word(layer.wgt)
    whole, rest = divmod(size, per)

    def word(count: int) -> None:
        c.put("uint32_t word = *w++;")
        if count == 1:
            c.each(_product(layer, multiplier))
            return
        with c.block(f"for (int m = {count}; m; m--, a++, word >>= {layer.wgt.bits})"):
            c.each(_product(layer, multiplier))

    with c.block():
        c.put(f"const uint8_t *a = in{k} + from{k};")
        if whole > 1:
            with c.block(f"for (int n = {whole}; n; n--)"):
                word(per)
        elif whole:
            with c.block():
                word(per)
        if rest:
            word(rest)
        c.put(f"from{k} += {shape.channels[k]};")


def _loops(c: Lines, layer: Layer, number: int, shape: Shape) -> None:
    """The loops over output positions and channels."""
    (sy, sx), (py, px), pool = layer.stride, layer.padding, layer.pool
    words = words_a_tap(layer.wgt, shape.sizes) * layer.kernel[0] * layer.kernel[1]
    steps = list(zip(shape.maps, shape.rows, shape.channels, strict=True))
    with c.block(signature(layer, number, shape)):
        c.each(f"int32_t row{k} = {-(py * row + px * channels)};" for k, row, channels in steps)
        c.each([f"int32_t y = {-py};"] if shape.padded else [])
        with c.block(f"for (int oy = 0; oy < {shape.out_height}; oy++)"):
            c.each(f"int32_t at{k} = row{k};" for k in shape.maps)
            c.each([f"int32_t x = {-px};"] if shape.padded else [])
            with c.block(f"for (int ox = 0; ox < {shape.out_width}; ox++)"):
                c.put(f"const uint16_t *w = w{number};", "unsigned q = 0;")
                c.each(f"int32_t of{k} = at{k};" for k in shape.maps)
                with c.block(f"for (int g = 0; g < {layer.groups}; g++)"):
                    outs = layer.out_channels // layer.groups
                    with c.block(f"for (int o = 0; o < {outs}; o++, q++, w += {words})"):
                        _output(c, layer, number, shape)
                    c.each(f"of{k} += {shape.sizes[k]};" for k in shape.maps)
                c.each(f"at{k} += {pool * sx * channels};" for k, _, channels in steps)
                c.each([f"x += {pool * sx};"] if shape.padded else [])
            c.each(f"row{k} += {pool * sy * row};" for k, row, _ in steps)
            c.each([f"y += {pool * sy};"] if shape.padded else [])


def _output(c: Lines, layer: Layer, number: int, shape: Shape) -> None:
    """One output: a sum and its code, or the greatest of a pooling window."""
    (sy, sx), pool = layer.stride, layer.pool

    def psum(place: str, where: str) -> str:
        given = [f"in{k}, {place}{k}" for k in shape.maps] + ([where] if shape.padded else [])
        return f"psum{number}({', '.join(given)}, w)"

    if pool == 1:
        c.put(f"*out++ = code{number}({psum('of', 'y, x')}, q);")
        return
    rises = codes_rise(layer)
    c.put("int32_t best = INT32_MIN;" if rises else "uint8_t best = 0;")
    c.each(f"int32_t line{k} = of{k};" for k in shape.maps)
    c.each(["int32_t yy = y;"] if shape.padded else [])
    with c.block(f"for (int dy = 0; dy < {pool}; dy++)"):
        c.each(f"int32_t here{k} = line{k};" for k in shape.maps)
        c.each(["int32_t xx = x;"] if shape.padded else [])
        with c.block(f"for (int dx = 0; dx < {pool}; dx++)"):
            found = psum("here", "yy, xx")
            c.put(f"int32_t p = {found};" if rises else f"uint8_t p = code{number}({found}, q);")
            c.put("best = p > best ? p : best;")
            c.each(f"here{k} += {sx * shape.channels[k]};" for k in shape.maps)
            c.each([f"xx += {sx};"] if shape.padded else [])
        c.each(f"line{k} += {sy * shape.rows[k]};" for k in shape.maps)
        c.each([f"yy += {sy};"] if shape.padded else [])
    c.put(f"*out++ = code{number}(best, q);" if rises else "*out++ = best;")
