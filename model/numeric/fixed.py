"""The fixed-point arithmetic of the integer contract, in one place.

    y = clamp((p * M[c] + B[c]) >> S, low, high)                                   (1)

Rounding is half up and already inside B (B carries + 2**(S-1)), so the shift is a plain arithmetic one and hardware
needs no rounder.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Ints = np.ndarray[Any, np.dtype[np.int64]]


def round_shift(value: Any, shift: int) -> Any:
    """``floor(value / 2**shift + 1/2)``: divide by a power of two, halves up (towards +infinity).

    The half is added after the shift, as the last bit shifted out, so no value of any integer type can overflow.

    Parameters
    ----------
    value : int or integer array
    shift : int, 0 or more

    Returns
    -------
    int or integer array of `value`'s type

    Raises
    ------
    ValueError
        When `shift` is negative.

    Examples
    --------
    >>> [int(round_shift(v, 1)) for v in (-5, -3, -1, 1, 3, 5)]   # -2.5 -1.5 -0.5 0.5 1.5 2.5
    [-2, -1, 0, 1, 2, 3]
    """
    if shift < 0:
        raise ValueError(f"shift {shift} is negative; expected 0 or more")
    return value if shift == 0 else (value >> shift) + ((value >> (shift - 1)) & 1)


def saturate(value: Any, low: int, high: int) -> Any:
    """Clamp integers (or an integer array) to [low, high]."""
    return np.minimum(np.maximum(value, low), high)


def requantize(psum: Ints, multiplier: Ints, bias: Ints, shift: int, low: int, high: int) -> Ints:
    """Equation (1), for arrays that broadcast against each other.

    Parameters
    ----------
    psum : int64 array, channel axis last
    multiplier, bias : int64 arrays of shape (channels,)
    shift : int
    low, high : int
        Clamp range; ReLU is low = 0.

    Raises
    ------
    OverflowError
        When p*M + B could leave int64: decided from the extremes, before anything is computed.
    """
    if psum.size:
        reach = requantization_reach(_magnitude(psum), multiplier, bias)
        if reach >= 1 << 63:
            raise OverflowError(f"requantization may reach {reach}, which 64 bits do not hold")
    return np.asarray(saturate((psum * multiplier + bias) >> shift, low, high), dtype=np.int64)


def requantization_reach(psum: int, multiplier: Ints, bias: Ints) -> int:
    """A bound of |p*M + B| for psums of magnitude `psum` at most, whichever channel they are of."""
    return psum * _magnitude(multiplier) + _magnitude(bias)


def _magnitude(values: Ints) -> int:
    """Largest absolute value, as a Python integer: np.abs of the least int64 is negative."""
    return max(int(values.max(initial=0)), -int(values.min(initial=0)))
