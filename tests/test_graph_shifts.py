"""Multipliers as sums of few powers of two: the nearest such sum, the bias that goes with it, graphs of them."""

from __future__ import annotations

import doctest
import itertools

import numpy as np
import pytest

from model.errors import LockstepError
from model.golden.execute import activations
from model.graph import shifts
from model.graph.shifts import MOST_TERMS, few_terms, nearest_sum, terms_of, without_multipliers
from model.numeric.power import POWERS
from tests.integer_graphs import random_pixels, small_graph


def test_examples_in_the_docstrings():
    found = doctest.testmod(shifts)
    assert (found.attempted, found.failed) == (2, 0)


@pytest.mark.parametrize("terms", [1, 2, 3])
def test_no_other_sum_is_nearer(terms):
    powers = [0, *(sign * 2**e for sign in (1, -1) for e in range(10))]
    sums = np.unique([sum(each) for each in itertools.product(powers, repeat=terms)])
    for value in range(-300, 301):
        found = nearest_sum(value, terms)
        assert found in sums
        assert abs(found - value) == np.abs(sums - value).min()
        assert terms_of(found) <= terms


def test_terms_are_counted_as_by_trying():
    powers = [0, *(sign * 2**e for sign in (1, -1) for e in range(9))]
    fewest = {}
    for count in range(4):
        for each in itertools.product(powers, repeat=count):
            fewest.setdefault(sum(each), count)
    for value in range(-130, 131):
        assert terms_of(value) == fewest.get(value, 4), value


@pytest.mark.parametrize("wgt", ["pot4", "ternary"])
@pytest.mark.parametrize("terms", [1, 2, 3])
def test_the_code_at_the_pivot_stays(terms, wgt):
    graph = small_graph(3, wgt=POWERS[wgt])
    for layer in graph.layers[:-1]:
        made = few_terms(layer, terms)
        pivot = (layer.out.max << layer.shift) / 4
        where = (pivot - layer.bias) / layer.multiplier  # the psum there, not an integer
        there = where * made.multiplier + made.bias
        assert np.abs(there - pivot).max() <= 0.5 + 1e-6
        assert all(terms_of(int(m)) <= terms for m in made.multiplier)
    np.testing.assert_array_equal(few_terms(graph.layers[-1], terms).bias, graph.layers[-1].bias)


def test_enough_terms_change_nothing_and_fewer_change_more():
    graph = small_graph(5)
    pixels = np.stack([random_pixels(graph, seed) for seed in range(6)])
    codes = [result for _, _, result in activations(graph, pixels)]
    differing = []
    for terms in (1, 2, 3, MOST_TERMS):
        made = without_multipliers(graph, terms)
        found = [result for _, _, result in activations(made, pixels)]
        differing.append(sum(int((a != b).sum()) for a, b in zip(codes[:1], found[:1], strict=True)))
    assert differing[0] > differing[1] >= differing[2] >= differing[3] == 0


def test_negative_and_zero_multipliers():
    layer = small_graph(1).layers[1]
    multiplier = layer.multiplier.copy()
    multiplier[0], multiplier[1] = 0, -multiplier[1]
    bias = layer.bias.copy()
    bias[0] = 12345
    made = few_terms(shifts.replace(layer, multiplier=multiplier, bias=bias), 2)
    assert (int(made.multiplier[0]), int(made.bias[0])) == (0, 12345)
    assert int(made.multiplier[1]) == -nearest_sum(-int(multiplier[1]), 2) < 0
    where = ((layer.out.max << layer.shift) / 4 - bias[1]) / multiplier[1]
    assert abs(where * made.multiplier[1] + made.bias[1] - (layer.out.max << layer.shift) / 4) <= 0.5 + 1e-6


def test_the_graph_says_what_was_done():
    graph = small_graph(1)
    made = without_multipliers(shifts.replace(graph, meta={**graph.meta, "integer_accuracy": 0.9, "test_images": 5}), 2)
    assert made.name == "small_rq2"
    assert made.meta["requant_terms"] == 2
    assert "integer_accuracy" not in made.meta
    assert made.sha256 != graph.sha256


@pytest.mark.parametrize("terms", [0, 9, -1])
def test_impossible_numbers_of_terms_are_refused(terms):
    with pytest.raises(LockstepError, match=rf"TERMS={terms} is impossible; expected 1\.\.8"):
        without_multipliers(small_graph(1), terms)
