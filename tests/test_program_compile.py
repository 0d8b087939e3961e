from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.errors import LockstepError
from model.graph.graph import IntegerGraph
from model.graph.storage import load
from model.numeric.formats import IntFormat
from model.program.array import EngineShape
from model.program.compile import compile_graph, compile_layer
from model.program.descriptor import Descriptor
from model.program.fit import fitting_shape
from model.program.layout import InnerMap, OuterMap
from tests.integer_graphs import PIXEL, random_layer, small_graph

VGG16 = Path(__file__).resolve().parents[1] / "model" / "zoo" / "vgg16.graph.zip"
RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("rows", "cols"), [(8, 8), (8, 16), (16, 8), (4, 12)])
def test_maps_take_turns_and_never_overlap(rows: int, cols: int) -> None:
    graph = small_graph()
    shape = fitting_shape(graph, rows, cols)
    program = compile_graph(graph, shape)
    for before, item in zip((None, *program.layers), program.layers, strict=False):
        if before is not None:
            assert item.source is before.target
        if item.target is not None:
            mine = set(range(item.source.base, item.source.base + item.source.lines))
            written = set(range(item.target.base, item.target.base + item.target.lines))
            assert not mine & written
            assert max(mine | written) < shape.bank_depth
    assert isinstance(program.layers[0].source, OuterMap)
    assert all(isinstance(item.source, InnerMap) for item in program.layers[1:])
    assert program.layers[-1].target is None


def test_descriptors_and_streams_go_layer_by_layer() -> None:
    graph = small_graph()
    program = compile_graph(graph, fitting_shape(graph))
    table = program.descriptors
    assert table.shape == (4, 12)
    assert table.dtype == np.uint32
    for words, item in zip(table, program.layers, strict=True):
        assert np.array_equal(words, item.descriptor.encode())
        assert len(item.stream().words) == item.stream_length
    whole = program.stream()
    assert len(whole.words) == sum(item.stream_length for item in program.layers)
    middle = program.stream(1, 2)
    start = program.layers[0].stream_length
    assert np.array_equal(middle.words, whole.words[start : start + len(middle.words)])
    assert int(middle.last.sum()) == 2
    with pytest.raises(LockstepError, match="no layers from 4 on; the program has 4"):
        program.stream(4)


def test_a_known_descriptor() -> None:
    """The second convolution of VGG16 on 8x8, field by field."""
    layer = random_layer(RNG, "features.3", (64, 64, 3, 3), padding=(1, 1), pool=2)
    got = compile_layer(layer, 32, 32, EngineShape(psum_width=24), "none").descriptor
    assert got == Descriptor(
        in_start=-33,
        out_base=16384 - 2048,
        dx=2,
        dy=2,
        wx=16,
        wy=16,
        kx=3,
        ky=3,
        sub=1,
        ic=8,
        oc=8,
        step_dx=1,
        step_dy=32,
        step_wx=2,
        step_wy=64,
        step_kx=1,
        step_ky=32,
        step_sub=0,
        step_ic=1024,
        y_start=-1,
        y_dy=1,
        y_wy=2,
        y_ky=1,
        x_start=-1,
        x_dx=1,
        x_wx=2,
        x_kx=1,
        height=32,
        width=32,
        passes=72,
        shift=12,
        out_max=15,
        planes=0,
        wide=0,
        out_map=256,
    )


def test_levels_of_folds_planes_banks_and_whole_maps() -> None:
    fold = compile_layer(random_layer(RNG, "a", (8, 3, 3, 3), PIXEL, padding=(1, 1)), 32, 32, EngineShape()).descriptor
    assert (fold.kx, fold.step_kx, fold.x_kx, fold.x_start, fold.width) == (2, 2, 2, 0, 34)
    assert (fold.sub, fold.step_sub, fold.planes) == (2, 34 * 32, 1)
    banked = EngineShape(rows=4, cols=8, act_depth=512)
    inner = compile_layer(random_layer(RNG, "b", (8, 9, 1, 1)), 4, 4, banked, "inner").descriptor
    assert (inner.sub, inner.ic, inner.step_sub, inner.step_ic, inner.planes) == (2, 2, 256, 16, 0)
    one_tile = compile_layer(random_layer(RNG, "c", (8, 4, 1, 1)), 4, 4, banked, "inner").descriptor
    assert (one_tile.sub, one_tile.ic) == (1, 1)
    linear = compile_layer(random_layer(RNG, "d", (10, 8, 4, 5), out=None), 4, 5, EngineShape(), "none").descriptor
    assert (linear.kx, linear.ky, linear.pass_size, linear.wide) == (5, 4, 1, 1)


