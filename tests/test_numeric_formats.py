"""Integer formats: ranges, bit patterns there and back, refusals that name the code."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from model.errors import LockstepError
from model.numeric import formats
from model.numeric.formats import MAX_BITS, IntFormat, signed_bits_for

EVERY = [IntFormat(bits) for bits in range(1, 9)] + [
    IntFormat(bits, signed=True, symmetric=symmetric) for bits in range(2, 9) for symmetric in (False, True)
]


def test_examples_in_the_docstrings():
    assert doctest.testmod(formats).attempted == 2
    assert doctest.testmod(formats).failed == 0


@pytest.mark.parametrize(
    ("bits", "signed", "symmetric", "low", "high"),
    [
        (1, False, False, 0, 1),
        (4, False, False, 0, 15),
        (8, False, False, 0, 255),
        (32, False, False, 0, 2**32 - 1),
        (2, True, False, -2, 1),
        (2, True, True, -1, 1),
        (4, True, False, -8, 7),
        (4, True, True, -7, 7),
        (32, True, False, -(2**31), 2**31 - 1),
    ],
)
def test_ranges(bits, signed, symmetric, low, high):
    fmt = IntFormat(bits, signed, symmetric)
    assert (fmt.min, fmt.max, fmt.levels) == (low, high, high - low + 1)


@pytest.mark.parametrize("fmt", EVERY, ids=str)
def test_every_code_comes_back_from_its_pattern(fmt):
    codes = np.arange(fmt.min, fmt.max + 1)
    patterns = fmt.encode(codes)
    assert patterns.dtype == np.uint32
    assert patterns.max() < 1 << fmt.bits
    assert len(set(patterns.tolist())) == fmt.levels
    np.testing.assert_array_equal(fmt.decode(patterns), codes)


@pytest.mark.parametrize("fmt", [IntFormat(4, signed=True), IntFormat(32, signed=True), IntFormat(32)], ids=str)
def test_patterns_are_twos_complement(fmt):
    codes = np.array([fmt.min, fmt.min + 1, fmt.max - 1, fmt.max, 0, 1])
    expected = [format(int(code) % (1 << fmt.bits), f"0{fmt.bits}b") for code in codes]
    assert [format(int(pattern), f"0{fmt.bits}b") for pattern in fmt.encode(codes)] == expected


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.uint64])
def test_check_names_the_first_code_out_of_range(dtype):
    codes = np.zeros((2, 3), dtype)
    IntFormat(4).check(codes, "weight ")
    codes[1, 2] = codes[1, 1] = 16
    with pytest.raises(LockstepError, match=r"^weight \[1, 1\] is 16, outside 0\.\.15 \(4 bits\)$"):
        IntFormat(4).check(codes, "weight ")


def test_codes_below_the_range_are_refused():
    with pytest.raises(LockstepError, match=r"\[0\] is -1, outside 0\.\.15"):
        IntFormat(4).encode(np.array([-1]))
    with pytest.raises(LockstepError, match=r"\[2\] is -8, outside -7\.\.7"):
        IntFormat(4, signed=True, symmetric=True).encode(np.array([0, -7, -8]))


@pytest.mark.parametrize("pattern", [-1, 16, 19, 1 << 40])
def test_patterns_wider_than_the_format_are_refused(pattern):
    with pytest.raises(LockstepError, match=rf"pattern \[1\] is {pattern}, outside 0\.\.15"):
        IntFormat(4, signed=True).decode(np.array([3, pattern]))


def test_the_most_negative_pattern_is_no_symmetric_code():
    assert IntFormat(4, signed=True).decode(np.array([8])) == [-8]
    with pytest.raises(LockstepError, match=r"code \[0\] is -8, outside -7\.\.7"):
        IntFormat(4, signed=True, symmetric=True).decode(np.array([8]))


@pytest.mark.parametrize(
    ("bits", "signed"), [(0, False), (1, True), (MAX_BITS + 1, False), (4.0, False), (True, False)]
)
def test_impossible_widths_are_refused(bits, signed):
    with pytest.raises(LockstepError, match=r"bits is impossible; expected [12]\.\.32"):
        IntFormat(bits, signed)


def test_an_unsigned_format_is_not_symmetric():
    with pytest.raises(LockstepError, match="cannot be symmetric"):
        IntFormat(4, symmetric=True)


def test_signed_bits_for_is_the_smallest_width_that_holds_the_range():
    for low in range(-20, 21):
        for high in range(low, 21):
            bits = signed_bits_for(low, high)
            assert -(1 << (bits - 1)) <= low
            assert high < 1 << (bits - 1)
            if bits > 1:
                assert low < -(1 << (bits - 2)) or high >= 1 << (bits - 2)
    with pytest.raises(ValueError, match=r"empty range 1\.\.0"):
        signed_bits_for(1, 0)
