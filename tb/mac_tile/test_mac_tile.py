"""mac_tile under cocotb, for several widths and places in the flit."""

from __future__ import annotations

import pytest

from model.numeric.power import PowerFormat
from tb.common.runner import simulate
from tb.common.weight_formats import NAMED, weight_parameters

NAMES = ("ActWidth", "WgtWidth", "PsumWidth", "WgtLanes", "GroupWidth", "Group", "Lane", "Simd")
SETS = [
    (4, 4, 16, 2, 2, 1, 1, 0),
    (2, 2, 8, 1, 3, 5, 0, 0),
    (8, 8, 16, 4, 1, 0, 3, 0),
    (8, 4, 24, 2, 2, 3, 0, 0),
    (2, 8, 16, 2, 1, 0, 0, 0),
    (4, 4, 16, 2, 3, 1, 1, 1),
    (4, 4, 8, 1, 4, 5, 0, 1),
    (2, 3, 8, 2, 2, 0, 1, 1),
    (8, 8, 32, 4, 2, 1, 3, 1),
]


@pytest.mark.parametrize("values", SETS, ids=str)
def test_mac_tile(values: tuple[int, ...]) -> None:
    """Registers, products, reset."""
    simulate("mac_tile", "tb.mac_tile.mac_tile_tests", dict(zip(NAMES, values, strict=True)))


PLACES = [(4, 16, 2, 2, 1, 1), (8, 32, 4, 1, 0, 3), (2, 12, 1, 3, 5, 0)]
PLACE_NAMES = ("ActWidth", "PsumWidth", "WgtLanes", "GroupWidth", "Group", "Lane")
OTHERS = {
    "three exponents, two apart, and zero": PowerFormat(3, zero=True, step=2),
    "five exponents, three patterns unused": PowerFormat(5),
}


@pytest.mark.parametrize("place", PLACES, ids=str)
@pytest.mark.parametrize("name", [*NAMED, *OTHERS])
def test_mac_tile_of_powers_of_two(name: str, place: tuple[int, ...]) -> None:
    """Every weight by every activation, by shift and add."""
    chosen = NAMED[name] if name in NAMED else weight_parameters(OTHERS[name])
    simulate("mac_tile", "tb.mac_tile.mac_tile_tests", dict(zip(PLACE_NAMES, place, strict=True)) | chosen)


@pytest.mark.parametrize("values", [values for values in SETS if values[-1]], ids=str)
def test_mac_tile_of_pairs(values: tuple[int, ...]) -> None:
    """Two codes of half the width at once."""
    simulate("mac_tile", "tb.mac_tile.mac_tile_pair_tests", dict(zip(NAMES, values, strict=True)))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*NAMED, *OTHERS])
def test_mac_tile_of_pairs_of_powers_of_two(name: str) -> None:
    """Two shifts and adds."""
    chosen = NAMED[name] if name in NAMED else weight_parameters(OTHERS[name])
    place = dict(zip(PLACE_NAMES, (4, 16, 2, 3, 1, 1), strict=True)) | {"Simd": 1} | chosen
    simulate("mac_tile", "tb.mac_tile.mac_tile_tests", place)
    simulate("mac_tile", "tb.mac_tile.mac_tile_pair_tests", place)
