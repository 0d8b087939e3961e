"""200 drawn layers on engines of eight sizes, under stalls, with the assertions of the RTL on."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.program.draw import ARRAYS, POWER_ARRAYS, draw
from tb.network.draws import STALLS, any_draw, run_draws, stall_of

DRAWS = 200
SEED = 1


def test_every_array_is_drawn_under_every_stall() -> None:
    names = list(ARRAYS)
    pairs = {(names[index % len(names)], stall_of(index)) for index in range(DRAWS)}
    assert len(pairs) == len(names) * len(set(STALLS))


@pytest.mark.parametrize("name", ARRAYS)
def test_drawn_layers_equal_golden_and_cycle_model(name: str, tmp_path: Path) -> None:
    draws = [any_draw(SEED, index) for index in range(DRAWS) if list(ARRAYS)[index % len(ARRAYS)] == name]
    assert len(draws) == DRAWS // len(ARRAYS)
    wrong, report = run_draws(draws, tmp_path, "icarus")
    assert not wrong, "\n".join(
        f"{index}: {text}; make random N=1 SEED={SEED} FIRST={index}" for index, text in wrong.items()
    )
    assert report.jobs == len(draws)
    assert report.mismatches == 0


@pytest.mark.parametrize("name", POWER_ARRAYS)
def test_drawn_layers_of_powers_of_two_equal_golden_and_cycle_model(name: str, tmp_path: Path) -> None:
    draws = [draw(SEED, index, name) for index in range(16)]
    wrong, report = run_draws(draws, tmp_path, "icarus")
    assert not wrong
    assert report.jobs == len(draws)
    assert report.mismatches == 0
