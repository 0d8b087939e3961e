from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from model.errors import LockstepError
from model.graph.graph import IntegerGraph
from model.graph.storage import load
from model.numeric.formats import signed_bits_for
from model.numeric.power import POWERS
from model.numeric.weights import FORMATS
from model.program.array import EngineShape
from model.program.compile import compile_graph
from model.program.fit import fitting_shape
from tests.integer_graphs import PIXEL, random_layer, small_graph

ROOT = Path(__file__).resolve().parents[1]


def test_parameters_are_those_of_the_engine_with_its_defaults() -> None:
    head = (ROOT / "rtl" / "engine.v").read_text().partition("// derived")[0]
    found = {name: int(value) for name, value in re.findall(r"parameter integer (\w+)\s*=\s*(\d+)", head)}
    assert EngineShape().parameters == found


def test_what_follows_from_the_shape() -> None:
    wide = EngineShape(rows=4, cols=12, wgt_lanes=5, act_width=2, wgt_width=3, act_depth=3 * 64, mul_width=20)
    assert (wide.banks, wide.segments, wide.bank_depth, wide.groups) == (3, 1, 64, 3)
    assert (wide.word_bits, wide.line_bits, wide.param_words) == (60, 8, 1)
    tall = EngineShape(rows=12, cols=4, wgt_lanes=1, act_depth=77)
    assert (tall.banks, tall.segments, tall.bank_depth, tall.groups) == (1, 3, 77, 4)
    assert (tall.word_bits, tall.param_words) == (48, 2)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"rows": 0}, "rows is 0; expected an integer of 1 or more"),
        ({"cols": True}, "cols is True; expected an integer"),
        ({"cols": 0, "output_stationary": 1}, "cols is 0; expected an integer of 1 or more"),
        ({"rows": 6, "cols": 8}, "6 rows and 8 columns; expected one to divide the other"),
        ({"rows": 2, "cols": 16}, "16 columns on 2 rows; expected at most 4 times"),
        ({"rows": 128, "cols": 128}, "128 rows \\+ 128 columns; expected at most 251 together"),
        ({"act_width": 9}, "act_width is 9; expected at most 8"),
        ({"wgt_width": 9}, "wgt_width is 9; expected at most 8"),
        ({"wgt_width": 1}, "wgt_width is 1; expected at least 2"),
        ({"layers": 1}, "layers is 1; expected at least 2"),
        ({"layers": 256}, "layers is 256; expected at most 255"),
        ({"wgt_lanes": 9}, "wgt_lanes is 9; expected at most the 8 columns"),
        ({"psum_width": 7}, "psum_width is 7; one product needs 8"),
        ({"act_depth": 65537}, "act_depth is 65537; expected at most 65536"),
        ({"rows": 4, "act_depth": 1000}, "act_depth is 1000 in 2 banks; expected 2, 4, 8 ... in each"),
        ({"rows": 4, "act_depth": 2}, "act_depth is 2 in 2 banks; expected 2, 4, 8 ... in each"),
        ({"wgt_power": -1}, "wgt_power is -1; expected an integer of 0 or more"),
        ({"wgt_power": 8, "wgt_zero": 2}, "wgt_zero is 2; expected 0 or 1"),
        ({"wgt_power": 8, "wgt_step": 0}, "wgt_step is 0; expected an integer of 1 or more"),
        ({"wgt_power": 8, "wgt_width": 5}, "wgt_width is 5; pot4 takes 4"),
        ({"wgt_power": 8, "psum_width": 11}, "psum_width is 11; one product needs 12"),
    ],
)
def test_an_impossible_shape_is_refused(change: dict[str, int], told: str) -> None:
    with pytest.raises(LockstepError, match=f"engine: {told}"):
        EngineShape(**change)


