"""Weights as words of 16 bits: there and back in every format, and bit by bit where it is told."""

from __future__ import annotations

import numpy as np
import pytest

from model.c.pack import pack, patterns_a_word, unpack, words_a_tap
from model.numeric.weights import FORMATS, named
from tests.integer_graphs import random_layer


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("sizes", [[1], [7], [9], [3, 5]])
def test_there_and_back(name, sizes):
    layer = random_layer(np.random.default_rng(1), "l", (5, sum(sizes), 2, 3), wgt=named(name))
    words = pack(layer, sizes)
    assert words.dtype == np.uint16
    assert len(words) == 5 * 2 * 3 * words_a_tap(layer.wgt, sizes)
    np.testing.assert_array_equal(unpack(words, layer, sizes), layer.weight)


def test_the_first_pattern_lies_in_the_lowest_bits_and_a_tap_begins_a_word():
    layer = random_layer(np.random.default_rng(1), "l", (1, 5, 1, 2))
    words = pack(layer, [5])
    patterns = layer.wgt.encode(layer.weight)[0, :, 0]  # (channel, tap)
    for tap in range(2):
        assert words[2 * tap] == sum(int(patterns[i, tap]) << 4 * i for i in range(4))
        assert words[2 * tap + 1] == patterns[4, tap]


def test_a_word_holds_as_many_patterns_as_fit():
    counts = {name: patterns_a_word(fmt) for name, fmt in FORMATS.items()}
    assert counts["int4"] == counts["pot4"] == 4
    assert counts["int2"] == counts["pot2"] == counts["ternary"] == 8
    assert (counts["int3"], counts["level5"], counts["pot5"], counts["int6"], counts["int8"]) == (5, 5, 3, 2, 2)
