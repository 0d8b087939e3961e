"""Data sets in every layout, and everything that may be wrong with them."""

from __future__ import annotations

import dataclasses
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model import dataset
from model.dataset import CIFAR_CLASSES, SIGNAL_SHAPE, load_digits, load_folder, load_test_image, read_image
from model.errors import LockstepError
from tests.image_sets import cifar_folder, image_folder, python2_batch

SHAPE = (3, 8, 8)
CIFAR = (3, 32, 32)


def refused(told: str, folder: Path, shape=SHAPE, cache: Path | None = None) -> None:
    with pytest.raises(LockstepError, match=told) as caught:
        load_folder(folder, shape, cache)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


@pytest.mark.slow
def test_a_set_says_what_it_is(tmp_path):
    folder = image_folder(tmp_path / "a")
    files = len([path for path in folder.rglob("*") if path.is_file()])
    for _ in range(2):  # read, then taken from the cache
        assert load_folder(folder, SHAPE, tmp_path / "cache").source == f"image folder of {files} files (.png)"
    assert load_digits().source == "scikit-learn's bundled digits"


def test_digits():
    digits = load_digits()
    assert digits.train_pixels.shape == (1438, 1, 8, 8)
    assert digits.test_pixels.shape == (359, 1, 8, 8)
    assert digits.train_pixels.dtype == np.uint8
    assert set(np.unique(digits.train_pixels)) == {int(level * 255 / 16 + 0.5) for level in range(17)}
    assert set(digits.test_labels) == set(digits.train_labels) == set(range(10))
    assert digits.classes == tuple("0123456789")


def test_the_hash_knows_pixels_labels_and_classes(tmp_path):
    one = load_folder(image_folder(tmp_path / "a"), SHAPE)
    assert one.sha256 == load_folder(image_folder(tmp_path / "b"), SHAPE).sha256
    for name in ("train_pixels", "train_labels", "test_pixels", "test_labels"):
        altered = getattr(one, name).copy()
        altered.flat[-1] ^= 1
        assert dataclasses.replace(one, **{name: altered}).sha256 != one.sha256
    renamed = image_folder(tmp_path / "c", classes=("ant", "wasp"))
    assert load_folder(renamed, SHAPE).sha256 != one.sha256


@pytest.fixture(scope="module")
def cifar(tmp_path_factory) -> tuple[Path, np.ndarray]:
    folder = tmp_path_factory.mktemp("data")
    return folder, cifar_folder(folder / "cifar-10-batches-py")


@pytest.mark.slow
@pytest.mark.parametrize("inside", ["", "cifar-10-batches-py"])
def test_cifar_in_its_standard_folder_or_above_it(cifar, inside):
    folder, test = cifar
    loaded = load_folder(folder / inside, CIFAR)
    assert loaded.train_pixels.shape == (50000, *CIFAR)
    assert loaded.classes == CIFAR_CLASSES
    np.testing.assert_array_equal(loaded.test_pixels, test.reshape(-1, *CIFAR))
    np.testing.assert_array_equal(loaded.train_pixels[20000:30000], 255 - loaded.test_pixels)
    np.testing.assert_array_equal(loaded.test_labels[:12], [*range(10), 0, 1])
    np.testing.assert_array_equal(loaded.train_labels[-10:], range(9, -1, -1))
    assert loaded.train_labels.dtype == np.int64


def test_one_test_image_of_cifar_reads_the_test_batch_alone(cifar, tmp_path):
    folder, test = cifar
    os.link(folder / "cifar-10-batches-py" / "test_batch", tmp_path / "test_batch")
    for index in (0, 9999):
        np.testing.assert_array_equal(load_test_image(tmp_path, index, CIFAR), test[index].reshape(CIFAR))
    for index in (-1, 10000):
        with pytest.raises(
            LockstepError, match=rf"IMAGE={index} is outside the 10000 test images .* expected 0\.\.9999"
        ):
            load_test_image(tmp_path, index, CIFAR)
    with pytest.raises(LockstepError, match=r"holds images of shape \(3, 32, 32\); the network takes \(1, 8, 8\)"):
        load_test_image(tmp_path, 0, (1, 8, 8))


