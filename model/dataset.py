"""Data sets as arrays: CIFAR-10 in its standard folder, image folders, and scikit-learn's bundled digits. No torch.

Every set comes as pixels uint8 (n, channels, height, width), the network's 8-bit input codes, and labels int64 (n,).
"""

from __future__ import annotations

import hashlib
import io
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.files import write_atomic

Array = np.ndarray[Any, Any]
CIFAR_FOLDER = "cifar-10-batches-py"
CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test split of a labelled image set; arrays as in the module's docstring."""

    train_pixels: Array
    train_labels: Array
    test_pixels: Array
    test_labels: Array
    classes: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Hash of all pixels and labels, so that a checkpoint knows the data it was trained on."""
        digest = hashlib.sha256(repr(self.classes).encode())
        for array in (self.train_pixels, self.train_labels, self.test_pixels, self.test_labels):
            digest.update(np.ascontiguousarray(array))
        return digest.hexdigest()


def load_folder(folder: Path, shape: tuple[int, int, int], cache: Path | None = None) -> Dataset:
    """The set in `folder`: ``cifar-10-batches-py`` (or the folder above it), or an image folder ``train/<class>/*``, ``test/<class>/*``.

    Parameters
    ----------
    shape : (channels, height, width)
        What the network takes; images of another size are refused, not resized.
    cache : Path, optional
        Folder that keeps a decoded image folder for the next run (keyed by names, sizes and times of its files).

    Raises
    ------
    LockstepError
        When the folder is missing, empty, half there or of another shape.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise LockstepError(f"DATA={folder} is not a folder; expected {CIFAR_FOLDER}, or a folder with train/<class>/* and test/<class>/*")
    for batches in (folder, folder / CIFAR_FOLDER):
        if (batches / "test_batch").exists() or (batches / "data_batch_1").exists():
            dataset = _load_cifar(batches)
            break
    else:
        if not (folder / "train").is_dir() and not (folder / "test").is_dir():
            raise LockstepError(f"DATA={folder} holds neither {CIFAR_FOLDER} nor train/<class>/* and test/<class>/*")
        dataset = _load_images(folder, shape, cache)
    if dataset.train_pixels.shape[1:] != shape:
        raise LockstepError(f"DATA={folder} holds images of shape {dataset.train_pixels.shape[1:]}; the network takes {shape}")
    return dataset


class _ArraysOnly(pickle.Unpickler):
    """Reads the pickles of CIFAR-10's authors: containers and NumPy arrays, and nothing that could run code."""

    def find_class(self, module: str, name: str) -> Any:
        if (module.split(".")[0], name) in {("numpy", "ndarray"), ("numpy", "dtype"), ("numpy", "_reconstruct")}:
            return {"ndarray": np.ndarray, "dtype": np.dtype, "_reconstruct": np.zeros(0).__reduce__()[0]}[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _load_cifar(folder: Path) -> Dataset:
    def batch(name: str) -> tuple[Array, Array]:
        path = folder / name
        try:
            content = _ArraysOnly(io.BytesIO(path.read_bytes()), encoding="bytes").load()
            pixels = np.asarray(content[b"data"], dtype=np.uint8)
            labels = np.asarray(content[b"labels"], dtype=np.int64)
        except OSError as error:
            raise LockstepError(f"cannot read {path}: {error.strerror}; expected the six batches of {CIFAR_FOLDER}") from error
        except Exception as error:  # a damaged pickle raises almost anything
            raise LockstepError(f"{path} is not a batch of {CIFAR_FOLDER} ({type(error).__name__}: {error}); download it again") from error
        if pixels.shape != (10000, 3072) or labels.shape != (10000,) or labels.min() < 0 or labels.max() > 9:
            raise LockstepError(f"{path} holds {pixels.shape} pixels and {labels.shape} labels; expected (10000, 3072) and (10000,) in 0..9")
        return pixels.reshape(-1, 3, 32, 32), labels  # (n, channel, y, x)

    train = [batch(f"data_batch_{i}") for i in range(1, 6)]
    test = batch("test_batch")
    return Dataset(np.concatenate([p for p, _ in train]), np.concatenate([x for _, x in train]), *test, CIFAR_CLASSES)


def _load_images(folder: Path, shape: tuple[int, int, int], cache: Path | None) -> Dataset:
    files: dict[str, dict[str, list[Path]]] = {}
    for split in ("train", "test"):
        if not (folder / split).is_dir():
            raise LockstepError(f"{folder} has no {split} folder; expected train/<class>/* and test/<class>/*")
        names = sorted(p.name for p in (folder / split).iterdir() if p.is_dir())
        files[split] = {name: sorted(p for p in (folder / split / name).iterdir() if p.suffix.lower() in IMAGE_SUFFIXES) for name in names}
        empty = [name for name in names if not files[split][name]]
        if not names or empty:
            raise LockstepError(f"{folder / split / (empty[0] if empty else '')} holds no images ({', '.join(IMAGE_SUFFIXES)}); expected train/<class>/* and test/<class>/*")
    if files["train"].keys() != files["test"].keys():
        odd = sorted(files["train"].keys() ^ files["test"].keys())
        raise LockstepError(f"{folder}: class {odd[0]!r} is in one of train and test only; expected the same classes in both")
    classes = tuple(files["train"])
    listing = [(str(p.relative_to(folder)), p.stat().st_size, p.stat().st_mtime_ns) for split in files.values() for paths in split.values() for p in paths]
    key = hashlib.sha256(repr((shape, listing)).encode()).hexdigest()[:24]
    stored = cache / f"images-{key}.npz" if cache else None
    if stored and stored.exists():
        try:
            with np.load(stored, allow_pickle=False) as arrays:
                return Dataset(*(arrays[k] for k in ("train_pixels", "train_labels", "test_pixels", "test_labels")), classes)
        except (OSError, ValueError, KeyError, EOFError):
            stored.unlink()  # a damaged cache is only a cache
    splits: list[Array] = []
    for split in ("train", "test"):
        paths = [(path, label) for label, name in enumerate(classes) for path in files[split][name]]
        splits.append(np.stack([read_image(path, shape) for path, _ in paths]))
        splits.append(np.array([label for _, label in paths], dtype=np.int64))
    dataset = Dataset(*splits, classes)
    if stored:
        keys = ("train_pixels", "train_labels", "test_pixels", "test_labels")
        write_atomic(stored, lambda file: np.savez(file, **dict(zip(keys, splits, strict=True))))  # type: ignore[arg-type]  # numpy's stub takes no open file by this name
    return dataset


def read_image(path: Path, shape: tuple[int, int, int], resize: bool = False) -> Array:
    """The image file `path` as uint8 (channels, height, width); with `resize`, cut to a centred square and scaled to `shape` first.

    Raises
    ------
    LockstepError
        When it cannot be read, or is of another size and `resize` is false.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise LockstepError("reading image files needs Pillow, which is not installed; run `make setup` or pass IMAGE=sample") from error
    channels, height, width = shape
    if channels not in (1, 3):
        raise LockstepError(f"an image file has 1 or 3 channels; the network takes {channels}")
    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB" if channels == 3 else "L")
    except Exception as error:  # Pillow raises many kinds on damaged files
        raise LockstepError(f"cannot read image {path} ({type(error).__name__}: {error})") from error
    if resize:
        image = ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)
    if image.size != (width, height):
        raise LockstepError(f"image {path} is {image.size[0]}x{image.size[1]}; the network takes {width}x{height}")
    return np.asarray(image, dtype=np.uint8).reshape(height, width, channels).transpose(2, 0, 1)  # (channel, y, x)


def load_digits() -> Dataset:
    """scikit-learn's 1,797 digits of 8x8 pixels: every fifth is a test image (360), the others train (1,437). Grey levels 0..16 become 0..255."""
    from sklearn.datasets import load_digits as bundled  # imported here: only `tiny` needs scikit-learn

    content = bundled()
    pixels = np.floor(content.images * (255 / 16) + 0.5).astype(np.uint8)[:, None]  # (n, 1, 8, 8)
    labels = content.target.astype(np.int64)
    test = np.arange(len(labels)) % 5 == 4
    return Dataset(pixels[~test], labels[~test], pixels[test], labels[test], tuple(str(d) for d in range(10)))


def load_test_image(folder: Path, index: int, shape: tuple[int, int, int]) -> Array:
    """Test image `index` of the set in `folder`, uint8 (channels, height, width).

    Raises
    ------
    LockstepError
        As `load_folder`; or when there is no such index.
    """
    pixels = load_folder(folder, shape).test_pixels
    if not 0 <= index < len(pixels):
        raise LockstepError(f"IMAGE={index} is outside the {len(pixels)} test images of {folder}; expected 0..{len(pixels) - 1}")
    image: Array = pixels[index]
    return image


