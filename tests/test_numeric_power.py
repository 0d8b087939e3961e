"""Power-of-two formats: every pattern by hand, there and back, and what is no pattern or no value refused in a line."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from model.errors import LockstepError
from model.numeric import power
from model.numeric.power import MOST_SHIFT, POWERS, PowerFormat

OTHERS = [PowerFormat(3, zero=True, step=2), PowerFormat(5), PowerFormat(15, zero=True), PowerFormat(2, step=14)]
EVERY = [*POWERS.values(), *OTHERS]
# pattern by pattern, as docs/numeric.md lists them; None where there is no value
TABLES = {
    "pot4": [1, 2, 4, 8, 16, 32, 64, 128, -1, -2, -4, -8, -16, -32, -64, -128],
    "pot2": [1, 2, -1, -2],
    "ternary": [0, 1, None, -1],
    "level5": [0, 1, 8, None, None, -1, -8, None],
    "pot5": [0, 1, 2, 4, 8, 16, 32, 64, 128] + [None] * 8 + [-1, -2, -4, -8, -16, -32, -64, -128] + [None] * 7,
}


def test_examples_in_the_docstrings():
    found = doctest.testmod(power)
    assert (found.attempted, found.failed) == (2, 0)


@pytest.mark.parametrize("name", POWERS)
def test_every_pattern_means_what_the_page_says(name):
    fmt = POWERS[name]
    assert fmt.name == name
    assert len(TABLES[name]) == 1 << fmt.bits
    for pattern, value in enumerate(TABLES[name]):
        if value is None:
            with pytest.raises(LockstepError, match=f"of {name}"):
                fmt.decode(np.array([pattern]))
        else:
            assert fmt.decode(np.array([pattern])).tolist() == [value]


@pytest.mark.parametrize("fmt", EVERY, ids=str)
def test_every_value_comes_back_from_its_pattern(fmt):
    values = fmt.values
    assert (values[0], values[-1], len(values)) == (fmt.min, fmt.max, fmt.levels)
    assert (np.diff(values) > 0).all()
    patterns = fmt.encode(values)
    assert patterns.dtype == np.uint32
    assert patterns.max() < 1 << fmt.bits
    assert len(set(patterns.tolist())) == fmt.levels
    np.testing.assert_array_equal(fmt.decode(patterns), values)
    np.testing.assert_array_equal(fmt.encode(values.astype(fmt.dtype).reshape(-1, 1))[:, 0], patterns)


@pytest.mark.parametrize("fmt", EVERY, ids=str)
def test_the_pattern_of_zeros_is_the_filler(fmt):
    assert fmt.decode(np.array([0])).tolist() == [fmt.filler]
    assert fmt.filler == (0 if fmt.zero else 1)


@pytest.mark.parametrize("fmt", EVERY, ids=str)
def test_the_sign_is_one_bit(fmt):
    positive = fmt.values[fmt.values > 0]
    np.testing.assert_array_equal(fmt.encode(-positive), fmt.encode(positive) | 1 << (fmt.bits - 1))


@pytest.mark.parametrize("fmt", EVERY, ids=str)
def test_every_other_number_is_refused(fmt):
    for value in set(range(-300, 300)) - set(fmt.values.tolist()):
        with pytest.raises(LockstepError) as caught:
            fmt.check(np.array([[fmt.max, value]]), "layer conv weight")
        assert str(caught.value).startswith(f"layer conv weight[0, 1] is {value}, no value of {fmt.name}: ± ")


def test_what_is_no_pattern_says_why():
    for fmt, pattern, said in (
        (POWERS["ternary"], 2, "pattern [0] (10 of ternary) is a negative zero"),
        (POWERS["level5"], 7, "pattern [0] (111 of level5) has index 3; expected at most 2"),
        (POWERS["pot5"], 9, "pattern [0] (01001 of pot5) has index 9; expected at most 8"),
        (POWERS["pot4"], 16, "pattern [0] is 16, outside 0..15 (4 bits)"),
        (POWERS["pot2"], -1, "pattern [0] is -1, outside 0..3 (2 bits)"),
    ):
        with pytest.raises(LockstepError) as caught:
            fmt.decode(np.array([pattern]))
        assert str(caught.value) == said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"exponents": 0}, "exponents 0; expected an integer of 1 or more"),
        ({"exponents": True}, "exponents True"),
        ({"exponents": 2.0}, "exponents 2.0"),
        ({"exponents": 4, "step": 0}, "step 0; expected an integer of 1 or more"),
        ({"exponents": 4, "zero": 1}, "zero 1; expected true or false"),
        ({"exponents": 1}, "of one magnitude; expected two or more, or one beside zero"),
        ({"exponents": 3, "step": 8}, f"3 exponents 8 apart reach 2**16; expected at most 2**{MOST_SHIFT}"),
        ({"exponents": 16}, "16 exponents 1 apart reach 2**15"),
    ],
)
def test_impossible_formats_are_refused(arguments, said):
    with pytest.raises(LockstepError) as caught:
        PowerFormat(**arguments)
    assert said in str(caught.value)
