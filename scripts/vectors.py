"""`make vectors`: write the text vectors of one layer and one image; propose or check the vectors that others wrote."""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import math
import re
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from model.dataset import DIGITS_SHAPE, DIGITS_SHAPES, load_digits, load_test_image, read_image
from model.errors import LockstepError
from model.files import read_bytes
from model.golden.tiling import require_psum_bits
from model.graph import storage
from model.graph.graph import IntegerGraph
from model.program.os_compile import DATAFLOWS
from model.typed import whole_number
from model.vectors.check import check_set
from model.vectors.folder import replace_folder, require_replaceable
from model.vectors.generate import describe, generate
from model.vectors.manifest import NAME
from model.vectors.os_check import check_os_set
from model.vectors.os_generate import describe_os, generate_os, os_pass_cycles, render_os, ws_pass_cycles
from model.vectors.os_manifest import is_output_stationary
from model.vectors.os_set import read_os_set
from model.vectors.propose import propose
from model.vectors.reader import read_set
from model.vectors.writer import render
from scripts.guard import guarded, write_result

RESULT = Path("build/vectors/result.json")
ROOT = storage.ZOO.parents[1]
MOST_SHOWN = 20
BOTH_MODES = "SIMD=1 and DATAFLOW=os: an array multiplies pairs or is output stationary; expected one"
# Of a set that is to be written; none of them has a meaning for a set that is there (--check, --propose).
USUAL = {
    "net": "vgg16",
    "layer": "features.27",
    "image": "sample",
    "data": None,
    "rows": "8",
    "cols": "8",
    "psum": "16",
    "dataflow": "ws",
    "out": "vectors",
    "simd": "",
}

Array = np.ndarray[Any, Any]


def index_of(image: str) -> int | None:
    """The number of a test image in `image`; None where it names the sample or a file."""
    return whole_number("IMAGE", image, 7) if re.fullmatch(r"-?[0-9]+", image) else None


def image_name(image: str, data: str | None, pixels: Array) -> str:
    """What the image is called in the folder's name: ``sample``, or what was asked for and the start of a hash.

    Of an index into `data` it is the hash of the `pixels` that were found there, of a file that of its bytes: images of
    one index in different data sets, and files of one name in different folders, have sets of their own, and a copy has
    the set of the original. An index into the bundled digits, which never change, stands alone.

    >>> image_name("sample", None, np.zeros((3, 32, 32), np.uint8)), image_name("007", None, np.zeros(1, np.uint8))
    ('sample', '7')
    >>> image_name("007", "a folder", np.zeros(4, np.uint8))
    '7_df3f6198'
    """
    index = index_of(image)
    if image == "sample" or (index is not None and data is None):
        return image if index is None else str(index)
    path = Path(image)
    told, content = (path.stem, path.read_bytes()) if index is None else (str(index), pixels.tobytes())
    return f"{re.sub(r'[^A-Za-z0-9_-]', '_', told)}_{hashlib.sha256(content).hexdigest()[:8]}"


def set_name(image: str, rows: int, cols: int, psum_bits: int, os: bool = False) -> str:
    """The set's folder: ``img<image name>``, with whatever is not the default behind it.

    >>> set_name("sample", 8, 8, 16, os=True)
    'imgsample_os'
    >>> set_name("sample", 8, 8, 16), set_name("7", 4, 16, 16), set_name("sample", 8, 8, 19)
    ('imgsample', 'img7_4x16', 'imgsample_psum19')
    """
    array = "" if (rows, cols) == (8, 8) else f"_{rows}x{cols}"
    return f"img{image}{array}" + ("" if psum_bits == 16 else f"_psum{psum_bits}") + ("_os" if os else "")


