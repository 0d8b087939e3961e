"""A plan and its data as the words on the core's ports, a window of cycles at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tb.common.instruction import InstructionFormat
from tb.common.schedule import Plan

Ints = NDArray[np.int64]


def pack(codes: NDArray[np.integer], width: int) -> list[int]:
    """One integer per line, element ``i`` of a line at bit ``i * width``, negative codes in two's complement.

    Parameters
    ----------
    codes : integer array [n, elements], each value inside `width` bits (signed or unsigned)
    width : int
        1..63.

    >>> [hex(word) for word in pack(np.array([[1, -1], [2, 3]]), 4)]
    ['0xf1', '0x32']
    """
    bits = (codes[:, :, None] >> np.arange(width)) & 1  # [n, elements, width], least significant first
    rows = np.packbits(bits.reshape(len(codes), codes.shape[1] * width).astype(np.uint8), axis=1, bitorder="little")
    size, data = rows.shape[1], rows.tobytes()
    return [int.from_bytes(data[at : at + size], "little") for at in range(0, len(data), size)]


@dataclass(frozen=True)
class Window:
    """Words on the input ports in consecutive cycles; an idle port holds zeros.

    Attributes
    ----------
    act : list of (enable, address, data) or None
        None where nothing is written.
    wgt : list of (group, data) or None
        None where no flit is on the port.
    inst : list of int
    """

    act: list[tuple[int, int] | None]
    wgt: list[tuple[int, int] | None]
    inst: list[int]


@dataclass(frozen=True)
class Stream:
    """The whole layer as port words.

    Parameters
    ----------
    plan : Plan
    act : integer array [ic_tiles, map_size, channels]
        Activation codes.
    wgt : integer array [oc_tiles, ic_tiles, taps, cols, channels]
        Weight codes.
    act_width, wgt_width : int
        Bits of a code.
    relu : bool
        Rectify the outputs.
    os : bool
        Output stationary: never (see `tb.core.os_replay.OsStream`).
    """

    plan: Plan
    act: NDArray[np.integer]
    wgt: NDArray[np.integer]
    act_width: int
    wgt_width: int
    relu: bool
    os: bool = False

    @property
    def format(self) -> InstructionFormat:
        """Layout of the instruction word."""
        return InstructionFormat(self.plan.shape.act_depth, self.plan.shape.psum_depth)

    def window(self, start: int, stop: int) -> Window:
        """Port words of cycles ``start .. stop - 1``."""
        return Window(self._act(start, stop), self._wgt(start, stop), self._inst(start, stop))

    def _act(self, start: int, stop: int) -> list[tuple[int, int] | None]:
        words: list[tuple[int, int] | None] = [None] * (stop - start)
        lines = self.plan.act_line[start:stop]  # line j is written in cycle j
        data = self.act.reshape(-1, self.plan.shape.channels)[lines]  # [ic*nij, channels]
        words[: lines.size] = zip(lines.tolist(), pack(data, self.act_width), strict=True)
        return words

    def _wgt(self, start: int, stop: int) -> list[tuple[int, int] | None]:
        shape = self.plan.shape
        words: list[tuple[int, int] | None] = [None] * (stop - start)
        chosen = between(self.plan.flit_cycle.ravel(), start, stop)
        passes, numbers = np.divmod(np.arange(chosen.start, chosen.stop), shape.groups)
        high, groups = np.divmod(numbers, shape.col_groups)
        columns = groups[:, None] * shape.wgt_lanes + np.arange(shape.wgt_lanes)  # [flits, lanes]
        tiles = self.wgt.reshape(-1, shape.cols, shape.channels)  # [passes, cols, channels]
        codes = tiles[passes[:, None], np.minimum(columns, shape.cols - 1)]  # [flits, lanes, channels]
        if shape.simd:  # channels 2r and 2r + 1 are row r's
            split = codes.reshape(*columns.shape, shape.rows, 2)
            codes = np.where(high[:, None, None] == 1, split[..., 1], split[..., 0])  # [flits, lanes, rows]
            groups = groups + (high << max(1, (shape.col_groups - 1).bit_length()))
        codes = np.where((columns < shape.cols)[:, :, None], codes, 0)
        data = pack(codes.reshape(len(codes), shape.wgt_lanes * shape.rows), self.wgt_width)
        cycles = self.plan.flit_cycle.ravel()[chosen] - start
        for at, group, word in zip(cycles.tolist(), groups.tolist(), data, strict=True):
            words[at] = (group, word)
        return words

    def _inst(self, start: int, stop: int) -> list[int]:
        shape, plan = self.plan.shape, self.plan
        beats = between(plan.beat_cycle.ravel(), start, stop)
        oc, ic, kij, pixel = np.unravel_index(np.arange(beats.start, beats.stop), plan.beat_cycle.shape)
        banks = np.array(
            [[shape.banks(o, i) for i in range(shape.ic_tiles)] for o in range(2)], dtype=np.int64
        )  # [2, ic, 3]
        add, read, write = np.moveaxis(banks[oc % 2, ic], -1, 0)
        accs = between(plan.acc_cycle.ravel(), start, stop)
        acc_oc, output, term = np.unravel_index(np.arange(accs.start, accs.stop), plan.acc_cycle.shape)
        fields: dict[str, Ints] = {name: np.zeros(stop - start, dtype=np.int64) for name, _ in self.format.fields()}
        at = plan.beat_cycle.ravel()[beats] - start
        fields["x_valid"][at] = 1
        fields["x_swap"][at] = pixel == 0
        fields["x_addr"][at] = ic * shape.map_size + shape.lines()[kij, pixel]
        fields["p_acc"][at], fields["p_rbank"][at], fields["p_wbank"][at] = add, read, write
        fields["p_addr"][at] = kij * shape.pass_size + pixel
        at = plan.acc_cycle.ravel()[accs] - start
        fields["a_valid"][at] = 1
        fields["a_first"][at] = term == 0
        fields["a_last"][at] = term == plan.acc.shape[1] - 1
        fields["a_relu"][at] = int(self.relu)
        fields["a_bank"][at] = np.array([shape.banks(o, shape.ic_tiles - 1)[2] for o in range(2)])[acc_oc % 2]
        fields["a_addr"][at] = plan.acc[output, term]
        return self.format.encode(**fields)


def between(cycles: Ints, start: int, stop: int) -> slice:
    """Events whose (increasing) cycle lies in ``start .. stop - 1``."""
    first, last = np.searchsorted(cycles, (start, stop))
    return slice(int(first), int(last))
