"""The static schedule of one layer: in which cycle every word enters the core.

The core has no controller of its own. This module decides, cycle by cycle, which activation line is written, which
weight flit is on the port and what the instruction word says, so that no cycle is lost but to a hazard. The timing it
relies on (instruction in cycle ``n``, ``R`` rows, ``C`` columns, ``G`` weight groups):

===========================  ===============================================================================
activation line              written in cycle ``w``, readable by an instruction in ``w + 1`` or later
weights of a pass            all ``G`` flits in cycles ``s' + 1 .. s``: ``s`` its own first pixel, ``s'`` the one before
psum                         leaves the ofifo, and is written to its bank, in ``n + R + C``
accumulation read            reads what was written in an earlier cycle, never what is written in its own
output                       leaves the sfp two cycles after its last accumulation read
===========================  ===============================================================================

Passes are walked as the vectors are numbered: output tile, input tile, kernel position, pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.errors import LockstepError

Cycles = NDArray[np.int64]

OUT_LATENCY = 2  # last accumulation read -> output


@dataclass(frozen=True)
class LayerShape:
    """What of a layer decides its schedule.

    Parameters
    ----------
    rows, cols : int
        The array, >= 1.
    wgt_lanes : int
        Columns of weights entering in a cycle, >= 1.
    ic_tiles, oc_tiles : int
        Tiles of input and output channels, >= 1.
    kernel, stride, padded_map, out_map : tuple of two int
        (vertical, horizontal), >= 1.
    all_positions : bool
        Stream every position of the padded map, not only those that pair with an output.
    simd : bool
        A row takes two channels.

    Raises
    ------
    LockstepError
        When the kernel, walked over the padded map, leaves it.
    """

    rows: int
    cols: int
    wgt_lanes: int
    ic_tiles: int
    oc_tiles: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padded_map: tuple[int, int]
    out_map: tuple[int, int]
    all_positions: bool
    simd: bool = False

    def __post_init__(self) -> None:
        for name in ("rows", "cols", "wgt_lanes", "ic_tiles", "oc_tiles"):
            if getattr(self, name) < 1:
                raise LockstepError(f"{name} is {getattr(self, name)}; expected at least 1")
        for axis, label in enumerate(("vertically", "horizontally")):
            reach = (self.out_map[axis] - 1) * self.stride[axis] + self.kernel[axis]
            if min(self.out_map[axis], self.stride[axis], self.kernel[axis]) < 1 or reach > self.padded_map[axis]:
                raise LockstepError(
                    f"{self.out_map[axis]} outputs {label}, kernel {self.kernel[axis]}, stride {self.stride[axis]} "
                    f"need a padded map of {reach} positions, but it has {self.padded_map[axis]}"
                )

    @property
    def taps(self) -> int:
        """Kernel positions kij."""
        return self.kernel[0] * self.kernel[1]

    @property
    def map_size(self) -> int:
        """Positions nij of the padded map: lines of one activation tile."""
        return self.padded_map[0] * self.padded_map[1]

    @property
    def out_size(self) -> int:
        """Outputs onij of one output channel."""
        return self.out_map[0] * self.out_map[1]

    @property
    def pass_size(self) -> int:
        """Pixels streamed for one kernel position, and psum addresses it takes."""
        return self.map_size if self.all_positions else self.out_size

    @property
    def passes(self) -> int:
        """Weight tiles of the whole layer."""
        return self.oc_tiles * self.ic_tiles * self.taps

    @property
    def groups(self) -> int:
        """Weight flits of one weight tile."""
        return self.col_groups * (1 + self.simd)

    @property
    def col_groups(self) -> int:
        """Weight flits that reach every column once."""
        return -(-self.cols // self.wgt_lanes)

    @property
    def channels(self) -> int:
        """Input channels of a tile."""
        return self.rows * (1 + self.simd)

    @property
    def latency(self) -> int:
        """Cycles from an instruction to its psum at the ofifo."""
        return self.rows + self.cols

    @property
    def act_depth(self) -> int:
        """Lines of the activation memory: tile `ic` begins at ``ic * map_size``."""
        return self.ic_tiles * self.map_size

    @property
    def psum_depth(self) -> int:
        """Words of one psum bank: kernel position `kij` begins at ``kij * pass_size``."""
        return self.taps * self.pass_size

    def paired(self) -> Cycles:
        """Position of the padded map that kernel position `kij` pairs with output `onij`: int64 [taps, out_size]."""
        oy, ox = np.divmod(np.arange(self.out_size), self.out_map[1])
        ky, kx = np.divmod(np.arange(self.taps)[:, None], self.kernel[1])
        lines: Cycles = (oy * self.stride[0] + ky) * self.padded_map[1] + ox * self.stride[1] + kx
        return lines

    def lines(self) -> Cycles:
        """Line of its activation tile that each pixel of a pass reads: int64 [taps, pass_size]."""
        if self.all_positions:
            return np.tile(np.arange(self.map_size), (self.taps, 1))
        return self.paired()

    def default_acc(self) -> Cycles:
        """Psum addresses each output sums, as ``acc.txt`` would list them: int64 [out_size, taps]."""
        within = self.paired() if self.all_positions else np.tile(np.arange(self.out_size), (self.taps, 1))
        return (np.arange(self.taps)[:, None] * self.pass_size + within).T.copy()

    def banks(self, oc: int, ic: int) -> tuple[bool, int, int]:
        """(add to memory, bank read, bank written) of the psums of tile (oc, ic).

        Accumulation reads the bank that the last input tile wrote.
        """
        if self.ic_tiles == 1:
            return False, oc % 2, oc % 2
        return ic > 0, 0, int(ic == self.ic_tiles - 1)


@dataclass(frozen=True)
class Plan:
    """When everything happens; the order inside each array is the order of the vectors.

    Attributes
    ----------
    shape : LayerShape
    acc : int64 [out_size, n]
        Psum addresses summed for each output, in order.
    act_line : int64 [a]
        Lines of the activation memory in the order they are written, line ``j`` in cycle ``j``. A line that no pixel
        reads is left out.
    flit_cycle : int64 [passes, groups]
    beat_cycle : int64 [oc_tiles, ic_tiles, taps, pass_size]
        Instruction cycle of every pixel.
    acc_cycle : int64 [oc_tiles, out_size, n]
        Instruction cycle of every accumulation read.
    """

    shape: LayerShape
    acc: Cycles
    act_line: Cycles
    flit_cycle: Cycles
    beat_cycle: Cycles
    acc_cycle: Cycles

    @property
    def psum_cycle(self) -> Cycles:
        """Cycle in which each psum leaves the ofifo: shaped as `beat_cycle`."""
        return self.beat_cycle + self.shape.latency

    @property
    def out_cycle(self) -> Cycles:
        """Cycle in which each output leaves the sfp: int64 [oc_tiles, out_size]."""
        return self.acc_cycle[..., -1] + OUT_LATENCY

    @property
    def end(self) -> int:
        """First cycle after the last output and the last psum."""
        return int(max(self.out_cycle.max(), self.psum_cycle.max())) + 1


def plan(shape: LayerShape, acc: Cycles | None = None) -> Plan:
    """Schedule a layer with a bubble only where a hazard asks for it.

    Parameters
    ----------
    shape : LayerShape
    acc : int64 [out_size, n], optional
        Psum addresses each output sums, 0-based, in any order; `shape.default_acc()` by default.

    Raises
    ------
    LockstepError
        When `acc` has another number of outputs, or names an address that no pass writes.
    """
    acc = shape.default_acc() if acc is None else np.asarray(acc, dtype=np.int64)
    if acc.ndim != 2 or acc.shape[0] != shape.out_size or acc.shape[1] < 1:
        raise LockstepError(
            f"accumulation addresses are shaped {acc.shape}; expected ({shape.out_size}, n), a row for every output"
        )
    if acc.min() < 0 or acc.max() >= shape.psum_depth:
        bad = int(np.flatnonzero((acc < 0) | (acc >= shape.psum_depth))[0])
        raise LockstepError(
            f"accumulation address {acc.flat[bad]} (number {bad} in order) is never written; "
            f"expected 0..{shape.psum_depth - 1}"
        )
    act_line = _load_order(shape)
    loaded = np.zeros(shape.act_depth, dtype=np.int64)
    loaded[act_line] = np.arange(act_line.size) + 1  # first cycle in which a line may be read
    flit_cycle = np.empty((shape.passes, shape.groups), dtype=np.int64)
    beat_cycle = np.empty((shape.oc_tiles, shape.ic_tiles, shape.taps, shape.pass_size), dtype=np.int64)
    acc_cycle = np.empty((shape.oc_tiles, *acc.shape), dtype=np.int64)
    last_read = np.full((2, shape.psum_depth), -1, dtype=np.int64)  # by accumulation, per bank
    lines = shape.lines()
    start, free, acc_free, index = -1, 0, 0, 0
    for oc in range(shape.oc_tiles):
        for ic in range(shape.ic_tiles):
            write_bank = shape.banks(oc, ic)[2]
            after_read = last_read[write_bank].reshape(lines.shape) + 1 - shape.latency  # [taps, pass_size]
            ready = np.maximum(loaded[ic * shape.map_size + lines], after_read)
            for kij, cycles in enumerate(beat_cycle[oc, ic]):
                flit_cycle[index] = np.arange(start + 1, start + 1 + shape.groups)
                free = max(free, start + shape.groups)
                cycles[:] = _in_order(ready[kij], free)
                start, free, index = int(cycles[0]), int(cycles[-1]) + 1, index + 1
        written = (
            beat_cycle[oc, -1].ravel() + shape.latency
        )  # [psum_depth]: the last input tile's write is the one that counts
        acc_cycle[oc] = _in_order(written[acc].ravel() + 1, acc_free).reshape(acc.shape)
        acc_free = int(acc_cycle[oc, -1, -1]) + 1
        np.maximum.at(last_read[shape.banks(oc, shape.ic_tiles - 1)[2]], acc.ravel(), acc_cycle[oc].ravel())
    return Plan(shape, acc, act_line, flit_cycle, beat_cycle, acc_cycle)


def _in_order(ready: Cycles, free: int) -> Cycles:
    """Earliest cycles, one event a cycle and in order, none before `free` nor before its own `ready`."""
    steps = np.arange(ready.size)
    return np.maximum.accumulate(np.maximum(ready - steps, free)) + steps


def _load_order(shape: LayerShape) -> Cycles:
    """Lines of the activation memory in the order the stream first reads them."""
    read = (
        np.arange(shape.ic_tiles)[:, None, None] * shape.map_size + shape.lines()
    ).ravel()  # [ic, taps, pass_size] -> [n]
    _, first = np.unique(read, return_index=True)
    ordered: Cycles = read[np.sort(first)]
    return ordered


def windows(plan_: Plan, size: int) -> Iterator[tuple[int, int]]:
    """Cut the cycles ``0 .. end`` of a plan into windows (start, stop) of at most `size` cycles."""
    for start in range(0, plan_.end, size):
        yield start, min(start + size, plan_.end)
