"""What a layer's descriptor, lines and stream mean, step by step: docs/rtl/sequencer.md as a program.

Naive on purpose, and independent of the software that makes the words: the fields are picked from the bits here once
more. Lines and codes are tuples of ints, rows or columns in order; time does not exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.numeric.fixed import saturate
from model.program.array import EngineShape
from model.program.os_interpret import run_os
from model.program.outcome import Line, Outcome, Words, Write, field, signed_value

Array = np.ndarray[Any, Any]


class Interpreter:
    """An engine without time: an activation memory and a stream that layers run on.

    Parameters
    ----------
    shape : EngineShape
    """

    def __init__(self, shape: EngineShape) -> None:
        self.shape = shape
        self.memory: list[list[int | None]] = [[None] * shape.rows for _ in range(shape.act_depth)]

    def load(self, address: int, line: Sequence[int]) -> None:
        """Write a whole line at {bank, line}."""
        if not 0 <= address < len(self.memory) or len(line) != self.shape.rows:
            raise LockstepError(
                f"a line of {len(line)} codes at {address}; expected {self.shape.rows} at 0..{len(self.memory) - 1}"
            )
        self.memory[address] = [int(code) for code in line]

    def run(self, descriptor: Sequence[int], words: Sequence[int], last: Sequence[bool]) -> Outcome:
        """Run one layer.

        Parameters
        ----------
        descriptor : sequence of 12 ints
        words, last : the stream of this layer, words as ints, and the flag beside each

        Raises
        ------
        LockstepError
            When a line is read that was never written or is past the memory, a psum leaves psum_width, a pass is longer
            than psum_depth, or the stream is too short or too long or ends elsewhere than `last` says.
        """
        shape = self.shape
        simd, out_pair = field(descriptor, 9, 11, 11), field(descriptor, 9, 12, 12)
        if (simd or out_pair) and not shape.simd:
            raise LockstepError("the descriptor asks for pairs; the engine multiplies none")
        if field(descriptor, 9, 13, 13):
            if not shape.output_stationary:
                raise LockstepError("the descriptor is output stationary; the engine is weight stationary only")
            return run_os(self, descriptor, Words(words, last))
        counts = [
            1 + field(descriptor, word, high, low)
            for word, high, low in (
                (1, 3, 0),  # dx
                (1, 7, 4),  # dy
                (1, 17, 8),  # wx
                (1, 27, 18),  # wy
                (2, 3, 0),  # kx
                (2, 7, 4),  # ky
                (2, 9, 8),  # sub
                (2, 19, 10),  # ic
                (2, 29, 20),  # oc
            )
        ]
        steps = [field(descriptor, 3 + level // 2, 16 * (level % 2) + 15, 16 * (level % 2)) for level in range(8)]
        steps.append(field(descriptor, 10, 31, 20))  # oc
        y_start, y_dy, y_wy, y_ky = (field(descriptor, 7, 8 * i + 7, 8 * i, signed=True) for i in range(4))
        x_start, x_dx, x_wx, x_kx = (field(descriptor, 8, 8 * i + 7, 8 * i, signed=True) for i in range(4))
        in_start, out_base = field(descriptor, 0, 15, 0), field(descriptor, 0, 31, 16)
        height, width = field(descriptor, 9, 10, 0) + 1, field(descriptor, 9, 26, 16) + 1
        passes = field(descriptor, 10, 19, 0) + 1
        shift, out_max = field(descriptor, 11, 5, 0), field(descriptor, 11, 15, 8)
        planes, wide = field(descriptor, 11, 16, 16), field(descriptor, 11, 17, 17)
        out_map = field(descriptor, 11, 31, 18) + 1
        n_dx, n_dy, n_wx, n_wy, n_kx, n_ky, n_sub, n_ic, n_oc = counts
        addresses = 1 << max(1, (shape.act_depth - 1).bit_length())

        stream = Words(words, last)
        writes: list[Write] = []
        results: list[Line] = []
        address_out, part, written, pixels = out_base, 0, 0, 0
        parts = shape.segments * (2 if out_pair else 1)  # of a line, filled by one output tile after another
        for oc in range(n_oc):
            psums: dict[int, Array] = {}
            done = 0
            for ic, sub, ky, kx in product(range(n_ic), range(n_sub), range(n_ky), range(n_kx)):
                done += 1
                final = done == passes
                scale = self.parameters(stream) if final else []
                weights = np.hstack([self._tile(stream) for _ in range(1 + simd)])
                line = 0
                for wy, wx in product(range(n_wy), range(n_wx)):
                    window: list[Line] = []
                    for dy, dx in product(range(n_dy), range(n_dx)):
                        index = (dx, dy, wx, wy, kx, ky, sub, ic, oc)
                        moved = sum(i * step for i, step in zip(index, steps, strict=True))
                        y = y_start + dy * y_dy + wy * y_wy + ky * y_ky
                        x = x_start + dx * x_dx + wx * x_wx + kx * x_kx
                        inside = 0 <= y < height and 0 <= x < width
                        codes = self.read((in_start + moved) % addresses) if inside else [0] * shape.rows
                        if simd:  # the low half of every code, then the high ones
                            base = 1 << shape.act_width // 2
                            codes = [code % base for code in codes] + [code // base for code in codes]
                        psum = weights @ np.array(codes, np.int64)
                        if planes:
                            psum = psum << (sub * shape.act_width)
                        if done > 1:
                            psum = psum + psums[line]
                        self._check(psum, line)
                        psums[line] = psum
                        line, pixels = line + 1, pixels + 1
                        if final:
                            window.append(self.requantize(psum, scale, shift, out_max, wide))
                    if not final:
                        continue
                    pooled = tuple(max(codes) for codes in zip(*window, strict=True))
                    if wide:
                        results.append(pooled)
                        continue
                    self.write(address_out, part, pooled, out_pair)
                    writes.append(Write(address_out, part, pooled))
                    address_out, written = address_out + 1, written + 1
                    if written == out_map:
                        written, part = 0, (part + 1) % parts
                        if part:
                            address_out -= out_map
            if done != passes:
                raise LockstepError(f"the descriptor says {passes} passes; its loops make {done}")
        stream.end()
        return Outcome(writes, results, pixels, stream.taken)

    def read(self, address: int) -> list[int]:
        """The codes of a line; LockstepError where there is none."""
        if address >= len(self.memory):
            raise LockstepError(f"activation line {address} is read; there are {len(self.memory)}")
        line = self.memory[address]
        if None in line:
            raise LockstepError(f"activation line {address} is read; it was never written")
        return [int(code) for code in line if code is not None]

    def write(self, address: int, part: int, codes: Line, pairs: int = 0) -> None:
        """Write a line of `cols` codes back, within a bank; `pairs`: for a reader of pairs."""
        shape = self.shape
        if address >= shape.bank_depth:
            raise LockstepError(f"line {address} is written; a bank has {shape.bank_depth}")
        high, segment = divmod(part, shape.segments)
        base = 1 << shape.act_width // 2
        for bank in range(shape.banks):
            line = self.memory[bank * shape.bank_depth + address]
            if not high:  # what lies above it is zero until it is written itself
                first = segment * shape.cols
                own = codes[bank * shape.rows : (bank + 1) * shape.rows] if shape.segments == 1 else codes
                old = line[:first]
                line[:] = [*old, *own, *[0] * (shape.rows - first - len(own))]
                if pairs:
                    line[:] = [code if code is None else code % base for code in line]
                continue
            for row in range(segment * shape.cols if shape.segments > 1 else 0, shape.rows):
                low, at = line[row], bank * shape.rows + row - segment * shape.cols
                fresh = codes[at] if shape.segments == 1 or at < shape.cols else 0
                line[row] = None if low is None else low % base + fresh % base * base

    def _tile(self, stream: Words) -> Array:
        shape = self.shape
        tile = np.zeros((shape.cols, shape.rows), np.int64)
        for group in range(-(-shape.cols // shape.wgt_lanes)):
            word = stream.take()
            for lane in range(shape.wgt_lanes):
                for row in range(shape.rows):
                    if group * shape.wgt_lanes + lane < shape.cols:
                        code = word >> ((lane * shape.rows + row) * shape.wgt_width)
                        tile[group * shape.wgt_lanes + lane, row] = self.weight(code)
        return tile

    def weight(self, code: int) -> int:
        """The weight of a pattern of `wgt_width` bits, whatever is above it."""
        shape = self.shape
        if not shape.wgt_power:
            return signed_value(code, shape.wgt_width)
        sign, index = code >> (shape.wgt_width - 1) & 1, code & ((1 << (shape.wgt_width - 1)) - 1)
        if index >= shape.wgt_power + shape.wgt_zero or (shape.wgt_zero and sign and not index):
            raise LockstepError(f"pattern {sign:b}{index:0{shape.wgt_width - 1}b} in the stream is no weight")
        size = 0 if shape.wgt_zero and not index else 1 << (index - shape.wgt_zero) * shape.wgt_step
        return -size if sign else size

    def parameters(self, stream: Words) -> list[tuple[int, int]]:
        """M and B of every column, from the stream."""
        shape = self.shape
        bits = shape.wgt_lanes * shape.rows * shape.wgt_width
        pairs = []
        for _ in range(shape.cols):
            value = 0
            for part in range(-(-(shape.mul_width + shape.bias_width) // bits)):
                value |= stream.take() << (part * bits)
            pairs.append(
                (signed_value(value, shape.mul_width), signed_value(value >> shape.mul_width, shape.bias_width))
            )
        return pairs

    def requantize(self, psum: Array, scale: list[tuple[int, int]], shift: int, out_max: int, wide: int) -> Line:
        """Codes, or wide values, of a line of psums."""
        values = [(int(p) * m + b) >> shift for p, (m, b) in zip(psum, scale, strict=True)]
        return tuple(values) if wide else tuple(int(saturate(value, 0, out_max)) for value in values)

    def _check(self, psum: Array, line: int) -> None:
        if line >= self.shape.psum_depth:
            raise LockstepError(f"a pass of more than {self.shape.psum_depth} pixels: no psum line {line}")
        limit = 1 << (self.shape.psum_width - 1)
        if psum.min() < -limit or psum.max() >= limit:
            raise LockstepError(f"psum {psum.tolist()} does not fit {self.shape.psum_width} bits")
