"""The arithmetic of the integer contract: rounding half up, saturation, requantization."""

from __future__ import annotations

import doctest
from fractions import Fraction
from math import floor

import numpy as np
import pytest

from model.numeric import fixed
from model.numeric.fixed import requantize, round_shift, saturate

# value / 2, and what it rounds to: half up, not half to even (which gives 0 for 0.5 and 2 for 2.5), not away from zero
HALVES = {-5: -2, -4: -2, -3: -1, -2: -1, -1: 0, 0: 0, 1: 1, 2: 1, 3: 2, 4: 2, 5: 3}
INTEGERS = [np.int8, np.int16, np.int32, np.int64]


def test_examples_in_the_docstrings():
    assert doctest.testmod(fixed).attempted == 1
    assert doctest.testmod(fixed).failed == 0


@pytest.mark.parametrize("kind", [int, *INTEGERS])
@pytest.mark.parametrize(("value", "rounded"), HALVES.items(), ids=[str(value / 2) for value in HALVES])
def test_halves_round_up(kind, value, rounded):
    assert round_shift(kind(value), 1) == rounded


def test_the_rounding_of_numpy_is_another():
    assert np.round(2.5) == 2  # half to even: why there is one round_shift, used everywhere
    assert round_shift(5, 1) == 3


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("shift", [0, 1, 2, 6, 7, 8, 20])
def test_round_shift_is_the_floor_of_value_plus_a_half_up_to_the_ends_of_the_type(dtype, shift):
    info = np.iinfo(dtype)
    values = [*range(-128, 128), info.min, info.min + 1, info.max - 1, info.max]
    expected = [floor(Fraction(value, 1 << shift) + Fraction(1, 2)) for value in values]
    result = round_shift(np.array(values, dtype), shift)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result.astype(object), expected)
    assert [round_shift(value, shift) for value in values] == expected


def test_a_negative_shift_is_refused():
    with pytest.raises(ValueError, match="shift -1 is negative"):
        round_shift(4, -1)


def test_saturate():
    np.testing.assert_array_equal(saturate(np.arange(-3, 20), 0, 15), [0] * 3 + [*range(16)] + [15] * 4)
    assert saturate(-9, -7, 7) == -7


def test_requantize_is_the_rounded_product_with_the_half_in_the_bias():
    rng = np.random.default_rng(1)
    shift = 13
    psum = rng.integers(-5000, 5000, (7, 11, 6))
    psum[0, 0], psum[0, 1] = -5000, 5000
    multiplier, offset = rng.integers(-40, 40, 6), rng.integers(-30000, 30000, 6)
    result = requantize(psum, multiplier, offset + (1 << (shift - 1)), shift, 0, 15)
    np.testing.assert_array_equal(result, saturate(round_shift(psum * multiplier + offset, shift), 0, 15))
    assert set(result.flat) == set(range(16))
    assert result.dtype == np.int64


def test_requantize_shifts_negative_numbers_arithmetically():
    result = requantize(np.array([-10, -9, -1, 0]), np.array([1]), np.array([0]), 2, -100, 100)
    np.testing.assert_array_equal(result, [-3, -3, -1, 0])


@pytest.mark.parametrize(
    ("psum", "multiplier", "bias"),
    [
        (1 << 40, 1 << 23, 0),
        (-(1 << 40), 1 << 23, 0),
        (1 << 40, (1 << 23) - 1, 1 << 40),
        (-(1 << 63), 1, 0),
    ],
)
def test_requantize_refuses_what_64_bits_do_not_hold(psum, multiplier, bias):
    with pytest.raises(OverflowError, match="64 bits"):
        requantize(np.array([0, psum]), np.array([multiplier]), np.array([bias]), 4, 0, 15)


def test_requantize_reaches_the_edge_of_64_bits():
    psum = np.array([1 << 40, -(1 << 40)])
    multiplier, bias = np.array([(1 << 23) - 1]), np.array([(1 << 40) - 1])
    exact = [(int(p) * int(multiplier[0]) + int(bias[0])) >> 40 for p in psum]
    np.testing.assert_array_equal(requantize(psum, multiplier, bias, 40, -(1 << 40), 1 << 40), exact)


def test_requantize_of_nothing():
    assert requantize(np.zeros((0, 3), np.int64), np.ones(3, np.int64), np.ones(3, np.int64), 4, 0, 15).shape == (0, 3)
