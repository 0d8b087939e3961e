"""core under cocotb, apart from the replay: several shapes, widths and depths that are no powers of two."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate
from tb.common.weight_formats import NAMED

NAMES = ("Rows", "Cols", "ActWidth", "WgtWidth", "PsumWidth", "WgtLanes", "ActDepth", "PsumDepth", "Simd")
SETS = [
    (8, 8, 4, 4, 24, 2, 150, 36, 0),
    (4, 4, 2, 2, 16, 4, 130, 8, 0),
    (3, 5, 4, 4, 20, 1, 128, 15, 0),
    (16, 8, 2, 4, 20, 2, 70, 40, 0),
    (5, 3, 8, 8, 32, 2, 128, 11, 0),
    (1, 1, 4, 4, 20, 1, 128, 4, 0),
    (12, 12, 2, 4, 20, 5, 66, 40, 0),  # more than 192 bits of psums in a line
    (8, 8, 4, 4, 24, 2, 150, 36, 1),
    (3, 5, 4, 4, 20, 1, 150, 15, 1),
    (16, 8, 2, 4, 20, 4, 70, 40, 1),
    (1, 1, 8, 4, 24, 1, 128, 4, 1),
    (
        2,
        5,
        3,
        4,
        20,
        2,
        66,
        200,
        0,
    ),  # the last of three column groups holds one column; more psum than activation lines
]
RANGE = (2, 3, 3, 4, 10, 2, 16, 4, 0)  # a psum that five pixels can fill


@pytest.mark.parametrize("values", SETS, ids=str)
def test_core_unit(values: tuple[int, ...]) -> None:
    simulate("core", "tb.core.core_unit_tests", dict(zip(NAMES, values, strict=True)))


BOTH = [
    (8, 8, 4, 4, 24, 2, 60, 20, 0),
    (3, 5, 4, 4, 20, 2, 33, 15, 0),
    (4, 8, 4, 3, 20, 2, 16, 200, 0),
    (16, 8, 2, 4, 20, 2, 20, 40, 0),
    (1, 1, 4, 4, 20, 1, 8, 4, 0),
    (6, 12, 2, 4, 20, 2, 20, 40, 0),
]
TURNS = (3, 5, 4, 4, 20, 2, 70, 15, 0)


@pytest.mark.slow
@pytest.mark.parametrize("values", [*BOTH, TURNS], ids=str)
def test_core_output_stationary(values: tuple[int, ...]) -> None:
    chosen = dict(zip(NAMES, values, strict=True)) | {"OutputStationary": 1}
    simulate("core", "tb.core.core_os_tests", chosen)


def test_core_of_both_dataflows_weight_stationary() -> None:
    simulate("core", "tb.core.core_unit_tests", dict(zip(NAMES, TURNS, strict=True)) | {"OutputStationary": 1})


def test_core_range() -> None:
    simulate("core", "tb.core.core_range_tests", dict(zip(NAMES, RANGE, strict=True)))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMED)
def test_core_unit_of_powers_of_two(name: str) -> None:
    """The same on each weight format."""
    simulate("core", "tb.core.core_unit_tests", dict(zip(NAMES, SETS[0], strict=True)) | NAMED[name])


def test_core_range_of_powers_of_two() -> None:
    """128 is the greatest weight, and 2**10 pixels' worth of it fill 18 bits."""
    values = (2, 3, 3, 4, 14, 2, 16, 4, 0)
    simulate("core", "tb.core.core_range_tests", dict(zip(NAMES, values, strict=True)) | NAMED["pot4"])


@pytest.mark.slow
@pytest.mark.parametrize("values", [values for values in SETS if values[-1]], ids=str)
def test_core_of_pairs(values: tuple[int, ...]) -> None:
    simulate("core", "tb.core.core_pair_tests", dict(zip(NAMES, values, strict=True)))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMED)
def test_core_of_pairs_of_powers_of_two(name: str) -> None:
    simulate(
        "core", "tb.core.core_pair_tests", dict(zip(NAMES, (3, 5, 4, 4, 24, 2, 150, 15, 1), strict=True)) | NAMED[name]
    )
