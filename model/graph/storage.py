"""Integer graphs on disk: one zip file of a JSON description and packed codes, nothing that could run code when read.

    graph.json            the description (IntegerGraph.describe), `meta`, `format`, `version`, `sha256`
    <i>.weight            layer i's weights in (out, in / groups, ky, kx) order: the format's patterns, `bits` each, MSB
                          first, no gaps, last byte filled up with zeros (an integer's pattern is its two's complement)
    <i>.multiplier/.bias  int64, little endian

The same graph gives the same bytes (no compression, fixed time stamps), so a file can be compared and committed.
"""

from __future__ import annotations

import io
import json
import lzma
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.files import parse_json, read_bytes, write_atomic
from model.graph.graph import IntegerGraph, Layer
from model.numeric.power import PowerFormat
from model.numeric.weights import WeightFormat, format_of, int_of

FORMAT, VERSION = "lockstep-graph", 1
SUFFIX = ".graph.zip"
ZOO = Path(__file__).resolve().parent.parent / "zoo"
# What a damaged or forged file makes zipfile, json and the code below raise; a RuntimeError is an encrypted member.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
    RuntimeError,
    EOFError,
)

Array = np.ndarray[Any, Any]


def pack_codes(codes: Array, fmt: WeightFormat) -> bytes:
    """Codes as a bit string.

    Parameters
    ----------
    codes : integer array of any shape, in the range of `fmt`
    fmt : IntFormat or PowerFormat, of at most 8 bits

    Returns
    -------
    bytes
        `fmt.bits` bits a code, MSB first, no gaps, the last byte filled up with zeros.

    Examples
    --------
    >>> from model.numeric.weights import named
    >>> pack_codes(np.array([-1, 2, 7]), named("int4")).hex()
    'f270'
    """
    patterns = fmt.encode(codes).astype(np.uint8).reshape(-1, 1)
    return np.packbits(np.unpackbits(patterns, axis=1)[:, 8 - fmt.bits :]).tobytes()


def unpack_codes(data: bytes, count: int, fmt: WeightFormat) -> Array:
    """The inverse of `pack_codes`: the first `count` codes in `data`, int64 (count,)."""
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8), count=count * fmt.bits)
    patterns: Array = np.zeros(count, np.uint8)
    for column in bits.reshape(count, fmt.bits).T:  # (code, bit), MSB first
        patterns = (patterns << 1) | column
    return fmt.decode(patterns)


def save(graph: IntegerGraph, path: Path) -> None:
    """Write `graph` to `path`, atomically.

    Raises
    ------
    LockstepError
        When the file cannot be written.
    """
    members: dict[str, bytes] = {}
    members["graph.json"] = (json.dumps(_head(graph), indent=1, sort_keys=True, allow_nan=False) + "\n").encode()
    for index, layer in enumerate(graph.layers):
        members[f"{index}.weight"] = pack_codes(layer.weight, layer.wgt)
        members[f"{index}.multiplier"] = layer.multiplier.astype("<i8").tobytes()
        members[f"{index}.bias"] = layer.bias.astype("<i8").tobytes()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)
    write_atomic(path, buffer.getvalue())


def _head(graph: IntegerGraph) -> dict[str, Any]:
    """What graph.json says."""
    return graph.describe() | {
        "format": FORMAT,
        "version": VERSION,
        "sha256": graph.sha256,
        "meta": dict(graph.meta),
    }


def load(path: Path) -> IntegerGraph:
    """Read the graph in `path`.

    Raises
    ------
    LockstepError
        When it is missing, not such a file, truncated, of another version, its hash does not fit its content, or it
        holds anything that `save` would not have written.
    """
    content = read_bytes(path, f"an integer graph (*{SUFFIX})")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _read(archive)
    except LockstepError as error:
        raise LockstepError(f"{path}: {error}") from error
    except DAMAGE as error:
        raise LockstepError(
            f"{path} is not a whole integer graph ({type(error).__name__}: {error}); make it again or restore it"
        ) from error


def _member(archive: zipfile.ZipFile, name: str, size: int | None = None) -> bytes:
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED:  # a few bytes could stand for all memory
        raise LockstepError(f"member {name} is compressed; expected it as it is")
    if size is not None and info.file_size != size:
        raise LockstepError(f"member {name} has {info.file_size} bytes; expected {size}")
    return archive.read(info)


