"""Residual add and average pooling as layers: their rules, term by term."""

from __future__ import annotations

import numpy as np
import pytest

from model.errors import LockstepError
from model.golden.execute import conv, finish
from model.graph.kinds import average_pooling, mean_requantization, residual_add
from model.numeric.formats import IntFormat
from model.numeric.weights import FORMATS

ACT = IntFormat(4)


@pytest.mark.parametrize("code_max", [1, 3, 15, 255])
def test_the_mean_is_half_up_for_every_count_and_sum(code_max):
    for count in (*range(1, 70), 81, 100, 256, 961, 1024):
        multiplier, bias, shift = mean_requantization(count, code_max)
        sums = np.arange(count * code_max + 1)
        np.testing.assert_array_equal((sums * multiplier + bias) >> shift, (2 * sums + count) // (2 * count))


def test_one_bit_less_of_shift_is_not_exact_somewhere():
    """The bound is no more than a bit too careful: with S - 2 some mean is wrong."""
    wrong = 0
    for count in range(2, 64):
        shift = mean_requantization(count, 15)[2] - 2
        sums = np.arange(count * 15 + 1)
        rough = (sums * -(-(1 << shift) // count) + (1 << (shift - 1))) >> shift
        wrong += not np.array_equal(rough, (2 * sums + count) // (2 * count))
    assert wrong


@pytest.mark.parametrize(("window", "stride"), [((3, 2), None), ((5, 4), None), ((2, 2), (1, 1)), ((3, 3), (2, 1))])
def test_average_pooling_by_its_definition(window, stride):
    codes = np.random.default_rng(0).integers(0, 16, (2, 3, 7, 6)).astype(np.uint8)
    layer = average_pooling("mean", 3, window, ACT, stride=stride)
    got = finish(conv(codes, layer), layer)
    (ky, kx), (sy, sx), count = window, stride or window, window[0] * window[1]
    for at in np.ndindex(got.shape):
        n, channel, y, x = at
        total = sum(int(codes[n, channel, y * sy + j, x * sx + i]) for j in range(ky) for i in range(kx))
        assert got[at] == (2 * total + count) // (2 * count)


def test_a_sum_of_maps_by_its_definition():
    rng = np.random.default_rng(1)
    maps = rng.integers(0, 16, (3, 2, 5, 4, 3)).astype(np.uint8)  # (map, image, channel, y, x)
    factors, zeros, shift = [1, 2, -3], [8, 0, 3], 1
    layer = residual_add("sum", ("a", "b", "c"), 5, ACT, factors=factors, zeros=zeros, shift=shift)
    got = finish(conv(np.concatenate(maps, axis=1), layer), layer)
    for at in np.ndindex(got.shape):
        total = sum(f * (int(a[at]) - z) for f, a, z in zip(factors, maps, zeros, strict=True))
        assert got[at] == min(max((total + 1) >> 1, 0), 15)


@pytest.mark.parametrize("name", FORMATS)
def test_sums_and_means_in_every_weight_format(name):
    wgt = FORMATS[name]
    maps = np.random.default_rng(1).integers(0, 16, (2, 1, 5, 4, 2)).astype(np.uint8)  # (map, image, channel, y, x)
    greatest = residual_add("sum", ("a", "b"), 5, ACT, factors=[wgt.max, wgt.min], out=IntFormat(8), wgt=wgt)
    got = finish(conv(np.concatenate(maps, axis=1), greatest), greatest)
    np.testing.assert_array_equal(got, (wgt.max * (maps[0].astype(int) - maps[1])).clip(0, 255))
    mean = average_pooling("mean", 5, (4, 2), ACT, wgt=wgt)
    np.testing.assert_array_equal(
        finish(conv(maps[0], mean), mean)[..., 0, 0], (2 * maps[0].sum((2, 3), int) + 8) // 16
    )
    with pytest.raises(LockstepError, match=rf"layer sum: factors\[1\] is {wgt.max + 1}, "):
        residual_add("sum", ("a", "b"), 5, ACT, factors=[1, wgt.max + 1], wgt=wgt)


def test_what_cannot_be_pooled_or_added_is_refused():
    with pytest.raises(LockstepError, match="a mean of 0 codes up to 15; expected 1 or more"):
        mean_requantization(0, 15)
    with pytest.raises(LockstepError, match=r"wants a shift of 4\d; expected 40"):
        mean_requantization(1 << 18, 255)
    with pytest.raises(LockstepError, match="1 maps, 1 factors and 1 offsets to add; expected as many of each, 2 or"):
        residual_add("sum", ("a",), 4, ACT)
    with pytest.raises(LockstepError, match="2 maps, 3 factors and 2 offsets"):
        residual_add("sum", ("a", "b"), 4, ACT, factors=[1, 1, 1])
