"""Readers of data and of results: images, arrays, batches, checkpoints, result files, xUnit files, dumps, mutants."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from model import dataset
from scripts import report
from scripts.fuzzing.reader import Reader, WrongAcceptError, json_value, same
from scripts.reporting import junit
from scripts.vectors import read_array
from tb.mutants.patches import read_mutant
from tb.waves.vcd import MARKS, Dump

SHAPE = (3, 5, 4)


def _pixels() -> np.ndarray[Any, Any]:
    return np.random.default_rng(2).integers(0, 256, SHAPE).astype(np.uint8)


def _images() -> list[dict[str, bytes]]:
    from PIL import Image

    picture, found = Image.fromarray(_pixels().transpose(1, 2, 0)), []
    for kind in ("PNG", "PPM", "BMP", "JPEG"):
        buffer = io.BytesIO()
        picture.save(buffer, kind)
        found.append({"image.png": buffer.getvalue()})  # Pillow goes by the content
    return found


def check_image(folder: Path) -> None:
    """The pixels have the shape asked for, and are those that the decoder gives, nothing made up."""
    from PIL import Image

    for resize in (False, True):
        pixels = dataset.read_image(folder / "image.png", SHAPE, resize)
        same((pixels.shape, pixels.dtype), (SHAPE, np.dtype(np.uint8)), "image.png")
        with Image.open(folder / "image.png") as opened:
            whole = np.asarray(opened.convert("RGB")).transpose(2, 0, 1)
        if whole.shape == SHAPE:
            same(pixels.tolist(), whole.tolist(), "image.png")


def _array() -> list[dict[str, bytes]]:
    buffer = io.BytesIO()
    np.save(buffer, _pixels())
    return [{"image.npy": buffer.getvalue()}]


def check_array(folder: Path) -> None:
    """The array, stored again, holds the same bytes behind its header."""
    array, data = read_array(folder / "image.npy"), (folder / "image.npy").read_bytes()
    held = array.tobytes("A" if not array.flags.f_contiguous else "F")
    same(data[len(data) - array.size :] if array.size else b"", held, "image.npy")


def _batch() -> list[dict[str, bytes]]:
    content = {b"data": np.zeros((4, 3072), np.uint8), b"labels": [0, 1, 2, 9]}
    return [{"data_batch_1": pickle.dumps(content, protocol)} for protocol in (3, 4)]


def check_batch(folder: Path) -> None:
    """No batch of CIFAR-10 is as small as these: whatever it is made into, it is refused, and runs nothing."""
    dataset._read_batch(folder / "data_batch_1")
    raise WrongAcceptError("a batch of other than 10000 images")


def _cache() -> list[dict[str, bytes]]:
    buffer = io.BytesIO()
    parts = {"pixels": _pixels()[None], "labels": np.zeros(1, np.int64)}
    np.savez(buffer, **{f"{split}_{name}": part for split in ("train", "test") for name, part in parts.items()})  # type: ignore[arg-type]  # as in model.dataset
    return [{"images.npz": buffer.getvalue()}]


def check_cache(folder: Path) -> None:
    """A set that is kept is used whole and in its kinds and shapes, or not at all."""
    found = dataset._from_cache(folder / "images.npz", ("a",), SHAPE)
    if found is None:
        return
    for pixels, labels in ((found.train_pixels, found.train_labels), (found.test_pixels, found.test_labels)):
        same((pixels.dtype, pixels.shape[1:], labels.dtype), (np.dtype(np.uint8), SHAPE, np.dtype(np.int64)), "images")
        same((len(pixels), set(labels.tolist()) <= {0}), (len(labels), True), "labels")


def _checkpoint() -> list[dict[str, bytes]]:
    import torch

    buffer = io.BytesIO()
    torch.save({"weight": torch.arange(6.0), "epoch": 3, "name": "x"}, buffer)
    return [{"state.pt": buffer.getvalue()}]


def check_checkpoint(folder: Path) -> None:
    """A state comes out as it went in: tensors and plain values under their names."""
    import torch

    from model.network import checkpoint

    state = checkpoint.load(folder / "state.pt", torch.device("cpu"))
    for name, value in (state or {}).items():
        plain = isinstance(value, torch.Tensor | int | float | str | bytes | bool | None | list | tuple | dict)
        same(plain, True, f"state.pt: {name!r}")


def _result() -> list[dict[str, bytes]]:
    sim = b"""{"passed": true, "checked_psums": 4608, "expected_psums": 4608, "checked_outputs": 255, "mismatches": 0,
"expected_outputs": 255, "registers": {"array": [8, 8], "passed": true}, "cycles": 718, "macs": 36864, "waves": null,
"simulator": "Icarus Verilog 11.0", "vectors": "vectors/x", "utilization": 0.97, "stream_cycles": 591,
"breakdown": {"load": 4, "fill_and_drain": 15, "pixels": 576, "bubbles": 0, "accumulation": 123}}"""
    drawn = b"""{"passed": true, "draws": 201, "seed": 3, "first": 0, "failed": [], "checked_values": 65151,
"simulator": "icarus", "error": null}"""
    train = b"""{"passed": true, "net": "vgg16", "run": "vgg16", "integer_accuracy": 0.87, "fake_quant_accuracy": 0.87,
"float_accuracy": 0.86, "test_images": 9999, "codes_compared": 42729472, "codes_differing": 0, "device": "cpu",
"fake_quant_accuracy_float64": {"images": 256, "accuracy": 0.875}, "graph_sha256": "ab", "data_sha256": "cd",
"recipe": {"seed": 17, "weight_bits": 4, "act_bits": 4, "float": {"epochs": 31}, "qat": {"epochs": 19}},
"training_seconds": 5000.5, "versions": {"torch": "2.15.0"}}"""
    tests = b"""{"passed": true, "tests": {"passed": 1645, "failed": 0, "error": 0, "skipped": 1, "xfailed": 0},
"exit_status": 0, "seconds": 2500.0}"""
    names = ("sim", "random", "train/vgg16", "test")
    return [{f"{name}/result.json": text} for name, text in zip(names, (sim, drawn, train, tests), strict=True)]


def check_result(folder: Path) -> None:
    """The page is made; it calls nothing good whose file does not say so, once."""
    page, result = report.compose(folder)
    page.encode()
    (path,) = folder.rglob("result.json")
    if result["failing"] or result["unreadable"]:
        return
    if not path.is_file():
        same(len(result["missing"]) > 0, True, "result.json, which is missing")
        return
    told = json_value(path.read_bytes())
    same(told.get("passed") in (True, None), True, "result.json: passed")


def _xunit() -> list[dict[str, bytes]]:
    return [
        {
            "junit.xml": b"""<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite name="pytest" tests="3">
