"""What the sequencer issues for a descriptor: one pixel after another, without time (docs/rtl/sequencer.md)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from model.golden.blocks import Level, walk
from model.program.descriptor import Descriptor

PASS, SUB, IC, OC = slice(0, 4), 6, 7, 8  # of the levels, innermost first
KERNEL = slice(4, 8)


class Pixel(NamedTuple):
    """One instruction; each field is the port of its name, of those that depend on the pixel."""

    swap: bool
    last: bool
    zero: bool
    address: int
    acc: bool
    plane: int
    line: int
    final: bool
    final_swap: bool
    window_first: bool
    window_last: bool
    begins: bool  # a pass, so that it needs a weight tile; no port


def pixels(told: Descriptor) -> Iterator[Pixel]:
    """The instructions of a layer, in order; addresses and psum lines as they are, not cut to a port's width."""
    counts = [told.dx, told.dy, told.wx, told.wy, told.kx, told.ky, told.sub, told.ic, told.oc]
    if told.os:  # dx and dy hold the lines of a window instead
        counts[:2] = [1, 1]
    steps = [told.step_dx, told.step_dy, told.step_wx, told.step_wy]
    steps += [told.step_kx, told.step_ky, told.step_sub, told.step_ic, told.step_oc]
    y_steps = [0, told.y_dy, 0, told.y_wy, 0, told.y_ky, 0, 0, 0]
    x_steps = [told.x_dx, 0, told.x_wx, 0, told.x_kx, 0, 0, 0, 0]
    levels = [Level(*each) for each in zip(counts, steps, y_steps, x_steps, strict=True)]
    line = 0
    for step in walk(levels, (told.in_start, told.y_start, told.x_start)):
        first = [at == 0 for at in step.at]
        last = [at == count - 1 for at, count in zip(step.at, counts, strict=True)]
        begins, ends = all(first[PASS]), all(last[PASS])
        final = last[SUB] if told.os else all(last[KERNEL])
        yield Pixel(
            swap=begins,
            last=bool(told.os and ends),
            zero=not (0 <= step.y < told.height and 0 <= step.x < told.width),
            address=step.address,
            acc=not first[SUB] if told.os else not all(first[KERNEL]),
            plane=step.at[SUB] if told.planes else 0,
            line=0 if told.os else line,
            final=final,
            final_swap=final and (first[IC] if told.os else begins),
            window_first=first[0] and first[1],
            window_last=last[0] and last[1],
            begins=begins,
        )
        line = 0 if ends else line + 1


def reach(told: Descriptor) -> tuple[int, int]:
    """Least and largest coordinate that the loops of `told` come to, of either axis."""
    ends = []
    for start, moves in (
        (told.y_start, ((told.dy, told.y_dy), (told.wy, told.y_wy), (told.ky, told.y_ky))),
        (told.x_start, ((told.dx, told.x_dx), (told.wx, told.x_wx), (told.kx, told.x_kx))),
    ):
        far = [(count - 1) * step for count, step in moves]
        ends += [start + sum(min(0, each) for each in far), start + sum(max(0, each) for each in far)]
    return min(ends), max(ends)
