"""`make benchmark-train`: both kinds of step are run and told apart, a step too dear is a failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.files import read_json
from scripts import benchmark_train
from scripts.benchmark_train import main

RESULT = Path("build") / "benchmark-train" / "result.json"


def test_it_measures_and_tells(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(benchmark_train, "WANTED", 1000.0)  # how dear is the benchmark's question, not a test's
    assert main(["--net", "tiny", "--n", "3"]) == 0
    result = read_json(RESULT)
    assert result["passed"] is True
    assert result["make"] == "make benchmark-train NET=tiny N=3"
    assert result["ratio"] > 0
    kinds = result["milliseconds_by_kind"]
    assert kinds["float"]["convolutions"] > 0
    assert kinds["qat"]["quantizers"] > kinds["float"]["quantizers"]
    assert "times a float step" in capsys.readouterr().out


def test_a_step_too_dear_fails(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(benchmark_train, "WANTED", 0.0)
    assert main(["--net", "tiny", "--n", "3"]) == 1
    assert read_json(RESULT)["passed"] is False


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["--n", "2"], "N=2; expected 3..10000 steps"), (["--net", "resnet"], "no network 'resnet'")],
)
def test_impossible_values(arguments, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert told in capsys.readouterr().err
    assert not RESULT.exists()
