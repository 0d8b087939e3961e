"""The dump of a replay, its layouts for two viewers, and `make waves`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from scripts import sim, waves
from tb.common.runner import SimulationError
from tb.core.replay import read_replay
from tb.waves.layout import RADIX, groups, gtkwave, surfer
from tests.replay_sets import HAS_VERILATOR, write_set
from tests.vector_sets import Foreign

pytestmark = pytest.mark.slow

SETS = {
    "4x3": {"rows": 4, "cols": 3, "kernel": (2, 2), "padded": (3, 3)},
    "1x1": {"rows": 1, "cols": 1, "kernel": (1, 1), "padded": (1, 1), "ic": 2},
}


def dumped(path: Path) -> dict[str, int]:
    """Width of every signal of a VCD by its full name."""
    signals, scopes = {}, []
    for line in path.read_text().split("$enddefinitions")[0].splitlines():
        words = line.split()
        if words[:1] == ["$scope"]:
            scopes.append(words[2])
        elif words[:1] == ["$upscope"]:
            scopes.pop()
        elif words[:1] == ["$var"]:
            ranged = words[5] if words[5] != "$end" and words[5] != "[0:0]" else ""
            signals[".".join([*scopes, words[4]]) + ranged] = int(words[2])
    return signals


def record(foreign: Foreign, out: Path, *arguments: str) -> Path:
    folder = write_set(foreign, out.with_name(f"{out.name} set"))
    assert sim.main(["--vectors", str(folder), "--out", str(out), "--no-registers", *arguments]) == 0
    return folder


@pytest.mark.parametrize("name", SETS)
def test_every_signal_of_the_layouts_is_in_the_dump(name: str, tmp_path: Path) -> None:
    folder = record(Foreign(**SETS[name]), tmp_path, "--waves", "vcd")
    check_names(tmp_path, read_replay(folder).parameters)


@pytest.mark.parametrize("simulator", ["verilator"] if HAS_VERILATOR else [])
def test_verilator_names_its_signals_alike(simulator: str, tmp_path: Path) -> None:
    folder = record(Foreign(**SETS["4x3"]), tmp_path, "--waves", "vcd", "--sim", simulator)
    check_names(tmp_path, read_replay(folder).parameters)


def check_names(out: Path, parameters: dict[str, int]) -> None:
    signals = dumped(out / "core.vcd")
    wanted = [signal for _, members in groups(parameters) for signal in members]
    assert len(wanted) > 40
    for signal in wanted:
        assert signals.get(signal.full) == signal.width, signal.full
        assert signal.low + signal.bits <= signal.width
    layout = (out / "core.gtkw").read_text()
    assert layout == gtkwave(parameters)
    named = set(re.findall(r"(?<![\w.])core\.[\w.\[\]:]+", layout))
    assert named
    assert named <= set(signals)
    commands = (out / "core.sucl").read_text()
    assert commands == surfer(parameters)
    bare = {re.sub(r"\[\d+:0\]$", "", name) for name in signals}
    added = re.findall(r"^variable_add (.*)$", commands, re.MULTILINE)
    assert len(added) > 30
    assert set(added) <= bare


def test_an_fst_is_written_and_kept_until_the_next(tmp_path: Path) -> None:
    folder = record(Foreign(**SETS["1x1"]), tmp_path, "--waves", "1")
    dump = (tmp_path / "core.fst").read_bytes()
    assert len(dump) > 300
    assert dump[0] in (0, 254)  # an FST header block, or one wrapped by zlib
    arguments = ["--vectors", str(folder), "--out", str(tmp_path), "--no-registers"]
    assert sim.main(arguments) == 0
    assert (tmp_path / "core.fst").read_bytes() == dump
    assert json.loads((tmp_path / "result.json").read_text())["waves"] is None


def test_an_interrupted_run_leaves_no_part_of_a_dump_and_the_older_one_whole(tmp_path: Path, monkeypatch) -> None:
    folder = record(Foreign(**SETS["1x1"]), tmp_path, "--waves", "vcd")
    dump = (tmp_path / "core.vcd").read_bytes()
    during: list[str] = []

    def interrupted(*_: object, dump: Path, **__: object) -> None:
        dump.write_text("half")
        Path(f"{dump}.hier").write_text("half")
        during.extend(path.name for path in tmp_path.glob("*core.vcd*"))
        raise KeyboardInterrupt

    monkeypatch.setattr("tb.core.launch.simulate", interrupted)
    arguments = ["--vectors", str(folder), "--out", str(tmp_path), "--waves", "vcd"]
    assert sim.main(arguments) == 130
    assert sorted(during) == [".core.vcd.part", ".core.vcd.part.hier", "core.vcd"]
    assert [path.name for path in tmp_path.glob("*core.vcd*")] == ["core.vcd"]
    assert (tmp_path / "core.vcd").read_bytes() == dump
    assert not (tmp_path / "result.json").exists()


def test_a_run_without_a_dump_to_show_does_not_keep_the_one_before(tmp_path: Path, monkeypatch) -> None:
    folder = record(Foreign(**SETS["1x1"]), tmp_path, "--waves", "vcd")

    def broken(*_: object, **__: object) -> None:
        raise SimulationError("it does not build")

    monkeypatch.setattr("tb.core.launch.simulate", broken)
    assert sim.main(["--vectors", str(folder), "--out", str(tmp_path), "--no-registers", "--waves", "vcd"]) == 1
    assert not (tmp_path / "core.vcd").exists()
    assert json.loads((tmp_path / "result.json").read_text())["waves"] is None


def test_words_of_a_bus_are_cut_where_the_columns_are() -> None:
    parameters = {"Rows": 2, "Cols": 3, "ActWidth": 4, "WgtWidth": 4, "PsumWidth": 4, "WgtLanes": 2}
    text = gtkwave({**parameters, "ActDepth": 9, "PsumDepth": 9})
    bus = "core.psum_o[11:0]"
    assert f"@{RADIX['signed']:x}\n#{{psum 0}} (8){bus} (9){bus} (10){bus} (11){bus}\n" in text
    assert f"#{{psum 2}} (0){bus} (1){bus} (2){bus} (3){bus}\n" in text
    assert text.count("@800200") == text.count("@1000200") == 10


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "my out"
    folder.mkdir()
    for name in ("core.fst", "core.gtkw", "core.sucl"):
        (folder / name).write_text("")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("VIEWER", raising=False)
    (tmp_path / "bin").mkdir()
    return folder


def install(folder: Path, name: str, status: int = 0) -> None:
    """A viewer that writes down its arguments."""
    path = folder / "bin" / name
    path.write_text(f"#!/bin/sh\nfor a; do echo \"$a\" >>'{folder}/{name}.log'; done\nexit {status}\n")
    path.chmod(0o755)


def test_gtkwave_opens_the_dump_with_its_layout(out: Path, tmp_path: Path) -> None:
    install(tmp_path, "gtkwave")
    install(tmp_path, "surfer")
    assert waves.main(["--out", str(out)]) == 0
    assert (tmp_path / "gtkwave.log").read_text().splitlines() == [str(out / "core.fst"), str(out / "core.gtkw")]
    assert not (tmp_path / "surfer.log").exists()


def test_surfer_is_taken_where_it_is_asked_for(out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "gtkwave")
    install(tmp_path, "surfer")
    monkeypatch.setenv("VIEWER", "surfer")
    assert waves.main(["--out", str(out)]) == 0
    told = (tmp_path / "surfer.log").read_text().splitlines()
    assert told == ["--command-file", str(out / "core.sucl"), str(out / "core.fst")]


def test_a_viewer_that_fails_is_a_failure(out: Path, tmp_path: Path) -> None:
    install(tmp_path, "gtkwave", status=3)
    assert waves.main(["--out", str(out)]) == 1


def test_without_a_viewer_or_a_display_one_line_says_how(out: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    assert waves.main(["--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert told.startswith("no waveform viewer here; install one")
    assert f"gtkwave '{out}/core.fst' '{out}/core.gtkw'" in told
    install(tmp_path, "gtkwave")
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert waves.main(["--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert told.startswith("no display here; where there is one: ")
    assert len(told.splitlines()) == 1
    assert not (tmp_path / "gtkwave.log").exists()


def test_nothing_to_open_and_unknown_viewers_are_refused(out: Path, capsys) -> None:
    assert waves.main(["--out", str(out), "--viewer", "emacs"]) == 2
    assert "VIEWER is 'emacs'; expected gtkwave or surfer" in capsys.readouterr().err
    assert waves.main(["--out", str(out), "--viewer", "surfer"]) == 2
    assert "surfer is not installed" in capsys.readouterr().err
    (out / "core.sucl").unlink()
    assert waves.main(["--out", str(out)]) == 2
    assert "core.sucl is missing" in capsys.readouterr().err
    (out / "core.fst").unlink()
    assert waves.main(["--out", str(out)]) == 2
    assert "run `make sim WAVES=1` first" in capsys.readouterr().err
