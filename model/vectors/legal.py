"""Words of a file that are well formed and yet not what the manifest allows: the first one is refused, with its place.

`words` are a file's as they stand there, [line][word], `path` and `header_lines` say where for the message.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.vectors.entries import Bits

Array = np.ndarray[Any, Any]


def activation_values(words: Array, bits: Bits, path: Path, header_lines: int) -> Array:
    """The activations in `words`; LockstepError for one above ``bits.act_max``."""
    if bits.act_max is not None:
        refuse(words > bits.act_max, words, path, header_lines, f"0..{bits.act_max} (bits.act_max)")
    return words


def weight_values(words: Array, bits: Bits, path: Path, header_lines: int) -> Array:
    """The weights of numbers or patterns; LockstepError for one below ``bits.wgt_min`` or a pattern that is none."""
    fmt = bits.weights
    if bits.wgt_min is not None:
        most = (1 << bits.wgt - 1) - 1
        refuse(words < bits.wgt_min, words, path, header_lines, f"{bits.wgt_min}..{most} (bits.wgt_min)")
    if bits.wgt_power is None:
        return words
    legal = np.isin(words, fmt.encode(fmt.values))
    refuse(~legal, words, path, header_lines, f"a pattern of {fmt.name} (bits.wgt_power)")
    return fmt.decode(words)


def refuse(bad: Array, words: Array, path: Path, header_lines: int, expected: str) -> None:
    """Raise LockstepError for the first true entry of `bad` ([line][word], as in the file)."""
    if bad.any():
        line, word = (int(index) for index in np.argwhere(bad)[0])
        where = f"{path} line {header_lines + line + 1} word {word + 1}"
        raise LockstepError(f"{where}: found {int(words[line, word])}; expected {expected}")


def check_edge(
    words: Array,
    order: Callable[[Array], Array],
    used: dict[int, int],
    path: Path,
    header_lines: int,
    filler: int = 0,
    beyond: str = "a channel beyond those of the layer",
) -> None:
    """Refuse a code other than `filler` beyond what is used of a tile.

    Parameters
    ----------
    order : function
        From the words of the file to the tile.
    used : mapping of axis to int
        How many entries along an axis of the tile the layer has.
    beyond : str
        What the others are.
    """
    tile = order(words)
    outside = np.zeros(tile.shape, bool)
    for axis, count in used.items():
        if count < tile.shape[axis]:
            outside |= (np.arange(tile.shape[axis]) >= count).reshape(
                [-1 if a == axis else 1 for a in range(tile.ndim)]
            )
    if outside.any() and (tile[outside] != filler).any():
        places = order(np.arange(words.size).reshape(words.shape))  # where in the file each code of the tile stands
        bad = np.zeros(words.size, bool)
        bad[places[outside & (tile != filler)]] = True
        refuse(bad.reshape(words.shape), words, path, header_lines, f"{filler} ({beyond})")
