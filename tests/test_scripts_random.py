"""`make random`: what it leaves, what it keeps for the next run, and what it tells of a draw that fails."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from model.files import read_json
from model.program.draw import ARRAYS
from scripts import random_layers
from scripts.random_layers import CHUNK, Asked
from tb.common.runner import SimulationError, default_simulator

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("usual_start")]
NEEDS_ICARUS = pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs Icarus Verilog")


def random(out: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit status and result of a run in `out`."""
    return random_layers.main([*arguments, "--out", str(out)]), read_json(out / "result.json")


@pytest.mark.parametrize(("count", "first"), [(1, 0), (7, 3), (2 * CHUNK * len(ARRAYS) + 11, 5)])
def test_every_draw_is_simulated_once_and_a_round_has_an_array_once(count: int, first: int) -> None:
    rounds = list(Asked(count, 1, first, "icarus", "").rounds())
    assert sorted(index for batches in rounds for indices in batches for index in indices) == list(
        range(first, first + count)
    )
    for batches in rounds:
        arrays = [{index % len(ARRAYS) for index in indices} for indices in batches]
        assert all(len(each) == 1 for each in arrays)
        assert len(set.union(*arrays)) == len(batches)
        assert max(map(len, batches)) <= CHUNK


def test_drawn_layers_pass_and_say_so(tmp_path: Path, capsys) -> None:
    status, result = random(tmp_path, "--n", "3", "--seed", "5")
    assert status == 0
    assert (result["passed"], result["draws"], result["failed"], result["kept"]) == (True, 3, [], 0)
    assert result["make"] == f"make random N=3 SEED=5 SIM={default_simulator()}"
    assert result["checked_values"] > 0
    assert "3 draws, 0 wrong" in capsys.readouterr().out


@NEEDS_ICARUS
def test_what_is_done_is_not_done_again_after_an_interrupt(tmp_path: Path, capsys, monkeypatch) -> None:
    arguments = ["--n", "3", "--seed", "5", "--sim", "icarus", "--jobs", "1"]
    run_draws = random_layers.run_draws

    def interrupted(draws: Any, *rest: Any) -> Any:
        if draws[0].index == 2:
            raise KeyboardInterrupt
        return run_draws(draws, *rest)

    monkeypatch.setattr(random_layers, "run_draws", interrupted)
    assert random_layers.main([*arguments, "--out", str(tmp_path)]) == 130
    assert not (tmp_path / "result.json").exists()

    def counting(draws: Any, *rest: Any) -> Any:
        ran.extend(each.index for each in draws)
        return run_draws(draws, *rest)

    ran: list[int] = []
    monkeypatch.setattr(random_layers, "run_draws", counting)
    status, result = random(tmp_path, *arguments)
    assert (status, ran, result["draws"], result["kept"]) == (0, [2], 3, 2)
    assert "draws 0..0 on 4x4: kept" in capsys.readouterr().out
    whole = {name: result[name] for name in ("cycles", "checked_values")}

    ran.clear()
    assert random_layers.main([*arguments[:3], "6", *arguments[4:], "--out", str(tmp_path)]) == 0
    assert ran == [0, 1, 2]  # draws of another seed

    ran.clear()
    status, result = random(tmp_path, *arguments)
    assert (ran, {name: result[name] for name in whole}) == ([], whole)
    monkeypatch.setenv("INIT", "random")
    status, result = random(tmp_path, *arguments)
    assert (status, result["make"]) == (0, "make random N=3 SEED=5 SIM=icarus INIT=random")
    assert ran == [0, 1, 2]  # registers that do not begin with X


def test_failing_draws_print_the_command_that_repeats_them_and_are_not_kept(
    tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.setattr("tb.network.whole.counters_differ", lambda run, program: "cycles 1 instead of 2")
    status, result = random(tmp_path, "--n", "1", "--first", "9", "--seed", "5", "--sim", "icarus")
    assert (status, result["passed"], result["failed"], result["error"]) == (1, False, [9], None)
    told = capsys.readouterr()
    assert "FAILED: draw 5:9 on 8x8" in told.err
    assert "again: make random N=1 SEED=5 FIRST=9 SIM=icarus" in told.err
    assert "draws 9..9 on 8x8: 1 wrong" in told.out
    monkeypatch.undo()
    status, result = random(tmp_path, "--n", "1", "--first", "9", "--seed", "5", "--sim", "icarus")
    assert (status, result["failed"], result["kept"]) == (0, [], 0)
    assert result["make"] == "make random N=1 SEED=5 FIRST=9 SIM=icarus"


@NEEDS_ICARUS
def test_a_simulator_that_dies_leaves_a_result_that_says_so(tmp_path: Path, capsys, replaced) -> None:
    replaced("vvp", "exit 139")
    status, result = random(tmp_path, "--n", "2", "--seed", "5", "--sim", "icarus")
    assert (status, result["passed"], result["wanted"], result["draws"], result["failed"]) == (1, False, 2, 0, [])
    assert result["error"].startswith("draws 0..0 on 4x4: the simulation broke off (exit 139); see ")
    assert f"FAILED: {result['error']}\n  again: make random N=2 SEED=5 SIM=icarus" in capsys.readouterr().err


def test_a_simulation_that_breaks_off_is_the_last_round(tmp_path: Path, monkeypatch) -> None:
    def broken(draws: Any, *rest: Any) -> Any:
        ran.append(draws[0].index)
        raise SimulationError("an assertion")

    ran: list[int] = []
    monkeypatch.setattr(random_layers, "CHUNK", 1)
    monkeypatch.setattr(random_layers, "run_draws", broken)
    status, result = random(tmp_path, "--n", str(2 * len(ARRAYS)), "--sim", "icarus")
    assert (status, sorted(ran)) == (1, list(range(len(ARRAYS))))
    assert result["error"] == "draws 0..0 on 4x4: an assertion"


@pytest.mark.parametrize("arguments", [["--n", "0"], ["--seed", "-1"], ["--n", "many"], ["--jobs", "0"]])
def test_impossible_numbers_are_refused(arguments: list[str], tmp_path: Path, capsys) -> None:
    assert random_layers.main([*arguments, "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith("error: ")
