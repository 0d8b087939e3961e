"""What the descriptor, lines and stream of an output-stationary layer mean: docs/rtl/output_stationary.md as a program.

As naive as `interpret`, and as independent of the software that makes the words.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from model.errors import LockstepError
from model.program.outcome import Line, Outcome, Words, Write, field

if TYPE_CHECKING:
    from model.program.interpret import Interpreter

Array = np.ndarray[Any, Any]


def run_os(engine: Interpreter, descriptor: Sequence[int], stream: Words) -> Outcome:
    """Run one output-stationary layer on `engine`; arguments and errors as for `Interpreter.run`."""
    shape = engine.shape
    window = 1 + field(descriptor, 1, 7, 0)
    n_wx, n_wy = 1 + field(descriptor, 1, 17, 8), 1 + field(descriptor, 1, 27, 18)
    n_sub, n_groups, n_oc = (1 + field(descriptor, 2, high, low) for high, low in ((9, 8), (19, 10), (29, 20)))
    in_start, out_base = field(descriptor, 0, 15, 0), field(descriptor, 0, 31, 16)
    step_wx, step_wy = field(descriptor, 4, 15, 0), field(descriptor, 4, 31, 16)
    step_sub, step_group = field(descriptor, 6, 15, 0), field(descriptor, 6, 31, 16)
    passes = field(descriptor, 10, 19, 0) + 1
    shift, out_max = field(descriptor, 11, 5, 0), field(descriptor, 11, 15, 8)
    planes, wide = field(descriptor, 11, 16, 16), field(descriptor, 11, 17, 17)
    out_map = field(descriptor, 11, 31, 18) + 1
    addresses = 1 << max(1, (shape.act_depth - 1).bit_length())
    if passes != n_groups * n_sub:
        raise LockstepError(f"the descriptor says {passes} passes; its loops make {n_groups * n_sub}")

    writes: list[Write] = []
    results: list[Line] = []
    address_out, segment, written, terms = out_base, 0, 0, 0
    for _oc in range(n_oc):
        scale = engine.parameters(stream)
        lines: list[Line] = []
        for group in range(n_groups):
            sums = np.zeros((shape.rows, shape.cols), np.int64)
            for sub in range(n_sub):
                total = np.zeros((shape.rows, shape.cols), np.int64)
                waiting: list[list[int]] = []  # terms of the present word that are not used yet
                for wy, wx in product(range(n_wy), range(n_wx)):
                    waiting = waiting or _terms(engine, stream)
                    moved = wx * step_wx + wy * step_wy + sub * step_sub + group * step_group
                    codes = engine.read((in_start + moved) % addresses)
                    total = total + np.outer(codes, waiting.pop(0))
                    terms += 1
                    _check(engine, total)
                sums = sums + (total << (sub * shape.act_width if planes else 0))
                _check(engine, sums)
            lines += [engine.requantize(sums[row], scale, shift, out_max, wide) for row in reversed(range(shape.rows))]
        for begin in range(0, window * out_map, window):
            pooled = tuple(max(codes) for codes in zip(*lines[begin : begin + window], strict=True))
            if not pooled:
                raise LockstepError(
                    f"{n_groups} groups of {shape.rows} lines; expected {window * out_map} lines or more"
                )
            if wide:
                results.append(pooled)
                continue
            engine.write(address_out, segment, pooled)
            writes.append(Write(address_out, segment, pooled))
            address_out, written = address_out + 1, written + 1
            if written == out_map:
                written, segment = 0, (segment + 1) % shape.segments
                if segment:
                    address_out -= out_map
    stream.end()
    return Outcome(writes, results, terms, stream.taken)


def _terms(engine: Interpreter, stream: Words) -> list[list[int]]:
    """The terms of the next word, `cols` weights each."""
    shape, word = engine.shape, stream.take()
    return [
        [engine.weight(word >> ((term * shape.cols + col) * shape.wgt_width)) for col in range(shape.cols)]
        for term in range(shape.wgt_lanes * shape.rows // shape.cols)
    ]


def _check(engine: Interpreter, sums: Array) -> None:
    limit = 1 << (engine.shape.psum_width - 1)
    if sums.min() < -limit or sums.max() >= limit:
        raise LockstepError(f"psum {sums.tolist()} does not fit {engine.shape.psum_width} bits")
