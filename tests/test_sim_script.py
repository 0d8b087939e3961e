"""`make sim`'s entry point: what it prints and writes, its exit status, and one clear line for every bad input."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.errors import LockstepError
from model.files import read_json
from model.vectors.check import require_psum_bits
from model.vectors.manifest import from_json
from model.vectors.reader import read_set
from scripts import sim
from tb.common.runner import ROOT
from tb.core.launch import wave_format
from tests.replay_sets import write_set
from tests.vector_sets import Foreign


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_set(Foreign(rows=4, cols=4, kernel=(2, 2), padded=(3, 3), ic=2, oc=2), tmp_path / "set")


def test_a_good_set_passes_with_a_line_a_tile_and_a_result(folder, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.delenv("LOCKSTEP_BUILD", raising=False)
    assert sim.main(["--vectors", str(folder), "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    lines = told.out.splitlines()
    assert lines[0] == f"{folder} on the 4x4 array (act 4, wgt 4, psum 16 bits)"
    assert [line.split()[:4] for line in lines[1:5]] == [["oc", f"{t // 2}", "ic", f"{t % 2}"] for t in range(4)]
    assert all("64 psums ok" in line for line in lines[1:5])
    assert "equal the cycle model at every edge" in told.out
    assert lines[-1] == f"PASS  {tmp_path / 'out' / 'result.json'}"
    result = read_json(tmp_path / "out" / "result.json")
    assert result["passed"] is True
    assert result["registers"]["passed"] is True
    assert (result["checked_psums"], result["checked_outputs"], result["mismatches"]) == (256, 32, 0)
    assert result["first_mismatch"] is None
    assert result["simulator"].startswith("Icarus Verilog")
    assert result["cycles"] == sum(result["breakdown"].values()) > result["stream_cycles"] > 0
    assert 0 < result["utilization_total"] < result["utilization"] < 1
    assert result["cycles_per_second"] > 0
    assert result["seed"] == 1
    assert "graph_sha256" in result


def test_a_bad_word_fails_and_is_told_in_full(folder, tmp_path, capsys) -> None:
    path = folder / "psum_itile1_otile0_kij3.txt"
    lines = path.read_text().split("\n")
    lines[5] = lines[5][:-16] + "0111111111111111"  # column 0 of position 2
    path.write_text("\n".join(lines))
    out = tmp_path / "out"
    assert sim.main(["--vectors", str(folder), "--out", str(out), "--no-registers", "--waves", "vcd"]) == 1
    told = capsys.readouterr()
    got = Foreign(rows=4, cols=4, kernel=(2, 2), padded=(3, 3), ic=2, oc=2).p[0, 1, 3, 2, 0]
    assert told.err == (
        "1 mismatch; the first: psum oc 0 ic 1 kij 3 position 2 column 0 (psum_itile1_otile0_kij3.txt line 6): "
        f"expected 32767, got {got}, cycle 39, 430 ns; see core.psum_o[15:0] in {out / 'core.vcd'}\n"
    )
    assert "64 psums, 1 WRONG" in told.out
    assert told.out.splitlines()[-1].startswith("FAIL")
    result = read_json(out / "result.json")
    assert result["passed"] is False
    assert result["mismatches"] == 1
    assert result["first_mismatch"]["expected"] == 32767
    assert result["waves"] == str(out / "core.vcd")


def changed_rtl(folder: Path, name: str, change: Callable[[str], str]) -> str:
    """A copy of the RTL in `folder` with one file changed."""
    folder.mkdir()
    for path in (ROOT / "rtl").glob("*.v"):
        text = path.read_text()
        (folder / path.name).write_text(change(text) if path.name == name else text)
    return str(folder)


def stop_in_the_middle(text: str) -> str:
    at = text.rindex("endmodule")
    return f'{text[:at]}  initial #200 $fatal(1, "stopped on purpose");\n{text[at:]}'


def test_a_simulation_that_breaks_off_fails_with_its_reason(folder, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("LOCKSTEP_RTL", changed_rtl(tmp_path / "rtl", "core.v", stop_in_the_middle))
    monkeypatch.delenv("LOCKSTEP_BUILD", raising=False)
    out = tmp_path / "out"
    assert sim.main(["--vectors", str(folder), "--out", str(out), "--no-registers", "--waves", "vcd"]) == 1
    told = capsys.readouterr()
    assert told.err.startswith("stopped: FATAL: ")
    assert "stopped on purpose" in told.err
    assert len(told.err.splitlines()) == 1
    result = read_json(out / "result.json")
    assert result["passed"] is False
    assert "stopped on purpose" in result["stopped"]
    assert result["waves"] == str(out / "core.vcd")  # it shows what led there
    assert (out / "core.vcd").stat().st_size > 1000


def test_a_psum_too_narrow_for_the_weights_is_told_before_anything_runs(tmp_path, capsys) -> None:
    foreign = Foreign(rows=4, cols=4, kernel=(2, 2), padded=(3, 3), psum_bits=9)
    folder, out = write_set(foreign, tmp_path / "set"), tmp_path / "out"
    weights = foreign.w.transpose(0, 3, 1, 2, 4).reshape(4, -1)
    low, high = np.minimum(weights, 0).sum(axis=1) * 15, np.maximum(weights, 0).sum(axis=1) * 15
    bits = max(max(int(-low.min()) - 1, int(high.max())).bit_length() + 1, 9)
    assert bits > 9
    assert sim.main(["--vectors", str(folder), "--out", str(out)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    manifest = folder / "manifest.json"
    assert told.err.startswith(f"error: {manifest}: bits.psum is 9; expected {bits} or more, since psums of output ")
    assert len(told.err.splitlines()) == 1
    assert not (out / "result.json").exists()


def test_activations_promised_to_be_small_need_less(tmp_path) -> None:
    foreign = Foreign(rows=4, cols=4, kernel=(2, 2), padded=(3, 3))
    vectors = read_set(foreign.write(tmp_path / "set"), from_json(foreign.manifest()))
    bits = require_psum_bits(vectors, "here").bits - 1
    narrow = replace(vectors, manifest=replace(vectors.manifest, bits=replace(vectors.manifest.bits, psum=bits)))
    with pytest.raises(LockstepError, match=rf"^here: bits.psum is {bits}; expected {bits + 1} or more, .* up to 15; "):
        require_psum_bits(narrow, "here")
    promised = replace(narrow, manifest=replace(narrow.manifest, bits=replace(narrow.manifest.bits, act_max=7)))
    assert require_psum_bits(promised, "here").bits <= bits


@pytest.mark.slow
def test_rung_1_failing_fails_the_whole(folder, tmp_path, monkeypatch, capsys) -> None:
    def change(text: str) -> str:  # a register that is wrong but harmless: the weight flit's data of an idle cycle
        assert text.count("if (wgt_valid_i && !os) begin\n        wgt_group_q") == 1
        return text.replace("if (wgt_valid_i && !os) begin\n        wgt_group_q", "begin\n        wgt_group_q")

    monkeypatch.setenv("LOCKSTEP_RTL", changed_rtl(tmp_path / "rtl", "mac_tile.v", change))
    monkeypatch.delenv("LOCKSTEP_BUILD", raising=False)
    assert sim.main(["--vectors", str(folder), "--out", str(tmp_path / "out")]) == 1
    assert "PE registers     FAIL" in capsys.readouterr().out
    result = read_json(tmp_path / "out" / "result.json")
    assert (result["passed"], result["mismatches"], result["registers"]["passed"]) == (False, 0, False)


NO_MANIFEST = {"rows": 4, "cols": 4, "kernel": (3, 3), "padded": (4, 4), "positions": "all", "base": 1}


def proposed(out: Path) -> list[Path]:
    return sorted((out / "proposed").glob("*/manifest.json"))


def test_a_folder_without_manifest_gets_a_proposal_that_runs(tmp_path, capsys) -> None:
    folder = Foreign(**NO_MANIFEST).write(tmp_path / "my set")
    out = tmp_path / "out"
    assert sim.main(["--vectors", str(folder), "--out", str(out)]) == 2
    told = capsys.readouterr()
    (path,) = proposed(out)
    assert path.parent.name.startswith("my set-")
    assert json.loads(told.out[: told.out.index("\n}\n") + 3]) == read_json(path)
    assert f"make sim VECTORS='{folder}' MANIFEST='{path}'" in told.err
    assert not (out / "result.json").exists()
    assert not (folder / "manifest.json").exists()
    arguments = ["--vectors", str(folder), "--manifest", str(path), "--out", str(out), "--no-registers"]
    assert sim.main(arguments) == 0
    assert read_json(out / "result.json")["manifest"] == str(path)


def test_folders_of_one_name_have_proposals_of_their_own(tmp_path, capsys) -> None:
    out = tmp_path / "out"
    for place in ("a", "b"):
        Foreign(**NO_MANIFEST).write(tmp_path / place / "set")
        assert sim.main(["--vectors", str(tmp_path / place / "set"), "--out", str(out)]) == 2
    assert len(proposed(out)) == 2
    assert all(str(path) in told for path, told in zip(proposed(out), sorted_errors(capsys), strict=True))


def sorted_errors(capsys) -> list[str]:
    return sorted(capsys.readouterr().err.splitlines(), key=lambda line: line[line.index("proposed/") :])


def test_a_proposal_that_the_user_edited_is_kept_and_told_of(tmp_path, capsys) -> None:
    folder, out = Foreign(**NO_MANIFEST).write(tmp_path / "set"), tmp_path / "out"
    arguments = ["--vectors", str(folder), "--out", str(out)]
    assert sim.main(arguments) == 2
    (path,) = proposed(out)
    first = path.read_text()
    assert sim.main(arguments) == 2
    assert "kept" not in capsys.readouterr().err
    path.write_text(first.replace('"base": 1', '"base": 7'))
    assert path.read_text() != first
    assert sim.main(arguments) == 2
    told = capsys.readouterr().err
    assert f"the one in {path} was edited after it was proposed and is kept" in told
    assert f"MANIFEST={path}" in told
    assert len(told.splitlines()) == 1
    assert path.read_text() != first
    assert path.with_name("proposed.json").read_text() == first


@pytest.mark.parametrize("content", ["manifest.json", "notes.txt", "photos/"])
def test_an_out_that_holds_other_peoples_files_is_refused(content, folder, tmp_path, capsys) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / content).mkdir() if content.endswith("/") else (out / content).write_text("mine")
    assert sim.main(["--vectors", str(folder), "--out", str(out)]) == 2
    name = content.rstrip("/")
    told = f"error: OUT={out} holds {name}, which is not of `make sim`; name a new or an empty folder\n"
    assert capsys.readouterr().err == told
    assert [path.name for path in out.iterdir()] == [name]


def test_an_out_that_make_sim_wrote_may_be_used_again(folder, tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("LOCKSTEP_BUILD", raising=False)
    arguments = ["--vectors", str(folder), "--out", str(tmp_path / "out"), "--no-registers", "--waves", "vcd"]
    assert sim.main(arguments) == 0
    assert sim.main(arguments) == 0


def _truncate(folder: Path) -> list[str]:
    path = folder / "activation_tile0.txt"
    path.write_text(path.read_text()[:-40])
    return []


def _remove(folder: Path) -> list[str]:
    (folder / "weight_itile0_otile1_kij2.txt").unlink()
    return []


def _write_x(folder: Path) -> list[str]:
    path = folder / "out_relu_otile0.txt"
    path.write_text(path.read_text().replace("01", "0x", 1))
    return []


def _break_manifest(folder: Path) -> list[str]:
    (folder / "manifest.json").write_text("{")
    return []


BAD: dict[str, tuple[Callable[[Path], list[str]], str]] = {
    "no such folder": (lambda folder: ["--vectors", f"{folder}/none"], "none is missing; expected a folder of vectors"),
    "a file for a folder": (lambda folder: ["--vectors", f"{folder}/acc.txt"], "is not a folder"),
    "an empty folder": (lambda folder: [f"--vectors={(folder / 'e').mkdir() or folder / 'e'}"], "e"),
    "no such manifest": (lambda folder: ["--manifest", f"{folder}/none.json"], "cannot read"),
    "a manifest that is no JSON": (_break_manifest, "expected JSON"),
    "a truncated file": (_truncate, "activation_tile0.txt line"),
    "a missing file": (_remove, "weight_itile0_otile1_kij2.txt is missing"),
    "an unknown digit": (_write_x, "unknown value"),
    "an unknown simulator": (lambda _: ["--sim", "questa"], "simulator 'questa' is unknown; expected one of"),
    "an unknown wave format": (lambda _: ["--waves", "evcd"], "WAVES is 'evcd'; expected 1, fst or vcd"),
    "no weight lanes": (lambda _: ["--wgt-lanes", "0"], "WGT_LANES is 0; expected 1..4"),
    "too many weight lanes": (lambda _: ["--wgt-lanes", "5"], "WGT_LANES is 5; expected 1..4"),
    "weight lanes in words": (lambda _: ["--wgt-lanes", "two"], "WGT_LANES='two' is not a whole number"),
    "weight lanes in digits of another script": (lambda _: ["--wgt-lanes", "\u0662"], "is not a whole number"),
    "a seed that is none": (lambda _: ["--seed", "1_0"], "SEED='1_0' is not a whole number; expected SEED=1"),
    "a negative seed": (lambda _: ["--seed", "-1"], "SEED=-1 is impossible; expected 0..4294967295"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_status_2_and_overwrites_nothing(case, folder, tmp_path, capsys) -> None:
    change, message = BAD[case]
    out = tmp_path / "out"
    out.mkdir()
    (out / "result.json").write_text("before")
    arguments = ["--vectors", str(folder), "--out", str(out), *change(folder)]
    assert sim.main(arguments) == 2
    told = capsys.readouterr()
    assert told.err.startswith("error: ")
    assert len(told.err.splitlines()) == 1
    assert message in told.err
    assert (out / "result.json").read_text() == "before"


def test_a_missing_default_set_says_how_to_get_it(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert sim.main([]) == 2
    assert "run `make vectors` first" in capsys.readouterr().err


@pytest.mark.parametrize(("simulator", "program"), [("icarus", "iverilog"), ("verilator", "verilator")])
def test_a_missing_simulator_is_named_with_the_way_out(
    simulator, program, folder, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name, package=None: None)
    assert sim.main(["--vectors", str(folder), "--out", str(tmp_path / "out"), "--sim", simulator]) == 2
    told = capsys.readouterr().err
    assert program in told
    assert "install it" in told
    assert len(told.splitlines()) == 1


def test_an_fst_from_verilator_needs_its_libraries(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no compiler, so no headers
    assert wave_format("1", "verilator") == "vcd"
    with pytest.raises(LockstepError, match=r"liblz4-dev zlib1g-dev\) or take WAVES=vcd"):
        wave_format("fst", "verilator")
    assert os.environ["PATH"] == str(tmp_path)
