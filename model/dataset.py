"""Data sets as arrays: CIFAR-10 in its standard folder, image folders, and scikit-learn's bundled digits. No torch.

Every set comes as pixels uint8 (n, channels, height, width), the network's 8-bit input codes, and labels int64 (n,).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import pickle
import pickletools
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from model.errors import LockstepError
from model.files import read_bytes, require_file, write_atomic

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

Array = np.ndarray[Any, Any]
Shape = tuple[int, int, int]
CIFAR_FOLDER = "cifar-10-batches-py"
CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR_SHAPE = (3, 32, 32)
BATCH_BYTES = 1 << 26  # more than a batch has
PLACES = ("PUT", "BINPUT", "LONG_BINPUT")  # what a pickle numbers for later use
CACHED = ("train_pixels", "train_labels", "test_pixels", "test_labels")
MOST_PIXELS = 1 << 26  # of an image file
DIGITS_SHAPE = (1, 8, 8)
SIGNAL_SHAPE = (8, 1, 8)  # the digits as eight signals, one a row, of eight samples
DIGITS_SHAPES = (DIGITS_SHAPE, SIGNAL_SHAPE)
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm")
LAYOUTS = f"{CIFAR_FOLDER}, or a folder with train/<class>/* and test/<class>/*"


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test split of a labelled image set; arrays as in the module's docstring."""

    train_pixels: Array
    train_labels: Array
    test_pixels: Array
    test_labels: Array
    classes: tuple[str, ...]
    source: str = "arrays"  # what the set is, for people

    @property
    def sha256(self) -> str:
        """Hash of all pixels and labels, so that a checkpoint knows the data it was trained on."""
        digest = hashlib.sha256(repr(self.classes).encode())
        for array in (self.train_pixels, self.train_labels, self.test_pixels, self.test_labels):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def load_folder(folder: Path, shape: Shape, cache: Path | None = None) -> Dataset:
    """The set in `folder`: ``cifar-10-batches-py`` (or the folder above it), or an image folder.

    Parameters
    ----------
    folder : Path
        An image folder holds ``train/<class>/*`` and ``test/<class>/*``; names that begin with a dot are passed over.
    shape : (channels, height, width)
        What the network takes; images of another size are refused, not resized.
    cache : Path, optional
        Folder that keeps a decoded image folder for the next run (keyed by names, sizes and times of its files).

    Raises
    ------
    LockstepError
        When the folder is missing, empty, half there or of another shape.
    """
    batches = _cifar_folder(folder)
    if batches is None:
        return _load_images(folder, shape, cache)
    _check_cifar_shape(folder, shape)
    train = [_read_batch(batches / f"data_batch_{number}") for number in range(1, 6)]
    pixels, labels = (np.concatenate(parts) for parts in zip(*train, strict=True))
    return Dataset(pixels, labels, *_read_batch(batches / "test_batch"), CIFAR_CLASSES, f"CIFAR-10 ({CIFAR_FOLDER})")


def load_test_image(folder: Path, index: int, shape: Shape) -> Array:
    """Test image `index` of the set in `folder`, uint8 (channels, height, width); reads nothing but what holds it.

    In an image folder the test images count through the classes in the order of their names, then through the files
    in the order of theirs: the order that `load_folder` has.

    Raises
    ------
    LockstepError
        As `load_folder`; or when there is no such index.
    """
    batches = _cifar_folder(folder)
    if batches is None:
        paths = [path for images in _image_files(folder, "test").values() for path in images]
        _check_index(folder, index, len(paths))
        return read_image(paths[index], shape)
    _check_cifar_shape(folder, shape)
    pixels, _ = _read_batch(batches / "test_batch")
    _check_index(folder, index, len(pixels))
    image: Array = pixels[index]
    return image


def _check_index(folder: Path, index: int, count: int) -> None:
    if not 0 <= index < count:
        raise LockstepError(f"IMAGE={index} is outside the {count} test images of {folder}; expected 0..{count - 1}")


def _cifar_folder(folder: Path) -> Path | None:
    """Where CIFAR's batches are in `folder`, or None when it is an image folder."""
    if not folder.is_dir():
        raise LockstepError(f"DATA={folder} is not a folder; expected {LAYOUTS}")
    for batches in (folder, folder / CIFAR_FOLDER):
        if (batches / "test_batch").exists() or (batches / "data_batch_1").exists():
            return batches
    if not (folder / "train").is_dir() and not (folder / "test").is_dir():
        raise LockstepError(f"DATA={folder} holds none of what is expected: {LAYOUTS}")
    return None


def _check_cifar_shape(folder: Path, shape: Shape) -> None:
    if shape != CIFAR_SHAPE:
        raise LockstepError(f"DATA={folder} holds images of shape {CIFAR_SHAPE}; the network takes {shape}")


