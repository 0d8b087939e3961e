"""The core's instruction word: its fields, MSB first, packed from arrays and unpacked for checks and waveforms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIDE_WIDTH = 1  # the core's SideWidth


def address_width(depth: int) -> int:
    """Bits that address `depth` words, at least 1.

    >>> [address_width(depth) for depth in (1, 2, 3, 144)]
    [1, 1, 2, 8]
    """
    return max(1, (depth - 1).bit_length())


@dataclass(frozen=True)
class InstructionFormat:
    """Layout of `inst_i` for an activation memory of `act_depth` and psum banks of `psum_depth` words.

    `both`: of a core built for both dataflows.

    Examples
    --------
    >>> fmt = InstructionFormat(72, 144)
    >>> fmt.width
    37
    >>> fmt.offsets()["a_addr"], fmt.offsets()["x_valid"]
    ((0, 8), (32, 1))
    >>> InstructionFormat(72, 144, both=True).offsets()["x_last"]
    (0, 1)
    """

    act_depth: int
    psum_depth: int
    both: bool = False

    def fields(self) -> tuple[tuple[str, int], ...]:
        """(name, width) of every field, MSB first."""
        act, psum = address_width(self.act_depth), address_width(self.psum_depth)
        return (
            *(("x_valid", 1), ("x_swap", 1), ("x_addr", act)),
            *(("p_acc", 1), ("p_rbank", 1), ("p_wbank", 1), ("p_addr", psum)),
            *(("a_valid", 1), ("a_first", 1), ("a_last", 1), ("a_relu", 1), ("a_bank", 1), ("a_addr", psum)),
            *(("x_zero", 1), ("p_plane", 2), ("p_side", SIDE_WIDTH)),
            *((("x_last", 1),) if self.both else ()),
        )

    @property
    def width(self) -> int:
        """Bits of the whole word."""
        return sum(width for _, width in self.fields())

    def offsets(self) -> dict[str, tuple[int, int]]:
        """(lowest bit, width) of every field by name."""
        result, low = {}, self.width
        for name, width in self.fields():
            low -= width
            result[name] = (low, width)
        return result

    def encode(self, **fields: NDArray[np.int64]) -> list[int]:
        """Pack one word per element; fields left out are 0.

        Parameters
        ----------
        **fields : int64 [n], each within its field's width
        """
        offsets = self.offsets()
        size = max(values.size for values in fields.values())
        split = offsets["x_addr"][0]  # two halves, each inside an int64
        halves = np.zeros((2, size), dtype=np.int64)
        for name, values in fields.items():
            low, width = offsets[name]
            assert not np.any(values >> width), f"{name} does not fit {width} bits"
            halves[int(low >= split)] |= values << (low - split if low >= split else low)
        return [(high << split) | rest for high, rest in zip(halves[1].tolist(), halves[0].tolist(), strict=True)]

    def decode(self, word: int) -> dict[str, int]:
        """Fields of one word by name."""
        return {name: (word >> low) & ((1 << width) - 1) for name, (low, width) in self.offsets().items()}