def load_image(image: str, data: str | None, graph: IntegerGraph) -> Array:
    """Pixels uint8 (channels, height, width) of the shipped sample, of test image `image` of `data`, or of a file.

    Raises
    ------
    LockstepError
        When there is no such image, or it is none for `graph`.
    """
    shape, index = graph.input_shape, index_of(image)
    if data is not None and index is None:
        raise LockstepError(f"DATA={data} with IMAGE={image}; expected IMAGE=<index into DATA>")
    if image == "sample":
        for path in sorted(storage.ZOO.glob("sample_*.npy")):
            pixels = read_array(path)
            if pixels.shape == shape:
                return pixels
            if pixels.shape == DIGITS_SHAPE and shape in DIGITS_SHAPES:
                return pixels.reshape(shape)
        raise LockstepError(
            f"no sample image of shape {shape} is shipped; expected IMAGE=<file>, or an index and DATA=<folder>"
        )
    if index is not None:
        if data is not None:
            return load_test_image(Path(data), index, shape)
        if shape not in DIGITS_SHAPES:
            raise LockstepError(
                f"IMAGE={image} is an index into a data set; expected DATA=<folder> with it, or IMAGE=<file>"
            )
        try:
            digits = load_digits(shape).test_pixels
        except ImportError as error:
            raise LockstepError(
                "the digits come with scikit-learn, which is not installed; `make vectors` installs it"
            ) from error
        if not 0 <= index < len(digits):
            raise LockstepError(
                f"IMAGE={index} is outside the {len(digits)} test digits; expected 0..{len(digits) - 1}"
            )
        chosen: Array = digits[index]
        return chosen
    path = Path(image)
    if not path.is_file():
        raise LockstepError(f"IMAGE={image} is no file; expected sample, an image file, or an index with DATA=<folder>")
    if path.suffix != ".npy":
        return read_image(path, shape, resize=True)
    pixels = read_array(path)
    if pixels.shape != shape:
        raise LockstepError(f"{path} holds {pixels.dtype}{pixels.shape}; expected uint8{shape}")
    return pixels


def read_array(path: Path) -> Array:
    """The uint8 array in the file `path` (.npy), which holds its pixels and nothing else.

    Raises
    ------
    LockstepError
        For any other file.
    """
    data = read_bytes(path, "an uint8 array as .npy")
    file = io.BytesIO(data)
    try:
        if (version := np.lib.format.read_magic(file)) != (1, 0):
            raise ValueError(f"version {version} of the format")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    except Exception as error:  # NumPy and the parser of the header raise many kinds
        raise LockstepError(f"cannot read {path} ({error}); expected an uint8 array as .npy") from error
    if dtype != np.uint8:
        raise LockstepError(f"{path} is no uint8 array; expected pixels 0..255")
    rest = data[file.tell() :]
    if math.prod(shape) != len(rest):
        raise LockstepError(f"{path} holds {len(rest)} bytes of pixels; expected {math.prod(shape):.6g}: {shape}")
    return np.frombuffer(rest, np.uint8).reshape(shape, order="F" if fortran else "C")


def write(args: argparse.Namespace) -> dict[str, Any]:
    """Write the set that `args` ask for; returns what goes into the result file."""
    started = time.monotonic()
    sizes = {"rows": 8, "cols": 8, "psum": 16}
    rows, cols, psum_bits = (whole_number(name.upper(), getattr(args, name), usual) for name, usual in sizes.items())
    if args.dataflow not in DATAFLOWS:
        raise LockstepError(f"DATAFLOW={args.dataflow}; expected one of {', '.join(DATAFLOWS)}")
    if args.simd not in ("", "0", "1"):
        raise LockstepError(f"SIMD={args.simd}; expected 1, or nothing")
    simd = args.simd == "1"
    if simd and args.dataflow == "os":
        raise LockstepError(BOTH_MODES)
    path = storage.find(args.net)
    graph = storage.load(path)
    pixels = load_image(args.image, args.data, graph)
    image = image_name(args.image, args.data, pixels)
    manifest = describe(graph, args.layer, image, rows, cols, psum_bits, simd)
    if not re.fullmatch(r"\w[\w.-]*", graph.name):
        raise LockstepError(f"{path}: network name {graph.name!r} is not usable as a folder")
    cycles = {"ws": ws_pass_cycles(manifest)} | ({} if simd else {"os": os_pass_cycles(describe_os(manifest))})
    os = not simd and (args.dataflow == "os" or (args.dataflow == "auto" and cycles["os"] < cycles["ws"]))
    set_folder = set_name(image, rows, cols, psum_bits, os) + ("_simd" if simd else "")
    folder = Path(args.out) / graph.name / args.layer / set_folder
    require_replaceable(folder)
    if os:
        files = render_os(generate_os(graph, pixels, describe_os(manifest)))
    else:
        files = render(generate(graph, pixels, manifest))
    written = replace_folder(folder, files)
    bound = require_psum_bits(graph.layer(args.layer), psum_bits)
    return {
        "passed": True,
        "folder": str(folder),
        "net": graph.name,
        "layer": args.layer,
        "image": image,
        "array": {"rows": rows, "cols": cols},
        "dataflow": "os" if os else "ws",
        "dataflow_given": args.dataflow,
        "pixel_cycles": cycles,
        "tiles": {"ic": manifest.tiles.ic, "oc": manifest.tiles.oc},
        "files": written.files,
        "lines": written.lines,
        "bytes": written.bytes,
        "psum": {
            "channel": bound.channel,
            "low": bound.low,
            "high": bound.high,
            "bits_needed": bound.bits,
            "bits": psum_bits,
        },
        "graph": str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path),
        "graph_sha256": graph.sha256,
        "seconds": round(time.monotonic() - started, 3),
    }


