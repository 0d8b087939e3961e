"""The cycles of an output-stationary layer on the engine, in closed form (docs/rtl/output_stationary.md).

With a stream that is never empty, u = 0 the first RUN cycle and L = rows + cols + 1:

- an output tile begins with Q parameter words, one a cycle, then N passes of K terms, one a cycle;
- a pass is a group of `rows` pixels in one of S planes; its last term waits until `rows` cycles after the one of the
  pass before, so passes end A = max(K, rows) apart;
- the parameters of output tile o come in the cycle after the first finished sum of tile o-1 arrived, or later: that is
  L + 1 cycles after the last term of pass S-1 of tile o-1.

Let e be the last term of a tile's first pass. The tile ends at e + (N-1)A, and e of the next tile comes

    D = max((N-1)*A + max(Q + K, rows),  (S-1)*A + L + Q + K)                                            (1)

later. The first tile has e = Q + K - 1, so RUN = Q + K + (T-1)*D + (N-1)*A for T output tiles. A layer takes
13 + RUN + rows + L + 3 cycles: FETCH, RUN, and DRAIN, which waits for all lines of the last group.
"""

from __future__ import annotations

from dataclasses import dataclass

from model.golden.cycles import DRAIN, FETCH, Cycles, require_positive


@dataclass(frozen=True, kw_only=True)
class OsWork:
    """An output-stationary layer as the engine sees it.

    Parameters
    ----------
    rows, cols : int
        Of the array.
    param_words : int
        Stream words of the parameters of an output tile (Q).
    terms : int
        Products of a pixel (K).
    planes : int
        Planes of an activation (S).
    groups : int
        Groups of `rows` pixels; N = groups * planes.
    out_tiles : int
        Output tiles (T).
    out_map : int
        Output positions, after pooling.
    """

    rows: int
    cols: int
    param_words: int
    terms: int
    planes: int
    groups: int
    out_tiles: int
    out_map: int

    def __post_init__(self) -> None:
        require_positive(self)


def os_run_cycles(work: OsWork) -> int:
    """RUN, from the first stream word to the layer's last term."""
    params, terms, passes = work.param_words, work.terms, work.groups * work.planes
    apart = max(terms, work.rows)
    latency = work.rows + work.cols + 1
    whole = (passes - 1) * apart
    tile = max(whole + max(params + terms, work.rows), (work.planes - 1) * apart + latency + params + terms)
    return params + terms + (work.out_tiles - 1) * tile + whole


def os_layer_cycles(work: OsWork) -> Cycles:
    """The cycles of a layer, FETCH to DRAIN; `pixels` are its terms."""
    terms = work.out_tiles * work.groups * work.planes * work.terms
    filling = FETCH + 2 * work.rows + work.cols + DRAIN
    return Cycles(terms, os_run_cycles(work) - terms, filling, work.out_tiles * work.out_map)
