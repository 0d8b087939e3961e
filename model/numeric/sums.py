"""How far a sum of products can go: the one bound that widths of psums, of requantization and of C are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def sum_limits(weight: Array, act_max: int) -> tuple[Array, Array]:
    """Least and greatest value of any sum of products of each output channel, whole or partial, for any input.

    After any number of terms in any order it is a sum of some products w * a, 0 <= a <= a_max, so

        a_max * sum(min(w, 0))  <=  psum  <=  a_max * sum(max(w, 0))      (sums over all weights of a channel)   (1)

    and both ends are reached (a = a_max where the sign of w fits, else 0).

    Parameters
    ----------
    weight : integer array (out, ...)
    act_max : int
        The greatest activation code.

    Returns
    -------
    low, high : int64 arrays (out,)
    """
    flat = weight.reshape(len(weight), -1).astype(np.int64)
    return np.minimum(flat, 0).sum(axis=1) * act_max, np.maximum(flat, 0).sum(axis=1) * act_max