@pytest.mark.parametrize(("rows", "cols"), [(8, 8), (4, 4), (16, 16), (8, 16), (16, 8), (4, 12), (3, 3)])
@pytest.mark.parametrize("mode", ["none", "fold", "patch"])
def test_the_fitting_shape_fits_and_no_smaller_one_does(rows: int, cols: int, mode: str) -> None:
    graph = small_graph()
    shape = fitting_shape(graph, rows, cols, mode=mode)
    compile_graph(graph, shape, mode)
    compile_graph(graph, shape, mode).stream()
    for item in fields(shape):
        less = {"act_depth": shape.act_depth // 2 if shape.banks > 1 else shape.act_depth - 1}
        if item.name in ("psum_width", "psum_depth", "mul_width", "bias_width", "act_depth", "layers"):
            smaller = replace(shape, **{item.name: less.get(item.name, getattr(shape, item.name) - 1)})
            with pytest.raises(LockstepError):
                compile_graph(graph, smaller, mode)


@pytest.mark.parametrize(
    ("rows", "cols", "dataflow", "lanes"),
    [
        (1, 1, "ws", 1),
        (1, 1, "os", 1),
        (1, 3, "ws", 2),
        (1, 3, "os", 3),
        (2, 4, "os", 2),
        (5, 5, "os", 2),
        (4, 8, "os", 2),
        (2, 8, "os", 4),
    ],
)
def test_the_fitting_shape_has_words_that_the_array_can_take(rows: int, cols: int, dataflow: str, lanes: int) -> None:
    layer = random_layer(np.random.default_rng(0), "conv.0", (4, 3, 2, 2), act=PIXEL, out=None)
    graph = IntegerGraph("one", (3, 2, 2), (layer,), tuple("abcd"), {})
    shape = fitting_shape(graph, rows, cols, dataflow=dataflow)
    assert (shape.wgt_lanes, shape.output_stationary) == (lanes, int(dataflow == "os"))


def test_the_fitting_shape_of_vgg16() -> None:
    graph = load(ROOT / "model" / "zoo" / "vgg16.graph.zip")
    shape = fitting_shape(graph)
    assert shape.psum_width == max(signed_bits_for(*layer.psum_range) for layer in graph.layers)
    assert shape.mul_width + shape.bias_width <= shape.word_bits == 64
    assert (shape.act_depth, shape.psum_depth, shape.layers) == (10368, 1024, 14)
    assert np.all([shape.act_width == 4, shape.wgt_width == 4])


@pytest.mark.parametrize("name", POWERS)
def test_the_fitting_shape_has_the_weights_format(name: str) -> None:
    graph = small_graph(wgt=POWERS[name])
    shape = fitting_shape(graph)
    assert shape.wgt == POWERS[name]
    assert shape.psum_width == max(signed_bits_for(*layer.psum_range) for layer in graph.layers)


def mixed(*names: str) -> IntegerGraph:
    """The small graph, its layers in formats of their own."""
    formats = [FORMATS[name] for name in names]
    graphs = {fmt: small_graph(wgt=fmt) for fmt in formats}
    layers = tuple(graphs[fmt].layers[index] for index, fmt in enumerate(formats))
    return IntegerGraph("mixed", (3, 6, 5), layers, tuple("abcd"))


@pytest.mark.parametrize(
    ("names", "engine"),
    [
        (("ternary", "pot5", "pot4", "level5"), "pot5"),
        (("pot2", "pot4", "pot4", "pot2"), "pot4"),
        (("ternary", "int4", "pot2", "int2"), "int4"),
        (("int2", "int8", "int4", "int3"), "int8"),
        (("ternary", "int2", "ternary", "ternary"), "ternary"),
    ],
)
def test_layers_of_several_formats_run_where_all_their_weights_are(names: tuple[str, ...], engine: str) -> None:
    graph = mixed(*names)
    shape = fitting_shape(graph)
    assert (shape.wgt.name, shape.wgt.bits) == (engine, FORMATS[engine].bits)
    compile_graph(graph, shape).stream()


def test_layers_whose_weights_no_array_has_are_refused() -> None:
    with pytest.raises(LockstepError, match=r"mixed: weights of int4, pot4; no array multiplies by all"):
        fitting_shape(mixed("pot4", "int4", "pot4", "int4"))


def test_weights_that_the_engine_has_not_are_refused() -> None:
    graph = small_graph(wgt=POWERS["pot4"])
    with pytest.raises(LockstepError, match=r"conv.0: its weights are pot4; the engine's are int4, without -128, -64"):
        compile_graph(graph, fitting_shape(graph, wgt_width=4))
    small = small_graph(wgt=POWERS["pot2"])
    compile_graph(small, fitting_shape(small, wgt_width=4)).stream()
