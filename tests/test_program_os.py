"""Output-stationary layers: compiled, interpreted against the golden model, counted, refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model.errors import LockstepError
from model.golden.execute import conv, finish
from model.golden.os_cycles import OsWork, os_layer_cycles
from model.graph import storage
from model.numeric.formats import IntFormat
from model.numeric.weights import named
from model.program.array import EngineShape, weight_fields
from model.program.compile import compile_graph, compile_layer
from model.program.compiled import LayerProgram
from model.program.draw import ARRAYS, draw
from model.program.fit import fitting_shape
from model.program.interpret import Interpreter
from model.program.os_layout import TurnedMap
from model.program.words import to_ints
from tb.network.os_draws import BOTH, os_draws
from tests.format_graphs import lean_graph
from tests.integer_graphs import random_layer


def run(program: LayerProgram, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Writes (address and codes), results, terms, words of the interpreter."""
    engine = Interpreter(program.shape)
    lines = program.load(codes)
    for address, line in zip(lines.address.tolist(), lines.codes.tolist(), strict=True):
        engine.load(address, line)
    stream = program.stream()
    done = engine.run(program.descriptor.encode().tolist(), to_ints(stream.words), stream.last.tolist())
    writes = np.array([(write.address, *write.codes) for write in done.writes])
    return writes, np.array(done.results), done.pixels, done.words


@pytest.mark.parametrize("array", BOTH)
def test_drawn_layers_leave_what_the_golden_model_says(array: str) -> None:
    seen = 0
    for drawn, program in os_draws(array, 12):
        writes, results, terms, words = run(program, drawn.codes)
        expected = finish(conv(drawn.codes[None], drawn.layer), drawn.layer)[0]
        if program.target is None:
            assert np.array_equal(results, program.results(expected)), str(drawn)
        else:
            wanted = program.writes(expected)
            assert np.array_equal(writes[:, 0], wanted.address), str(drawn)
            assert np.array_equal(writes[:, 1:], wanted.codes), str(drawn)
        assert words == program.stream_length == len(program.stream().words)
        assert terms == program.cycles.pixels
        seen += 1
    assert seen == 12


