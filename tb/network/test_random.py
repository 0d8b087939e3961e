"""Drawn layers on engines of eight sizes, under stalls, with the assertions of the RTL on."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.program.draw import ARRAYS, POWER_ARRAYS
from tb.common.runner import default_simulator
from tb.network.draws import STALLS, run_draws, small_draws, stall_of

DRAWS = 12  # an array
SEED = 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ARRAYS)
def test_drawn_layers_equal_golden_and_cycle_model(name: str, tmp_path: Path) -> None:
    draws = small_draws(SEED, name, DRAWS)
    assert {stall_of(each.index) for each in draws} == set(STALLS)
    wrong, report = run_draws(draws, tmp_path, default_simulator())
    assert not wrong, "\n".join(
        f"{index}: {text}; make random N=1 SEED={SEED} FIRST={index}" for index, text in wrong.items()
    )
    assert report.jobs == len(draws)
    assert report.mismatches == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", POWER_ARRAYS)
def test_drawn_layers_of_powers_of_two_equal_golden_and_cycle_model(name: str, tmp_path: Path) -> None:
    draws = small_draws(SEED, name, DRAWS)
    wrong, report = run_draws(draws, tmp_path, default_simulator())
    assert not wrong
    assert report.jobs == len(draws)
    assert report.mismatches == 0
