"""Replays a port stream on the core's timing table alone and objects to every hazard.

Independent of the scheduler on purpose: it knows no passes or tiles, only what each word does in which cycle, and
computes the psums and outputs that the words ask for. Naive and slow; for tests of schedules, not for long layers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tb.common.instruction import InstructionFormat

Vector = NDArray[np.int64]


class HazardError(Exception):
    """A word of the stream breaks a rule of the timing table; the message names the cycle and the rule."""


@dataclass
class TimingModel:
    """The core as its timing table describes it.

    Parameters
    ----------
    rows, cols, wgt_lanes, act_width, wgt_width : int
    fmt : InstructionFormat

    Attributes
    ----------
    psums, outs : list of (cycle, int64 [cols])
        What left the core so far.
    """

    rows: int
    cols: int
    wgt_lanes: int
    act_width: int
    wgt_width: int
    fmt: InstructionFormat
    psums: list[tuple[int, Vector]] = field(default_factory=list)
    outs: list[tuple[int, Vector]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._acts: dict[int, tuple[int, Vector]] = {}  # line -> (cycle written, codes)
        self._shadow: dict[int, Vector] = {}  # group -> codes [lanes, rows] loaded since the last swap
        self._weights: Vector | None = None  # [rows, cols] in use
        self._banks: tuple[dict[int, Vector], dict[int, Vector]] = ({}, {})
        self._flying: dict[int, tuple[dict[str, int], Vector]] = {}  # cycle of the psum -> (instruction, psum)
        self._base: Vector | None = None  # read for the psum of the next cycle
        self._sum: Vector | None = None

    def run(self, words: Iterable[tuple[tuple[int, int] | None, tuple[int, int] | None, int]]) -> None:
        """Consume (activation write, weight flit, instruction) of one cycle after another from cycle 0 and drain.

        Raises
        ------
        HazardError
        """
        cycle = -1
        for cycle, (act, wgt, inst) in enumerate(words):
            self._cycle(cycle, act, wgt, self.fmt.decode(inst))
        for extra in range(1, self.rows + self.cols + 2):
            self._cycle(cycle + extra, None, None, self.fmt.decode(0))
        if self._sum is not None:
            raise HazardError("the stream ends inside an accumulation")

    def _cycle(self, n: int, act: tuple[int, int] | None, wgt: tuple[int, int] | None, inst: dict[str, int]) -> None:
        if wgt is not None:
            group, word = wgt
            if group in self._shadow:
                raise HazardError(f"cycle {n}: weight group {group} is overwritten before its pixels took it")
            codes = _unpack(word, self.wgt_lanes * self.rows, self.wgt_width, signed=True)
            self._shadow[group] = codes.reshape(self.wgt_lanes, self.rows)
        self._memories(n, inst)
        if inst["x_valid"]:
            self._pixel(n, inst)
        elif inst["x_swap"]:
            raise HazardError(f"cycle {n}: a swap without a pixel")
        if act is not None:
            line, word = act
            self._acts[line] = (n, _unpack(word, self.rows, self.act_width, signed=False))

    def _pixel(self, n: int, inst: dict[str, int]) -> None:
        if inst["x_swap"]:
            groups = -(-self.cols // self.wgt_lanes)
            missing = sorted(set(range(groups)) - set(self._shadow))
            if missing:
                raise HazardError(f"cycle {n}: first pixel of a pass, but weight groups {missing} are not loaded")
            lanes = np.concatenate([self._shadow[group] for group in range(groups)])[: self.cols]
            self._weights, self._shadow = lanes.T, {}
        if self._weights is None:
            raise HazardError(f"cycle {n}: a pixel before any weights")
        if inst["x_addr"] not in self._acts:
            raise HazardError(f"cycle {n}: activation line {inst['x_addr']} is read before it is written")
        self._flying[n + self.rows + self.cols] = (inst, self._acts[inst["x_addr"]][1] @ self._weights)

    def _memories(self, n: int, inst: dict[str, int]) -> None:
        """Bank reads of this cycle see the words written before it; then this cycle's psum is written."""
        arriving, leaving = self._flying.get(n + 1), self._flying.pop(n, None)
        if inst["a_valid"]:
            bank, addr = inst["a_bank"], inst["a_addr"]
            if arriving is not None and arriving[0]["p_acc"] and arriving[0]["p_rbank"] == bank:
                raise HazardError(f"cycle {n}: bank {bank} is read by a psum and by an accumulation")
            if leaving is not None and (leaving[0]["p_wbank"], leaving[0]["p_addr"]) == (bank, addr):
                raise HazardError(f"cycle {n}: accumulation reads address {addr} of bank {bank} while it is written")
            if addr not in self._banks[bank]:
                raise HazardError(f"cycle {n}: accumulation reads address {addr} of bank {bank} before it is written")
            self._accumulate(n, inst, self._banks[bank][addr])
        if leaving is not None:
            word, psum = leaving
            self.psums.append((n, psum))
            total = psum + (0 if self._base is None else self._base)
            self._banks[word["p_wbank"]][word["p_addr"]] = total
        self._base = None
        if arriving is not None and arriving[0]["p_acc"]:
            bank, addr = arriving[0]["p_rbank"], arriving[0]["p_addr"]
            if addr not in self._banks[bank]:
                raise HazardError(
                    f"cycle {n}: a psum is added to address {addr} of bank {bank}, which was never written"
                )
            self._base = self._banks[bank][addr]  # written in this very cycle: forwarded

    def _accumulate(self, n: int, inst: dict[str, int], line: Vector) -> None:
        if bool(inst["a_first"]) != (self._sum is None):
            raise HazardError(
                f"cycle {n}: an accumulation {'begins inside another' if inst['a_first'] else 'without a beginning'}"
            )
        total = line if self._sum is None else self._sum + line
        self._sum = None if inst["a_last"] else total
        if inst["a_last"]:
            self.outs.append((n + 2, np.maximum(total, 0) if inst["a_relu"] else total))


def _unpack(word: int, count: int, width: int, *, signed: bool) -> Vector:
    codes = np.array([(word >> (index * width)) & ((1 << width) - 1) for index in range(count)], dtype=np.int64)
    return codes - (codes >> (width - 1) << width) if signed else codes