def offer(folder: str) -> int:
    """Print a manifest for `folder`, and on stderr what speaks for each entry; the result file has both."""
    proposal = propose(Path(folder))
    text = proposal.manifest.to_json()
    print(proposal.report(), file=sys.stderr)
    print(text, end="")
    result = {"passed": True, "folder": folder, "words": proposal.total, "words_true": proposal.matched}
    result |= {"confirmed": proposal.confirmed, "guessed": proposal.guessed, "ignored": proposal.ignored}
    write_result(RESULT, {**result, "manifest": json.loads(text)})
    return 0


def check(folder: str, manifest: str | None) -> int:
    """Print every wrong word of `folder`, `MOST_SHOWN` at most; the status is 1 when there is one."""
    described = Path(manifest) if manifest else None
    if is_output_stationary(described or Path(folder) / NAME):
        wrong = check_os_set(read_os_set(Path(folder), described))
    else:
        wrong = check_set(read_set(Path(folder), described))
    shown = [str(mismatch) for mismatch in wrong[:MOST_SHOWN]]
    for line in shown:
        print(line)
    print(f"{folder}: {len(wrong)} wrong words")
    result = {"passed": not wrong, "folder": folder, "manifest": manifest or str(Path(folder) / NAME)}
    write_result(RESULT, {**result, "wrong_words": len(wrong), "first": shown})
    return 1 if wrong else 0


def refuse_strangers(given: Collection[str]) -> None:
    """Raise LockstepError where one of the variables `given` would be passed over."""
    for work, beside in (("propose", set[str]()), ("check", {"manifest"})):
        strange = [f"{name.upper()}=" for name in sorted(set(given) - {work} - beside)]
        if work in given and strange:
            alone = f"{work.upper()}=<folder>" + "".join(f", perhaps {name.upper()}=<file>," for name in beside)
            raise LockstepError(f"{', '.join(strange)} is not for a set that is there; expected {alone} alone")
    if "manifest" in given and "check" not in given:
        raise LockstepError("MANIFEST=<file> describes a set that is there; expected CHECK=<folder> with it")


@guarded
def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status: 0, 1 when a set that is checked is wrong, 2 for bad input."""
    parser = argparse.ArgumentParser(description=__doc__, argument_default=argparse.SUPPRESS)
    for name, told in (
        ("net", "network, or path of an integer graph"),
        ("layer", "any conv layer, or the classifier"),
        ("image", "sample, an image file, or an index into --data"),
        ("data", "folder of the data set that an index counts in"),
        ("rows", "rows of the array"),
        ("cols", "columns of the array"),
        ("psum", "bits of a psum"),
        ("dataflow", "ws (weight stationary), os (output stationary), or auto: the one of fewer cycles"),
        ("out", "folder for the sets"),
        ("simd", "1: for an array that multiplies pairs of input channels, of 2 bits at most"),
    ):
        parser.add_argument(f"--{name}", help=told + (f" ({USUAL[name]})" if USUAL[name] else ""))
    parser.add_argument("--propose", metavar="FOLDER", help="instead: print a manifest for a folder without one")
    parser.add_argument("--check", metavar="FOLDER", help="instead: check the numbers of a set against each other")
    parser.add_argument("--manifest", metavar="FILE", help="with --check: the manifest, where it is not in the folder")
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value}
    refuse_strangers(given)
    if "propose" in given:
        return offer(given["propose"])
    if "check" in given:
        return check(given["check"], given.get("manifest"))
    result = write(argparse.Namespace(**USUAL | given))
    write_result(RESULT, result)
    psum, counts = result["psum"], f"{result['files']} files, {result['lines']} lines, {result['bytes']} bytes"
    reach = f"{psum['low']}..{psum['high']} at most (channel {psum['channel']})"
    print(f"{result['folder']}: {counts}, {result['seconds']} s")
    told = ", ".join(f"{name} {count}" for name, count in result["pixel_cycles"].items())
    print(f"dataflow {result['dataflow']} (pixel cycles: {told})")
    print(f"psums reach {reach}: {psum['bits_needed']} of {psum['bits']} bits")
    return 0


if __name__ == "__main__":
    sys.exit(main())
