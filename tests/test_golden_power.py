"""Golden execution and tiling of power-of-two weights: the definitions, the fast paths and torch agree; edge tiles."""

from __future__ import annotations

import numpy as np
import pytest

from model.golden import tiling as t
from model.golden.cycle import idle, reset
from model.golden.execute import conv, conv_naive
from model.graph.graph import Layer
from model.numeric.formats import IntFormat
from model.numeric.power import POWERS


def draw_case(rng, fmt, extreme=False):
    kernel = tuple(int(k) for k in rng.integers(1, 4, 2))
    padding = tuple(int(rng.integers(0, k)) for k in kernel)
    size = [int(rng.integers(max(1, k - 2 * p), k + 4)) for k, p in zip(kernel, padding, strict=True)]
    outs, ins = (int(n) for n in rng.integers(1, 12, 2))
    values = [fmt.min, fmt.max] if extreme else fmt.values
    weight = rng.choice(values, (outs, ins, *kernel)).astype(fmt.dtype)
    ones, act = np.ones(outs, np.int64), IntFormat(int(rng.integers(1, 9)))
    layer = Layer("conv", weight, fmt, act, ones, ones, 4, IntFormat(4), padding=padding)
    codes = rng.integers(0, act.max + 1, (ins, *size)).astype(np.uint8)
    codes.flat[0], codes.flat[-1] = 0, act.max
    return layer, codes


@pytest.mark.parametrize("extreme", [False, True])
@pytest.mark.parametrize("name", POWERS)
def test_naive_fast_tiled_and_torch_agree(name, extreme):
    torch = pytest.importorskip("torch")
    fmt = POWERS[name]
    for seed in range(8):
        rng = np.random.default_rng(seed)
        layer, codes = draw_case(rng, fmt, extreme)
        whole = conv_naive(codes, layer)
        np.testing.assert_array_equal(conv(codes[None], layer)[0].transpose(2, 0, 1), whole)
        pair = torch.from_numpy(codes[None].astype(np.float64)), torch.from_numpy(layer.weight.astype(np.float64))
        reference = torch.nn.functional.conv2d(*pair, padding=layer.padding)
        np.testing.assert_array_equal(reference[0].numpy(), whole)
        rows, cols = (int(n) for n in rng.integers(1, 9, 2))
        tiling = t.tiling_of(layer, *codes.shape[1:], rows, cols)
        act = t.tile_activations(codes, layer.padding, rows)
        wgt = t.tile_weights(layer.weight, rows, cols, fmt.filler)
        naive = t.psums_naive(tiling, act, wgt)
        np.testing.assert_array_equal(t.psums(act, wgt, tiling.nij_table()), naive)
        np.testing.assert_array_equal(t.untile(t.outputs_naive(tiling, naive, relu=False), tiling), whole)


@pytest.mark.parametrize("name", POWERS)
def test_edge_tiles_hold_values_of_the_format_and_keep_the_bound(name):
    fmt = POWERS[name]
    rng = np.random.default_rng(3)
    for _ in range(20):
        layer, _ = draw_case(rng, fmt)
        wgt = t.tile_weights(layer.weight, 8, 8, fmt.filler)
        fmt.check(wgt, "tile ")
        oc, ic, kijs, cols, rows = wgt.shape
        by_channel = wgt.transpose(0, 3, 1, 2, 4).reshape(oc * cols, ic, kijs, rows)
        used = by_channel.reshape(oc * cols, -1)[:, : ic * kijs * rows]
        inside = t.psum_bound(layer.weight, 15)
        real = by_channel.copy().transpose(0, 1, 3, 2).reshape(oc * cols, ic * rows, kijs)
        real[:, layer.in_channels :] = 0  # these rows meet activations of 0
        assert t.psum_bound(real[..., None], 15).bits == inside.bits
        assert (used[layer.out_channels :] == (used[layer.out_channels - 1] if fmt.filler else 0)).all()


def test_registers_after_reset_hold_the_value_of_the_pattern_of_zeros():
    for fmt in POWERS.values():
        pe = reset(1, 1, 2, fmt.filler)[0][0]
        assert fmt.encode(np.array([pe.shadow, pe.active, *pe.wgt])).tolist() == [0, 0, 0, 0]
        assert fmt.encode(np.array(idle(2, fmt.filler).wgt)).tolist() == [0, 0]
