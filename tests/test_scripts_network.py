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
from typing import Any, NoReturn

import pytest

from model.files import read_json
from scripts import network, report
from scripts.reporting.results import KINDS, load
from tb.common.runner import ROOT, SimulationError
from tb.network import whole
from tb.network.bench import Job, LayerRun

pytestmark = pytest.mark.slow


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


NEEDS_ICARUS = pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs Icarus Verilog")
LAST_LAYERS = ["--net", "tiny", "--layers", "features.14:", "--sim", "icarus"]


PAIR = ["--net", "tiny", "--layers", "features.10:features.14", "--sim", "icarus"]


@NEEDS_ICARUS
def test_a_run_that_failed_is_not_gone_on_with(tmp_path: Path, capsys, monkeypatch) -> None:
    """The fault shows in no layer that is the first after a reset: going on at the failing one would pass."""
    shutil.copytree(ROOT / "rtl", tmp_path / "rtl")
    engine = tmp_path / "rtl/engine.v"
    sound, broken = "    .start_i (start_q),\n", "    .start_i (start_q && layer_o == first_i),\n"
    assert engine.read_text().count(sound) == 1
    engine.write_text(engine.read_text().replace(sound, broken))
    monkeypatch.setenv("LOCKSTEP_RTL", str(tmp_path / "rtl"))
    command = [*PAIR, "--out", str(tmp_path / "out")]
    assert network.main([*command, "--layers", "features.14"]) == 0  # alone it passes
    for _ in range(2):
        assert network.main(command) == 1
        assert not (tmp_path / "out/tiny/progress.json").exists()
        told = capsys.readouterr()
        assert "FAILED: features.14 job 0, layer 4, code 16: expected" in told.err
        assert "going on" not in told.out
    result = read_json(tmp_path / "out/tiny/result.json")
    assert (result["passed"], result["resumed_at"]) == (False, None)