def _read(archive: zipfile.ZipFile) -> IntegerGraph:
    head = parse_json(_member(archive, "graph.json"), "graph.json")
    if head["format"] != FORMAT or head["version"] != VERSION:
        raise LockstepError(f"is {head['format']!r} version {head['version']!r}; expected {FORMAT!r} version {VERSION}")
    layers = tuple(_read_layer(archive, index, item) for index, item in enumerate(head["layers"]))
    channels, height, width = (int(n) for n in head["input_shape"])
    graph = IntegerGraph(
        str(head["name"]),
        (channels, height, width),
        layers,
        tuple(str(c) for c in head["classes"]),
        dict(head["meta"]),
    )
    if graph.sha256 != head["sha256"]:
        raise LockstepError(
            f"its content hashes to {graph.sha256[:12]}..., not to the {str(head['sha256'])[:12]}... that it states; "
            "the file was altered: make it again or restore it"
        )
    if json.dumps(head, sort_keys=True) != json.dumps(_head(graph), sort_keys=True):  # "3", 3.0 and true are no 3 or 1
        raise LockstepError("graph.json says things in words that are not ours; make it again or restore it")
    expected = {"graph.json"} | {f"{i}.{part}" for i in range(len(layers)) for part in ("weight", "multiplier", "bias")}
    names = archive.namelist()
    odd = next((name for name in names if name not in expected or names.count(name) > 1), None)
    if odd is not None:
        raise LockstepError(f"member {odd!r} {'stands twice' if odd in expected else 'is none of a graph'}")
    return graph


def _read_layer(archive: zipfile.ZipFile, index: int, item: dict[str, Any]) -> Layer:
    shape, wgt = tuple(int(n) for n in item["shape"]), format_of(item["wgt"])
    if len(shape) != 4 or min(shape) < 1:
        raise LockstepError(f"layer {index} has shape {shape}; expected four positive numbers")
    if wgt.bits > 8:
        raise LockstepError(f"layer {index} has weights of {wgt.bits} bits; expected at most 8")
    count = shape[0] * shape[1] * shape[2] * shape[3]
    data = _member(archive, f"{index}.weight", -(-count * wgt.bits // 8))
    if data[-1] & ((1 << (-count * wgt.bits % 8)) - 1):
        raise LockstepError(f"member {index}.weight does not end in zeros; expected nothing behind the last weight")
    codes = unpack_codes(data, count, wgt)
    return Layer(
        name=str(item["name"]),
        weight=codes.astype(wgt.dtype).reshape(shape),  # (out, in, ky, kx)
        wgt=wgt,
        act=int_of(item["act"]),
        multiplier=np.frombuffer(_member(archive, f"{index}.multiplier", 8 * shape[0]), "<i8").astype(np.int64),
        bias=np.frombuffer(_member(archive, f"{index}.bias", 8 * shape[0]), "<i8").astype(np.int64),
        shift=int(item["shift"]),
        out=None if item["out"] is None else int_of(item["out"]),
        stride=(int(item["stride"][0]), int(item["stride"][1])),
        padding=(int(item["padding"][0]), int(item["padding"][1])),
        pool=int(item["pool"]),
        groups=int(item.get("groups", 1)),
        inputs=tuple(str(name) for name in item.get("inputs", ())),
    )


def run_name(network: str, fmt: WeightFormat, act_bits: int = 4) -> str:
    """What a network is called that was trained in a format: of weights and codes of 4-bit integers it says nothing.

    Examples
    --------
    >>> from model.numeric.weights import named
    >>> run_name("tiny", named("int4")), run_name("tiny", named("int8")), run_name("tiny", named("pot4"), act_bits=2)
    ('tiny', 'tiny_w8a4', 'tiny_pot4a2')
    """
    if isinstance(fmt, PowerFormat):
        return f"{network}_{fmt.name}" + ("" if act_bits == 4 else f"a{act_bits}")
    return network if (fmt.bits, act_bits) == (4, 4) else f"{network}_w{fmt.bits}a{act_bits}"


def find(net: str, build: Path = Path("build/train")) -> Path:
    """Where the graph of `net` is: a path to a graph file, else the network trained here, else the one shipped.

    Parameters
    ----------
    net : str
        A network's name, or a path (it ends in ``.graph.zip`` or has a ``/`` in it), which is returned as it is.
    build : Path
        Folder of the networks trained here.

    Raises
    ------
    LockstepError
        When there is none; lists those shipped.
    """
    if net.endswith(SUFFIX) or "/" in net:
        return Path(net)
    for path in (build / net / f"{net}{SUFFIX}", ZOO / f"{net}{SUFFIX}"):
        if path.exists():
            return path
    shipped = "".join(f"{path.name.removesuffix(SUFFIX)}, " for path in sorted(ZOO.glob(f"*{SUFFIX}")))
    raise LockstepError(
        f"no integer graph for network {net!r}; expected one of {shipped}a path to a *{SUFFIX}, "
        f"or one trained before with `make train NET={net}`"
    )
