"""The tiled array's golden model: naive equals fast equals torch's convolution, and the psum bound is tight."""

from __future__ import annotations

import numpy as np
import pytest

from model.errors import LockstepError
from model.golden import tiling as t
from model.golden.execute import conv_naive
from model.graph.graph import Layer
from model.numeric.formats import IntFormat


def make_layer(rng, ins, outs, kernel, stride=(1, 1), padding=(0, 0), abits=4, wbits=4, extreme=False) -> Layer:
    fmt = IntFormat(wbits, signed=True, symmetric=True)
    values = [fmt.min, fmt.max] if extreme else np.arange(fmt.min, fmt.max + 1)
    weight = rng.choice(values, (outs, ins, *kernel)).astype(np.int8)
    ones = np.ones(outs, np.int64)
    return Layer("conv", weight, fmt, IntFormat(abits), ones, 0 * ones, 0, IntFormat(abits), stride, padding)


def random_case(rng):
    """A layer, its input codes and an array, over every shape the array must take."""
    kernel = tuple(int(k) for k in rng.integers(1, 6, 2))
    padding = tuple(int(rng.integers(0, min(2, k - 1) + 1)) for k in kernel)
    stride = tuple(int(s) for s in rng.integers(1, 3, 2))
    size = [int(rng.integers(max(1, k - 2 * p), k + 4)) for k, p in zip(kernel, padding, strict=True)]
    ins, outs, rows, cols = (int(n) for n in rng.integers(1, 12, 4))
    layer = make_layer(rng, ins, outs, kernel, stride, padding, extreme=bool(rng.integers(0, 2)))
    codes = rng.integers(0, layer.act.max + 1, (ins, *size)).astype(np.uint8)
    return layer, codes, rows, cols


def tiled(layer, codes, rows, cols):
    tiling = t.tiling_of(layer, codes.shape[1], codes.shape[2], rows, cols)
    return tiling, t.tile_activations(codes, layer.padding, rows), t.tile_weights(layer.weight, rows, cols)


@pytest.mark.parametrize("seed", range(40))
def test_fast_equals_naive_equals_the_layer(seed):
    layer, codes, rows, cols = random_case(np.random.default_rng(seed))
    tiling, act, wgt = tiled(layer, codes, rows, cols)
    naive = t.psums_naive(tiling, act, wgt)
    fast = t.psums(act, wgt, tiling.nij_table())
    assert fast.dtype == np.int64
    np.testing.assert_array_equal(fast, naive)
    for relu in (False, True):
        out = t.outputs_naive(tiling, naive, relu)
        np.testing.assert_array_equal(t.outputs(fast, relu), out)
        whole = conv_naive(codes, layer)
        np.testing.assert_array_equal(t.untile(out, tiling), np.maximum(whole, 0) if relu else whole)
    edge = tiling.out_channels % cols
    if edge:
        assert not naive[-1, ..., edge:].any(), "columns beyond the layer's channels must stay 0"


@pytest.mark.parametrize("seed", range(40))
def test_equals_torch_convolution_on_the_codes(seed):
    torch = pytest.importorskip("torch")
    layer, codes, rows, cols = random_case(np.random.default_rng(1000 + seed))
    tiling, act, wgt = tiled(layer, codes, rows, cols)
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(codes.astype(np.float64))[None],
        torch.from_numpy(layer.weight.astype(np.float64)),
        stride=layer.stride,
        padding=layer.padding,
    )[0].numpy()
    for psum in (t.psums_naive(tiling, act, wgt), t.psums(act, wgt, tiling.nij_table())):
        np.testing.assert_array_equal(t.untile(t.outputs(psum, relu=False), tiling), expected)


def test_full_layer_equals_torch_at_size():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(5)
    layer = make_layer(rng, 64, 40, (3, 3), (2, 1), (1, 1), extreme=True)
    codes = rng.choice([0, 15], (64, 16, 12)).astype(np.uint8)
    tiling, act, wgt = tiled(layer, codes, 8, 8)
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(codes.astype(np.float64))[None],
        torch.from_numpy(layer.weight.astype(np.float64)),
        stride=(2, 1),
        padding=(1, 1),
    )[0].numpy()
    np.testing.assert_array_equal(t.untile(t.outputs(t.psums(act, wgt, tiling.nij_table()), False), tiling), expected)


