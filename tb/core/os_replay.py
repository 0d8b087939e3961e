"""An output-stationary vector folder made ready for the core: the schedule, the words on its ports, what must come."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.vectors.os_manifest import HEADER_LINES, OsManifest
from model.vectors.os_set import OsSet, read_os_set
from tb.common.instruction import InstructionFormat
from tb.common.schedule import OUT_LATENCY, Cycles
from tb.common.stream import Window, between, pack
from tb.core.parameters import core_parameters
from tb.core.place import Place

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class OsShape:
    """What of an output-stationary layer decides its schedule; names as in `tb.common.schedule.LayerShape`."""

    rows: int
    cols: int
    wgt_lanes: int
    groups: int
    terms: int
    oc_tiles: int
    out_size: int
    taps: int = 1
    ic_tiles: int = 1

    @property
    def channels(self) -> int:
        """Products of a row in a cycle: one, as without pairs (see `LayerShape`)."""
        return self.rows

    @property
    def pass_size(self) -> int:
        """Psum lines of an output tile."""
        return self.groups * self.rows

    @property
    def latency(self) -> int:
        """Cycles from a group's last instruction to its last line."""
        return 2 * self.rows + self.cols

    @property
    def act_depth(self) -> int:
        """Lines of the activation memory."""
        return self.groups * self.terms


@dataclass(frozen=True)
class OsPlan:
    """When everything happens.

    Activation line j, term j % terms of group j // terms, is written in cycle j; the terms follow one a cycle, the
    last of a group not before the group in front has left its rows; an output is read as soon as its line is there.

    Attributes
    ----------
    shape : OsShape
    acc : int64 [out_size]
    term_cycle : int64 [oc_tiles, groups, terms]
    acc_cycle : int64 [oc_tiles, out_size]
    """

    shape: OsShape
    acc: Cycles
    term_cycle: Cycles
    acc_cycle: Cycles

    @property
    def psum_cycle(self) -> Cycles:
        """Cycle in which each line leaves the ofifo: int64 [oc_tiles, groups, rows]."""
        first = self.term_cycle[..., -1] + self.shape.rows + self.shape.cols + 1
        lines: Cycles = first[..., None] + np.arange(self.shape.rows)
        return lines

    @property
    def out_cycle(self) -> Cycles:
        """Cycle in which each output leaves the sfp."""
        return self.acc_cycle + OUT_LATENCY

    @property
    def end(self) -> int:
        """First cycle after the last output and the last psum."""
        return int(max(self.out_cycle.max(), self.psum_cycle.max())) + 1


def plan_os(shape: OsShape, acc: Cycles) -> OsPlan:
    """Schedule a layer; `acc` int64 [out_size]: the psum line of each output."""
    number = np.arange(shape.oc_tiles * shape.groups)[:, None]  # of the group, in the order of time
    apart = max(shape.terms, shape.rows)
    last = shape.terms + apart * number
    before = np.maximum(last - apart, 0)  # the last term of the group in front
    terms = np.concatenate([before + 1 + np.arange(shape.terms - 1), last], axis=1)
    terms = terms.reshape(shape.oc_tiles, shape.groups, shape.terms)
    plan = OsPlan(shape, acc, terms, np.zeros((shape.oc_tiles, shape.out_size), np.int64))
    written = plan.psum_cycle.reshape(shape.oc_tiles, -1)[:, acc] + 1  # [oc, out_size]
    steps = np.arange(written.size)
    reads = np.maximum.accumulate(written.ravel() - steps) + steps
    return OsPlan(shape, acc, terms, reads.reshape(written.shape))


