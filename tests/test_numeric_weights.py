"""Weight formats: names, JSON there and back, and one interface for integers and powers of two."""

from __future__ import annotations

import doctest
import json

import numpy as np
import pytest

from model.errors import LockstepError
from model.numeric import weights
from model.numeric.formats import IntFormat
from model.numeric.power import PowerFormat
from model.numeric.weights import FORMATS, format_of, int_of, named


def test_examples_in_the_docstrings():
    found = doctest.testmod(weights)
    assert (found.attempted, found.failed) == (1, 0)


@pytest.mark.parametrize("name", FORMATS)
def test_names_and_json_there_and_back(name):
    fmt = named(name)
    assert fmt.name == name
    assert format_of(json.loads(json.dumps(fmt.describe()))) == fmt


@pytest.mark.parametrize("name", FORMATS)
def test_one_interface(name):
    fmt = named(name)
    assert fmt.signed
    assert fmt.symmetric
    assert fmt.bits <= 8
    assert fmt.values.dtype == np.int64
    assert (fmt.values[0], fmt.values[-1], len(fmt.values)) == (fmt.min, fmt.max, fmt.levels)
    np.testing.assert_array_equal(fmt.values.astype(fmt.dtype), fmt.values)
    np.testing.assert_array_equal(fmt.decode(fmt.encode(fmt.values)), fmt.values)
    assert fmt.encode(np.array([fmt.filler])).tolist() == [0]


def test_the_formats_there_are():
    assert list(FORMATS) == [*(f"int{bits}" for bits in range(2, 9)), "pot4", "pot2", "ternary", "level5", "pot5"]
    assert {name: fmt.levels for name, fmt in FORMATS.items() if isinstance(fmt, PowerFormat)} == {
        "pot4": 16,
        "pot2": 4,
        "ternary": 3,
        "level5": 5,
        "pot5": 17,
    }


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(LockstepError, match=r"no weight format 'pot3'; expected one of int2, .*int8, pot4, .*pot5$"):
        named("pot3")


def test_activations_are_integers():
    assert int_of(IntFormat(4).describe()) == IntFormat(4)
    with pytest.raises(LookupError):
        int_of(named("pot4").describe())
