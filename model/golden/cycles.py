"""The cycles of a layer on the engine, in closed form (docs/rtl/sequencer.md, "Timing").

With a stream that is never empty, u = 0 the first RUN cycle and L = rows + cols:

- one stream word a cycle, in order; an output tile has N passes of G words, Q parameter words before the last pass;
- pass k starts in the cycle of its last flit or when pass k-1 (P pixels) is over, its flits come after the start of
  pass k-1;
- parameters of output tile o come L + 1 cycles after the start of the last pass of tile o-1, or later.

Inside an output tile passes start A = max(P, G) apart. Let S be the start of the last pass of a tile. Of the next tile,
pass N-2 starts at S + (N-1)A with its last flit taken at S + (N-2)A + G, hence parameters, then flits: its last pass
starts D after S, where

    D = max(N*A,  (N-2)*A + 2G + Q,  L + Q + G)                                                            (1)

(the array is busy; words of the stream are in the way; the parameter shadow is busy). N = 1 is the third term or the
first: the second is smaller than the third. For the first tile nothing is before pass 0, and it starts at

    F = G - 1 + Q                                        N = 1
        G - 1 + max(A, G + Q)                            N = 2                                             (2)
        G - 1 + max((N-1)*A, (N-3)*A + 2G + Q)           N > 2

so that RUN = F + (T-1)*D + P for T output tiles, and a layer takes 13 + RUN + L + 4 cycles.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from model.errors import LockstepError
from model.graph.graph import Layer

FETCH = 13  # twelve descriptor words and one cycle of memory latency
DRAIN = 4  # beside rows + cols


def require_positive(work: Any) -> None:
    """Raise LockstepError naming the first field of the dataclass `work`, all numbers, that is less than 1."""
    for item in fields(work):
        if getattr(work, item.name) < 1:
            raise LockstepError(f"{item.name} is {getattr(work, item.name)}; expected 1 or more")


@dataclass(frozen=True, kw_only=True)
class Work:
    """A layer as the engine sees it.

    Parameters
    ----------
    rows, cols : int
        Of the array.
    groups : int
        Stream words of a weight tile (G).
    param_words : int
        Stream words of the parameters of an output tile (Q).
    pass_size : int
        Pixels of a pass (P).
    passes : int
        Passes of an output tile (N).
    out_tiles : int
        Output tiles (T).
    out_map : int
        Output positions, after pooling.
    """

    rows: int
    cols: int
    groups: int
    param_words: int
    pass_size: int
    passes: int
    out_tiles: int
    out_map: int

    def __post_init__(self) -> None:
        require_positive(self)


@dataclass(frozen=True)
class Cycles:
    """Cycles by what they are for; those of several layers add up.

    Parameters
    ----------
    pixels : int
        A pixel instruction is issued.
    waiting : int
        RUN without one: for weights or parameters.
    filling : int
        FETCH and DRAIN.
    writes : int
        Lines written back or given as results; these cycles are among the others.
    """

    pixels: int = 0
    waiting: int = 0
    filling: int = 0
    writes: int = 0

    @property
    def total(self) -> int:
        """All cycles."""
        return self.pixels + self.waiting + self.filling

    def __add__(self, other: Cycles) -> Cycles:
        return Cycles(*(getattr(self, item.name) + getattr(other, item.name) for item in fields(self)))

    def utilization(self, macs: int, rows: int, cols: int) -> float:
        """The part of the array's multiplications that `macs` useful ones are."""
        return macs / (self.total * rows * cols)


def run_cycles(work: Work) -> int:
    """RUN, from the first stream word to the layer's last pixel."""
    groups, params, passes, pixels = work.groups, work.param_words, work.passes, work.pass_size
    apart = max(pixels, groups)
    if passes == 1:
        first = groups - 1 + params
    elif passes == 2:
        first = groups - 1 + max(apart, groups + params)
    else:
        first = groups - 1 + max((passes - 1) * apart, (passes - 3) * apart + 2 * groups + params)
    tile = max(passes * apart, (passes - 2) * apart + 2 * groups + params, work.rows + work.cols + params + groups)
    return first + (work.out_tiles - 1) * tile + pixels


def layer_cycles(work: Work) -> Cycles:
    """The cycles of a layer, FETCH to DRAIN."""
    pixels = work.out_tiles * work.passes * work.pass_size
    filling = FETCH + work.rows + work.cols + DRAIN
    return Cycles(pixels, run_cycles(work) - pixels, filling, work.out_tiles * work.out_map)


def layer_macs(layer: Layer, height: int, width: int) -> int:
    """Multiplications of a layer on an input map of height x width; positions that pooling drops are not counted."""
    out = layer.map_after(height, width)
    return int(layer.weight.size) * out[0] * out[1] * layer.pool**2


def floor_cycles(layer: Layer, height: int, width: int, rows: int, cols: int) -> int:
    """The least that rows x cols multipliers need for a layer, were every one busy in every cycle."""
    return -(-layer_macs(layer, height, width) // (rows * cols))


def scale_sim_cycles(layer: Layer, height: int, width: int, rows: int, cols: int) -> int:
    """The cycles of a layer by SCALE-Sim's weight-stationary model, which hides nothing.

    Each fold of the weight matrix (in * ky * kx rows, out columns) is loaded, streamed and drained by itself:

        cycles = ceil(in*ky*kx / rows) * ceil(out / cols) * (2*rows + cols + positions - 2)                    (3)

    with positions = the output map before pooling, and each group of a grouped layer by itself. Source: Samajdar et
    al., "A Systematic Methodology for Characterizing Scalability of DNN Accelerators using SCALE-Sim", ISPASS 2020. It
    gives 6,520,600 for the thirteen convolutions of the squeezed VGG16 on 8x8.
    """
    out = layer.map_after(height, width, pooled=False)
    depth = layer.in_channels // layer.groups * layer.kernel[0] * layer.kernel[1]
    folds = layer.groups * -(-depth // rows) * -(-(layer.out_channels // layer.groups) // cols)
    return folds * (2 * rows + cols + out[0] * out[1] - 2)
