"""The data set that a make line means, for training and for evaluation alike; no torch unless it must be downloaded."""

from __future__ import annotations

import warnings

from model.dataset import CIFAR_FOLDER, LAYOUTS, Dataset, Shape, load_folder
from model.errors import LockstepError
from scripts.local_data import BUILD, load_local


def load_data(shape: Shape, data: str | None) -> Dataset:
    """The folder `data`; without one the bundled digits, or CIFAR-10 downloaded by torchvision.

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
    local = load_local(shape, data)
    if local is not None:
        return local
    folder = BUILD / "data"
    try:
        from torchvision.datasets import CIFAR10

        with warnings.catch_warnings(action="ignore"):  # of NumPy 2.4.0 to 2.4.4, about pickles of 2009
            CIFAR10(str(folder), train=False, download=True)  # fetches both splits where they are not there already
    except Exception as error:  # whatever a download raises
        raise LockstepError(
            f"cannot download CIFAR-10 ({type(error).__name__}: {error}); give a folder you have: DATA=<{LAYOUTS}>"
        ) from error
    return load_folder(folder / CIFAR_FOLDER, shape)
