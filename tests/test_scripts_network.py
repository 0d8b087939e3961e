"""`make network` and `make random`: what they print and write, how they go on after a kill, what they refuse."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from model.files import read_json
from scripts import network, random_layers
from tb.common.runner import ROOT


def test_end_of_a_network_passes_with_a_table_and_a_result(tmp_path: Path, capsys) -> None:
    assert network.main(["--net", "tiny", "--layers", "features.14:", "--out", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    result = read_json(tmp_path / "tiny" / "result.json")
    assert result["passed"] is True
    assert result["whole"] is False
    assert [entry["name"] for entry in result["layers"]] == ["features.14", "classifier"]
    assert [entry["cycles"] for entry in result["layers"]] == [entry["predicted_cycles"] for entry in result["layers"]]
    assert result["cycles"] == sum(entry["cycles"] for entry in result["layers"])
    assert result["checked_activations"] == 32 + 10
    assert f"class: {result['class']}" in told.out
    assert int(result["class"]) == max(range(10), key=lambda at: result["logits"][at])


def test_finished_layers_are_not_run_again_after_a_kill(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scripts.network", "--net", "tiny", "--out", str(tmp_path)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as first:
        assert first.stdout is not None
        for line in first.stdout:
            if line.startswith("features.7"):
                break
        else:
            pytest.fail("the run ended before its third layer")
        os.killpg(first.pid, signal.SIGKILL)
    assert not (tmp_path / "tiny" / "result.json").exists()
    kept = read_json(tmp_path / "tiny" / "progress.json")["layers"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    told = re.search(r"going on at layer (\S+): (\d) of 6 were done", done.stdout)
    assert told
    assert int(told[2]) == len(kept) >= 3
    result = read_json(tmp_path / "tiny" / "result.json")
    assert result["passed"] is True
    assert result["whole"] is True
    assert result["resumed_at"] == told[1]
    assert [entry["cycles"] for entry in result["layers"]] == [entry["predicted_cycles"] for entry in result["layers"]]


@pytest.fixture
def replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Puts a shell script in the place of a program; `$REAL` in it is the one that was found before."""

    def replace(program: str, script: str) -> None:
        path = tmp_path / "bin" / program
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\nREAL={shlex.quote(str(shutil.which(program)))}\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}{os.environ['PATH']}")

    return replace


NEEDS_ICARUS = pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs Icarus Verilog")
LAST_LAYERS = ["--net", "tiny", "--layers", "features.14:", "--sim", "icarus"]


@NEEDS_ICARUS
def test_a_simulator_that_dies_leaves_a_result_that_says_so(tmp_path: Path, capsys, replaced) -> None:
    replaced("vvp", '"$REAL" "$@" | sed \'/^LAYER/q\'\nexit 3')
    assert network.main([*LAST_LAYERS, "--out", str(tmp_path)]) == 1
    assert "FAILED: the simulation broke off (exit 3); see " in capsys.readouterr().err
    result = read_json(tmp_path / "tiny" / "result.json")
    assert result["passed"] is False
    assert result["error"].startswith("the simulation broke off (exit 3); see ")
    reached, missed = result["layers"]
    assert reached["cycles"] == reached["predicted_cycles"]
    assert missed["cycles"] is None
    assert (result["checked_activations"], result["mismatches"]) == (32, 0)


@NEEDS_ICARUS
def test_sources_that_do_not_compile_leave_a_result_that_says_so(tmp_path: Path, capsys, replaced) -> None:
    replaced("iverilog", "echo 'rtl/x.v:1: syntax error' >&2; exit 2")
    assert network.main([*LAST_LAYERS, "--out", str(tmp_path)]) == 1
    assert "FAILED: network_tb does not build with icarus: rtl/x.v:1" in capsys.readouterr().err
    result = read_json(tmp_path / "tiny" / "result.json")
    assert (result["passed"], result["checked_activations"]) == (False, 0)
    assert "syntax error" in result["error"]


@NEEDS_ICARUS
def test_drawn_layers_of_a_simulator_that_dies_leave_a_result_that_says_so(tmp_path: Path, capsys, replaced) -> None:
    replaced("vvp", "exit 139")
    assert random_layers.main(["--n", "2", "--seed", "5", "--sim", "icarus", "--out", str(tmp_path)]) == 1
    result = read_json(tmp_path / "result.json")
    assert (result["passed"], result["wanted"], result["draws"], result["failed"]) == (False, 2, 0, [])
    assert result["error"].startswith("draws 0..0 on 4x4: the simulation broke off (exit 139); see ")
    assert f"FAILED: {result['error']}" in capsys.readouterr().err


def test_a_wrong_prediction_fails_the_run(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(network, "counters_differ", lambda run, program: "cycles 1 instead of 2")
    assert network.main(["--net", "tiny", "--layers", "classifier", "--out", str(tmp_path)]) == 1
    assert "classifier: cycles 1 instead of 2, by the cycle model" in capsys.readouterr().err
    assert read_json(tmp_path / "tiny" / "result.json")["passed"] is False


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--sim", "modelsim"], "SIM=modelsim is no simulator; expected one of icarus, verilator"),
        (["--layers", "features.99"], "LAYERS=features.99: no layer 'features.99' in tiny"),
        (["--layers", "4:2"], "LAYERS=4:2: layer 4 comes after layer 2"),
        (["--layers", "0:9"], "LAYERS=0:9: no layer '9'"),
        (["--stall", "256"], "STALL=256; expected 0..250"),
        (["--stall", "-1"], "STALL=-1; expected 0..250"),
        (["--rows", "x"], "ROWS='x' is not a whole number"),
        (["--rows", "3"], "one to divide the other"),
        (["--input", "rows"], "rows"),
        (["--image", "nothing.png"], "IMAGE=nothing.png is no file"),
        (["--waves", "yes"], "WAVES=yes; expected 1"),
        (["--net", "resnet"], "resnet"),
    ],
)
def test_bad_input_is_one_clear_line(arguments: list[str], told: str, tmp_path: Path, capsys) -> None:
    assert network.main(["--net", "tiny", "--out", str(tmp_path / "out"), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("error: ")
    assert told in error
    assert not (tmp_path / "out").exists()


def test_random_layers_pass_and_say_so(tmp_path: Path, capsys) -> None:
    assert random_layers.main(["--n", "3", "--seed", "5", "--out", str(tmp_path)]) == 0
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["passed"], result["draws"], result["failed"]) == (True, 3, [])
    assert "3 draws, 0 wrong" in capsys.readouterr().out


def test_failing_draw_prints_the_command_that_repeats_it(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr("tb.network.draws.counters_differ", lambda run, program: "cycles 1 instead of 2")
    assert random_layers.main(["--n", "1", "--first", "9", "--seed", "5", "--out", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "FAILED: draw 5:9 on 8x8" in error
    assert "make random N=1 SEED=5 FIRST=9 SIM=icarus" in error


@pytest.mark.parametrize("arguments", [["--n", "0"], ["--seed", "-1"], ["--n", "many"]])
def test_random_refuses_impossible_numbers(arguments: list[str], tmp_path: Path, capsys) -> None:
    assert random_layers.main([*arguments, "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith("error: ")
