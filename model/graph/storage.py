"""Integer graphs on disk: one zip file of a JSON description and packed codes, nothing that could run code when read.

    graph.json            the description (IntegerGraph.describe), `meta`, `format`, `version`, `sha256`
    <i>.weight            layer i's weight codes, two's complement, `bits` each, MSB first, no gaps, in (out, in, ky, kx) order, last byte zero-filled
    <i>.multiplier/.bias  int64, little endian

The same graph gives the same bytes (no compression, fixed time stamps), so a file can be compared and committed.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.files import write_atomic
from model.graph.graph import IntegerGraph, Layer
from model.numeric.formats import IntFormat

FORMAT, VERSION = "lockstep-graph", 1
SUFFIX = ".graph.zip"
MAX_BYTES = 1 << 30  # of one member, so that a forged header cannot ask for all memory
ZOO = Path(__file__).resolve().parent.parent / "zoo"

Array = np.ndarray[Any, Any]


def pack_codes(codes: Array, fmt: IntFormat) -> bytes:
    """Codes (any shape) as a bit string, `fmt.bits` each, MSB first."""
    patterns = fmt.encode(codes).reshape(-1, 1).astype(np.uint32)
    bits = (patterns >> np.arange(fmt.bits - 1, -1, -1, dtype=np.uint32)) & 1
    return np.packbits(bits.astype(np.uint8)).tobytes()


def unpack_codes(data: bytes, count: int, fmt: IntFormat) -> Array:
    """The inverse of `pack_codes`: `count` codes as int64."""
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8), count=count * fmt.bits).reshape(count, fmt.bits)
    patterns = bits.astype(np.uint32) @ (1 << np.arange(fmt.bits - 1, -1, -1, dtype=np.uint32))
    return fmt.decode(patterns)


def save(graph: IntegerGraph, path: Path) -> None:
    """Write `graph` to `path`, atomically."""
    members: dict[str, bytes] = {}
    head = graph.describe() | {"format": FORMAT, "version": VERSION, "sha256": graph.sha256, "meta": dict(graph.meta)}
    members["graph.json"] = (json.dumps(head, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()
    for index, layer in enumerate(graph.layers):
        members[f"{index}.weight"] = pack_codes(layer.weight, layer.wgt)
        members[f"{index}.multiplier"] = layer.multiplier.astype("<i8").tobytes()
        members[f"{index}.bias"] = layer.bias.astype("<i8").tobytes()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)
    write_atomic(path, buffer.getvalue())


def load(path: Path) -> IntegerGraph:
    """Read the graph in `path`.

    Raises
    ------
    LockstepError
        When it is missing, not such a file, truncated, of another version, or its hash does not fit its content.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive)
    except LockstepError as error:
        raise LockstepError(f"{path}: {error}") from error
    except OSError as error:
        raise LockstepError(f"cannot read {path}: {error.strerror or error}; expected an integer graph (*{SUFFIX})") from error
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError, AttributeError, OverflowError, NotImplementedError, RecursionError, EOFError) as error:
        raise LockstepError(f"{path} is not a whole integer graph ({type(error).__name__}: {error}); make it again or restore it") from error


def _read(archive: zipfile.ZipFile) -> IntegerGraph:
    def member(name: str, size: int | None = None) -> bytes:
        info = archive.getinfo(name)
        if info.file_size > MAX_BYTES or (size is not None and info.file_size != size):
            raise LockstepError(f"member {name} has {info.file_size} bytes; expected {size if size is not None else f'at most {MAX_BYTES}'}")
        return archive.read(info)

    def fmt(value: dict[str, Any]) -> IntFormat:
        return IntFormat(bits=value["bits"], signed=value["signed"], symmetric=value["symmetric"])

    head = json.loads(member("graph.json"))
    if head["format"] != FORMAT or head["version"] != VERSION:
        raise LockstepError(f"is {head['format']!r} version {head['version']!r}; expected {FORMAT!r} version {VERSION}")
    layers = []
    for index, item in enumerate(head["layers"]):
        shape, wgt = tuple(int(n) for n in item["shape"]), fmt(item["wgt"])
        if len(shape) != 4 or min(shape) < 1:
            raise LockstepError(f"layer {index} has shape {shape}; expected four positive numbers")
        count = shape[0] * shape[1] * shape[2] * shape[3]
        weight = unpack_codes(member(f"{index}.weight", -(-count * wgt.bits // 8)), count, wgt).reshape(shape)  # (out, in, ky, kx)
        layers.append(
            Layer(
                name=item["name"],
                weight=weight.astype(np.int8),
                wgt=wgt,
                act=fmt(item["act"]),
                multiplier=np.frombuffer(member(f"{index}.multiplier", 8 * shape[0]), "<i8").astype(np.int64),
                bias=np.frombuffer(member(f"{index}.bias", 8 * shape[0]), "<i8").astype(np.int64),
                shift=int(item["shift"]),
                out=None if item["out"] is None else fmt(item["out"]),
                stride=(int(item["stride"][0]), int(item["stride"][1])),
                padding=(int(item["padding"][0]), int(item["padding"][1])),
                pool=int(item["pool"]),
            )
        )
    channels, height, width = (int(n) for n in head["input_shape"])
    graph = IntegerGraph(str(head["name"]), (channels, height, width), tuple(layers), tuple(str(c) for c in head["classes"]), dict(head["meta"]))
    if graph.sha256 != head["sha256"]:
        raise LockstepError(f"its content hashes to {graph.sha256[:12]}..., not to the {str(head['sha256'])[:12]}... it states: the file was altered")
    return graph


def find(net: str, build: Path = Path("build/train")) -> Path:
    """Where the graph of `net` is: a path to a graph file, else the network trained here, else the one shipped in the zoo.

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
    shipped = ", ".join(sorted(p.name.removesuffix(SUFFIX) for p in ZOO.glob(f"*{SUFFIX}")))
    raise LockstepError(f"no integer graph for network {net!r}; expected one of {shipped}, a path to a *{SUFFIX}, or train it with `make train NET={net}`")