BASE = {"rows": 4, "cols": 4, "act_depth": 256, "psum_depth": 40, "mul_width": 28, "bias_width": 36}


@pytest.mark.parametrize(
    ("layer", "size", "shape", "told"),
    [
        ({"shape": (4, 4, 17, 1)}, (20, 4), {}, "a 17x1 kernel; the sequencer walks at most 16x16"),
        ({"shape": (4, 4, 1, 1), "pool": 17}, (17, 17), {}, "pooling 17x17; expected at most 16x16"),
        ({"shape": (4, 4, 1, 1), "act": PIXEL}, (4, 4), {"act_width": 1}, "makes 8 planes of 1; expected at most 4"),
        ({"shape": (4, 4, 1, 1), "out": IntFormat(5)}, (4, 4), {}, "output codes have 5 bits; the engine writes 4"),
        ({"shape": (4, 4, 1, 1)}, (7, 7), {}, "a pass of 49 pixels; expected psum_depth of that or more"),
        ({"shape": (4, 4, 1, 1)}, (6, 6), {"act_depth": 70}, r"take 36 \+ 36 lines of a bank of 70; .*act_depth of 72"),
        ({"shape": (4, 4, 6, 6), "out": None}, (6, 6), {"act_depth": 35}, r"take 36 \+ 0 lines of a bank of 35"),
        ({"shape": (4, 4, 1, 1)}, (1, 1025), {}, "an input map of 1x1025; .* reach 1024x1024"),
        ({"shape": (4, 4, 3, 3)}, (4, 4), {"psum_width": 8}, "which 8 bits do not hold; expected a psum width of"),
        ({"shape": (4, 4, 1, 1)}, (4, 4), {"mul_width": 3}, "its multipliers take .* bits; the engine has 3"),
        ({"shape": (4, 4, 1, 1), "stride": (130, 1)}, (4, 4), {}, "descriptor: y_dy is 130; expected -128..127"),
    ],
)
def test_what_does_not_fit_is_refused(layer, size, shape, told: str) -> None:
    drawn = random_layer(np.random.default_rng(0), "x", **layer)
    with pytest.raises(LockstepError, match=f"layer x: .*{told}"):
        compile_layer(drawn, *size, EngineShape(**BASE | shape), "none")


def test_wide_codes_between_layers_and_too_many_layers_are_refused() -> None:
    graph = small_graph()
    shape = fitting_shape(graph)
    with pytest.raises(LockstepError, match="small has 4 layers; the engine has 3 descriptors"):
        compile_graph(graph, replace(shape, layers=3))
    first = random_layer(RNG, "first", (3, 2, 1, 1), out=PIXEL)
    second = random_layer(RNG, "second", (2, 3, 1, 1), act=PIXEL, out=None)
    wide = IntegerGraph("wide", (2, 1, 1), (first, second), ("a", "b"))
    told = r"layer first: its output codes have 8 bits; the engine writes 4 \(wider codes can only be loaded"
    with pytest.raises(LockstepError, match=told):
        compile_graph(wide, EngineShape())
    assert fitting_shape(wide).act_width == 8
    with pytest.raises(LockstepError, match="layer second: codes of 8 bits are never left by a layer before"):
        compile_layer(second, 1, 1, shape, "inner")


def test_what_leaves_a_layer_is_asked_for_by_its_name() -> None:
    graph = small_graph()
    program = compile_graph(graph, fitting_shape(graph))
    with pytest.raises(LockstepError, match=r"classifier gives logits: nothing is written back, see results\(\)"):
        program.layers[-1].writes(np.zeros((4, 1, 1), np.uint8))
    with pytest.raises(LockstepError, match=r"conv.0 writes codes back, see writes\(\)"):
        program.layers[0].results(np.zeros((10, 6, 5), np.int64))
    logits = np.arange(4).reshape(4, 1, 1) - 2
    assert program.layers[-1].results(logits).tolist() == [[-2, -1, 0, 1, 0, 0, 0, 0]]


def test_vgg16_compiles_in_seconds() -> None:
    graph = load(VGG16)
    start = time.process_time()
    program = compile_graph(graph, fitting_shape(graph))
    stream = program.stream()
    assert time.process_time() - start < 20
    assert stream.words.shape == (sum(item.stream_length for item in program.layers), 8)
    assert program.descriptors.shape == (14, 12)
