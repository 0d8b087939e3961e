"""Requantization as C: which way is taken, on how many bits, and that what is taken out of M changes nothing."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from model.c import scale as scales
from model.c.scale import scale, signed_digits
from model.graph.shifts import few_terms, terms_of
from model.numeric.weights import named
from tests.integer_graphs import random_layer


@pytest.fixture
def layer():
    return random_layer(np.random.default_rng(3), "l", (6, 4, 3, 3), wgt=named("pot4"))


@pytest.mark.parametrize("value", [*range(-40, 41), 2**31 - 1, -(2**31), 2**40 + 5, 0x5555])
def test_signed_digits_add_up_with_as_few_as_there_are(value):
    digits = signed_digits(value)
    assert sum(sign << exponent if sign > 0 else -(1 << exponent) for sign, exponent in digits) == value
    assert len(digits) == terms_of(value)


def test_the_way_is_that_of_the_target_and_of_m(layer):
    assert scale(layer, 0, multiplier=True).how == "multiply"
    assert scale(few_terms(layer, 2), 0, multiplier=False).how == "terms"
    odd = replace(layer, multiplier=np.full(6, 0x5555, np.int64))
    assert scale(odd, 0, multiplier=False).how == "bits"


def test_what_two_divides_is_taken_out_of_m_and_changes_no_code(layer):
    layer = replace(layer, multiplier=np.array([1 << 9, 3 << 4, 5, 0, -(1 << 11), 1 << 13]), shift=12)
    twos = [scales._twos(m, 12) for m in layer.multiplier.tolist()]
    assert twos == [9, 4, 0, 12, 11, 12]
    factors, offsets = scales._reduced(layer, twos)
    low, high = layer.psum_range
    for p in {low, high, 0, *range(-300, 300, 7)}:
        for channel, t in enumerate(twos):
            whole = (p * int(layer.multiplier[channel]) + int(layer.bias[channel])) >> 12
            assert (p * factors[channel] + offsets[channel]) >> (12 - t) == whole


def test_sums_are_of_32_bits_where_the_bounds_allow_and_of_64_where_not(layer):
    narrow = replace(layer, multiplier=np.full(6, 1 << 20, np.int64), bias=np.full(6, 7 << 20, np.int64), shift=22)
    assert "int64" not in str(scale(narrow, 0, multiplier=True))
    wide = replace(narrow, multiplier=narrow.multiplier + 1)
    assert "int64_t t = (int64_t)p" in "".join(scale(wide, 0, multiplier=True).total)


def test_no_shift_is_further_than_c_has_one(layer):
    """Of 32 bits 31 do what more would: nothing but the sign is left."""
    mixed = replace(
        layer, multiplier=np.array([1 << 37, 3, 3, 3, 3, 3]), bias=np.array([1 << 39, 5, 5, 5, 5, 5]), shift=40
    )
    found = scale(mixed, 7, multiplier=True)
    assert "int32_t t = (int32_t)p" in "".join(found.total)
    told = found.tables[found.tables.index("s7[") :]
    assert [int(each) for each in re.findall(r"\d+", told[told.index("{") : told.index("}")])] == [3, *[31] * 5]


def test_a_shift_that_differs_by_channel_is_a_table(layer):
    mixed = replace(layer, multiplier=np.array([1, 2, 4, 8, 16, 32]) << 3)
    assert scale(mixed, 7, multiplier=False).shift == "s7[q]"
    assert scale(replace(mixed, multiplier=np.full(6, 8)), 7, multiplier=False).shift == str(mixed.shift - 3)
