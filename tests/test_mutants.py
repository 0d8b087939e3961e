"""The mutants: a sample of them is killed, and a change that is no fault is called a survivor."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import scripts.mutants
from scripts.mutants import main
from tb.common import sources
from tb.common.sources import read_rtl
from tb.mutants import campaign, stages
from tb.mutants import stage as running
from tb.mutants.campaign import Trial
from tb.mutants.patches import read_mutant
from tb.mutants.stage import Stage, depends
from tb.mutants.stages import STAGES
from tests.mutant_patches import TOLD, write_patch

RTL = read_rtl()
SMALL = tuple(stage for stage in STAGES if stage.top in ("sram", "ofifo", "sfp"))


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all runs, so that the baseline is simulated once."""
    return tmp_path_factory.mktemp("mutants")


@pytest.fixture
def run(out: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Runs the command with the stages of the small blocks alone; exit status and result file."""
    monkeypatch.setattr(stages, "STAGES", SMALL)

    def command(*arguments: str) -> tuple[int, dict[str, Any]]:
        (out / "result.json").unlink(missing_ok=True)
        status = main(["--out", str(out), "--jobs", "1", *arguments])
        result = out / "result.json"
        return status, json.loads(result.read_text()) if result.exists() else {}

    return command


SAMPLE = ("accumulator_not_cleared", "ofifo_deskew_one_short", "ofifo_valid_stuck_at_0", "sram_write_first")
Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.mark.slow
def test_a_sample_is_killed_and_kept(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = [word for name in SAMPLE for word in ("--only", name)]
    status, result = run(*chosen)
    assert status == 0
    assert result["passed"]
    assert not result["complete"]
    assert result["mutants"] == result["killed"] == result["killed_without_checks"] == len(SAMPLE)
    told = {entry["name"]: entry for entry in result["results"]}
    assert told["sram_write_first"]["by"]["test"] == "test_both_ports_at_once"
    assert told["sram_write_first"]["by"] == told["sram_write_first"]["by_without_checks"]
    assert told["ofifo_valid_stuck_at_0"]["by"]["how"] == "comparison"
    skewed = told["ofifo_deskew_one_short"]
    assert (skewed["by"]["how"], skewed["by_without_checks"]["how"]) == ("assertion", "comparison")
    assert re.fullmatch(r"rtl/ofifo\.v:\d+: ofifo: aligned valids disagree: [01]+", skewed["by"]["message"])

    def never(*arguments: object) -> None:
        raise AssertionError("simulated again")

    monkeypatch.setattr(campaign, "run_stage", never)
    status, again = run(*chosen)
    assert status == 0
    assert [{**entry, "kept": False} for entry in again["results"]] == result["results"]
    monkeypatch.setenv("SEED", "2")
    with pytest.raises(AssertionError, match="simulated again"):
        run(*chosen)


@pytest.mark.slow
def test_a_change_that_is_no_fault_survives(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The check of the check: a comment more, and nothing must catch it."""
    write_patch(tmp_path, "comment_only", TOLD + "  // nothing else")
    status, result = run("--patches", str(tmp_path))
    assert status == 1
    assert (result["passed"], result["killed"], result["survived"]) == (False, 0, ["comment_only"])
    assert result["results"][0]["by"] is None
    assert "survived: comment_only (sfp): a test" in capsys.readouterr().err


@pytest.mark.slow
def test_what_does_not_compile_is_not_killed(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_patch(tmp_path, "no_verilog", "  assign out_valid_o = ;")
    status, result = run("--patches", str(tmp_path))
    assert status == 2
    assert (result["passed"], result["killed"], result["errors"]) == (False, 0, ["no_verilog"])
    assert re.search(r"error: no_verilog \(sfp\): does not build: rtl/sfp\.v:\d+: .*error", capsys.readouterr().err)


@pytest.mark.slow
def test_a_suite_that_the_rtl_itself_fails_proves_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = {**RTL, "sfp": RTL["sfp"].replace(TOLD, "  assign out_valid_o = 1'b0;")}
    monkeypatch.setattr(scripts.mutants, "read_rtl", lambda: broken)
    status, result = run("--only", "relu_missing")
    assert status == 1
    assert (result["passed"], result["results"], len(result["baseline_failures"])) == (False, [], 2)
    assert "the RTL without a fault fails its own tests" in capsys.readouterr().err


@pytest.mark.slow
def test_several_at_a_time_come_to_the_same(tmp_path: Path) -> None:
    trial = Trial(None, RTL, [next(stage for stage in STAGES if stage.top == "l0")], tmp_path / "l0", "", True)
    found = list(scripts.mutants._results([trial, replace(trial, folder=tmp_path / "again")], 2))
    assert [result["outcome"] for result in found] == ["passed", "passed"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "no_such_mutant"], "there is no mutant 'no_such_mutant'; expected one of "),
        (["--jobs", "0"], "JOBS=0 is impossible; expected 1..64, simulations at a time"),
        (["--jobs", "two"], "JOBS='two' is not a whole number"),
        (["--patches", "/nonexistent"], "no mutants in /nonexistent; expected files *.patch"),
    ],
)
def test_bad_arguments_are_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {message}")
    assert told.count("\n") == 1