<testcase classname="tests.test_a" name="test_x" time="0.1" /><testcase classname="tb.core.test_b" name="test_y">
<failure message="no">it fails &amp; tells</failure></testcase></testsuite></testsuites>"""
        }
    ]


def check_xunit(folder: Path) -> None:
    """No test is counted that is not there, and none that fails is counted as passed."""
    found, text = junit.read(folder / "junit.xml"), (folder / "junit.xml").read_bytes()
    same(found.total.total() <= text.replace(b"\0", b"").count(b"<"), True, "junit.xml")
    same(found.total["failed"], len(found.failing), "junit.xml")


def _dump() -> list[dict[str, bytes]]:
    return [
        {
            "core.vcd": b"""$date Sun Nov 22 $end
$version by hand $end $timescale 10 ns $end
$scope module top $end
$var wire 1 ! clk $end
$var reg 4 # count [3:0] $end
$scope begin gen[1] $end $var wire 1 b bit $end $upscope $end
$var real 64 r level $end
$upscope $end
$enddefinitions $end
#0 $dumpvars 0! bx # xb r0.5 r $end
#1 1! b0001 # 1b
#2 0! zb
$comment 1! $end
#3 b1 # 1! b10 #
#4 0!
#5 1! 0b
"""
        }
    ]


def check_dump(folder: Path) -> None:
    """Every change and time is read as it is written, in its order; nothing is left out."""
    path = folder / "core.vcd"
    with Dump(path) as dump:
        widths = dict(dump.signals.values())
        found = [(str(time), code, bits) for time, code, bits in dump.changes()]
    written, now, words = [], "0", iter(_body(path))
    for word in words:
        if word.startswith("#"):
            now = str(int(word[1:]))
        elif word[0] in "bBrR":
            written.append((now, next(words), word[1:].lower()))
        else:
            written.append((now, word[1:], word[0].lower()))
    same(found, written, "core.vcd")
    for _, code, bits in found:
        legal = code in widths and not set(bits) - set("01xz23456789.e+-infa")
        same(legal and (len(bits) <= widths[code] or "." in bits), True, f"core.vcd: {bits} of {code}")


def _body(path: Path) -> list[str]:
    """The words behind the header, comments and marks left out."""
    words = path.read_text(encoding="latin-1").split()
    words, found, comment = words[words.index("$enddefinitions") + 2 :], [], False
    for word in words:
        if comment or word == "$comment":
            comment = word != "$end"
        elif word not in MARKS:
            found.append(word)
    return found


def _mutant() -> list[Mapping[str, bytes]]:
    patches = Path(read_mutant.__code__.co_filename).parent
    return [{"relu_missing.patch": (patches / "relu_missing.patch").read_bytes()}]


def check_mutant(folder: Path) -> None:
    """Every line of the patch that takes away or adds is in a hunk."""
    path = folder / "relu_missing.patch"
    hunks = read_mutant(path).hunks
    lines = path.read_text(encoding="utf-8").split("\n")
    body = lines[next(index for index, line in enumerate(lines) if line.startswith("+++ ")) + 1 :]
    for sign, side in (("-", "old"), ("+", "new")):
        held = [line for hunk in hunks for line in getattr(hunk, side)]
        same([line[1:] for line in body if line[:1] == sign and line[1:] not in held], [], f"{path.name}: {sign}")


READERS = (
    Reader("image", "an image file", _images, check_image),
    Reader("array", "an image as .npy", _array, check_array),
    Reader("batch", "a batch of CIFAR-10", _batch, check_batch),
    Reader("cache", "a decoded data set that is kept", _cache, check_cache),
    Reader("checkpoint", "a checkpoint of training", _checkpoint, check_checkpoint),
    Reader("result", "results, by the report", _result, check_result),
    Reader("xunit", "the suite's xUnit file", _xunit, check_xunit),
    Reader("dump", "a value change dump", _dump, check_dump),
    Reader("mutant", "a mutant's patch", _mutant, check_mutant),
)
