"""Exact execution: naive = fast = torch's convolution on the codes, and the bounds that make the fast path exact."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from model.errors import LockstepError
from model.golden import execute
from model.golden.execute import (
    FLOAT32_EXACT,
    FLOAT64_EXACT,
    activations,
    conv,
    conv_naive,
    finish,
    layer_input,
    logits,
)
from model.graph.graph import Layer
from model.numeric.formats import IntFormat
from tests.integer_graphs import random_layer, random_pixels, small_graph

PIXEL = IntFormat(8)
WIDE = IntFormat(8, signed=True, symmetric=True)


def draw_case(rng: np.random.Generator) -> tuple[Layer, np.ndarray]:
    """A random layer and codes (batch, in, y, x) that hold both extremes."""
    kernel = tuple(int(n) for n in rng.integers(1, 5, 2))
    stride = tuple(int(n) for n in rng.integers(1, 4, 2))
    padding = tuple(int(rng.integers(0, side)) for side in kernel)
    size = tuple(int(rng.integers(max(1, k - 2 * p), k + 6)) for k, p in zip(kernel, padding, strict=True))
    act = IntFormat(int(rng.integers(1, 9)))
    wgt = IntFormat(int(rng.integers(2, 9)), signed=True, symmetric=bool(rng.integers(2)))
    channels_out, channels_in = (int(n) for n in rng.integers(1, 6, 2))
    weight = rng.integers(wgt.min, wgt.max + 1, (channels_out, channels_in, *kernel)).astype(np.int8)
    weight.flat[0] = wgt.min
    ones = np.ones(channels_out, np.int64)
    layer = Layer("conv", weight, wgt, act, ones, ones, 4, IntFormat(4), stride, padding)
    codes = rng.integers(0, act.max + 1, (int(rng.integers(1, 4)), channels_in, *size)).astype(np.uint8)
    codes.flat[0], codes.flat[-1] = 0, act.max
    return layer, codes


@pytest.mark.parametrize("seed", range(25))
def test_naive_fast_and_torch_agree(seed):
    layer, codes = draw_case(np.random.default_rng(seed))
    fast = conv(codes, layer)
    assert fast.dtype == np.int64
    for image, psum in zip(codes, fast, strict=True):
        np.testing.assert_array_equal(conv_naive(image, layer), psum.transpose(2, 0, 1))
    reference = torch.nn.functional.conv2d(
        torch.from_numpy(codes.astype(np.float64)),
        torch.from_numpy(layer.weight.astype(np.float64)),
        stride=layer.stride,
        padding=layer.padding,
    )
    np.testing.assert_array_equal(fast.transpose(0, 3, 1, 2), reference.numpy())


def layer_with_high(high_over_255: int) -> Layer:
    """One channel whose positive 8-bit weights sum to `high_over_255`, so that its greatest psum is 255 times that."""
    count, rest = divmod(high_over_255, 127)
    weight = np.zeros(count + 1, np.int8)
    weight[:count], weight[count] = 127, rest
    one = np.ones(1, np.int64)
    return Layer("conv", weight.reshape(1, -1, 1, 1), WIDE, PIXEL, one, one, 20, IntFormat(4))


def exact(layer: Layer, codes: np.ndarray) -> list[int]:
    weight = [int(w) for w in layer.weight.flat]
    return [sum(w * int(a) for w, a in zip(weight, image.flat, strict=True)) for image in codes]


def codes_near_the_top(layer: Layer, rng: np.random.Generator) -> np.ndarray:
    codes = np.full((64, layer.in_channels, 1, 1), 255, np.uint8)
    for image in codes[1:]:
        image.flat[rng.choice(layer.in_channels, int(rng.integers(1, 9)), replace=False)] = 254
    return codes


def test_float32_is_exact_at_its_bound():
    layer = layer_with_high(FLOAT32_EXACT // 255)  # 2**24 - 1 is a multiple of 255
    assert layer.psum_range == (0, FLOAT32_EXACT - 1)
    codes = codes_near_the_top(layer, np.random.default_rng(0))
    assert conv(codes, layer)[:, 0, 0, 0].tolist() == exact(layer, codes)


def test_beyond_the_bound_float64_is_exact_and_float32_would_be_wrong(monkeypatch):
    layer = layer_with_high(FLOAT32_EXACT // 255 + 300)
    assert layer.psum_range[1] > FLOAT32_EXACT
    codes = codes_near_the_top(layer, np.random.default_rng(0))
    assert any(psum > FLOAT32_EXACT and psum % 2 for psum in exact(layer, codes))
    assert conv(codes, layer)[:, 0, 0, 0].tolist() == exact(layer, codes)
    monkeypatch.setattr(execute, "FLOAT32_EXACT", 1 << 60)
    assert conv(codes, layer)[:, 0, 0, 0].tolist() != exact(layer, codes), "the bound would not matter"


def test_the_bound_counts_negative_psums(monkeypatch):
    top = layer_with_high(FLOAT32_EXACT // 255 + 300)
    layer = Layer("conv", -top.weight, WIDE, PIXEL, top.multiplier, top.bias, 20, IntFormat(4))
    codes = codes_near_the_top(layer, np.random.default_rng(0))
    assert conv(codes, layer)[:, 0, 0, 0].tolist() == exact(layer, codes)


def test_beyond_float64_is_refused(monkeypatch):
    assert FLOAT64_EXACT == 2**53  # no layer that fits a memory reaches it: the refusal is shown at a lower bound
    layer = layer_with_high(1000)
    monkeypatch.setattr(execute, "FLOAT64_EXACT", 255_000)
    with pytest.raises(LockstepError, match="layer conv: psums reach 255000, beyond the exact range 255000"):
        conv(np.zeros((1, layer.in_channels, 1, 1), np.uint8), layer)


def test_codes_that_the_bound_does_not_cover_are_refused():
    layer = random_layer(np.random.default_rng(0), "conv", (2, 3, 1, 1))
    codes = np.zeros((1, 3, 2, 2), np.uint8)
    codes[0, 2, 1, 0] = 16
    with pytest.raises(LockstepError, match=r"layer conv input \[0, 2, 1, 0\] is 16, outside 0\.\.15"):
        conv(codes, layer)


def test_finish_requantizes_clamps_and_pools():
    one = np.array([1, -2], np.int64)
    layer = Layer("conv", np.ones((2, 1, 1, 1), np.int8), WIDE, PIXEL, one, np.array([8, 8]), 4, IntFormat(4), pool=2)
    psum = np.arange(-40, 20, 2).reshape(1, 5, 3, 2) * 3  # (batch, y, x, channel); odd row and column are dropped
    code = np.clip((psum * one + 8) >> 4, 0, 15)
    expected = [[[code[0, y : y + 2, 0:2, c].max()] for y in (0, 2)] for c in (0, 1)]
    result = finish(psum, layer)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result[0], expected)


def test_pooling_codes_is_pooling_psums_when_slopes_are_positive():
    rng = np.random.default_rng(0)
    layer = random_layer(rng, "conv", (4, 3, 3, 3), padding=(1, 1), pool=2)
    psum = conv(rng.integers(0, 16, (2, 3, 6, 6)).astype(np.uint8), layer)
    pooled = psum.reshape(2, 3, 2, 3, 2, 4).max(axis=(2, 4))
    unpooled = Layer(**{name: getattr(layer, name) for name in layer.__dataclass_fields__} | {"pool": 1})
    np.testing.assert_array_equal(finish(psum, layer), finish(pooled, unpooled))


def test_logits_are_wide_and_not_clamped():
    layer = random_layer(np.random.default_rng(0), "classifier", (3, 2, 1, 1), out=None)
    result = finish(np.array([-(1 << 20), 5, 1 << 20]).reshape(1, 1, 1, 3), layer)
    assert result.dtype == np.int64
    assert result.min() < 0
    assert result.max() > 15


def naive_logits(graph, pixels):
    for layer in graph.layers:
        psum = conv_naive(pixels, layer).transpose(1, 2, 0)[None]  # (1, y, x, channel)
        pixels = finish(psum, layer)[0]
    return pixels[:, 0, 0]


def test_the_whole_graph_layer_by_layer():
    graph = small_graph()
    pixels = np.stack([random_pixels(graph, seed) for seed in range(5)])
    result = logits(graph, pixels, batch=2)
    assert result.shape == (5, 4)
    for image, values in zip(pixels, result, strict=True):
        np.testing.assert_array_equal(naive_logits(graph, image), values)
    *_, (last, entered, given) = activations(graph, pixels)
    assert last.name == "classifier"
    np.testing.assert_array_equal(given[:, :, 0, 0], result)
    np.testing.assert_array_equal(layer_input(graph, pixels, "classifier"), entered)
    np.testing.assert_array_equal(layer_input(graph, pixels, "conv.0"), pixels)


@pytest.mark.parametrize(
    ("pixels", "told"),
    [
        (np.zeros((3, 6, 5), np.uint8), r"input is uint8\(3, 6, 5\); small takes unsigned integers \(batch, 3, 6, 5\)"),
        (np.zeros((1, 3, 5, 6), np.uint8), r"input is uint8\(1, 3, 5, 6\)"),
        (np.zeros((1, 3, 6, 5), np.int64), r"input is int64"),
        (np.full((1, 3, 6, 5), 256, np.uint16), r"input pixel \[0, 0, 0, 0\] is 256, outside 0\.\.255"),
    ],
)
def test_pixels_that_do_not_fit_are_refused(pixels, told):
    for call in (lambda: logits(small_graph(), pixels), lambda: layer_input(small_graph(), pixels, "conv.1")):
        with pytest.raises(LockstepError, match=told):
            call()


def test_an_empty_set_and_an_unknown_layer_are_refused():
    graph = small_graph()
    with pytest.raises(LockstepError, match="the set is empty"):
        logits(graph, np.zeros((0, 3, 6, 5), np.uint8))
    with pytest.raises(LockstepError, match=r"no layer 'conv\.7'"):
        layer_input(graph, random_pixels(graph)[None], "conv.7")