class _ArraysOnly(pickle.Unpickler):
    """Reads the pickles of CIFAR-10's authors: containers and NumPy arrays, and nothing that could run code."""

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "numpy" and name in ARRAY_PARTS:
            return ARRAY_PARTS[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _dtype(code: bytes | str, align: int = 0, copy: int = 0) -> np.dtype[Any]:
    """np.dtype with the flags as Python 2's pickles have them, of which NumPy 2.4.0 to 2.4.4 would warn."""
    return np.dtype(code.decode("ascii") if isinstance(code, bytes) else code, align=bool(align), copy=bool(copy))


_reconstruct: Callable[..., Any] = np.zeros(0).__reduce__()[0]  # type: ignore[assignment]  # typed as str | tuple
ARRAY_PARTS: dict[str, Any] = {"ndarray": np.ndarray, "dtype": _dtype, "_reconstruct": _reconstruct}


def _read_batch(path: Path) -> tuple[Array, Array]:
    """Pixels (10000, 3, 32, 32) and labels of one batch file."""
    try:
        data = read_bytes(path, f"the six batches of {CIFAR_FOLDER}", BATCH_BYTES)
        for code, argument, _ in pickletools.genops(data):
            if code.name in PLACES and int(argument or 0) > len(
                data
            ):  # the unpickler makes room for all places before it
                raise pickle.UnpicklingError(f"{code.name} {argument}")
        content = _ArraysOnly(io.BytesIO(data), encoding="bytes").load()
        pixels, labels = np.asarray(content[b"data"]), np.asarray(content[b"labels"])
        if pixels.dtype != np.uint8 or labels.dtype.kind not in "iu":
            raise ValueError(f"pixels are {pixels.dtype}, labels {labels.dtype}; expected uint8 and integers")
        labels = labels.astype(np.int64)
    except LockstepError:
        raise
    except Exception as error:  # a damaged pickle raises almost anything
        raise LockstepError(
            f"{path} is not a batch of {CIFAR_FOLDER} ({type(error).__name__}: {error}); download it again"
        ) from error
    if pixels.shape != (10000, 3072) or labels.shape != (10000,) or labels.min() < 0 or labels.max() > 9:
        raise LockstepError(
            f"{path} holds {pixels.shape} pixels and {labels.shape} labels; "
            "expected (10000, 3072) and (10000,) in 0..9; download it again"
        )
    return pixels.reshape(-1, *CIFAR_SHAPE), labels  # (n, channel, y, x)


def _image_files(folder: Path, split: str) -> dict[str, list[Path]]:
    """Image files of one split by class, both in the order of their names."""
    if not (folder / split).is_dir():
        raise LockstepError(f"{folder} has no {split} folder; expected train/<class>/* and test/<class>/*")
    try:
        files = {
            place.name: sorted(
                path
                for path in place.iterdir()
                if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
            )
            for place in sorted((folder / split).iterdir())
            if place.is_dir() and not place.name.startswith(".")
        }
    except OSError as error:
        raise LockstepError(f"cannot list {error.filename}: {error.strerror}; expected image files") from error
    empty = [name for name in files if not files[name]]
    if not files or empty:
        where = folder / split / (empty[0] if empty else "")
        raise LockstepError(
            f"{where} holds no images ({', '.join(IMAGE_SUFFIXES)}); expected train/<class>/* and test/<class>/*"
        )
    return files


def _load_images(folder: Path, shape: Shape, cache: Path | None) -> Dataset:
    files = {split: _image_files(folder, split) for split in ("train", "test")}
    if files["train"].keys() != files["test"].keys():
        odd = sorted(files["train"].keys() ^ files["test"].keys())
        raise LockstepError(
            f"{folder}: class {odd[0]!r} is in one of train and test only; expected the same classes in both"
        )
    classes = tuple(files["train"])
    listed = [path for by_class in files.values() for paths in by_class.values() for path in paths]
    source = f"image folder of {len(listed):,} files ({', '.join(sorted({path.suffix.lower() for path in listed}))})"
    stored = None if cache is None else cache / f"images-{_listing_hash(folder, shape, files)}.npz"
    if stored is not None and (dataset := _from_cache(stored, classes, shape)) is not None:
        return replace(dataset, source=source)
    splits: dict[str, Array] = {}
    for split, by_class in files.items():
        paths = [(path, label) for label, images in enumerate(by_class.values()) for path in images]
        splits[f"{split}_pixels"] = np.stack([read_image(path, shape) for path, _ in paths])
        splits[f"{split}_labels"] = np.array([label for _, label in paths], dtype=np.int64)
    if stored is not None:

        def save(file: BinaryIO) -> None:
            np.savez(file, **splits)  # type: ignore[arg-type]  # NumPy's stub takes every keyword for its flag

        write_atomic(stored, save)
    return Dataset(**splits, classes=classes, source=source)


def _listing_hash(folder: Path, shape: Shape, files: dict[str, dict[str, list[Path]]]) -> str:
    listing = [
        (str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns)
        for by_class in files.values()
        for images in by_class.values()
        for path in images
    ]
    return hashlib.sha256(repr((shape, listing)).encode()).hexdigest()[:24]


def _from_cache(stored: Path, classes: tuple[str, ...], shape: Shape) -> Dataset | None:
    """The set kept in `stored`; None, and the file removed, when it is not one of ours: a cache is only a cache."""
    if not stored.exists():
        return None
    try:
        require_file(stored)
        with zipfile.ZipFile(stored) as archive:  # members as they are: no few bytes that stand for all memory
            packed = any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist())
        with stored.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            parts = {} if packed else {name: arrays[name] for name in CACHED}
        sound = all(
            len(parts[f"{split}_pixels"]) == len(labels := parts[f"{split}_labels"])
            and parts[f"{split}_pixels"].dtype == np.uint8
            and parts[f"{split}_pixels"].shape[1:] == shape
            and (labels.dtype, labels.ndim) == (np.int64, 1)
            and ((labels >= 0) & (labels < len(classes))).all()
            for split in ("train", "test")
        )
        if sound:
            return Dataset(**parts, classes=classes)
    except Exception:  # NumPy and zipfile raise many kinds on damaged files
        pass
    with contextlib.suppress(OSError):
        stored.unlink()
    return None