@pytest.fixture
def batches(cifar, tmp_path) -> Path:
    """A folder of its own with links to the six batches."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for path in (cifar[0] / "cifar-10-batches-py").iterdir():
        os.link(path, folder / path.name)
    return folder


def replace(path: Path, content: bytes) -> None:
    path.unlink()  # a link: the others must not see it
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch"])
def test_a_missing_batch(batches, name):
    (batches / name).unlink()
    refused(f"cannot read .*{name}: No such file or directory; expected the six batches", batches, CIFAR)


@pytest.mark.parametrize("keep", [0, 1, 100, 15_000_000, -1])
def test_a_truncated_batch(batches, keep):
    content = (batches / "test_batch").read_bytes()
    replace(batches / "test_batch", content[:keep])
    refused("test_batch is not a batch of cifar-10-batches-py .*; download it again", batches, CIFAR)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a,b\n", "is not a batch"),
        (pickle.dumps({b"data": np.zeros((10, 3072), np.uint8), b"labels": [0] * 10}), r"holds \(10, 3072\) pixels"),
        (python2_batch(np.zeros((10, 3072)), [0] * 10), r"holds \(10, 3072\) pixels and \(10,\) labels"),
        (pickle.dumps({b"data": np.zeros((10000, 3072), np.uint8), b"labels": [10] * 10000}), r"in 0\.\.9"),
        (pickle.dumps({b"data": [[300] * 3072], b"labels": [0]}), "is not a batch"),
        (pickle.dumps({b"data": np.full((10000, 3072), 300, np.int16), b"labels": [0] * 10000}), "pixels are int16"),
        (pickle.dumps({b"data": np.zeros((10000, 3072), np.uint8), b"labels": [3.7] * 10000}), "labels float64"),
        (pickle.dumps({b"labels": [0]}), "KeyError"),
        (pickle.dumps([1, 2]), "is not a batch"),
    ],
)
def test_a_batch_of_something_else(batches, content, told):
    replace(batches / "data_batch_1", content)
    refused(told, batches, CIFAR)


class Malice:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize(
    ("function", "named"),
    [(os.system, r"(posix|nt)\.system"), (eval, r"(builtins|__builtin__)\.eval"), (np.save, r"numpy\.save")],
)
def test_a_batch_that_would_run_code_does_not(batches, tmp_path, function, named, protocol):
    mark = tmp_path / "mark"
    arguments = {
        os.system: (f"touch {mark}",),
        eval: (f"open({str(mark)!r}, 'w')",),
        np.save: (str(mark), [1]),
    }
    content = pickle.dumps([Malice(function, *arguments[function])], protocol)
    replace(batches / "data_batch_2", content)
    refused(f"data_batch_2 is not a batch .*it asks for {named}", batches, CIFAR)
    assert not list(tmp_path.glob("mark*"))


def test_an_image_folder(tmp_path):
    folder = image_folder(tmp_path / "set", classes=("bee", "ant"))
    (folder / "train" / "ant" / "notes.txt").write_text("no image")
    (folder / "train" / "ant" / "._000.png").write_text("what some systems leave in archives")
    (folder / "train" / ".cache").mkdir()
    loaded = load_folder(folder, SHAPE)
    assert loaded.classes == ("ant", "bee")
    assert loaded.train_pixels.shape == (10, *SHAPE)
    np.testing.assert_array_equal(loaded.train_labels, [0] * 5 + [1] * 5)
    with Image.open(folder / "test" / "bee" / "001.png") as image:
        np.testing.assert_array_equal(loaded.test_pixels[3], np.asarray(image).transpose(2, 0, 1))


def test_grey_images_for_one_channel(tmp_path):
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    Image.fromarray(pixels).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png", (1, 8, 8))[0], pixels)
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png", SHAPE), [pixels] * 3)


@pytest.mark.parametrize("suffix", ["png", "gif"])
def test_transparent_pixels_are_refused_and_an_opaque_alpha_is_nothing(suffix, tmp_path):
    path = tmp_path / f"x.{suffix}"
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 4)).astype(np.uint8)
    pixels[:, :, 3] = 255
    pixels[0, 0] = (200, 10, 10, 0)
    Image.fromarray(pixels).save(path)
    with pytest.raises(
        LockstepError, match=rf"^image .*x\.{suffix} is transparent in places; save it on the background"
    ):
        read_image(path, SHAPE)
    pixels[0, 0, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "opaque.png")
    np.testing.assert_array_equal(read_image(tmp_path / "opaque.png", SHAPE), pixels[:, :, :3].transpose(2, 0, 1))


def test_resizing_cuts_a_centred_square_first(tmp_path):
    pixels = np.zeros((16, 48, 3), np.uint8)
    pixels[:, 16:32] = (200, 100, 50)  # the middle third
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    resized = read_image(tmp_path / "wide.png", SHAPE, resize=True)
    assert resized.shape == SHAPE
    np.testing.assert_array_equal(resized[:, 4, 4], [200, 100, 50])


def test_one_test_image_is_the_one_that_the_whole_set_has_there(tmp_path):
    folder = image_folder(tmp_path / "set", classes=("bee", "ant", "wasp"))
    whole = load_folder(folder, SHAPE)
    for path in (folder / "train" / "ant").iterdir():
        path.write_bytes(b"broken, and not needed")
    (folder / "test" / "wasp" / "000.png").write_bytes(b"broken, and not asked for")
    for index in (0, 1, 2, 3, 5):
        np.testing.assert_array_equal(load_test_image(folder, index, SHAPE), whole.test_pixels[index])
    with pytest.raises(LockstepError, match=r"cannot read image .*wasp"):
        load_test_image(folder, 4, SHAPE)
    with pytest.raises(LockstepError, match=r"IMAGE=6 is outside the 6 test images of .*; expected 0\.\.5"):
        load_test_image(folder, 6, SHAPE)


def test_no_folder_a_file_and_an_empty_folder(tmp_path):
    refused("is not a folder; expected cifar-10-batches-py, or a folder with train", tmp_path / "missing")
    (tmp_path / "file").write_text("")
    refused("is not a folder", tmp_path / "file")
    (tmp_path / "empty").mkdir()
    refused("holds none of what is expected", tmp_path / "empty")
    with pytest.raises(LockstepError, match="is not a folder"):
        load_test_image(tmp_path / "missing", 0, SHAPE)


@pytest.mark.parametrize("split", ["train", "test"])
def test_half_a_folder(tmp_path, split):
    folder = image_folder(tmp_path / "set")
    (folder / split).rename(tmp_path / "away")
    refused(f"has no {split} folder", folder)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_class_in_one_split_only(tmp_path, split):
    folder = image_folder(tmp_path / "set")
    (folder / split / "bee").rename(tmp_path / "away")
    refused("class 'bee' is in one of train and test only", folder)


@pytest.mark.parametrize("where", ["train", "train/bee", "test/ant"])
def test_a_class_or_split_without_images(tmp_path, where):
    folder = image_folder(tmp_path / "set")
    (folder / where).rename(tmp_path / "away")
    (folder / where).mkdir()
    refused(rf"{where}/? ?holds no images \(\.png", folder)


def test_an_image_of_another_size(tmp_path):
    folder = image_folder(tmp_path / "set")
    Image.new("RGB", (9, 8)).save(folder / "test" / "bee" / "000.png")
    refused(r"image .*test/bee/000\.png is 9x8; the network takes 8x8", folder)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_an_image_that_cannot_be_read(tmp_path, content):
    folder = image_folder(tmp_path / "set")
    (folder / "train" / "ant" / "002.png").write_bytes(content)
    refused(r"cannot read image .*train/ant/002\.png", folder)


def test_a_truncated_image(tmp_path):
    folder = image_folder(tmp_path / "set")
    path = folder / "train" / "ant" / "002.png"
    path.write_bytes(path.read_bytes()[:-60])
    refused(r"cannot read image .*002\.png", folder)


def test_a_network_that_takes_neither_grey_nor_colour(tmp_path):
    with pytest.raises(LockstepError, match="1 or 3 channels; the network takes 2"):
        read_image(tmp_path / "x.png", (2, 8, 8))


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """A folder, its cache, and a count of the images decoded."""
    folder, cache = image_folder(tmp_path / "set"), tmp_path / "cache"
    decoded = []
    real = dataset.read_image
    monkeypatch.setattr(dataset, "read_image", lambda path, shape: decoded.append(path) or real(path, shape))
    return folder, cache, decoded


def test_the_cache_saves_decoding_and_gives_the_same_set(cached):
    folder, cache, decoded = cached
    first = load_folder(folder, SHAPE, cache)
    assert len(decoded) == 14
    again = load_folder(folder, SHAPE, cache)
    assert len(decoded) == 14
    assert again.sha256 == first.sha256 == load_folder(folder, SHAPE).sha256
    assert [path.suffix for path in cache.iterdir()] == [".npz"]


def test_a_changed_folder_is_decoded_again(cached):
    folder, cache, decoded = cached
    first = load_folder(folder, SHAPE, cache)
    Image.new("RGB", (8, 8), (1, 2, 3)).save(folder / "train" / "ant" / "000.png")
    again = load_folder(folder, SHAPE, cache)
    assert len(decoded) == 28
    assert again.sha256 != first.sha256


@pytest.mark.parametrize("damage", ["empty", "truncated", "garbage", "altered", "renamed member"])
def test_a_damaged_cache_is_made_again(cached, damage):
    folder, cache, decoded = cached
    first = load_folder(folder, SHAPE, cache)
    (stored,) = cache.iterdir()
    whole = stored.read_bytes()
    damaged = {
        "empty": b"",
        "truncated": whole[: len(whole) // 2],
        "garbage": b"garbage" * 100,
        "altered": whole[:600] + bytes([whole[600] ^ 1]) + whole[601:],
        "renamed member": whole.replace(b"test_labels", b"test_libels"),
    }[damage]
    assert damaged != whole
    stored.write_bytes(damaged)
    assert load_folder(folder, SHAPE, cache).sha256 == first.sha256
    assert len(decoded) == 28
    assert stored.read_bytes() == whole


def test_digits_as_signals_are_the_same_pixels() -> None:
    images, signals = load_digits(), load_digits(SIGNAL_SHAPE)
    assert signals.test_pixels.shape == (359, 8, 1, 8)
    assert np.array_equal(signals.test_pixels[:, :, 0], images.test_pixels[:, 0])  # a row is a channel
    assert signals.sha256 == images.sha256


def test_a_header_that_claims_all_memory_is_refused_before_there_is_room_for_it(tmp_path, monkeypatch):
    """Found by make fuzz."""
    Image.new("L", (300, 300)).save(tmp_path / "x.png")
    monkeypatch.setattr(dataset, "MOST_PIXELS", 100)
    for resize, told in ((True, "expected 100 pixels at most"), (False, "is 300x300; the network takes")):
        with pytest.raises(LockstepError, match=told):
            read_image(tmp_path / "x.png", (1, 8, 8), resize)


def test_a_number_in_a_pickle_that_claims_all_memory_is_refused(batches):
    """Found by make fuzz: the unpickler makes room for every number below it."""
    replace(batches / "test_batch", b"\x80\x02Nr\xff\xff\xff\x7f.")
    with pytest.raises(LockstepError, match="LONG_BINPUT 2147483647"):
        load_test_image(batches, 0, dataset.CIFAR_SHAPE)


@pytest.mark.parametrize(
    "change",
    [
        {"train_pixels": np.zeros((1, 3, 5, 4), np.float32)},
        {"train_pixels": np.zeros((1, 3, 9, 9), np.uint8)},
        {"test_labels": np.full(1, 7)},
        {"test_labels": np.zeros(2, np.int64)},
    ],
)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_kept_set_of_other_kinds_and_shapes_is_made_again(change, save, tmp_path):
    """It was used: found by make fuzz. So is one that is packed, which could stand for all memory."""
    parts = {f"{split}_pixels": np.zeros((1, 3, 5, 4), np.uint8) for split in ("train", "test")}
    parts |= {f"{split}_labels": np.zeros(1, np.int64) for split in ("train", "test")}
    path = tmp_path / "x.npz"
    np.savez(path, **parts)
    assert dataset._from_cache(path, ("a",), (3, 5, 4)) is not None
    save(path, **(parts | change))
    assert dataset._from_cache(path, ("a",), (3, 5, 4)) is None
    assert not path.exists()
