"""What output tiles read of layers with groups or with several maps: shortest, complete, and what it costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model.errors import LockstepError
from model.golden.execute import conv, finish
from model.graph.graph import Layer
from model.graph.kinds import average_pooling, residual_add
from model.numeric.weights import named
from model.program.array import EngineShape
from model.program.compile import compile_layer
from model.program.compiled import LayerProgram
from model.program.interpret import Interpreter
from model.program.reads import Place, find, lie_anywhere, needed, reads_of, tiles_of
from tests.integer_graphs import ACT, random_layer
from tests.program_runs import differences, fill, run

ARRAYS = [(4, 4), (8, 8), (4, 8), (4, 12), (8, 4), (12, 4), (5, 5)]


def shape_of(rows: int, cols: int, **changes: int) -> EngineShape:
    banks = max(1, cols // rows)
    return EngineShape(**{"rows": rows, "cols": cols, "psum_width": 24, "act_depth": banks * 2048} | changes)


def compiled(layer: Layer, rows: int, cols: int, side: int = 4) -> LayerProgram:
    return compile_layer(layer, side, side, shape_of(rows, cols), "inner")


def check(program: LayerProgram, seed: int = 0) -> None:
    """The interpreter leaves what the golden model says."""
    layer = program.layer
    size = layer.in_channels, *program.taken.given
    codes = np.random.default_rng(seed).integers(0, layer.act.max + 1, size).astype(np.uint8)
    machine = Interpreter(program.shape)
    fill(machine, program, codes)
    assert not differences(machine, program, run(machine, program), finish(conv(codes[None], layer), layer)[0])


def depthwise(channels: int, **changes) -> Layer:
    return random_layer(np.random.default_rng(1), "dw", (channels, 1, 3, 3), padding=(1, 1), groups=channels, **changes)


@pytest.mark.parametrize(("rows", "cols"), ARRAYS)
@pytest.mark.parametrize("channels", [1, 4, 7, 8, 16, 21])
def test_depthwise_layers(rows: int, cols: int, channels: int) -> None:
    program = compiled(depthwise(channels), rows, cols)
    check(program)
    if rows <= cols:  # one tile, over all banks, for each output tile
        assert (program.descriptor.ic, program.descriptor.passes) == (1, 9 * program.descriptor.sub)


@pytest.mark.parametrize(("rows", "cols"), ARRAYS)
@pytest.mark.parametrize("maps", [2, 3])
@pytest.mark.parametrize("channels", [3, 8, 17])
def test_sums_of_maps(rows: int, cols: int, maps: int, channels: int) -> None:
    layer = residual_add("sum", tuple("abc"[:maps]), channels, ACT, zeros=[8, 0, 3][:maps], factors=[1, 2, -3][:maps])
    program = compiled(layer, rows, cols)
    check(program)
    if rows <= cols:
        assert program.descriptor.ic == maps


@pytest.mark.parametrize(("rows", "cols"), ARRAYS)
@pytest.mark.parametrize(
    ("outs", "part", "groups", "maps"), [(12, 2, 3, 1), (6, 3, 2, 2), (18, 4, 6, 1), (10, 9, 1, 3)]
)
def test_groups_of_any_size(rows: int, cols: int, outs: int, part: int, groups: int, maps: int) -> None:
    rng = np.random.default_rng(2)
    inputs = tuple("abc"[:maps]) if maps > 1 else ()
    layer = random_layer(rng, "x", (outs, part * maps, 2, 3), pool=1, groups=groups, inputs=inputs, stride=(1, 2))
    check(compiled(layer, rows, cols, 5))


def test_an_average_over_the_map_is_one_pixel_a_pass() -> None:
    program = compiled(average_pooling("mean", 16, (4, 4), ACT), 8, 8)
    check(program)
    assert (program.descriptor.pass_size, program.descriptor.passes, program.descriptor.oc) == (1, 16, 2)
    assert program.cycles.utilization(16 * 16, 8, 8) < 1 / 8  # a depthwise layer keeps one row in eight busy at most


def test_grouped_layers_from_outside() -> None:
    rng = np.random.default_rng(3)
    layer = random_layer(rng, "x", (12, 3, 3, 3), act=random_layer(rng, "y", (1, 1, 1, 1)).act, groups=4)
    for mode in ("none", "fold", "patch"):
        program = compile_layer(layer, 6, 6, shape_of(4, 4), mode)
        check(program)
        assert (program.reads is not None) == (mode != "patch")


def test_what_is_read_is_what_is_needed_and_no_more_than_must_be() -> None:
    layer = depthwise(20)
    places = [Place(100, 20, 9)]
    assert needed(layer, places, 4, 8) == [{100, 109}, {118, 127}, {136}]
    reads = reads_of(layer, places, 8, 8)  # two banks of four rows
    assert (reads.start, reads.step_oc, reads.step_ic, reads.count) == (100, 9, 0, 1)
    assert reads.channels[2, 0].tolist() == [16, 17, 18, 19, -1, -1, -1, -1]
    assert sorted(tiles_of(places, 8)) == [100, 109, 118]


def test_the_shortest_of_several_readings_is_taken() -> None:
    assert find([{0, 8}, {4, 12}], {0, 4, 8, 12}) == (0, 4, 8, 2)
    assert find([{0}, {4}, {8}], {0, 4, 8}) == (0, 4, 0, 1)
    assert find([{0}, {0}, {4}, {4}], {0, 4}) == (0, 0, 4, 2)  # no step serves every second tile
    assert find([{0, 4, 9}], {0, 4, 9}) is None


def test_two_maps_of_a_sum_may_lie_anywhere_and_others_side_by_side() -> None:
    places = [Place(0, 16, 9), Place(18, 16, 9)]
    total = residual_add("sum", ("a", "b"), 16, ACT)
    assert lie_anywhere(total, places, 8, 8)
    half = residual_add("sum", ("a", "b"), 32, ACT)
    assert not lie_anywhere(half, [Place(0, 32, 9), Place(18, 32, 9)], 16, 8)  # an output tile is half an input tile
    joined = random_layer(np.random.default_rng(0), "x", (8, 32, 1, 1), inputs=("a", "b"))
    assert not lie_anywhere(joined, places, 8, 8)
    apart = [Place(40, 16, 9), Place(7, 16, 9)]
    reads = reads_of(total, apart, 8, 8)
    assert (reads.start, reads.step_oc, reads.step_ic) == (7, 9, 33)
    assert reads.channels[:, :, 0].tolist() == [[16, 0], [24, 8]]
    with pytest.raises(LockstepError, match="layer x: the maps that it takes do not lie side by side"):
        reads_of(joined, apart, 8, 8)


def test_groups_of_weights_without_a_zero_are_refused() -> None:
    power = named("pot4")
    weight = np.full((4, 1, 1, 1), 2, power.dtype)
    layer = replace(depthwise(4), weight=weight, wgt=power, padding=(0, 0))
    told = "layer dw: 4 groups of pot4 weights; an array needs zeros between groups and the format has none"
    with pytest.raises(LockstepError, match=told):
        compiled(layer, 8, 8)
    assert (conv(np.full((1, 4, 1, 1), 3, np.uint8), layer) == 6).all()  # the graph itself has no such limit


def test_what_the_engine_cannot_step_over_is_refused() -> None:
    with pytest.raises(LockstepError, match=r"layer dw: descriptor: step_oc is 4096; expected 0\.\.4095 \(12 bits\)"):
        compile_layer(depthwise(16), 64, 64, shape_of(8, 8, act_depth=1 << 16, psum_depth=4096), "inner")
    odd = random_layer(np.random.default_rng(0), "x", (8, 9, 1, 1), inputs=("a", "b"))
    with pytest.raises(LockstepError, match="layer x: 9 channels of 2 maps; alone, it takes as many of each"):
        compiled(odd, 8, 8)
