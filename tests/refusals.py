"""Combinations of format, mode and layer that nothing here runs: each asked for, so that its line can be told.

The calls are cheap and build nothing; tests/test_combinations.py compares the lines with docs/combinations.md.
"""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import replace
from pathlib import Path

import numpy as np

from model.errors import LockstepError
from model.graph import storage
from model.graph.graph import IntegerGraph, Layer
from model.numeric.formats import IntFormat
from model.numeric.weights import named
from model.program.array import EngineShape, weight_fields
from model.program.compile import compile_graph, compile_layer
from model.program.compiled import Program
from model.program.descriptor import Descriptor
from model.program.fit import weights_of
from model.program.interpret import Interpreter
from model.program.silicon import require_runs
from model.vectors.generate import describe
from scripts import network, vectors
from tb.core.replay import read_replay
from tests.format_graphs import branched_graph, engine_of
from tests.integer_graphs import random_layer
from tests.os_sets import make_os_set, write_os_set

PAIRS, BOTH = EngineShape(4, 4, simd=1), EngineShape(4, 4, psum_depth=64, output_stationary=1)
TWO = IntFormat(2)


def layer(
    name: str = "x", shape: tuple[int, ...] = (8, 20, 1, 1), bits: int = 2, wgt: str = "int4", **more: int
) -> Layer:
    """A layer of `bits`-bit codes."""
    return random_layer(np.random.default_rng(6), name, shape, act=IntFormat(bits), out=TWO, wgt=named(wgt), **more)  # type: ignore[arg-type]


def sums() -> Layer:
    """A layer of two maps."""
    return replace(layer("sum", (8, 8, 1, 1)), inputs=("a", "b"))


def program(mode: str) -> Program:
    """A network compiled for an engine of a mode."""
    graph = branched_graph(named("int4"), 2 if mode == "simd" else 4)
    return compile_graph(graph, engine_of(graph, mode), dataflow="auto" if mode == "os" else "ws")


def mixed() -> IntegerGraph:
    """Layers of two formats of which neither has the other's weights."""
    one, two = branched_graph(named("int4"), 4), branched_graph(named("pot4"), 4)
    return replace(one, layers=(two.layers[0], *one.layers[1:]))


def depthwise() -> IntegerGraph:
    """A depthwise layer and a classifier, of weights without a 0."""
    first = random_layer(np.random.default_rng(0), "dw", (4, 1, 3, 3), groups=4, wgt=named("pot4"))
    last = random_layer(np.random.default_rng(0), "classifier", (2, 4, 4, 4), out=None, wgt=named("pot4"))
    return IntegerGraph("net", (4, 6, 6), (first, last), ("a", "b"))


def interpreted(mode: str) -> None:
    """A layer of `mode` on an engine without."""
    asked = program(mode)
    each = asked.layers[1 if mode == "simd" else 0]
    words, last = each.stream()
    plain = replace(asked.shape, simd=0, output_stationary=0)
    Interpreter(plain).run(each.descriptor.encode().tolist(), [0] * len(words), last.tolist())


def replayed() -> None:
    """An output-stationary set in pairs."""
    with tempfile.TemporaryDirectory() as folder:
        read_replay(write_os_set(make_os_set(), Path(folder)), simd=True)


def script(main: Callable[[list[str]], int], *arguments: str) -> None:
    """A script that must end with status 2 and one line; that line as a LockstepError."""
    with redirect_stderr(io.StringIO()) as said, tempfile.TemporaryDirectory() as folder:
        status = main([*arguments, "--out", f"{folder}/out"])
    assert status == 2
    assert said.getvalue().count("\n") == 1
    raise LockstepError(said.getvalue().removeprefix("error: ").strip())


def tiny() -> IntegerGraph:
    """The shipped network of digits."""
    return storage.load(storage.find("tiny"))


