"""The fast execution equals the plain one and the definition: every layer it can meet, and the proof it rests on."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from model.errors import LockstepError
from model.golden import evaluate, execute, parallel
from model.golden.evaluate import Executor, Line, Stage, is_proved, line_of, pooled, steps
from model.golden.execute import FLOAT32_EXACT, conv_naive, finish
from model.graph.graph import IntegerGraph, Layer
from model.numeric.fixed import requantize
from model.numeric.formats import IntFormat
from tests.integer_graphs import random_pixels, small_graph

WGT = IntFormat(4, signed=True, symmetric=True)


def draw_layer(rng: np.random.Generator, name: str = "conv", act: IntFormat | None = None) -> Layer:
    """A layer of any kernel, stride, padding and pooling; slopes of both signs, some zero, some codes constant."""
    kernel = tuple(int(n) for n in rng.integers(1, 4, 2))
    padding = tuple(int(rng.integers(0, side)) for side in kernel)
    channels_out, channels_in = (int(n) for n in rng.integers(1, 9, 2))
    act = act or IntFormat(int(rng.integers(1, 9)))
    weight = rng.integers(WGT.min, WGT.max + 1, (channels_out, channels_in, *kernel)).astype(np.int8)
    shift = int(rng.integers(4, 30))
    reach = np.abs(weight.astype(np.int64)).sum(axis=(1, 2, 3)) * act.max
    top = (1 << (out_bits := int(rng.integers(1, 9)))) - 1
    multiplier = (rng.uniform(-3, 3, channels_out) * top * 2.0**shift / np.maximum(reach, 1)).astype(np.int64)
    multiplier[rng.random(channels_out) < 0.1] = 0
    bias = (rng.uniform(-1, 2, channels_out) * top * 2.0**shift).astype(np.int64)
    stride = tuple(int(n) for n in rng.integers(1, 3, 2))
    pool = int(rng.integers(1, 4))
    return Layer(
        name,
        weight,
        WGT,
        act,
        multiplier,
        bias,
        shift,
        IntFormat(out_bits),
        stride,
        padding,
        pool,  # type: ignore
    )


def draw_codes(rng: np.random.Generator, layer: Layer, batch: int = 3) -> np.ndarray:
    """Codes (batch, channels, y, x), large enough for the layer's kernel and pooling, both extremes among them."""
    size = [
        side + (layer.pool - 1) * step + int(rng.integers(0, 6))
        for side, step in zip(layer.kernel, layer.stride, strict=True)
    ]
    codes = rng.integers(0, layer.act.max + 1, (batch, layer.in_channels, *size)).astype(np.uint8)
    codes.flat[0], codes.flat[-1] = 0, layer.act.max
    return codes


def run_stage(layer: Layer, codes: np.ndarray) -> np.ndarray:
    """What `Stage` gives for `codes`, as (batch, channel, y, x)."""
    (py, px), (height, width) = layer.padding, codes.shape[2:]
    padded = np.pad(codes, [(0, 0), (0, 0), (py, py), (px, px)]).transpose(0, 2, 3, 1)
    rows, cols = layer.map_after(height, width)
    result = np.full((len(codes), rows, cols, layer.out_channels), 99, np.uint8 if layer.out else np.int64)
    Stage(layer, height, width).run(np.ascontiguousarray(padded), [result])
    return result.transpose(0, 3, 1, 2)


def by_definition(layer: Layer, codes: np.ndarray) -> np.ndarray:
    return np.stack([finish(conv_naive(image, layer).transpose(1, 2, 0)[None], layer)[0] for image in codes])


@pytest.mark.parametrize("seed", range(40))
def test_any_layer_equals_the_definition(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    layer = draw_layer(rng)
    codes = draw_codes(rng, layer)
    monkeypatch.setattr(evaluate, "CHUNK_BYTES", int(rng.integers(1, 20_000)))  # chunks of one image, and of all
    np.testing.assert_array_equal(run_stage(layer, codes), by_definition(layer, codes))


def test_the_layers_drawn_are_of_every_kind():
    layers = [draw_layer(np.random.default_rng(seed)) for seed in range(40)]
    assert any((layer.multiplier < 0).any() and layer.pool > 1 for layer in layers)
    assert any((layer.multiplier >= 0).all() and layer.pool > 1 for layer in layers)
    assert any((layer.multiplier == 0).any() for layer in layers)
    assert any(line_of(layer, np.float32) is not None for layer in layers)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(25))
def test_a_proved_line_is_right_for_every_psum(seed, dtype):
    layer = draw_layer(np.random.default_rng(seed), act=IntFormat(4))
    line = line_of(layer, dtype)
    assert line is not None
    low, high = layer.psum_range
    psum = np.arange(low, high + 1)[:, None] + np.zeros(layer.out_channels, np.int64)
    expected = requantize(psum, layer.multiplier, layer.bias, layer.shift, 0, layer.out.max)
    got = evaluate.clamp(line.heights(psum.astype(dtype)), layer.out.max).astype(np.uint8)
    np.testing.assert_array_equal(got, expected)
    inside, outside = steps(layer, layer.out.max)
    assert (np.abs(inside - outside) == (layer.multiplier != 0)).all()


