"""Small labelled image sets in the layouts that `DATA=` names."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
from PIL import Image


def python2_batch(pixels: np.ndarray, labels: list[int], name: str = "training batch 1 of 5") -> bytes:
    """A batch file as the authors of CIFAR-10 wrote it: Python 2's pickle, protocol 2, byte strings, NumPy's old names.

    Opcode by opcode, because no Python 3 writes such a file.
    """

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value  # SHORT_BINSTRING

    def number(value: int) -> bytes:
        return b"K" + bytes([value]) if value < 256 else b"M" + struct.pack("<H", value)

    def integers(values: list[int]) -> bytes:
        return b"](" + b"".join(number(value) for value in values) + b"e"

    raw = pixels.astype(np.uint8).tobytes()
    dtype = b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R"  # dtype('u1', 0, 1)
    dtype += b"(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R"
    array += b"(K\x01" + number(pixels.shape[0]) + number(pixels.shape[1]) + b"\x86" + dtype + b"\x89"
    array += b"T" + struct.pack("<I", len(raw)) + raw + b"tb"
    names = b"](" + b"".join(text(f"{index}.png".encode()) for index in range(3)) + b"e"
    return (
        b"\x80\x02}("
        + (text(b"batch_label") + text(name.encode()) + text(b"labels") + integers(labels))
        + (text(b"data") + array + text(b"filenames") + names)
        + b"u."
    )


def cifar_folder(folder: Path) -> np.ndarray:
    """Write the six batches of 10,000 images; returns the test batch's pixels. One file serves as all five others."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    test = rng.integers(0, 256, (10000, 3072)).astype(np.uint8)
    labels = [index % 10 for index in range(10000)]
    (folder / "test_batch").write_bytes(python2_batch(test, labels))
    (folder / "data_batch_1").write_bytes(python2_batch(255 - test, labels[::-1]))
    for number in range(2, 6):
        os.link(folder / "data_batch_1", folder / f"data_batch_{number}")
    return test


def image_folder(
    folder: Path,
    size: tuple[int, int] = (8, 8),
    classes: tuple[str, ...] = ("ant", "bee"),
    train: int = 5,
    test: int = 2,
) -> Path:
    """Write ``train/<class>/*.png`` and ``test/<class>/*.png`` of random RGB images, `train` and `test` to a class."""
    rng = np.random.default_rng(1)
    for split, count in (("train", train), ("test", test)):
        for name in classes:
            place = folder / split / name
            place.mkdir(parents=True)
            for index in range(count):
                pixels = rng.integers(0, 256, (*size, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(place / f"{index:03}.png")
    return folder
