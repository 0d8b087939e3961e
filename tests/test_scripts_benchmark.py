"""`make benchmark` when the simulation breaks off, and when comparing is too dear: a result that says so, status 1."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from model.files import read_json
from scripts import benchmark
from tb.common.runner import BuildError, SimulationError


@pytest.fixture
def quick(tmp_path, monkeypatch, usual_start):
    """No simulator: a run takes as long as `seconds` says for what it is."""
    seconds = {"comparing": 1.0, "feeding": 1.0}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(benchmark, "write_jobs", lambda *arguments: {})
    monkeypatch.setattr(benchmark, "build", lambda folder, *arguments, **named: [folder.name])
    monkeypatch.setattr(
        benchmark, "simulate", lambda folder, command: SimpleNamespace(cycles=1000, seconds=seconds[folder.name])
    )
    return seconds


def test_the_verdict_is_that_of_the_ratio(quick, tmp_path):
    assert benchmark.main(["--sim", "icarus", "--n", "2"]) == 0
    assert read_json(tmp_path / "build/benchmark/result.json")["passed"] is True
    quick["comparing"] = 1.2
    assert benchmark.main(["--sim", "icarus", "--n", "2"]) == 1
    result = read_json(tmp_path / "build/benchmark/result.json")
    assert (result["passed"], result["make"]) == (False, "make benchmark SIM=icarus N=2")
    assert result["ratio"] == pytest.approx(1 / 1.2, abs=1e-3)


@pytest.mark.parametrize(("name", "error"), [("simulate", SimulationError), ("build", BuildError)])
def test_a_simulation_that_breaks_off(name, error, quick, tmp_path, monkeypatch, capsys):
    def broken(*arguments, **named):
        raise error("vvp ended with status 139; see the log")

    monkeypatch.setattr(benchmark, name, broken)
    assert benchmark.main(["--sim", "icarus"]) == 1
    result = read_json(tmp_path / "build/benchmark/result.json")
    told = {"simulator": "icarus", "error": "vvp ended with status 139; see the log"}
    assert result == {"passed": False, "make": "make benchmark SIM=icarus", **told}
    assert capsys.readouterr().err == "FAILED: vvp ended with status 139; see the log\n"
