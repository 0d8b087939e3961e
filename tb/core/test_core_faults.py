"""What must not pass: one corrupted word of every kind, and a core whose outputs are stuck, extra, late or unknown."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.errors import LockstepError
from tb.common.runner import ROOT, SimulationError, default_simulator
from tb.core.launch import Result, run_replay
from tests.replay_sets import write_set
from tests.vector_sets import Foreign, digits

pytestmark = pytest.mark.slow

BUILD = ROOT / "build" / "tb" / "faults"


def small() -> Foreign:
    return Foreign(rows=4, cols=3, ic=2, oc=2, kernel=(2, 2), padded=(4, 4), relus=(False,))


def spoil(path: Path, line: int, word: int, bits: int, value: int) -> None:
    """Overwrite word `word` (leftmost 0) of data line `line` (0 the first) in a file with three header lines."""
    lines = path.read_text().split("\n")
    text = lines[3 + line]
    lines[3 + line] = text[: word * bits] + digits(value, bits) + text[(word + 1) * bits :]
    path.write_text("\n".join(lines))


def run(folder: Path, out: Path, **more: Any) -> Result:
    result = run_replay(folder, out, build_root=BUILD, **more)
    assert not result["passed"]
    assert result["mismatches"] > 0
    return result


def first(result: Result, *names: str) -> tuple[Any, ...]:
    return tuple(result["first_mismatch"][name] for name in names)


def test_a_wrong_psum_word_is_found_as_that_word(tmp_path: Path) -> None:
    foreign = small()
    folder = write_set(foreign, tmp_path / "set")
    oc, ic, kij, place, col = 1, 0, 2, 5, 1
    true = int(foreign.p[oc, ic, kij, place, col])
    spoil(folder / f"psum_itile{ic}_otile{oc}_kij{kij}.txt", place, 2 - col, 16, true - 1)
    result = run(folder, tmp_path)
    assert result["mismatches"] == 1
    assert first(result, "oc", "ic", "kij", "position", "column") == (oc, ic, kij, place, col)
    assert first(result, "expected", "got", "fault") == (true - 1, true, "wrong")
    assert first(result, "file", "line") == ("psum_itile0_otile1_kij2.txt", 3 + place + 1)
    assert first(result, "signal") == ("core.psum_o[31:16]",)
    beat = ((oc * 2 + ic) * 4 + kij) * 9 + place
    cycle = 1 + beat + 4 + 3  # two weight flits, then a pixel a cycle; Rows + Cols later at the port
    assert first(result, "cycle", "time_ns") == (cycle, 10.0 * (cycle + 4))


def test_a_wrong_output_word_is_found_as_that_word(tmp_path: Path) -> None:
    foreign = small()
    folder = write_set(foreign, tmp_path / "set")
    spoil(folder / "out_otile1.txt", 8, 0, 16, -32768)
    result = run(folder, tmp_path)
    assert result["mismatches"] == 1
    assert first(result, "port", "oc", "ic", "kij", "position", "column") == ("output", 1, None, None, 8, 2)
    assert first(result, "expected", "got") == (-32768, int(foreign.o[1, 8, 2]))
    assert first(result, "file", "line", "signal") == ("out_otile1.txt", 12, "core.out_o[47:32]")


def test_a_wrong_activation_word_spoils_exactly_the_psums_that_read_it(tmp_path: Path) -> None:
    foreign = small()
    folder = write_set(foreign, tmp_path / "set")
    ic, nij, row = 1, 5, 2
    was = int(foreign.a[ic, nij, row])
    now = was ^ 8
    spoil(folder / f"activation_tile{ic}.txt", nij, 3 - row, 4, now)
    change = np.zeros_like(foreign.p)
    for kij in range(4):
        for place in range(9):
            if foreign.nij(kij, place) == nij:
                change[:, ic, kij, place] = (now - was) * foreign.w[:, ic, kij, :, row]
    _expect_psums(run(folder, tmp_path), foreign, change)


def test_a_wrong_weight_word_spoils_exactly_the_psums_of_its_column(tmp_path: Path) -> None:
    foreign = small()
    folder = write_set(foreign, tmp_path / "set")
    oc, ic, kij, col, row = 0, 1, 3, 2, 0
    was = int(foreign.w[oc, ic, kij, col, row])
    now = was - 1 if was > 0 else was + 1
    spoil(folder / f"weight_itile{ic}_otile{oc}_kij{kij}.txt", col, 3 - row, 4, now)
    change = np.zeros_like(foreign.p)
    for place in range(9):
        change[oc, ic, kij, place, col] = (now - was) * foreign.a[ic, foreign.nij(kij, place), row]
    _expect_psums(run(folder, tmp_path), foreign, change)


def _expect_psums(result: Result, foreign: Foreign, change: np.ndarray) -> None:
    """Wrong are the psums with a change, and the outputs whose sum it changes; the first of them is told."""
    sums = np.zeros_like(foreign.o)
    for onij in range(9):
        for kij in range(4):
            sums[:, onij] += change[:, :, kij, onij].sum(axis=1)
    assert result["mismatches"] == np.count_nonzero(change) + np.count_nonzero(sums)
    oc, ic, kij, place, col = np.argwhere(change)[0].tolist()
    assert first(result, "port", "oc", "ic", "kij", "position", "column") == ("psum", oc, ic, kij, place, col)
    true = int(foreign.p[oc, ic, kij, place, col])
    assert first(result, "expected", "got") == (true, true + int(change[oc, ic, kij, place, col]))


def test_a_wrong_address_spoils_exactly_its_sum(tmp_path: Path) -> None:
    foreign = small()
    folder = write_set(foreign, tmp_path / "set")
    onij, kij, instead = 4, 2, 1 * 9 + 7
    lines = (folder / "acc.txt").read_text().split("\n")
    lines[onij * 4 + kij] = digits(instead, 11)
    (folder / "acc.txt").write_text("\n".join(lines))
    result = run(folder, tmp_path)
    memory = foreign.p.sum(axis=1).reshape(2, 36, 3)
    got = foreign.o[:, onij] - memory[:, kij * 9 + onij] + memory[:, instead]
    assert result["mismatches"] == np.count_nonzero(got != foreign.o[:, onij])
    oc, col = np.argwhere(got != foreign.o[:, onij])[0].tolist()
    assert first(result, "port", "oc", "position", "column") == ("output", oc, onij, col)
    assert first(result, "expected", "got") == (int(foreign.o[oc, onij, col]), int(got[oc, col]))


def test_every_mismatch_is_counted_and_a_few_are_kept(tmp_path: Path) -> None:
    folder = write_set(small(), tmp_path / "set")
    for kij in range(4):
        for place in range(9):
            spoil(folder / f"psum_itile0_otile0_kij{kij}.txt", place, 0, 16, -32768)
    result = run(folder, tmp_path)
    assert result["mismatches"] == 36
    assert len(result["more_mismatches"]) == 19
    assert result["checked_psums"] == result["expected_psums"]  # the rest was judged as well


# A fault at a port of the core: (file, instance port, signal, what it carries instead)
PORTS = {
    "psum valid stuck at 0": ("valid_o", "psum_valid_o", "1'b0", "missing"),
    "psum valid stuck at 1": ("valid_o", "psum_valid_o", "1'b1", "unexpected"),
    "psum valid unknown": ("valid_o", "psum_valid_o", "1'bx", "unexpected"),
    "psum valid unknown when due": ("valid_o", "psum_valid_o", "was ? 1'bx : 1'b0", "unknown"),
    "output valid stuck at 0": ("out_valid_o", "out_valid_o", "1'b0", "missing"),
    "output valid stuck at 1": ("out_valid_o", "out_valid_o", "1'b1", "unexpected"),
    "output valid unknown": ("out_valid_o", "out_valid_o", "1'bx", "unexpected"),
    "output unknown": ("out_o", "out_o", "{was[LineWidth-1:1], 1'bx}", "unknown"),
    "output columns swapped": ("out_o", "out_o", "{was[0 +: PsumWidth], was[LineWidth-1:PsumWidth]}", "wrong"),
}


@pytest.mark.parametrize("name", PORTS)
def test_a_port_that_lies_is_found(name: str, tmp_path: Path) -> None:
    port, signal, lie, fault = PORTS[name]
    if "1'bx" in lie and default_simulator() == "verilator":
        pytest.skip("Verilator has no X")
    shutil.copytree(ROOT / "rtl", tmp_path / "rtl")
    core = tmp_path / "rtl" / "core.v"
    text, places = re.subn(rf"\.{port}(\s*)\({signal}\)", rf".{port}\1(was)", core.read_text())
    assert places == 1
    width = "[LineWidth-1:0]" if signal == "out_o" else ""
    at = text.rindex("endmodule")
    core.write_text(f"{text[:at]}  wire {width} was;\n  assign {signal} = {lie};\n{text[at:]}")
    result = run(write_set(small(), tmp_path / "set"), tmp_path, rtl=tmp_path / "rtl", checks=False)
    assert first(result, "fault") == (fault,)
    stuck = {"missing": 27 * 2 if signal == "out_valid_o" else 144 * 3}
    if fault in stuck:
        assert result["mismatches"] == stuck[fault]
    if name == "psum valid stuck at 0":
        assert result["checked_psums"] == 0 < result["expected_psums"]
        assert result["stream_cycles"] is None


def test_a_psum_that_does_not_fit_stops_the_simulation(tmp_path: Path) -> None:
    foreign = small()
    foreign.psum_bits = 9
    with pytest.raises(SimulationError, match=r"overflow, .* does not fit 9 bits"):
        run_replay(write_set(foreign, tmp_path / "set"), tmp_path, build_root=BUILD)


def test_a_set_that_promises_nothing_is_refused(tmp_path: Path) -> None:
    foreign = Foreign(psum=False)
    folder = write_set(foreign, tmp_path / "set")
    told = foreign.manifest()
    del told["files"]["out"]
    (folder / "manifest.json").write_text(json.dumps(told))
    with pytest.raises(LockstepError, match="neither psum nor out files"):
        run_replay(folder, tmp_path, build_root=BUILD)


def test_psums_alone_or_outputs_alone_are_judged(tmp_path: Path) -> None:
    foreign = small()
    folder = write_set(foreign, tmp_path / "set")
    told = foreign.manifest()
    del told["files"]["out"]
    (folder / "manifest.json").write_text(json.dumps(told))
    result = run_replay(folder, tmp_path, build_root=BUILD)
    assert result["passed"]
    assert (result["checked_psums"], result["checked_outputs"], result["outputs_judged"]) == (432, 0, [])
    told = foreign.manifest()
    del told["files"]["psum"]
    (folder / "manifest.json").write_text(json.dumps(told))
    result = run_replay(folder, tmp_path, build_root=BUILD)
    assert result["passed"]
    assert (result["checked_psums"], result["checked_outputs"], result["psums_judged"]) == (0, 54, False)


@pytest.mark.parametrize(
    ("lanes", "bits", "message"),
    [
        (0, 16, "WGT_LANES is 0; expected 1..3"),
        (4, 16, "WGT_LANES is 4; expected 1..3"),
        (2, 7, "bits.psum is 7; expected 8 or more"),
    ],
)
def test_parameters_that_cannot_be_built_are_refused(lanes: int, bits: int, message: str, tmp_path: Path) -> None:
    foreign = small()
    foreign.psum_bits = bits
    with pytest.raises(LockstepError, match=message):
        run_replay(write_set(foreign, tmp_path / "set"), tmp_path, wgt_lanes=lanes, build_root=BUILD)
