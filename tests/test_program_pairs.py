"""Layers multiplied in pairs: where their codes lie, which are chosen, what is refused, and that all is exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model.errors import LockstepError
from model.golden.execute import activations
from model.graph import storage
from model.graph.graph import IntegerGraph
from model.numeric.formats import IntFormat
from model.program.array import EngineShape
from model.program.compile import compile_graph, compile_layer
from model.program.draw import PAIRED, draw
from model.program.fit import fitting_shape
from model.program.interpret import Interpreter
from model.program.layout import InnerMap, OuterMap
from model.program.pairs import packed_maps
from model.program.stream import pass_tiles
from tests.integer_graphs import PIXEL, random_layer, random_pixels, small_graph
from tests.program_runs import differences, fill, run

TWO, FOUR = IntFormat(2), IntFormat(4)
SHAPES = list(PAIRED.values())


def narrow_graph(seed: int = 0, bits: tuple[int, ...] = (2, 2, 2), size: tuple[int, int] = (12, 10)) -> IntegerGraph:
    """8-bit pixels of `size`, three convolutions whose codes have `bits`, a classifier; odd channel counts."""
    rng = np.random.default_rng(seed)
    one, two, three = (IntFormat(width) for width in bits)
    layers = (
        random_layer(rng, "conv.0", (19, 3, 3, 3), act=PIXEL, out=one, padding=(1, 1)),
        random_layer(rng, "conv.1", (21, 19, 3, 3), act=one, out=two, padding=(1, 1), pool=2),
        random_layer(rng, "conv.2", (23, 21, 2, 2), act=two, out=three),
        random_layer(rng, "classifier", (4, 23, size[0] // 2 - 1, size[1] // 2 - 1), act=three, out=None),
    )
    return IntegerGraph("narrow", (3, *size), layers, tuple("abcd"), {})


def random_codes(bits: int, channels: int, height: int = 3, width: int = 2) -> np.ndarray:
    rng = np.random.default_rng([bits, channels])
    return rng.integers(0, 1 << bits, (channels, height, width)).astype(np.uint8)


@pytest.mark.parametrize("shape", SHAPES, ids=PAIRED)
@pytest.mark.parametrize("channels", [1, 3, 4, 9, 13, 24, 31])
def test_maps_in_pairs_come_back(shape: EngineShape, channels: int) -> None:
    codes = random_codes(shape.half_width, channels)
    outer = OuterMap(shape, 5, channels, 3, 2, shape.half_width, pairs=True)
    lines = outer.encode(codes)
    assert lines.address.tolist() == list(range(5, 5 + outer.lines))
    assert outer.lines == -(-channels // (2 * shape.rows)) * 6
    assert np.array_equal(outer.decode(lines.codes), codes)
    inner = InnerMap(shape, 7, channels, 3, 2, pairs=True)
    lines = inner.encode(codes)
    assert len(set(lines.address.tolist())) == len(lines.address) == inner.lines * shape.banks
    assert np.array_equal(inner.decode(lines.codes), codes)


@pytest.mark.parametrize("shape", SHAPES, ids=PAIRED)
def test_a_code_lies_where_the_page_says(shape: EngineShape) -> None:
    """With n = banks * rows: channel c is in line c // 2n, half c // n % 2, bank c % n // rows, row c % rows."""
    channels, height, width, base, n = 53, 2, 3, 11, shape.banks * shape.rows
    codes = random_codes(shape.half_width, channels, height, width)
    lines = InnerMap(shape, base, channels, height, width, pairs=True).encode(codes)
    memory = dict(zip(lines.address.tolist(), lines.codes.tolist(), strict=True))
    for channel in range(channels):
        half, bank, row = channel // n % 2, channel % n // shape.rows, channel % shape.rows
        for position in range(height * width):
            line = base + channel // (2 * n) * height * width + position
            code = memory[bank * shape.bank_depth + line][row] >> (half * shape.half_width)
            assert code % (1 << shape.half_width) == codes[channel].flat[position]