@dataclass(frozen=True)
class OsStream:
    """The whole layer as port words.

    Parameters
    ----------
    plan : OsPlan
    vectors : OsSet
    relu : bool
        Rectify the outputs.
    """

    plan: OsPlan
    vectors: OsSet
    relu: bool
    os: bool = True

    @property
    def format(self) -> InstructionFormat:
        """Layout of the instruction word."""
        return InstructionFormat(self.plan.shape.act_depth, self.plan.shape.pass_size, both=True)

    def window(self, start: int, stop: int) -> Window:
        """Port words of cycles ``start .. stop - 1``."""
        plan, shape, bits = self.plan, self.plan.shape, self.vectors.manifest.bits
        act: list[tuple[int, int] | None] = [None] * (stop - start)
        lines = np.arange(min(start, shape.act_depth), min(stop, shape.act_depth))  # line j in cycle j
        act[: lines.size] = zip(
            lines.tolist(), pack(self.vectors.act.reshape(-1, shape.rows)[lines], bits.act), strict=True
        )
        chosen = between(plan.term_cycle.ravel(), start, stop)
        at = plan.term_cycle.ravel()[chosen] - start
        oc, group, term = np.unravel_index(np.arange(chosen.start, chosen.stop), plan.term_cycle.shape)
        wgt: list[tuple[int, int] | None] = [None] * (stop - start)
        patterns = bits.weights.encode(self.vectors.wgt[oc, term])  # [terms, cols]
        for cycle, word in zip(at.tolist(), pack(patterns, bits.wgt), strict=True):
            wgt[cycle] = (0, word)
        fields: dict[str, Array] = {name: np.zeros(stop - start, np.int64) for name, _ in self.format.fields()}
        fields["x_valid"][at] = 1
        fields["x_swap"][at] = term == 0
        fields["x_last"][at] = term == shape.terms - 1
        fields["x_addr"][at] = group * shape.terms + term
        fields["p_wbank"][at] = oc % 2
        fields["p_addr"][at] = group * shape.rows
        chosen = between(plan.acc_cycle.ravel(), start, stop)
        at = plan.acc_cycle.ravel()[chosen] - start
        oc, output = np.unravel_index(np.arange(chosen.start, chosen.stop), plan.acc_cycle.shape)
        for name in ("a_valid", "a_first", "a_last"):
            fields[name][at] = 1
        fields["a_relu"][at] = int(self.relu)
        fields["a_bank"][at] = oc % 2
        fields["a_addr"][at] = plan.acc[output]
        return Window(act, wgt, self.format.encode(**fields))


@dataclass(frozen=True, eq=False)
class OsReplay:
    """One output-stationary set, scheduled; the members are those of `tb.core.replay.Replay`.

    Parameters
    ----------
    vectors : OsSet
    plan : OsPlan
    """

    vectors: OsSet
    plan: OsPlan

    @property
    def manifest(self) -> OsManifest:
        """The set's description."""
        return self.vectors.manifest

    @property
    def parameters(self) -> dict[str, int]:
        """Verilog parameters of the core that fits this set."""
        shape = self.plan.shape
        return {**core_parameters(self.manifest.bits, shape, shape.pass_size), "OutputStationary": 1}

    @property
    def macs(self) -> int:
        """Multiplications the layer itself needs."""
        return self.plan.shape.terms * self.manifest.layer.out_channels * self.plan.shape.out_size

    @property
    def runs(self) -> tuple[tuple[int | None, bool], ...]:
        """(index of the output files judged, ReLU) of each run: one."""
        return ((0, self.manifest.relu),)

    def stream(self, relu: bool) -> OsStream:
        """Words for the input ports."""
        return OsStream(self.plan, self.vectors, relu)

    def psum_lines(self) -> Array | None:
        """Expected psums int64 [oc*group*line, cols] in order of appearance."""
        lines: Array = self.vectors.psum.reshape(-1, self.plan.shape.cols)
        return lines

    def out_lines(self, index: int | None) -> Array | None:
        """Expected outputs int64 [oc*onij, cols]."""
        lines: Array = self.vectors.out.reshape(-1, self.plan.shape.cols)
        return lines

    def psum_place(self, line: int) -> Place:
        """Where psum line `line` (in order of appearance) belongs."""
        oc, position = divmod(line, self.plan.shape.pass_size)
        group, inside = divmod(position, self.plan.shape.rows)
        name = self.manifest.psum_file(oc, group)
        return Place("psum", oc, None, None, position, name, HEADER_LINES + inside + 1)

    def out_place(self, index: int | None, line: int) -> Place:
        """Where output line `line` belongs."""
        oc, position = divmod(line, self.plan.shape.out_size)
        return Place("output", oc, None, None, position, self.manifest.out_file(oc), HEADER_LINES + position + 1)


def read_os_replay(folder: Path, manifest: Path | None, wgt_lanes: int) -> OsReplay:
    """Read the output-stationary set in `folder` and schedule it; arguments as for `tb.core.replay.read_replay`.

    Raises
    ------
    LockstepError
        For whatever is wrong with the folder, and for a weight word too narrow for a term.
    """
    vectors = read_os_set(folder, manifest)
    told = vectors.manifest
    rows, cols = told.array.rows, told.array.cols
    if wgt_lanes < 1 or wgt_lanes * rows < cols:
        raise LockstepError(
            f"WGT_LANES is {wgt_lanes}; expected {-(-cols // rows)} or more: output stationary, a word of "
            f"{rows} weights a lane holds those of {cols} columns"
        )
    need = told.bits.weights.product_bits(told.bits.act)
    if told.bits.psum < need:
        raise LockstepError(f"bits.psum is {told.bits.psum}; expected {need} or more, the width of a product")
    shape = OsShape(rows, cols, wgt_lanes, told.groups, told.terms, told.oc_tiles, told.outputs)
    return OsReplay(vectors, plan_os(shape, vectors.acc))
