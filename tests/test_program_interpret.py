"""Compiled layers and networks, run by the naive reading of the descriptor's page, equal the golden model."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from model.errors import LockstepError
from model.golden.execute import activations, conv, finish
from model.graph.graph import IntegerGraph, Layer
from model.graph.storage import load
from model.numeric.power import POWERS
from model.program.array import EngineShape
from model.program.compile import compile_graph, compile_layer
from model.program.descriptor import FIELDS, Descriptor
from model.program.draw import ARRAYS, POWER_ARRAYS, draw
from model.program.fit import fitting_shape
from model.program.interpret import Interpreter, field
from model.program.words import to_ints
from tests.integer_graphs import ACT, PIXEL, random_layer, random_pixels, small_graph
from tests.program_runs import differences, fill, run

TINY = Path(__file__).resolve().parents[1] / "model" / "zoo" / "tiny.graph.zip"


@pytest.mark.parametrize("index", range(160))
def test_a_drawn_layer_equals_the_golden_model(index: int) -> None:
    drawn = draw(0, index)
    machine = Interpreter(drawn.program.shape)
    fill(machine, drawn.program, drawn.codes)
    outcome = run(machine, drawn.program)
    assert not differences(machine, drawn.program, outcome, drawn.expected), str(drawn)


@pytest.mark.parametrize("index", range(16))
@pytest.mark.parametrize("array", POWER_ARRAYS)
def test_a_drawn_layer_of_powers_of_two_equals_the_golden_model(array: str, index: int) -> None:
    drawn = draw(0, index, array)
    machine = Interpreter(drawn.program.shape)
    fill(machine, drawn.program, drawn.codes)
    outcome = run(machine, drawn.program)
    assert not differences(machine, drawn.program, outcome, drawn.expected), str(drawn)


def golden(layer: Layer, codes: np.ndarray) -> np.ndarray:
    return finish(conv(codes[None], layer), layer)[0]


def run_network(graph: IntegerGraph, shape: EngineShape, mode: str, pixels: np.ndarray) -> int:
    """Run every layer on one machine, the input loaded once; the number of codes and logits compared."""
    program = compile_graph(graph, shape, mode)
    machine = Interpreter(shape)
    fill(machine, program.layers[0], pixels)
    compared = 0
    for item, (_, _, expected) in zip(program.layers, activations(graph, pixels[None]), strict=True):
        outcome = run(machine, item)
        assert not differences(machine, item, outcome, expected[0]), item.layer.name
        compared += expected[0].size
    return compared


@pytest.mark.parametrize(("rows", "cols"), [(4, 4), (8, 8), (16, 16), (8, 16), (16, 8), (4, 12), (12, 4), (5, 5)])
@pytest.mark.parametrize("name", POWERS)
def test_a_small_network_of_powers_of_two_end_to_end(name: str, rows: int, cols: int) -> None:
    graph = small_graph(wgt=POWERS[name])
    compared = run_network(graph, fitting_shape(graph, rows, cols), "fold", random_pixels(graph))
    assert compared == 10 * 30 + 9 * 6 + 6 * 2 + 4


@pytest.mark.parametrize(("rows", "cols"), [(4, 4), (8, 8), (16, 16), (8, 16), (16, 8), (4, 12), (12, 4), (5, 5)])
@pytest.mark.parametrize("mode", ["none", "fold", "patch"])
def test_a_small_network_end_to_end(rows: int, cols: int, mode: str) -> None:
    graph = small_graph()
    compared = run_network(graph, fitting_shape(graph, rows, cols, mode=mode), mode, random_pixels(graph))
    assert compared == 10 * 30 + 9 * 6 + 6 * 2 + 4


@pytest.mark.parametrize(("rows", "cols"), [(8, 8), (8, 16), (16, 8)])
def test_tiny_end_to_end(rows: int, cols: int) -> None:
    graph = load(TINY)
    run_network(graph, fitting_shape(graph, rows, cols), "fold", random_pixels(graph))


def test_a_run_may_start_at_any_layer() -> None:
    """The input of any layer can be loaded where the layer before would have left it."""
    graph = small_graph(3)
    program = compile_graph(graph, fitting_shape(graph, 4, 8))
    for item, (_, codes, expected) in zip(program.layers, activations(graph, random_pixels(graph)[None]), strict=True):
        machine = Interpreter(program.shape)
        fill(machine, item, codes[0])
        assert not differences(machine, item, run(machine, item), expected[0])


@pytest.mark.parametrize("pool", [1, 2, 3])
def test_kernels_strides_and_paddings_in_turn(pool: int) -> None:
    """Square kernels 1 to 5, strides 1 and 2, paddings 0 to 2 on an odd map, 8-bit input."""
    shape = EngineShape(4, 4, 4, 4, 20, 2, 2048, 256, 28, 36)
    count = 0
    for kernel, stride, padding in product((1, 2, 3, 5), (1, 2), (0, 1, 2)):
        if padding >= kernel:
            continue
        rng = np.random.default_rng([kernel, stride, padding])
        layer = random_layer(rng, "x", (5, 3, kernel, kernel), PIXEL, ACT, (stride,) * 2, (padding,) * 2, pool)
        try:
            layer.map_after(9, 7)
        except LockstepError:
            continue  # nothing is left to pool
        drawn = compile_layer(layer, 9, 7, shape)
        machine = Interpreter(shape)
        codes = rng.integers(0, 256, (3, 9, 7)).astype(np.uint8)
        fill(machine, drawn, codes)
        expected = golden(layer, codes)
        assert not differences(machine, drawn, run(machine, drawn), expected)
        count += 1
    assert count > 10


# ---------------------------------------------------------------- faults are seen


@pytest.fixture(scope="module")
def busy():
    """A layer in which every field matters: 8-bit input, pooled, padded, segments, several tiles of each kind."""
    rng = np.random.default_rng(11)
    layer = random_layer(rng, "x", (5, 5, 2, 3), PIXEL, ACT, (1, 1), (1, 1), 2)
    shape = EngineShape(4, 2, 4, 4, 20, 2, 256, 32, 28, 36)
    program = compile_layer(layer, 5, 4, shape, "none")
    codes = rng.integers(0, 256, (5, 5, 4)).astype(np.uint8)
    return program, codes, golden(layer, codes)


def outcome_of(busy, words: list[int]) -> list[str]:
    program, codes, expected = busy
    machine = Interpreter(program.shape)
    for address in range(program.shape.act_depth):
        machine.load(address, [(address * 7 + row) % 16 for row in range(4)])  # nothing unknown: it must be wrong
    fill(machine, program, codes)
    stream, last = program.stream()
    try:
        outcome = machine.run(words, to_ints(stream), last.tolist())
    except LockstepError as error:
        return [str(error)]
    return differences(machine, program, outcome, expected)


def test_nothing_differs_without_a_fault(busy) -> None:
    assert not outcome_of(busy, busy[0].descriptor.encode().tolist())


@pytest.mark.parametrize("item", FIELDS, ids=lambda item: item.name)
def test_one_more_in_any_field_is_seen(busy, item) -> None:
    words = busy[0].descriptor.encode().tolist()
    words[item.word] ^= 1 << item.low
    assert outcome_of(busy, words)


def test_an_altered_word_is_seen() -> None:
    rng = np.random.default_rng(12)
    drawn = random_layer(rng, "x", (6, 9, 2, 2), out=None)
    one = np.ones(6, np.int64)
    layer = replace(drawn, multiplier=one, bias=one, shift=0)  # psums as they are: nothing is rounded away
    program = compile_layer(layer, 4, 4, EngineShape(4, 4, 4, 4, 20, 2, 256, 32, 12, 20))
    codes = rng.integers(1, 16, (9, 4, 4)).astype(np.uint8)
    words, last = program.stream()
    for at in range(len(words)):
        altered = to_ints(words)
        altered[at] ^= 1
        machine = Interpreter(program.shape)
        fill(machine, program, codes)
        outcome = machine.run(program.descriptor.encode().tolist(), altered, last.tolist())
        padding = at >= len(words) // 2 and not np.any(words[at])  # a column or a row that the layer does not have
        assert padding or differences(machine, program, outcome, golden(layer, codes)) == ["results"], at


def test_a_stream_that_does_not_fit_is_refused(busy) -> None:
    program, codes, _ = busy
    words, last = program.stream()
    numbers, flags = to_ints(words), last.tolist()
    machine = Interpreter(program.shape)
    fill(machine, program, codes)
    descriptor = program.descriptor.encode().tolist()
    with pytest.raises(LockstepError, match=f"the stream ends after {len(numbers) - 1} words"):
        machine.run(descriptor, numbers[:-1], flags[:-1])
    with pytest.raises(LockstepError, match="expected all, the last marked"):
        machine.run(descriptor, numbers, [False] * len(numbers))
    with pytest.raises(LockstepError, match="word 4 of the stream is marked last; the layer wants more"):
        machine.run(descriptor, numbers, [at == 4 for at in range(len(numbers))])
    with pytest.raises(LockstepError, match=f"took {len(numbers)} of {len(numbers) + 1} words"):
        machine.run(descriptor, [*numbers, 0], [*flags, False])


def test_lines_that_were_never_written_and_psums_that_overflow_are_refused(busy) -> None:
    program, codes, _ = busy
    words, last = program.stream()
    descriptor = program.descriptor.encode().tolist()
    with pytest.raises(LockstepError, match="is read; it was never written"):
        Interpreter(program.shape).run(descriptor, to_ints(words), last.tolist())
    for change, told in (({"psum_width": 10}, "does not fit 10 bits"), ({"psum_depth": 9}, "no psum line 9")):
        machine = Interpreter(replace(program.shape, **change))
        fill(machine, program, codes)
        with pytest.raises(LockstepError, match=told):
            machine.run(descriptor, to_ints(words), last.tolist())
    with pytest.raises(LockstepError, match=r"a line of 3 codes at 0; expected 4 at 0\.\.255"):
        Interpreter(program.shape).load(0, [1, 2, 3])


def test_both_readings_of_the_fields_agree() -> None:
    words = [0x89ABCDEF ^ (0x01234567 * i & 0xFFFFFFFF) for i in range(12)]
    for item in FIELDS:
        raw = field(words, item.word, item.low + item.width - 1, item.low)
        assert raw == words[item.word] >> item.low & (1 << item.width) - 1
    assert field([0x80], 0, 7, 0, signed=True) == -128
    assert set(ARRAYS) >= {"4x4", "8x8", "16x16", "8x16", "16x8"}
    assert Descriptor.decode(draw(0, 0).program.descriptor.encode()).passes >= 1
