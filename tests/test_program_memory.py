"""Where maps lie: never over what is still read, side by side where asked for, in no more room than needed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model.errors import LockstepError
from model.golden.execute import activations
from model.graph.graph import IntegerGraph
from model.graph.kinds import average_pooling, residual_add
from model.numeric.formats import IntFormat
from model.program.array import EngineShape
from model.program.compile import compile_graph, compile_layer
from model.program.fit import fitting_shape
from model.program.interpret import Interpreter
from model.program.layout import JoinedMap
from model.program.memory import INPUT, Block, alive, blocks_of, least_depth, place
from tests.integer_graphs import ACT, PIXEL, random_dag, random_layer, random_pixels
from tests.program_runs import differences, fill, run

ARRAYS = [(4, 4), (8, 8), (4, 8), (8, 4), (4, 12)]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("rows", "cols"), ARRAYS)
def test_drawn_graphs_run_whole_and_from_any_layer(seed: int, rows: int, cols: int) -> None:
    graph = random_dag(seed)
    program = compile_graph(graph, fitting_shape(graph, rows, cols))
    pixels = random_pixels(graph)
    whole = Interpreter(program.shape)
    fill(whole, program.layers[0], pixels)
    outputs: list[np.ndarray] = []
    for index, (item, (_, codes, expected)) in enumerate(
        zip(program.layers, activations(graph, pixels[None]), strict=True)
    ):
        assert not differences(whole, item, run(whole, item), expected[0]), item.layer.name
        alone = Interpreter(program.shape)
        lines = program.load(index, index, codes[0], outputs)
        for address, line in zip(*lines, strict=True):
            alone.load(int(address), line.tolist())
        assert not differences(alone, item, run(alone, item), expected[0]), item.layer.name
        outputs.append(expected[0])


def test_branches_beside_layers_in_pairs() -> None:
    """Of codes of two bits: what is read by a sum is not packed, what only plain layers read is; both on one engine."""
    rng, two = np.random.default_rng(0), IntFormat(2)
    layers = (
        random_layer(rng, "first", (16, 1, 3, 3), act=PIXEL, out=two, padding=(1, 1)),
        random_layer(rng, "a", (16, 16, 3, 3), act=two, out=two, padding=(1, 1)),
        random_layer(rng, "b", (16, 16, 3, 3), act=two, out=two, padding=(1, 1)),
        residual_add("sum", ("b", "first"), 16, two, shift=1),
        average_pooling("mean", 16, (4, 4), two),
        random_layer(rng, "classifier", (2, 16, 1, 1), act=two, out=None),
    )
    graph = IntegerGraph("pairs", (1, 4, 4), layers, ("a", "b"))
    program = compile_graph(graph, fitting_shape(graph, 4, 4))
    assert program.shape.simd
    assert [item.descriptor.simd for item in program.layers[1:4]] == [0, 1, 0]
    machine = Interpreter(program.shape)
    pixels = random_pixels(graph)
    fill(machine, program.layers[0], pixels)
    for item, (_, _, expected) in zip(program.layers, activations(graph, pixels[None]), strict=True):
        assert not differences(machine, item, run(machine, item), expected[0]), item.layer.name
    with pytest.raises(LockstepError, match="layer sum cannot be multiplied in pairs: it has groups or takes several"):
        compile_layer(layers[3], 4, 4, program.shape, "inner", simd=True)


def test_a_run_from_the_middle_brings_what_later_layers_take() -> None:
    graph = branches()
    program = compile_graph(graph, fitting_shape(graph, 4, 4))
    maps = [codes[0] for _, _, codes in activations(graph, random_pixels(graph)[None])]
    machine = Interpreter(program.shape)
    for address, line in zip(*program.load(2, 4, maps[1], maps), strict=True):
        machine.load(int(address), line.tolist())
    for item, expected in zip(program.layers[2:], maps[2:], strict=True):
        assert not differences(machine, item, run(machine, item), expected)
    short = program.load(2, 2, maps[1], maps)
    assert len(short.address) < len(program.load(2, 4, maps[1], maps).address)


def branches() -> IntegerGraph:
    rng = np.random.default_rng(0)
    layers = (
        random_layer(rng, "first", (6, 1, 3, 3), act=PIXEL, padding=(1, 1)),
        random_layer(rng, "a", (6, 6, 3, 3), padding=(1, 1)),
        random_layer(rng, "b", (6, 6, 3, 3), padding=(1, 1)),
        residual_add("sum", ("b", "first"), 6, ACT, shift=1),
        random_layer(rng, "classifier", (2, 6, 4, 4), out=None),
    )
    return IntegerGraph("branches", (1, 4, 4), layers, ("a", "b"))


def test_a_map_is_not_written_over_while_it_is_read() -> None:
    program = compile_graph(branches(), fitting_shape(branches(), 4, 4))
    first, a, b, total, _ = (
        set(range(item.target.base, item.target.base + item.target.lines)) if item.target else set()
        for item in program.layers
    )
    assert not first & (a | b | total)
    assert not a & b
    assert isinstance(program.layers[3].source, JoinedMap)
    assert program.shape.act_depth == 3 * len(first)  # the skip, what is read and what is written
    with pytest.raises(
        LockstepError, match=r"layer b: its maps take 64 \+ 32 lines of a bank of 95; expected act_depth"
    ):
        compile_graph(branches(), replace(program.shape, act_depth=95))


def joins(*pairs: tuple[str, ...]) -> IntegerGraph:
    """Layers that take the maps a, b, c in the ways that are told."""
    rng = np.random.default_rng(0)
    layers = [
        random_layer(rng, name, (8, 1 if name == "a" else 8, 1, 1), act=PIXEL if name == "a" else ACT) for name in "abc"
    ]
    for at, names in enumerate(pairs):
        layers.append(random_layer(rng, f"join{at}", (4, 8 * len(names), 1, 1), inputs=names))
    last = tuple(f"join{at}" for at in range(len(pairs)))
    unread = () if any("c" in names for names in pairs) else ("c",)
    channels = 4 * len(last) + 8 * len(unread)
    layers.append(random_layer(rng, "classifier", (2, channels, 1, 1), out=None, inputs=(*last, *unread)))
    return IntegerGraph("joins", (1, 1, 1), tuple(layers), ("a", "b"))


def test_maps_that_two_layers_want_beside_others_are_refused() -> None:
    compile_graph(joins(("a", "b", "c"), ("b", "c")), EngineShape(rows=4, cols=4))
    told = "layer join1 takes a and c side by side, but layer join0 takes a and b so; expected one order in both"
    with pytest.raises(LockstepError, match=told):
        compile_graph(joins(("a", "b"), ("a", "c")), EngineShape(rows=4, cols=4))
    with pytest.raises(LockstepError, match="layers classifier, join0, join1 want maps side by side in a circle"):
        compile_graph(joins(("a", "b"), ("b", "a")), EngineShape(rows=4, cols=4))


def test_blocks_take_turns_and_fill_gaps() -> None:
    blocks = [
        Block((INPUT,), (10,), INPUT, 0),
        Block((0,), (20,), 0, 3),
        Block((1,), (5,), 1, 2),
        Block((2,), (5,), 2, 3),
    ]
    assert place(blocks, 40) == {INPUT: 0, 0: 20, 1: 0, 2: 15}
    assert place(blocks, 29) is None
    assert least_depth(blocks) == 30
    assert [block.members for block in alive(blocks, 1)] == [(0,), (1,)]


@pytest.mark.parametrize("seed", range(20))
def test_blocks_never_meet_in_time_and_place(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(3, 12))
    sizes = {at: int(rng.integers(1, 9)) for at in range(INPUT, count)}
    last_use = {at: int(rng.integers(at + 1, count + 1)) for at in range(INPUT, count)}
    beside = [("x", (0, 2))] if count > 2 else []
    blocks = blocks_of(sizes, last_use, beside, [f"layer{at}" for at in range(count)])
    depth = least_depth(blocks)
    bases = place(blocks, depth)
    assert bases is not None
    assert bases[2] == bases[0] + sizes[0]
    for one in range(INPUT, count):
        assert 0 <= bases[one] <= depth - sizes[one]
        for other in range(one + 1, count):
            if last_use[one] >= other:
                apart = bases[one] + sizes[one] <= bases[other] or bases[other] + sizes[other] <= bases[one]
                assert apart, (one, other)


def test_a_mean_at_the_end_fits() -> None:
    graph = branches()
    layers = (
        *graph.layers[:4],
        average_pooling("mean", 6, (4, 4), ACT),
        random_layer(np.random.default_rng(1), "c", (2, 6, 1, 1), out=None),
    )
    assert compile_graph(replace(graph, layers=layers), fitting_shape(replace(graph, layers=layers)))
