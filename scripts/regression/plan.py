"""Which cases a make line asks for, and what in a network cannot run in a mode."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.files import write_atomic
from model.graph.graph import IntegerGraph
from scripts.local_data import load_local, spread
from scripts.vectors import load_image
from tb.network.cases import MODES, DrawCase, LayerCase, replay

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Image:
    """An image as the cases have it: its name, its file and the hash of its pixels."""

    name: str
    path: str
    sha256: str


@dataclass(frozen=True)
class LeftOut:
    """A layer that does not run in a mode, and why."""

    layer: str
    mode: str
    why: str


def modes_of(text: str) -> tuple[str, ...]:
    """MODES=ws,os as modes, in the order of all.

    Raises
    ------
    LockstepError
        For a mode that there is not, or none.

    >>> modes_of("os,ws"), modes_of("")
    (('ws', 'os'), ('ws', 'os', 'pairs'))
    """
    words = [word.strip() for word in text.split(",")] if text else list(MODES)
    unknown = [word for word in words if word not in MODES]
    if unknown:
        raise LockstepError(f"MODES={text}: no mode {unknown[0]!r}; expected some of {','.join(MODES)}")
    return tuple(mode for mode in MODES if mode in words)


def keep_images(graph: IntegerGraph, count: int | None, data: str | None, folder: Path) -> list[Image]:
    """The images of the make line, each in a file below `folder`.

    Parameters
    ----------
    graph : IntegerGraph
    count : int or None
        So many test images of `data`, evenly spread; None: the shipped sample alone.
    data : str or None
        Folder of the data set; None: the bundled digits.
    folder : Path
        The workers see it as well.

    Raises
    ------
    LockstepError
        When there are none for this network, or fewer.
    """
    if count is None:
        if data is not None:
            raise LockstepError(f"DATA={data} without IMAGES; expected IMAGES=<so many of them>")
        return [_keep("sample", load_image("sample", None, graph), folder)]
    if count == 0:
        return []
    dataset = load_local(graph.input_shape, data)
    if dataset is None:
        raise LockstepError(f"IMAGES={count}: {graph.name} takes no digits; expected DATA=<folder> with it")
    pixels = dataset.test_pixels
    if count > len(pixels):
        raise LockstepError(f"IMAGES={count}: the data set has {len(pixels)} test images; expected no more")
    return [_keep(str(index), pixels[index], folder) for index in spread(len(pixels), count)]


def _keep(name: str, pixels: Array, folder: Path) -> Image:
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    path = folder / f"{digest}.npy"
    if not path.is_file():
        write_atomic(path, lambda file: np.save(file, pixels, allow_pickle=False))
    return Image(name, str(path), digest)


def layer_cases(
    path: Path,
    graph: IntegerGraph,
    images: Sequence[Image],
    layers: Sequence[str],
    modes: Sequence[str],
    rows: int,
    cols: int,
) -> tuple[list[LayerCase], list[LeftOut]]:
    """A case for every image, layer and mode that there can be, and the layers that cannot be in a mode.

    Raises
    ------
    LockstepError
        When no engine of this array runs the network.
    """
    left_out: list[LeftOut] = []
    can: list[tuple[str, str]] = []
    for mode in modes:
        found = replay(graph, mode, rows, cols)
        can += [(name, mode) for name in layers if name in found.layers]
        left_out += [LeftOut(name, mode, found.left_out[name]) for name in layers if name not in found.layers]
    cases = [
        LayerCase(
            str(path.resolve()),
            graph.sha256,
            graph.name,
            image.name,
            image.path,
            image.sha256,
            layer,
            mode,
            rows,
            cols,
        )
        for image in images
        for layer, mode in can
    ]
    return cases, left_out


def draw_cases(seed: int, first: int, count: int) -> list[DrawCase]:
    """Drawn cases `first` and those behind it, `count` in all."""
    return [DrawCase(seed, number) for number in range(first, first + count)]
