"""The core that fits a vector set: what both dataflows have in common of it."""

from __future__ import annotations

from typing import Protocol

from model.vectors.entries import Bits
from tb.common.weight_formats import weight_parameters


class Shape(Protocol):
    """What the shapes of both dataflows' schedules tell."""

    @property
    def rows(self) -> int:
        """Rows of the array."""

    @property
    def cols(self) -> int:
        """Columns of the array."""

    @property
    def wgt_lanes(self) -> int:
        """Columns of weights entering in a cycle."""

    @property
    def act_depth(self) -> int:
        """Activation lines."""


def core_parameters(bits: Bits, shape: Shape, psum_depth: int) -> dict[str, int]:
    """Verilog parameters of a core without pairs and of one dataflow, for codes of `bits`."""
    return {
        "Rows": shape.rows,
        "Cols": shape.cols,
        "ActWidth": bits.act,
        **weight_parameters(bits.weights),
        "PsumWidth": bits.psum,
        "WgtLanes": shape.wgt_lanes,
        "ActDepth": shape.act_depth,
        "PsumDepth": psum_depth,
    }