def plain_layer(multiplier: int, bias: int, shift: int, pool: int = 1) -> Layer:
    """One channel with psums -1050..1050 and codes of four bits."""
    weight = np.array([7] * 10 + [-7] * 10, np.int8).reshape(1, 20, 1, 1)
    numbers = (np.array([multiplier], np.int64), np.array([bias], np.int64))
    return Layer("conv", weight, WGT, IntFormat(4), *numbers, shift, IntFormat(4), pool=pool)


@pytest.mark.parametrize("slope", [1, -1])
@pytest.mark.parametrize("step", range(1, 16))
def test_a_line_that_is_wrong_at_one_psum_alone_is_not_proved(slope, step):
    layer = plain_layer(slope * 64, 5, 12)
    line = line_of(layer, np.float64)
    assert line is not None
    inside, outside = steps(layer, 15)
    points = np.sort(np.concatenate([inside, outside, [[-1050], [1050]]]), axis=0)
    assert is_proved(line, layer, points)

    class Spoilt(Line):
        def heights(self, psum):
            wrong = psum == inside[step - 1]
            return np.where(wrong, step - 0.5, super().heights(psum))

    assert not is_proved(Spoilt(line.slope, line.offset), layer, points)


def test_points_that_leave_a_step_out_prove_nothing():
    layer = plain_layer(64, 5, 12)
    line = line_of(layer, np.float64)
    inside, outside = steps(layer, 15)
    kept = np.arange(15) != 6
    points = np.sort(np.concatenate([inside[kept], outside[kept], [[-1050], [1050]]]), axis=0)
    assert not is_proved(line, layer, points)


def test_a_layer_without_a_line_in_float32_takes_float64_and_one_without_any_takes_int64(monkeypatch):
    rng = np.random.default_rng(3)
    layer = draw_layer(rng, act=IntFormat(4))
    codes = draw_codes(rng, layer)
    expected = by_definition(layer, codes)
    real = evaluate.line_of
    monkeypatch.setattr(evaluate, "line_of", lambda layer, dtype: real(layer, dtype) if dtype is np.float64 else None)
    stage = Stage(layer, 20, 20)
    assert (stage.dtype, stage.weight.dtype) == (np.float64, np.float64)
    assert stage.line.slope.dtype == np.float64
    np.testing.assert_array_equal(run_stage(layer, codes), expected)
    monkeypatch.setattr(evaluate, "line_of", lambda layer, dtype: None)
    assert Stage(layer, 20, 20).line is None
    np.testing.assert_array_equal(run_stage(layer, codes), expected)


def test_steps_too_fine_for_float32_are_found_out():
    """A step at nine psums of ten, near 2**24: there float32 has no fractions left to tell them apart."""
    high = 7 * 255 * 9300
    assert FLOAT32_EXACT * 0.98 < high < FLOAT32_EXACT
    slope = int(0.9 * 2**20)
    weight, bias = np.full((1, 9300, 1, 1), 7, np.int8), np.array([(255 << 20) - high * slope])
    layer = Layer("conv", weight, WGT, IntFormat(8), np.array([slope]), bias, 20, IntFormat(8))
    assert line_of(layer, np.float32) is None
    assert line_of(layer, np.float64) is not None
    codes = np.full((8, 9300, 1, 1), 255, np.uint8)
    for missing, image in enumerate(codes):
        image[:missing] -= 1
    assert run_stage(layer, codes).ravel().tolist() == [(255 * 2**20 - 7 * n * slope) >> 20 for n in range(8)]


def test_psums_beyond_float32_are_multiplied_in_float64():
    weight = np.full((1, 9500, 1, 1), 7, np.int8)
    numbers = (np.array([1], np.int64), np.array([-7 * 255 * 9500 + 15], np.int64))
    layer = Layer("conv", weight, WGT, IntFormat(8), *numbers, 0, IntFormat(4))
    assert layer.psum_range[1] > FLOAT32_EXACT
    assert Stage(layer, 1, 1).dtype is np.float64
    codes = np.full((3, 9500, 1, 1), 255, np.uint8)
    codes[1, 0], codes[2, 0] = 254, 253
    assert run_stage(layer, codes).ravel().tolist() == [15, 8, 1]


def test_psums_beyond_float64_are_refused(monkeypatch):
    monkeypatch.setattr(evaluate, "FLOAT64_EXACT", 1050)
    with pytest.raises(LockstepError, match="layer conv: psums reach 1050, beyond the exact range 1050"):
        Stage(plain_layer(1, 0, 0), 1, 1)