def test_an_older_verdict_does_not_outlive_a_run_that_is_interrupted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(scripts.mutants, "trials", interrupted)
    (tmp_path / "lock").touch()
    (tmp_path / "result.json").write_text('{"passed": true}')
    assert main(["--out", str(tmp_path)]) == 130
    assert "the same command goes on from there" in capsys.readouterr().err
    assert not (tmp_path / "result.json").exists()


def test_a_folder_of_other_things_and_a_folder_that_cannot_be_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis").write_text("mine")
    for out, told in ((tmp_path, "holds work, which is not of `make mutants`"), (tmp_path / "work/thesis/x", "thesis")):
        assert main(["--out", str(out)]) == 2
        error = capsys.readouterr().err
        assert told in error
        assert error.count("\n") == 1
    assert (tmp_path / "work" / "thesis").read_text() == "mine"


def test_a_patch_that_no_longer_applies_stops_before_any_simulation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign, "run_stage", None)
    write_patch(tmp_path / "patches", "gone", "  // changed", old="  assign out_valid_o = 1'b0;")
    assert main(["--patches", str(tmp_path / "patches"), "--out", str(tmp_path / "out"), "--jobs", "1"]) == 2
    told = capsys.readouterr()
    assert re.fullmatch(r"error: \S+gone\.patch does not apply: hunk 1 .*\n", told.err)
    assert told.out == ""


def test_the_key_knows_everything_a_result_depends_on(tmp_path: Path) -> None:
    mutant, stage = read_mutant(write_patch(tmp_path, "one", "  // changed")), STAGES[0]
    trial = Trial(mutant, RTL, [stage], tmp_path, "a", True)
    others: tuple[dict[str, Any], ...] = (
        {"mutant": read_mutant(write_patch(tmp_path, "two", "  // other"))},
        {"rtl": {**RTL, "sram": RTL["sram"] + "\n"}},
        {"stages": [Stage(stage.top, stage.tests, {**stage.parameters, "Width": 6})]},
        {"surroundings": "b"},
        {"checks": False},
    )
    keys = {trial.key, *(replace(trial, **other).key for other in others)}
    assert len(keys) == 1 + len(others)
    assert replace(trial, folder=tmp_path / "elsewhere").key == trial.key


def test_the_surroundings_follow_tests_and_seed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = depends(STAGES[:1], RTL)
    assert depends(STAGES[:1], RTL) == before
    monkeypatch.setenv("SEED", "2")
    assert depends(STAGES[:1], RTL) != before
    monkeypatch.setenv("SEED", "")
    monkeypatch.setattr(running, "BESIDE", ())
    for module in (running, sources):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    tests = tmp_path / f"{STAGES[0].tests.replace('.', '/')}.py"
    model = tmp_path / "model" / "golden" / "x.py"
    for folder in (tests.parent, model.parent):
        folder.mkdir(parents=True)
    for module, name in ((running, "_files"), (running, "imported"), (sources, "imported")):
        monkeypatch.setattr(module, name, getattr(module, name).__wrapped__)  # nothing is remembered
    seen = set()
    for path, text in ((tests, "import model.golden.x\n"), (model, "a = 1\n"), (model, "a = 2\n")):
        path.write_text(text)
        seen.add(depends(STAGES[:1], RTL))
    assert len(seen) == 3