def read_image(path: Path, shape: Shape, resize: bool = False) -> Array:
    """The image file `path` as uint8 (channels, height, width).

    Parameters
    ----------
    path : Path
    shape : (channels, height, width)
        One channel is grey, three are RGB.
    resize : bool
        Cut to a centred square of `shape`'s proportions and scale to it first.

    Raises
    ------
    LockstepError
        When it cannot be read, has more than 8 bits a channel or transparent pixels (an alpha channel that is opaque
        everywhere is left out), or is of another size and `resize` is false.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise LockstepError(
            "reading image files needs Pillow, which is not installed; make installs it where it is needed, "
            "or pass IMAGE=sample"
        ) from error
    channels, height, width = shape
    if channels not in (1, 3):
        raise LockstepError(f"an image file has 1 or 3 channels; the network takes {channels}")
    content = read_bytes(path, "an image")
    try:
        with Image.open(io.BytesIO(content)) as opened:
            size = opened.size  # as the header claims, before the pixels have room
            if not resize and size != (width, height):
                raise LockstepError(f"image {path} is {size[0]}x{size[1]}; the network takes {width}x{height}")
            if size[0] * size[1] > MOST_PIXELS:
                raise LockstepError(f"image {path} is {size[0]}x{size[1]}; expected {MOST_PIXELS} pixels at most")
            deep = _deep(opened)
            clear = opened.has_transparency_data and opened.convert("RGBA").getchannel("A").getextrema() != (255, 255)
            image = opened.convert("RGB" if channels == 3 else "L")
    except LockstepError:
        raise
    except Exception as error:  # Pillow raises many kinds on damaged files
        raise LockstepError(f"cannot read image {path} ({type(error).__name__}: {error})") from error
    if deep:  # Pillow would cut such values off at 255, or leave their low bits out
        raise LockstepError(f"image {path} has pixels of more than 8 bits ({deep}); save it with 8 bits a channel")
    if clear:  # what shows through is not in the file, and what lies under alpha 0 was never meant to be seen
        raise LockstepError(f"image {path} is transparent in places; save it on the background that it should have")
    if resize:
        image = ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)
    return np.asarray(image, dtype=np.uint8).reshape(height, width, channels).transpose(2, 0, 1)  # (channel, y, x)


def _deep(image: ImageFile) -> str:
    """What says that an image, opened and not yet loaded, has more than 8 bits a channel in its file; "" of others."""
    if image.mode == "F" or image.mode.startswith("I"):
        return f"mode {image.mode}"
    for tile in image.tile:  # how the decoder is told to read: Pillow's mode is that of what it makes
        for told in tile.args if isinstance(tile.args, tuple) else (tile.args,):
            if isinstance(told, str) and re.search(";16[BLN]", told):
                return f"stored as {told}"
            if tile.codec_name.startswith("ppm") and isinstance(told, int) and told > 255:
                return f"up to {told}"
    return ""


def load_digits(shape: Shape = DIGITS_SHAPE) -> Dataset:
    """scikit-learn's 1,797 digits of 8x8 pixels, grey levels 0..16 spread over 0..255.

    Every fifth is a test image (359), the others train (1,438).

    Parameters
    ----------
    shape : (channels, height, width)
        One of DIGITS_SHAPES: the same pixels in the same order.
    """
    from sklearn.datasets import load_digits as bundled  # imported here: only small nets need scikit-learn

    content = bundled()
    pixels = np.floor(content.images * (255 / 16) + 0.5).astype(np.uint8).reshape(-1, *shape)  # (n, 1, 8, 8)
    labels = content.target.astype(np.int64)
    test = np.arange(len(labels)) % 5 == 4
    names = tuple(str(digit) for digit in range(10))
    source = "scikit-learn's bundled digits"
    return Dataset(pixels[~test], labels[~test], pixels[test], labels[test], names, source)
