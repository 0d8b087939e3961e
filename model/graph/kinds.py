"""Layers that have names elsewhere, as the one rule of the graph has them: residual add and average pooling.

A map that stands for signed values is kept as unsigned codes with an offset: code = value + zero. Whoever adds it takes
the offset back in its B; nothing else may take it (zero padding would not be zero).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.graph.graph import MAX_SHIFT, Layer
from model.numeric.formats import IntFormat
from model.numeric.weights import WeightFormat

Array = np.ndarray[Any, Any]
WGT = IntFormat(4, signed=True, symmetric=True)  # of factors, where nothing is said


def mean_requantization(count: int, code_max: int) -> tuple[int, int, int]:
    """M, B and S of the mean of `count` codes, rounded half up: (p*M + B) >> S = floor((2p + n) / 2n), n = count.

    With M = ceil(2**S / n) and B = 2**(S-1), (p*M + B) / 2**S exceeds p/n + 1/2 by less than p / 2**S. The latter is a
    multiple of 1/2n, so its floor stays the same while p / 2**S <= 1/2n for every p up to n * code_max, that is while

        2**S >= 2 * n**2 * code_max                                                                         (1)

    Parameters
    ----------
    count : int
        Codes averaged, 1 or more.
    code_max : int
        The largest code.

    Raises
    ------
    LockstepError
        When (1) wants a shift beyond the graph's.

    Examples
    --------
    >>> mean_requantization(4, 15)
    (128, 256, 9)
    >>> [(p * 128 + 256) >> 9 for p in (0, 1, 2, 5, 6, 60)]
    [0, 0, 1, 1, 2, 15]
    """
    if count < 1 or code_max < 1:
        raise LockstepError(f"a mean of {count} codes up to {code_max}; expected 1 or more of both")
    shift = max(1, (2 * count * count * code_max - 1).bit_length())
    if shift > MAX_SHIFT:
        raise LockstepError(f"a mean of {count} codes up to {code_max} wants a shift of {shift}; expected {MAX_SHIFT}")
    return -(-(1 << shift) // count), 1 << (shift - 1), shift


def average_pooling(
    name: str,
    channels: int,
    window: tuple[int, int],
    act: IntFormat,
    *,
    stride: tuple[int, int] | None = None,
    wgt: WeightFormat | None = None,
    source: str | None = None,
) -> Layer:
    """Average pooling, half up, exact for any window: a layer of `channels` groups whose weights are all 1.

    Parameters
    ----------
    name : str
    channels : int
    window : (int, int)
        Rows and columns; global pooling's is the whole map.
    act : IntFormat
        Of the codes, before and after.
    stride : (int, int), optional
        None: the window, so that none overlap. Rows and columns that no window covers are dropped.
    wgt : weight format, optional
        Of the weights; None: 4 bits.
    source : str, optional
        The layer taken; None: the one before.
    """
    wgt = wgt or WGT
    multiplier, bias, shift = mean_requantization(window[0] * window[1], act.max)
    return Layer(
        name=name,
        weight=np.ones((channels, 1, *window), wgt.dtype),
        wgt=wgt,
        act=act,
        multiplier=np.full(channels, multiplier, np.int64),
        bias=np.full(channels, bias, np.int64),
        shift=shift,
        out=act,
        stride=stride or window,
        groups=channels,
        inputs=(source,) if source else (),
    )


def add_weight(channels: int, factors: Sequence[int]) -> Array:
    """The weight of a sum of maps: int16 (channels, maps, 1, 1) for a layer of `channels` groups."""
    return np.broadcast_to(np.array(factors, np.int16)[None, :, None, None], (channels, len(factors), 1, 1)).copy()


def residual_add(
    name: str,
    sources: Sequence[str],
    channels: int,
    act: IntFormat,
    *,
    factors: Sequence[int] | None = None,
    zeros: Sequence[int] | None = None,
    out: IntFormat | None = None,
    shift: int = 0,
    wgt: WeightFormat | None = None,
) -> Layer:
    """The sum of several maps, clamped: a 1x1 layer of `channels` groups over all of them.

        code[o] = clamp((sum over k of factors[k] * (a_k[o] - zeros[k]) + 2**(shift-1)) >> shift, 0, out.max)      (2)

    Parameters
    ----------
    name : str
    sources : sequence of str
        Layers whose maps are added, of `channels` channels each.
    channels : int
    act : IntFormat
        Of the codes that are added.
    factors, zeros : sequence of int, optional
        By source: integer weights (None: 1) and offsets of the codes (None: 0).
    out : IntFormat, optional
        Of the sum; None: `act`.
    shift : int
        The sum is divided by 2**shift, half up.
    wgt : weight format, optional
        Of the factors; None: 4 bits.
    """
    wgt = wgt or WGT
    factors, zeros = factors or [1] * len(sources), zeros or [0] * len(sources)
    if not len(sources) == len(factors) == len(zeros) or len(sources) < 2:
        raise LockstepError(
            f"layer {name}: {len(sources)} maps, {len(factors)} factors and {len(zeros)} offsets to add; "
            "expected as many of each, 2 or more"
        )
    wgt.check(np.array(factors), f"layer {name}: factors")
    offset = sum(factor * zero for factor, zero in zip(factors, zeros, strict=True))
    return Layer(
        name=name,
        weight=add_weight(channels, factors).astype(wgt.dtype),
        wgt=wgt,
        act=act,
        multiplier=np.ones(channels, np.int64),
        bias=np.full(channels, ((1 << shift) >> 1) - offset, np.int64),
        shift=shift,
        out=out or act,
        groups=channels,
        inputs=tuple(sources),
    )