def interrupt(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Let the next run be interrupted when its layer number `after` was taken in, the others not."""
    real, seen = whole.Progress.add, []

    def add(self: whole.Progress, run: LayerRun, seconds: float) -> None:
        real(self, run, seconds)
        seen.append(run)
        if len(seen) == after:
            raise KeyboardInterrupt

    monkeypatch.setattr(whole.Progress, "add", add)


@NEEDS_ICARUS
@pytest.mark.parametrize("end", ["mismatch", "counters", "assertion", "no build", "passed"])
def test_a_run_that_ended_leaves_nothing_to_go_on_from(end: str, tmp_path: Path, capsys, monkeypatch, replaced) -> None:
    command, progress = [*PAIR, "--out", str(tmp_path)], tmp_path / "tiny/progress.json"
    interrupt(monkeypatch, 1)
    assert network.main(command) == 130
    assert list(read_json(progress)["layers"]) == ["3"]
    if end == "mismatch":
        monkeypatch.setattr(network, "job_of", lambda *given: _with_a_wrong_code(whole.job_of(*given)))
    elif end == "counters":
        monkeypatch.setattr(network, "counters_differ", lambda run, program: "cycles 1 instead of 2")
    elif end == "assertion":
        monkeypatch.setattr(network, "simulate", _broken_off)
    elif end == "no build":
        monkeypatch.setattr(network, "build", _broken_off)
    assert network.main(command) == (0 if end == "passed" else 1)
    assert "going on at layer features.14: 1 of 2 were done" in capsys.readouterr().out
    assert not progress.exists()


def _with_a_wrong_code(job: Job) -> Job:
    job.writes.codes[0, 0] ^= 1
    return job


def _broken_off(*given: Any, **named: Any) -> NoReturn:
    raise SimulationError("assertion")


@NEEDS_ICARUS
def test_an_interrupt_behind_a_mismatch_leaves_nothing_to_go_on_from(tmp_path: Path, monkeypatch, capsys) -> None:
    command = [*PAIR, "--out", str(tmp_path)]
    monkeypatch.setattr(network, "counters_differ", lambda run, program: "wrong" if run.layer == 4 else None)
    monkeypatch.setattr(network, "table_line", _interrupted_at("features.14", network.table_line))
    assert network.main(command) == 130
    assert "features.10" in capsys.readouterr().out
    assert not (tmp_path / "tiny/progress.json").exists()


def _interrupted_at(layer: str, real: Callable[..., str]) -> Callable[..., str]:
    def line(name: str, *given: Any) -> str:
        if name == layer:
            raise KeyboardInterrupt
        return real(name, *given)

    return line


@NEEDS_ICARUS
@pytest.mark.parametrize(
    ("again", "at"),
    [
        ([], "features.14"),
        (["--waves", "1"], None),  # the dump is of both layers
        (["--layers", "features.10:"], None),
        (["--stall", "9"], None),
    ],
)
def test_only_the_same_command_goes_on(again: list[str], at: str | None, tmp_path: Path, monkeypatch, capsys) -> None:
    command = [*PAIR, "--out", str(tmp_path)]
    interrupt(monkeypatch, 1)
    assert network.main(command) == 130
    capsys.readouterr()
    assert network.main([*command, *again]) == 0
    assert read_json(tmp_path / "tiny/result.json")["resumed_at"] == at
    assert ("going on at" in capsys.readouterr().out) == (at is not None)
    if "--waves" in again:
        assert b"$enddefinitions" in (tmp_path / "tiny/icarus/waves.vcd").read_bytes()


@NEEDS_ICARUS
def test_another_simulator_starts_at_the_first_layer(tmp_path: Path, monkeypatch, capsys, replaced) -> None:
    command = [*PAIR, "--out", str(tmp_path)]
    interrupt(monkeypatch, 1)
    assert network.main(command) == 130
    replaced("vvp", 'exec "$REAL" "$@"')
    assert network.main(command) == 0
    assert "going on" not in capsys.readouterr().out


@NEEDS_ICARUS
@pytest.mark.parametrize(
    "source",
    [
        "rtl/pool.v",
        "tb/network/network_tb.v",
        "tb/network/bench.py",
        "model/program/compile.py",
        "model/golden/cycles.py",
        "model/golden/execute.py",
        "model/graph/graph.py",
        "model/numeric/fixed.py",
    ],
)
def test_a_source_that_changed_starts_a_run_anew(source: str, tmp_path: Path, monkeypatch) -> None:
    for folder in ("rtl", "tb/network", "model"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("zoo", "__pycache__"))
    monkeypatch.setenv("LOCKSTEP_RTL", str(tmp_path / "rtl"))
    keys = [whole.run_key("icarus", ["asked"], tmp_path) for _ in range(2)]
    with (tmp_path / source).open("a") as file:
        file.write("\n")
    keys.append(whole.run_key("icarus", ["asked"], tmp_path))
    assert keys[0] == keys[1] != keys[2]


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
        (["--rows", "0"], "engine: rows is 0; expected an integer of 1 or more"),
        (["--rows", "-8"], "engine: rows is -8; expected an integer of 1 or more"),
        (["--cols", "0"], "engine: cols is 0; expected an integer of 1 or more"),
        (["--cols", "0", "--simd", "0", "--dataflow", "auto"], "engine: cols is 0; expected an integer of 1 or more"),
        (["--rows", "1", "--cols", "100000"], "100000 columns on 1 rows; expected at most 4 times"),
        (["--input", "rows"], "rows"),
        (["--image", "nothing.png"], "IMAGE=nothing.png is no file"),
        (["--waves", "yes"], "WAVES=yes; expected 1"),
        (["--simd", "yes"], "SIMD=yes; expected 1, or nothing"),
        (["--dataflow", "is"], "no dataflow 'is'; expected one of ws, os, auto"),
        (["--dataflow", "os"], "output stationary takes lines that the host has turned, so it is for a layer loaded"),
        (["--dataflow", "os", "--simd", "1"], "SIMD=1 and DATAFLOW=os: an array multiplies pairs or is output"),
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


def flags(folder: Path) -> list[str]:
    """What the make line in the report hands to the script."""
    make, target, *values = shlex.split(load(KINDS["network"], "", folder / "result.json").command)
    assert (make, target) == ("make", "network")
    return [word for name, value in (each.split("=", 1) for each in values) for word in (f"--{name.lower()}", value)]


def test_network_takes_its_command_from_the_result(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "model/zoo/sample_digit.npy", "2024_photo.npy")
    given = ["--image", "2024_photo.npy", "--layers", "features.14:classifier", "--stall", "99"]
    given += ["--sim", "icarus", "--checks", "1"]
    assert network.main(["--net", "tiny", *given]) == 0
    result = read_json(Path("build/network/tiny/result.json"))
    assert (result["image_given"], result["stall"], result["checks"]) == ("2024_photo.npy", 99, True)
    assert result["image"].startswith("2024_photo_")
    assert str(tmp_path) not in json.dumps(result)
    assert flags(Path("build/network/tiny")) == ["--net", "tiny", *given]
    assert all(entry["cycles"] > entry["predicted_cycles"] for entry in result["layers"])
    assert report.main([]) == 0
    page = Path("build/report/index.html").read_text()
    assert "99</data> of 256 stream words were held back" in page
    assert "✗" not in page