REFUSED: dict[str, Callable[[], object]] = {
    "an engine of pairs and of both dataflows": lambda: EngineShape(4, 4, simd=1, output_stationary=1),
    "pairs of an odd number of bits": lambda: EngineShape(4, 4, act_width=3, simd=1),
    "both dataflows, words that hold no whole terms": lambda: EngineShape(4, 8, wgt_lanes=3, output_stationary=1),
    "both dataflows, a psum memory below a group": lambda: EngineShape(8, 8, psum_depth=7, output_stationary=1),
    "a descriptor of both modes": lambda: replace(
        Descriptor.decode(program("os").layers[0].descriptor.encode()), simd=1
    ),
    "`make vectors SIMD=1 DATAFLOW=os`": lambda: script(vectors.main, "--simd", "1", "--dataflow", "os"),
    "`make vectors SIMD=1` of wide codes": lambda: describe(tiny(), "features.3", "sample", 8, 8, 20, simd=True),
    "`make vectors`, a grouped layer in a format without 0": lambda: describe(depthwise(), "dw", "s", 8, 8, 30),
    "an engine, the same": lambda: compile_layer(
        depthwise().layers[0], 6, 6, EngineShape(psum_width=30, **weight_fields(named("pot4")))
    ),
    "`make sim SIMD=1` of an output-stationary set": replayed,
    "`make network SIMD=1 DATAFLOW=os`": lambda: script(
        network.main, "--net", "tiny", "--simd", "1", "--dataflow", "os"
    ),
    "`make network DATAFLOW=os`, several layers": lambda: script(network.main, "--net", "tiny", "--dataflow", "os"),
    "pairs on an engine without": lambda: compile_layer(layer(), 2, 2, EngineShape(4, 4), simd=True),
    "pairs of wide codes": lambda: compile_layer(layer(bits=3), 2, 2, PAIRS, simd=True),
    "pairs of a grouped layer": lambda: compile_layer(layer("dw", (8, 1, 1, 1), groups=8), 2, 2, PAIRS, simd=True),
    "pairs of a sum of maps": lambda: compile_layer(sums(), 2, 2, PAIRS, "inner", simd=True),
    "output stationary on an engine without": lambda: compile_layer(layer(), 2, 2, EngineShape(4, 4), dataflow="os"),
    "output stationary between two layers": lambda: compile_layer(layer(), 2, 2, BOTH, "inner", dataflow="os"),
    "output stationary, grouped": lambda: compile_layer(layer("dw", (8, 1, 1, 1), groups=8), 2, 2, BOTH, dataflow="os"),
    "output stationary, a sum of maps": lambda: compile_layer(sums(), 2, 2, BOTH, dataflow="os"),
    "weights that the engine has not": lambda: compile_layer(
        layer(wgt="int4"), 2, 2, EngineShape(4, 4, **weight_fields(named("pot5")))
    ),
    "the same, output stationary": lambda: compile_layer(
        layer(wgt="pot4"), 2, 2, replace(BOTH, psum_width=30), dataflow="os"
    ),
    "a network of formats that no array has": lambda: weights_of(mixed()),
    "a layer of pairs interpreted on an engine without": lambda: interpreted("simd"),
    "an output-stationary one": lambda: interpreted("os"),
    "a program of pairs on an accelerator without": lambda: require_runs(
        program("simd"), replace(program("simd").shape, simd=0)
    ),
    "one that is output stationary": lambda: require_runs(
        program("os"), replace(program("os").shape, output_stationary=0)
    ),
    "one of another weight format": lambda: require_runs(
        program("ws"), replace(program("ws").shape, psum_width=30, **weight_fields(named("pot4")))
    ),
    "an unknown format": lambda: named("pot3"),
}


def line_of(what: str) -> str:
    """The line with which `what` is refused; where it names a folder, without.

    Raises
    ------
    AssertionError
        When it is not refused.
    """
    try:
        REFUSED[what]()
    except LockstepError as error:
        told = str(error)
    else:
        raise AssertionError(f"{what}: not refused")
    assert "\n" not in told
    return re.sub(rf"{re.escape(tempfile.gettempdir())}[^ ;]*", "<folder>", told)
