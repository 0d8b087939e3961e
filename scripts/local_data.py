"""Data sets that are here: a folder, or the digits that come with scikit-learn; and which of their images to take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from model.dataset import DIGITS_SHAPES, Dataset, Shape, load_digits, load_folder
from model.errors import LockstepError

Array = np.ndarray[Any, Any]
BUILD = Path("build")


def load_local(shape: Shape, data: str | None) -> Dataset | None:
    """The folder `data`; without one the bundled digits, or None where the network takes no digits.

    Parameters
    ----------
    shape : (channels, height, width)
        What the network takes.
    data : str or None
        DATA as on the make line.

    Raises
    ------
    LockstepError
        When it cannot be had, or is not what is expected of it.
    """
    if data is not None:
        return load_folder(Path(data), shape, cache=BUILD / "cache")
    if shape not in DIGITS_SHAPES:
        return None
    try:
        return load_digits(shape)
    except ImportError as error:
        raise LockstepError(
            "the digits come with scikit-learn, which is not installed; `make` installs it where it is needed"
        ) from error


def spread(count: int, chosen: int) -> Array:
    """`chosen` indices (all of them, if that is more) out of `count`, evenly spread: image folders come class by class.

    >>> spread(10, 4).tolist()
    [0, 2, 5, 7]
    """
    return np.arange(min(chosen, count)) * count // min(chosen, count)