@pytest.mark.parametrize("shape", SHAPES, ids=PAIRED)
def test_weights_meet_their_channels(shape: EngineShape) -> None:
    """The weight tile of a pass, low halves then high ones, has the channels of the line that the pass reads."""
    weight = np.random.default_rng(3).integers(-3, 4, (shape.cols + 1, 53, 1, 2))
    banks = shape.banks
    tiles = pass_tiles(weight, shape, 1, banks, pairs=True)
    lines = -(-53 // (2 * banks * shape.rows))
    assert tiles.shape == (2, lines * banks * 2, 2, shape.cols, shape.rows)
    for number, (line, bank, kx) in enumerate(np.ndindex(lines, banks, 2)):
        for half, row in np.ndindex(2, shape.rows):
            channel = (2 * line + half) * banks * shape.rows + bank * shape.rows + row
            expected = weight[: shape.cols, channel, 0, kx] if channel < 53 else shape.wgt.filler
            assert (tiles[0, number, half, :, row] == expected).all()


@pytest.mark.parametrize("array", PAIRED)
@pytest.mark.parametrize("index", range(25))
def test_a_drawn_layer_equals_the_golden_model(array: str, index: int) -> None:
    drawn = draw(0, index, array)
    machine = Interpreter(drawn.shape)
    fill(machine, drawn.program, drawn.codes)
    outcome = run(machine, drawn.program)
    assert not differences(machine, drawn.program, outcome, drawn.expected), str(drawn)


def test_draws_have_every_kind() -> None:
    """Pairs or not, packed for a reader of pairs or not, on every engine; loaded and left; odd channels."""
    kinds = set()
    for array in PAIRED:
        for index in range(25):
            program = draw(0, index, array).program
            inner = isinstance(program.source, InnerMap)
            kinds.add((array, program.descriptor.simd, program.descriptor.out_pair, inner))
    for array in PAIRED:
        for simd in (0, 1):
            assert {(array, simd, 0), (array, simd, 1)} <= {kind[:3] for kind in kinds}
    assert {(1, False), (1, True)} <= {(kind[1], kind[3]) for kind in kinds}


@pytest.mark.parametrize(("rows", "cols"), [(4, 4), (8, 8), (16, 16), (4, 8), (8, 4), (4, 12)])
@pytest.mark.parametrize("bits", [(2, 2, 2), (2, 1, 2), (4, 2, 2), (2, 4, 2)])
def test_a_network_of_narrow_codes_end_to_end(rows: int, cols: int, bits: tuple[int, ...]) -> None:
    graph = narrow_graph(1, bits)
    pixels = random_pixels(graph)
    shape = fitting_shape(graph, rows, cols)
    assert shape.simd == 1
    program = compile_graph(graph, shape)
    chosen = [item.descriptor.simd for item in program.layers]
    assert sum(chosen) > 0
    assert all(not simd or item.layer.act.bits <= 2 for simd, item in zip(chosen, program.layers, strict=True))
    machine = Interpreter(shape)
    fill(machine, program.layers[0], pixels)
    for item, (_, _, expected) in zip(program.layers, activations(graph, pixels[None]), strict=True):
        assert not differences(machine, item, run(machine, item), expected[0]), item.layer.name
    plain = compile_graph(graph, replace(shape, act_depth=shape.banks * 4096), simd=False)
    assert program.cycles.total < plain.cycles.total
    assert not any(item.descriptor.simd or item.descriptor.out_pair for item in plain.layers)


def test_pairs_are_chosen_where_they_save_cycles() -> None:
    """A weight tile of pairs is twice the words: with channels for one tile and a map of a pixel it would be slower."""
    shape = EngineShape(simd=1)
    rng = np.random.default_rng(4)
    few = random_layer(rng, "few", (8, 8, 3, 3), act=TWO, out=TWO, padding=(1, 1))
    many = random_layer(rng, "many", (8, 9, 3, 3), act=TWO, out=TWO, padding=(1, 1))
    assert compile_layer(few, 1, 1, shape, "inner").descriptor.simd == 0
    assert compile_layer(many, 4, 4, shape, "inner").descriptor.simd == 1
    slow, fast = (compile_layer(few, 1, 1, shape, "inner", simd).cycles.total for simd in (True, False))
    assert slow > fast
    wide = compile_layer(replace(many, act=FOUR), 4, 4, shape, "inner")
    assert (wide.descriptor.simd, wide.descriptor.passes) == (0, 18)
    assert compile_layer(many, 4, 4, shape, "inner").descriptor.passes == 9


def test_half_the_passes_of_a_layer_of_many_channels() -> None:
    shape = EngineShape(simd=1)
    layer = random_layer(np.random.default_rng(5), "x", (64, 64, 3, 3), act=TWO, out=TWO, padding=(1, 1))
    plain, pairs = (compile_layer(layer, 8, 8, shape, "inner", simd).cycles for simd in (False, True))
    assert pairs.pixels * 2 == plain.pixels
    assert pairs.total < 0.52 * plain.total


def test_a_map_is_packed_only_for_readers_of_pairs() -> None:
    graph = narrow_graph(2, (2, 4, 2))
    shape = fitting_shape(graph)
    assert packed_maps(graph, shape) == (True, False, False, False)  # the classifier's pass is one pixel
    assert [item.descriptor.out_pair for item in compile_graph(graph, shape).layers] == [1, 0, 0, 0]
    assert packed_maps(graph, shape, simd=False) == packed_maps(graph, replace(shape, simd=0)) == (False,) * 4


def test_graphs_without_narrow_codes_are_compiled_as_ever() -> None:
    graph = small_graph()
    shape = fitting_shape(graph)
    assert shape.simd == 0
    plain, able = compile_graph(graph, shape), compile_graph(graph, replace(shape, simd=1))
    assert np.array_equal(plain.descriptors, able.descriptors)
    assert np.array_equal(plain.stream().words, able.stream().words)


def test_the_fitting_engine_is_told_to_leave_it_out() -> None:
    graph = narrow_graph()
    assert (fitting_shape(graph).simd, fitting_shape(graph).act_width) == (1, 4)
    assert (fitting_shape(graph, simd=False).simd, fitting_shape(graph, simd=False).act_width) == (0, 2)
    assert fitting_shape(graph, act_width=4, simd=False).act_width == 4


def test_what_cannot_be_multiplied_in_pairs_is_refused() -> None:
    shape = EngineShape(simd=1)
    layer = random_layer(np.random.default_rng(6), "x", (8, 20, 1, 1), act=TWO, out=TWO)
    for mode in ("none", "inner"):
        with pytest.raises(LockstepError, match=r"x cannot be .* no hardware for it; expected simd 1"):
            compile_layer(layer, 2, 2, EngineShape(), mode, simd=True)
        wide = replace(layer, act=IntFormat(3))
        with pytest.raises(LockstepError, match=r"x cannot be .* codes have 3 bits; expected at most 2, half of act_w"):
            compile_layer(wide, 2, 2, shape, mode, simd=True)
    grouped = random_layer(np.random.default_rng(6), "g", (8, 1, 1, 1), act=TWO, out=TWO, groups=8)
    sums = random_layer(np.random.default_rng(6), "s", (8, 8, 1, 1), act=TWO, out=TWO, inputs=("a", "b"))
    for other in (grouped, sums):
        with pytest.raises(LockstepError, match=f"{other.name} cannot be .* pairs: it has groups or takes several"):
            compile_layer(other, 2, 2, shape, "inner", simd=True)
        assert compile_layer(other, 2, 2, shape, "inner").descriptor.simd == 0
    with pytest.raises(LockstepError, match="output codes have 3 bits; a reader of pairs takes 2"):
        compile_layer(replace(layer, out=IntFormat(3)), 2, 2, shape, packed=True)
    with pytest.raises(LockstepError, match="a map in pairs, for an engine that multiplies none"):
        compile_layer(layer, 2, 2, EngineShape(), packed=True)
    with pytest.raises(LockstepError, match="a map of 3 bits in pairs of 2; they do not fit"):
        OuterMap(shape, 0, 4, 1, 1, 3, pairs=True)
    with pytest.raises(LockstepError, match="simd with act_width 3; a pair needs an even number"):
        EngineShape(act_width=3, simd=1)
    with pytest.raises(LockstepError, match="simd is 2; expected at most 1"):
        EngineShape(simd=2)


def test_the_interpreter_refuses_what_is_not_built_in() -> None:
    layer = random_layer(np.random.default_rng(7), "x", (8, 20, 1, 1), act=TWO, out=TWO)
    program = compile_layer(layer, 4, 4, EngineShape(simd=1))
    assert program.descriptor.simd == 1
    words, last = program.stream()
    with pytest.raises(LockstepError, match="asks for pairs; the engine multiplies none"):
        Interpreter(EngineShape()).run(program.descriptor.encode().tolist(), [0] * len(words), last.tolist())


def test_vgg16_of_two_bit_codes() -> None:
    """The cycles that docs/program.md tells: the shipped graph with two-bit codes between its layers (shapes count)."""
    graph = storage.load(storage.ZOO / "vgg16.graph.zip")
    layers = [
        replace(layer, act=layer.act if layer.act.bits == 8 else TWO, out=None if layer.out is None else TWO)
        for layer in graph.layers
    ]
    narrow = replace(graph, layers=tuple(layers))
    shapes = {
        "no pairs": fitting_shape(narrow, act_width=4, simd=False),
        "pairs": fitting_shape(narrow),
        "pairs, 4 columns a word": fitting_shape(narrow, wgt_lanes=4),
    }
    cycles = {name: compile_graph(narrow, shape).cycles.total for name, shape in shapes.items()}
    assert cycles == {"no pairs": 3_520_581, "pairs": 2_031_945, "pairs, 4 columns a word": 1_810_467}