def test_turned_lines_come_back() -> None:
    shape = EngineShape(4, 4, output_stationary=1)
    rng = np.random.default_rng(4)
    for pool, bits in ((1, 8), (2, 4), (3, 6)):
        source = TurnedMap(shape, 5, 3, 7, 6, bits, pool)
        codes = rng.integers(0, 1 << bits, (3, 7, 6), dtype=np.uint8)
        lines = source.encode(codes)
        assert lines.address.tolist() == list(range(5, 5 + source.lines))
        kept = np.zeros((7, 6), bool)
        kept[: 7 // pool * pool, : 6 // pool * pool] = True
        assert np.array_equal(source.decode(lines.codes), codes * kept)


def cycles_by_rules(work: OsWork) -> int:
    """RUN cycle by cycle: one stream word or one term at a time, by the rules of docs/rtl/output_stationary.md."""
    cycle, last, swapped = 0, -work.rows, -1
    latency = work.rows + work.cols + 1
    for _ in range(work.out_tiles):
        cycle = max(cycle, swapped + 1)
        cycle += work.param_words
        for number in range(work.groups * work.planes):
            cycle += work.terms - 1
            cycle = max(cycle, last + work.rows)
            last = cycle
            cycle += 1
            if number == work.planes - 1:
                swapped = last + latency
    return cycle


def test_closed_form_is_the_rules() -> None:
    rng = np.random.default_rng(11)
    for _ in range(3000):
        values = [int(v) for v in rng.integers(1, 13, 8)]
        names = ("rows", "cols", "param_words", "terms", "planes", "groups", "out_tiles", "out_map")
        work = OsWork(**dict(zip(names, values, strict=True)))
        counted = os_layer_cycles(work)
        assert counted.pixels + counted.waiting == cycles_by_rules(work), work
        assert counted.filling == 13 + 2 * work.rows + work.cols + 4


def test_first_layer_of_vgg16() -> None:
    """27 terms of 8 pixels fill the rows that three channels leave idle: 55,296 terms, against 98,304 pixels folded."""
    graph = storage.load(storage.ZOO / "vgg16.graph.zip")
    plain = compile_graph(graph, fitting_shape(graph))
    shape = fitting_shape(graph, dataflow="auto")
    program = compile_graph(graph, shape, dataflow="auto")
    assert [layer.dataflow for layer in program.layers] == ["os", *["ws"] * (len(graph.layers) - 1)]
    assert program.layers[0].cycles.pixels == 55_296
    assert program.layers[0].cycles.total == 55_296 + 8 * 8 + 41
    assert (plain.cycles.total, plain.layers[0].cycles.total) == (3_520_581, 98_340)
    assert program.cycles.total == plain.cycles.total - 98_340 + program.layers[0].cycles.total
    assert [each.cycles for each in program.layers[1:]] == [each.cycles for each in plain.layers[1:]]


def test_an_engine_that_fits_one_dataflow_alone_runs_it() -> None:
    """Its psum memory holds a group, and not the passes that the first layer would have the other way."""
    graph = lean_graph(named("int4"), 4)
    shape = fitting_shape(graph, dataflow="auto")
    program = compile_graph(graph, shape, dataflow="auto")
    assert [layer.dataflow for layer in program.layers] == ["os", "ws", "ws"]
    assert shape.psum_depth == 16 < 64 == 8 * 8
    with pytest.raises(LockstepError, match=r"layer conv\.0: a pass of 64 pixels; expected psum_depth of that or more"):
        compile_graph(graph, shape)
    with pytest.raises(LockstepError, match=r"layer conv\.0: its maps take 128 \+ 48 lines of a bank of 16"):
        compile_graph(graph, replace(shape, act_depth=16), dataflow="auto")


def test_auto_stays_weight_stationary_where_that_is_no_worse() -> None:
    drawn = next(each for each, _ in os_draws("8x8", 1))
    for index in range(60):
        each = draw(3, index, "8x8")
        if each.mode == "inner":
            continue
        shape = replace(ARRAYS["8x8"], output_stationary=1)
        given = (each.layer, *each.codes.shape[1:], shape, each.mode)
        chosen = compile_layer(*given, dataflow="auto")
        plain = compile_layer(*given)
        assert chosen.cycles.total <= plain.cycles.total
        assert chosen.dataflow == "os" or chosen.descriptor == plain.descriptor
    assert drawn


@pytest.mark.parametrize("layer_format", ["int2", "ternary", "pot2"])
@pytest.mark.parametrize("engine_format", ["int4", "pot4", "pot5", "ternary"])
def test_weights_go_in_the_engines_patterns(layer_format: str, engine_format: str) -> None:
    """A layer on an engine whose format has its weights as others; refused where it has not. Rows and columns left."""
    own, theirs = named(layer_format), named(engine_format)
    layer = random_layer(np.random.default_rng(2), "conv", (5, 3, 3, 3), act=IntFormat(8), padding=(1, 1), wgt=own)
    shape = EngineShape(4, 4, psum_width=26, output_stationary=1, **weight_fields(theirs))
    codes = np.random.default_rng(3).integers(0, 256, (3, 5, 6)).astype(np.uint8)
    if not np.isin(own.values, shape.wgt.values).all():
        for dataflow in ("ws", "os"):
            with pytest.raises(LockstepError, match=f"its weights are {own.name}; the engine's are {theirs.name}, wit"):
                compile_layer(layer, 5, 6, shape, dataflow=dataflow)
        return
    expected = finish(conv(codes[None], layer), layer)[0]
    for dataflow in ("ws", "os"):
        program = compile_layer(layer, 5, 6, shape, dataflow=dataflow)
        writes, _, _, _ = run(program, codes)
        assert np.array_equal(writes[:, 1:], program.writes(expected).codes), dataflow


def test_the_interpreter_runs_no_mode_that_is_not_built_in() -> None:
    drawn, program = next(iter(os_draws("8x8", 1)))
    words, last = program.stream()
    given = program.descriptor.encode().tolist(), [0] * len(words), last.tolist()
    with pytest.raises(LockstepError, match="the descriptor is output stationary; the engine is weight stat"):
        Interpreter(drawn.shape).run(*given)
    given[0][9] |= 1 << 11
    with pytest.raises(LockstepError, match="the descriptor asks for pairs; the engine multiplies none"):
        Interpreter(program.shape).run(*given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"output_stationary": 1, "simd": 1}, "output_stationary and simd are both 1; expected one of them"),
        ({"output_stationary": 2}, "output_stationary is 2; expected 0 or 1"),
        ({"output_stationary": 1, "rows": 4, "cols": 16, "wgt_lanes": 2}, "multiple of the 16 columns"),
        ({"output_stationary": 1, "psum_depth": 7}, "psum_depth is 7; output stationary, expected 8 or more"),
        ({"output_stationary": 1, "rows": 100, "cols": 100}, "at most 251 of twice the rows and the columns"),
    ],
)
def test_engines_that_cannot_be_are_refused(change: dict[str, int], message: str) -> None:
    with pytest.raises(LockstepError, match=message):
        EngineShape(**change)


def test_layers_that_are_not_for_it_are_refused() -> None:
    drawn, _ = next(iter(os_draws("8x8", 1)))
    layer, (height, width) = drawn.layer, drawn.codes.shape[1:]
    shape = replace(ARRAYS["8x8"], output_stationary=1)
    with pytest.raises(LockstepError, match="this engine is weight stationary only"):
        compile_layer(layer, height, width, ARRAYS["8x8"], dataflow="os")
    with pytest.raises(LockstepError, match="takes lines that the host has turned, so it is for a layer loaded"):
        compile_layer(layer, height, width, shape, "inner", dataflow="os")
    with pytest.raises(LockstepError, match="no dataflow 'both'; expected one of ws, os, auto"):
        compile_layer(layer, height, width, shape, dataflow="both")
    depthwise = random_layer(np.random.default_rng(1), "depthwise", (8, 1, 3, 3), groups=8)
    sums = random_layer(np.random.default_rng(1), "sums", (8, 8, 1, 1), inputs=("a", "b"))
    for other in (depthwise, sums):
        with pytest.raises(LockstepError, match=f"layer {other.name}: with groups or several maps it is weight stat"):
            compile_layer(other, 6, 6, shape, dataflow="os")
        assert compile_layer(other, 6, 6, shape, dataflow="auto").dataflow == "ws"
    graph = storage.load(storage.ZOO / "tiny.graph.zip")
    with pytest.raises(LockstepError, match=f"layer {graph.layers[1].name}: output stationary takes lines"):
        compile_graph(graph, fitting_shape(graph, dataflow="auto"), dataflow="os")
