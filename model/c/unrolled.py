"""The loops of a layer whose weights are statements: a shift and an addition each, or a few of them."""

from __future__ import annotations

import numpy as np

from model.c.scale import signed_digits
from model.c.shape import Shape, codes_rise, signature
from model.c.text import Lines
from model.errors import LockstepError
from model.graph.graph import Layer

MOST_CLASSES = 2  # sums by exponent that are kept apart and shifted once, at the end
MOST_DIGITS = 2  # of a weight, where they are not: of more shifts of one code compilers make a multiplication again
MOST_SUMS = 64  # of four bytes each, on the stack
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
    steps = list(zip(shape.maps, shape.rows, shape.channels, strict=True))
    c = Lines()
    with c.block(signature(layer, number, shape)):
        c.each(f"int32_t row{k} = {-(py * row + px * channels)};" for k, row, channels in steps)
        c.each([f"int32_t y = {-py};"] if py else [])
        with c.block(f"for (int oy = 0; oy < {shape.out_height}; oy++)"):
            c.each(f"int32_t at{k} = row{k};" for k in shape.maps)
            c.each([f"int32_t x = {-px};"] if px else [])
            with c.block(f"for (int ox = 0; ox < {shape.out_width}; ox++)"):
                if pool > 1:
                    _pooled(c, layer, number, shape)
                else:
                    _window(c, layer, number, shape)
                c.put(f"out += {layer.out_channels};")
                c.each(f"at{k} += {pool * sx * channels};" for k, _, channels in steps)
                c.each([f"x += {pool * sx};"] if px else [])
            c.each(f"row{k} += {pool * sy * row};" for k, row, _ in steps)
            c.each([f"y += {pool * sy};"] if py else [])
    return str(c)


def _pooled(c: Lines, layer: Layer, number: int, shape: Shape) -> None:
    """The window of the kernel at every place of a pooling window; the greatest so far is kept, as sum or as code."""
    (sy, sx), (py, px), pool = layer.stride, layer.padding, layer.pool
    sums, every = _keeps_sums(layer), f"for (int o = 0; o < {layer.out_channels}; o++)"
    c.each([f"int32_t best[{layer.out_channels}];"] if sums else [])
    c.put(every, "    best[o] = INT32_MIN;" if sums else "    out[o] = 0;")
    c.each(f"int32_t line{k} = at{k};" for k in shape.maps)
    c.each(["int32_t yy = y;"] if py else [])
    with c.block(f"for (int dy = 0; dy < {pool}; dy++)"):
        c.each(f"int32_t here{k} = line{k};" for k in shape.maps)
        c.each(["int32_t xx = x;"] if px else [])
        with c.block(f"for (int dx = 0; dx < {pool}; dx++)"):
            _window(c, layer, number, shape)
            c.each(f"here{k} += {sx * shape.channels[k]};" for k in shape.maps)
            c.each([f"xx += {sx};"] if px else [])
        c.each(f"line{k} += {sy * shape.rows[k]};" for k in shape.maps)
        c.each([f"yy += {sy};"] if py else [])
    c.put(*([every, f"    out[o] = code{number}(best[o], (unsigned)o);"] if sums else []))


def _keeps_sums(layer: Layer) -> bool:
    """Whether pooling compares sums, one kept for each channel, and not codes."""
    return codes_rise(layer) and layer.out_channels <= MOST_SUMS


def _window(c: Lines, layer: Layer, number: int, shape: Shape) -> None:
    """All output channels at one position of the kernel: a pointer to every tap, null in the padding, then the sums."""
    place, y_name, x_name = ("here", "yy", "xx") if layer.pool > 1 else ("at", "y", "x")
    for tap, (y, x) in enumerate(np.ndindex(layer.kernel)):
        inside = f"{y_name} + {y} >= 0 && {y_name} + {y} < {shape.height} && " if layer.padding[0] else ""
        inside += f"{x_name} + {x} >= 0 && {x_name} + {x} < {shape.width}" if layer.padding[1] else ""
        for k in shape.maps:
            at = f"in{k} + {place}{k} + {y * shape.rows[k] + x * shape.channels[k]}"
            chosen = f"{inside.removesuffix(' && ')} ? {at} : 0" if shape.padded else at
            c.put(f"const uint8_t *t{k}_{tap} = {chosen};")
    digits = [signed_digits(weight) for weight in np.unique(layer.weight).tolist()]
    exponents = {exponent for each in digits for _, exponent in each}
    apart = len(exponents) <= MOST_CLASSES or max(map(len, digits)) > MOST_DIGITS
    classes = sorted(exponents) if apart else []
    for o in range(layer.out_channels):
        with c.block():
            c.each([f"int32_t p{e} = 0;" for e in classes] or ["int32_t p = 0;"])
            _sum(c, layer, o, shape, bool(classes))
            if classes:
                total = " + ".join(f"p{e}" if e == 0 else f"p{e} * {1 << e}" for e in classes)
                c.put(f"int32_t p = {total};")
            if layer.pool > 1 and _keeps_sums(layer):
                c.put(f"if (p > best[{o}])", f"    best[{o}] = p;")
            elif layer.pool > 1:
                c.put(f"uint8_t code = code{number}(p, {o});", f"if (code > out[{o}])", f"    out[{o}] = code;")
            else:
                c.put(f"out[{o}] = code{number}(p, {o});")


def _sum(c: Lines, layer: Layer, o: int, shape: Shape, classes: bool) -> None:
    """Statements that add up output channel `o`, tap by tap, those in the padding left out."""
    group = o // (layer.out_channels // layer.groups)
    for tap, (y, x) in enumerate(np.ndindex(layer.kernel)):
        begin = 0
        for k, size in enumerate(shape.sizes):
            weights = layer.weight[o, begin : begin + size, y, x].tolist()
            begin += size
            terms = [
                _statement(f"t{k}_{tap}[{group * size + i}]", sign, exponent, classes)
                for i, weight in enumerate(weights)
                for sign, exponent in signed_digits(weight)
            ]
            if terms and shape.padded:
                with c.block(f"if (t{k}_{tap})"):
                    c.each(terms)
            else:
                c.each(terms)


def _statement(code: str, sign: int, exponent: int, classes: bool) -> str:
    """One term of a weight: the code, shifted, added or taken away."""
    target = f"p{exponent}" if classes else "p"
    part = code if classes or not exponent else f"(int32_t){code} << {exponent}"
    return f"{target} {'+' if sign > 0 else '-'}= {part};"