@pytest.mark.parametrize("side", [1, 2, 3])
def test_pooling_is_the_largest_of_each_window(side):
    values = np.random.default_rng(0).normal(size=(2, 7, 8, 3)).astype(np.float32)
    result = pooled(values, side)
    assert result.shape == (2, 7 // side, 8 // side, 3)
    for y in range(7 // side):
        for x in range(8 // side):
            window = values[:, y * side : (y + 1) * side, x * side : (x + 1) * side]
            np.testing.assert_array_equal(result[:, y, x], window.max(axis=(1, 2)))


def test_pooling_before_a_falling_line_would_be_wrong():
    """The case that `rises` is there for."""
    layer = plain_layer(-64, 8 << 12, 12, pool=2)
    codes = np.random.default_rng(0).integers(0, 16, (2, 20, 4, 4)).astype(np.uint8)
    stage = Stage(layer, 4, 4)
    assert not stage.rises
    expected = by_definition(layer, codes)
    np.testing.assert_array_equal(run_stage(layer, codes), expected)
    stage.rises = True
    result = np.zeros((2, 2, 2, 1), np.uint8)
    stage.run(np.ascontiguousarray(codes.transpose(0, 2, 3, 1)), [result])
    assert (result.transpose(0, 3, 1, 2) != expected).any()


def draw_graph(rng: np.random.Generator) -> IntegerGraph:
    """Three layers of any kind and the logits of a linear one."""
    layers: list[Layer] = []
    shape, act = (3, int(rng.integers(9, 14)), int(rng.integers(9, 14))), IntFormat(8)
    channels, height, width = shape
    while len(layers) < 3:
        layer = draw_layer(rng, f"conv.{len(layers)}", act)
        try:
            after = layer.map_after(height, width)
        except LockstepError:
            continue
        weight = rng.integers(WGT.min, WGT.max + 1, (layer.out_channels, channels, *layer.kernel)).astype(np.int8)
        layers.append(dataclasses.replace(layer, weight=weight))
        channels, (height, width), act = layer.out_channels, after, layer.out
    weight = rng.integers(WGT.min, WGT.max + 1, (5, channels, height, width)).astype(np.int8)
    numbers = rng.integers(-50, 50, (2, 5)).astype(np.int64)
    layers.append(Layer("classifier", weight, WGT, act, numbers[0], numbers[1], 2, None))
    return IntegerGraph("drawn", shape, tuple(layers), tuple("abcde"))


@pytest.mark.parametrize("seed", range(12))
def test_whole_graphs_equal_the_plain_execution(seed, monkeypatch):
    rng = np.random.default_rng(100 + seed)
    graph = draw_graph(rng)
    pixels = rng.integers(0, 256, (7, *graph.input_shape)).astype(np.uint8)
    monkeypatch.setattr(evaluate, "BATCH", int(rng.integers(1, 9)))
    np.testing.assert_array_equal(Executor(graph).logits(pixels), execute.logits(graph, pixels))


def test_an_executor_can_be_used_again():
    graph = small_graph()
    executor = Executor(graph)
    first, second = (np.stack([random_pixels(graph, seed + n) for n in range(3)]) for seed in (0, 50))
    before = executor.logits(first)
    executor.logits(second)
    np.testing.assert_array_equal(executor.logits(first), before)


@pytest.mark.parametrize(
    ("pixels", "told"),
    [
        (np.zeros((0, 3, 6, 5), np.uint8), "no images to run: the set is empty"),
        (np.zeros((1, 3, 5, 6), np.uint8), r"input is uint8\(1, 3, 5, 6\)"),
        (np.full((1, 3, 6, 5), 256, np.uint16), r"input pixel \[0, 0, 0, 0\] is 256, outside 0\.\.255"),
    ],
)
def test_pixels_that_do_not_fit_are_refused(pixels, told):
    with pytest.raises(LockstepError, match=told):
        Executor(small_graph()).logits(pixels)


def test_several_processes_give_the_same_logits(monkeypatch):
    graph = small_graph()
    pixels = np.stack([random_pixels(graph, seed) for seed in range(300)])
    chosen = np.arange(299, -1, -2)
    expected = execute.logits(graph, pixels)
    got = {}
    for indices, logits in parallel.stream(graph, pixels, chosen, jobs=2):
        assert len(indices) <= evaluate.BATCH
        got |= dict(zip(indices.tolist(), logits, strict=True))
    assert sorted(got) == sorted(chosen.tolist())
    for index, logits in got.items():
        np.testing.assert_array_equal(logits, expected[index])
    assert list(parallel.stream(graph, pixels, chosen[:0], jobs=2)) == []


def test_bad_pixels_in_a_process_are_told():
    graph = small_graph()
    with pytest.raises(LockstepError, match=r"input pixel \[1, 0, 0, 0\] is 256"):
        list(
            parallel.stream(
                graph,
                np.array([0, 256], np.uint16)[:, None, None, None] * np.ones((1, 3, 6, 5), np.uint16),
                np.arange(2),
                1,
            )
        )