def test_linear_layer_is_a_kernel_as_large_as_the_map():
    rng = np.random.default_rng(6)
    layer = make_layer(rng, 20, 10, (2, 3))
    codes = rng.integers(0, 16, (20, 2, 3)).astype(np.uint8)
    tiling, act, wgt = tiled(layer, codes, 8, 8)
    out = t.untile(t.outputs(t.psums(act, wgt, tiling.nij_table()), False), tiling)
    assert tiling.out_map == (1, 1)
    np.testing.assert_array_equal(
        out[:, 0, 0], layer.weight.reshape(10, -1).astype(int) @ codes.reshape(-1).astype(int)
    )


def test_positions_pair_by_hand():
    tiling = t.Tiling(8, 8, 8, 8, (3, 3), (2, 1), (6, 5))
    assert tiling.out_map == (2, 3)
    assert tiling.nij(kij=5, onij=4) == (1 * 2 + 1) * 5 + 1 + 2
    assert tiling.nij_table().shape == (9, 6)


def test_bound_is_reached_and_never_passed_by_a_partial_sum():
    rng = np.random.default_rng(7)
    layer = make_layer(rng, 5, 6, (2, 2))
    bound = t.psum_bound(layer.weight, layer.act.max)
    flat = layer.weight.reshape(6, -1).astype(int)
    low = (np.minimum(flat, 0) * 15).sum(axis=1)
    high = (np.maximum(flat, 0) * 15).sum(axis=1)
    assert (bound.low, bound.high) == (low[bound.channel], high[bound.channel])
    for channel in range(6):
        for _ in range(50):
            terms = flat[channel] * rng.choice([0, 7, 15], flat.shape[1])
            partial = np.cumsum(rng.permutation(terms))
            assert low[channel] <= partial.min()
            assert partial.max() <= high[channel]
    best = np.where(flat[bound.channel] > 0, 15, 0)
    assert (flat[bound.channel] * best).sum() == bound.high, "the bound is reached, so no narrower width would do"
    assert -(1 << bound.bits - 1) <= bound.low
    assert bound.high < 1 << bound.bits - 1
    assert bound.low < -(1 << bound.bits - 2) or bound.high >= 1 << bound.bits - 2


def test_bound_agrees_with_the_graph():
    layer = make_layer(np.random.default_rng(8), 9, 12, (3, 3))
    bound = t.psum_bound(layer.weight, layer.act.max)
    low, high = layer.psum_range
    assert bound.reach == max(-low, high)


def test_overflow_is_refused_with_channel_bound_and_width():
    weight = np.zeros((3, 2, 1, 1), np.int8)
    weight[1] = 7  # 2 * 7 * 15 = 210 needs 9 bits
    ones = np.ones(3, np.int64)
    layer = Layer("features.9", weight, IntFormat(4, True, True), IntFormat(4), ones, ones, 0, IntFormat(4))
    with pytest.raises(LockstepError) as caught:
        t.require_psum_bits(layer, 8)
    assert str(caught.value) == (
        "layer features.9: psums of output channel 1 may reach 0..210, which 8 bits do not hold; "
        "expected a psum width of 9"
    )
    assert t.require_psum_bits(layer, 9) == (1, 0, 210, 9)


def test_psums_beyond_exact_floats_are_refused():
    act = np.full((1, 1, 2), 1 << 40, np.int64)
    wgt = np.full((1, 1, 1, 1, 2), 1 << 13, np.int64)
    with pytest.raises(LockstepError, match="psums reach 18014398509481984; expected less than 9007199254740992"):
        t.psums(act, wgt, np.zeros((1, 1), np.int64))


def test_impossible_tilings_are_refused():
    with pytest.raises(LockstepError, match="rows is 0; expected 1 or more"):
        t.Tiling(0, 8, 8, 8, (3, 3), (1, 1), (6, 6))
    with pytest.raises(LockstepError, match="has no output; expected a kernel that fits the map"):
        t.Tiling(8, 8, 8, 8, (3, 3), (1, 1), (2, 6))
