"""mac_array under cocotb: the first rung of the ladder, for several shapes and widths up to the full 8x8."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate
from tb.common.weight_formats import NAMED

NAMES = ("Rows", "Cols", "ActWidth", "WgtWidth", "PsumWidth", "WgtLanes", "GroupWidth", "Simd")
SETS = [
    (3, 4, 4, 4, 16, 2, 1, 0),
    (8, 8, 4, 4, 16, 2, 2, 0),
    (4, 4, 4, 4, 10, 4, 1, 0),  # 10 bits are just enough for 4 * 15 * -8
    (3, 5, 2, 8, 16, 1, 3, 0),
    (5, 3, 8, 8, 24, 2, 1, 0),
    (1, 1, 4, 2, 8, 1, 1, 0),
    (8, 8, 4, 4, 16, 2, 3, 1),
    (4, 4, 4, 4, 10, 4, 2, 1),
    (3, 5, 6, 3, 16, 1, 4, 1),
    (2, 3, 2, 8, 12, 2, 2, 1),
    (1, 1, 8, 2, 10, 1, 2, 1),
]


@pytest.mark.parametrize("values", SETS, ids=str)
def test_mac_array(values: tuple[int, ...]) -> None:
    """Every PE register at every clock edge equals the cycle model."""
    simulate("mac_array", "tb.mac_array.mac_array_tests", dict(zip(NAMES, values, strict=True)))


@pytest.mark.parametrize("name", NAMED)
def test_mac_array_of_powers_of_two(name: str) -> None:
    """The same on each format."""
    simulate("mac_array", "tb.mac_array.mac_array_tests", dict(zip(NAMES, SETS[0], strict=True)) | NAMED[name])


@pytest.mark.slow
@pytest.mark.parametrize("values", [values for values in SETS if values[-1]], ids=str)
def test_mac_array_of_pairs(values: tuple[int, ...]) -> None:
    """Two codes of half the width at once."""
    simulate("mac_array", "tb.mac_array.mac_array_pair_tests", dict(zip(NAMES, values, strict=True)))


@pytest.mark.parametrize("name", NAMED)
def test_pairs_of_powers_of_two(name: str) -> None:
    """Two shifted activations at once, of every format."""
    values = (3, 4, 4, 4, 16, 2, 2, 1)
    simulate("mac_array", "tb.mac_array.mac_array_pair_tests", dict(zip(NAMES, values, strict=True)) | NAMED[name])


BOTH = [
    (3, 4, 4, 4, 16, 2, 1, 0),
    (8, 8, 4, 4, 16, 2, 2, 0),
    (3, 5, 8, 8, 24, 2, 2, 0),
    (2, 5, 2, 3, 12, 1, 3, 0),
    (1, 1, 4, 2, 9, 1, 1, 0),
]


@pytest.mark.parametrize("values", BOTH, ids=str)
def test_mac_array_of_both_dataflows(values: tuple[int, ...]) -> None:
    """Output stationary, and in turns with weight stationary: every register at every clock edge."""
    chosen = dict(zip(NAMES, values, strict=True)) | {"OutputStationary": 1}
    simulate("mac_array", "tb.mac_array.mac_array_os_tests", chosen)


@pytest.mark.parametrize("values", BOTH[:1], ids=str)
def test_weight_stationary_on_an_array_of_both(values: tuple[int, ...]) -> None:
    """All tests of the plain array, unchanged, on one that has the other mode as well."""
    chosen = dict(zip(NAMES, values, strict=True)) | {"OutputStationary": 1}
    simulate("mac_array", "tb.mac_array.mac_array_tests", chosen)


@pytest.mark.parametrize("name", NAMED)
def test_output_stationary_with_powers_of_two(name: str) -> None:
    """The sums of a shift-and-add element, of every format."""
    chosen = dict(zip(NAMES, SETS[0], strict=True)) | NAMED[name] | {"OutputStationary": 1}
    simulate("mac_array", "tb.mac_array.mac_array_os_tests", chosen)
