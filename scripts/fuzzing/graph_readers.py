"""Readers of networks: integer graphs, descriptors, what an engine makes of them, weights as C has them, recipes."""

from __future__ import annotations

import io
import tempfile
import tomllib
import zipfile
from pathlib import Path
from unittest import mock

import numpy as np

from model.files import read_bytes
from model.graph import storage
from model.network import recipe
from model.program.array import EngineShape
from model.program.compile import compile_graph
from model.program.compiled import Program
from model.program.descriptor import WORDS, Descriptor
from model.program.interpret import Interpreter
from scripts.fuzzing.reader import Reader, canonical, json_value, same
from scripts.fuzzing.samples import PIXELS, small_graph

SHAPE = EngineShape(rows=2, cols=2, act_depth=64, psum_depth=16)


def _graph() -> list[dict[str, bytes]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.graph.zip"
        storage.save(small_graph(), path)
        return [{path.name: path.read_bytes()}]


def check_graph(folder: Path) -> None:
    """The graph, stored again, has the same members with the same content."""
    path = folder / "small.graph.zip"
    graph = storage.load(path)
    storage.save(graph, folder / "again.graph.zip")
    same(_members(folder / "again.graph.zip"), _members(path), path.name)


def _members(path: Path) -> list[tuple[str, object]]:
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        found = [(info.filename, archive.read(info)) for info in archive.infolist()]
    return sorted((name, canonical(json_value(data)) if name.endswith(".json") else data) for name, data in found)


def _program() -> Program:
    return compile_graph(small_graph(), SHAPE)


def _words(words: np.ndarray[tuple[int], np.dtype[np.int64]] | list[int]) -> bytes:
    return "".join(f"{int(word):x}\n" for word in words).encode()


def _numbers(path: Path) -> list[int]:
    """Words as a memory file has them; whatever is none counts as 0: it is the words that are fuzzed here."""
    words = []
    for text in read_bytes(path).split():
        try:
            words.append(int(text[:12], 16))
        except ValueError:
            words.append(0)
    return words


def check_descriptor(folder: Path) -> None:
    """What a descriptor is taken for has the words that were read."""
    words = _numbers(folder / "words.hex")
    same(Descriptor.decode(words).encode().tolist(), words, "descriptor")


def check_engine(folder: Path) -> None:
    """The words run to an end or are refused; what comes out fits the engine."""
    words, program = _numbers(folder / "words.hex"), _program()
    engine, stream = Interpreter(SHAPE), program.layers[0].stream()
    lines = program.layers[0].load(PIXELS)
    for address, line in zip(lines.address, lines.codes, strict=True):
        engine.load(int(address), line)
    taken = [int.from_bytes(word.tobytes(), "little") for word in stream.words]
    outcome = engine.run((words + [0] * WORDS)[:WORDS], taken, stream.last.tolist())
    same(outcome.words, len(taken), "words taken")


def _descriptors() -> list[dict[str, bytes]]:
    return [{"words.hex": _words(layer.descriptor.encode())} for layer in _program().layers]


def _recipe() -> list[dict[str, bytes]]:
    return [{"tiny.toml": (recipe.FOLDER / f"{net}.toml").read_bytes()} for net in ("tiny", "vgg16")]


def check_recipe(folder: Path) -> None:
    """Every entry of the file is in the recipe, with its value and kind, and no other."""
    with mock.patch.object(recipe, "FOLDER", folder):
        found = recipe.load("tiny").describe()
    written = tomllib.loads((folder / "tiny.toml").read_text())
    for leg in ("float", "qat"):
        inner = written.pop(leg)
        same(_kinds({key: found[leg][key] for key in inner}), _kinds(inner), leg)
    same(_kinds({key: found.get(key, "") for key in written}), _kinds(written), "recipe")


def _kinds(entries: dict[str, object]) -> dict[str, str]:
    """Entries as text; a whole number does for a real one, never the other way."""
    return {
        key: repr(float(entry)) if isinstance(entry, int | float) and not isinstance(entry, bool) else repr(entry)
        for key, entry in entries.items()
    }


READERS = (
    Reader("graph", "an integer graph", _graph, check_graph),
    Reader("descriptor", "a layer's descriptor", _descriptors, check_descriptor, places=("descriptor",)),
    Reader(
        *("engine", "a descriptor, run without time", lambda: _descriptors()[:1], check_engine),
        places=(
            "descriptor",
            "stream",
            "activation line",
            "psum",
            "pass",
            "line",
            "output stationary",
            "shift",
            "word",
        ),
    ),
    Reader("recipe", "a training recipe", _recipe, check_recipe, places=("network",)),
)
