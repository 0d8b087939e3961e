"""Counts are read and added up, waivers must hold, holes are told; and a small block is really measured."""

from __future__ import annotations

import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.errors import LockstepError
from model.program.descriptor import FIELDS
from model.program.draw import draw
from tb.common.measured import VARIABLE
from tb.common.runner import ROOT, simulate
from tb.common.scoreboard import Coverage
from tb.coverage.counts import Place, added, from_json, read_counts, to_json
from tb.coverage.jobs import Outcome, all_jobs, chosen_jobs, run_job
from tb.coverage.summary import share, summarize
from tb.coverage.waivers import WAIVERS, Waiver, apply, read_waivers
from tb.coverage.wide_tests import BITS
from tb.network.draws import job_of_draw
from tb.network.points import POINTS, descriptor_points
from tests.replay_sets import HAS_VERILATOR

BRANCH = Place("fifo", 34, 5, "branch", "if")
BIT = Place("fifo", 26, 24, "toggle", "mem[2][0]:0->1")
WAIVER = Waiver("fifo", "toggle", "mem", "reg [Width-1:0]", "for the test")


def record(place: Place, count: int, source: str = "") -> str:
    """A line of Verilator's file."""
    fields = {"f": source or f"{ROOT}/rtl/{place.module}.v", "l": place.line, "n": place.column, "t": place.kind}
    fields |= {"page": f"v_{place.kind}/{place.module}", "o": place.what, "h": f"top.{place.module}"}
    return "C '" + "".join(f"\x01{name}\x02{value}" for name, value in fields.items()) + f"' {count}\n"


def written(folder: Path, *lines: str) -> Path:
    path = folder / "some.dat"
    path.write_text("".join(["# SystemC::Coverage-3\n", *lines]))
    return path


def summary(counts: dict[Place, int], waivers: list[Waiver], points: dict[str, int] | None = None) -> dict[str, object]:
    return summarize([Outcome("fifo/fifo", Counter(counts), points or {}, 1.0, True)], waivers)


def test_counts_are_added_over_instances_and_files(tmp_path: Path) -> None:
    path = written(tmp_path, record(BRANCH, 3), record(BRANCH, 4), record(BIT, 0), record(BIT, 9, "/elsewhere/fifo.v"))
    counts = read_counts(path, ROOT / "rtl")
    assert counts == {BRANCH: 7, BIT: 0}
    total = added([counts, counts])
    assert dict(total) == {BRANCH: 14, BIT: 0}
    assert from_json(to_json(total)) == total
    assert list(from_json(to_json(total))) == sorted(total), "a place that nobody met is still there"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "does not begin"),
        ("# SystemC::Coverage-3\nC 'x", "line 2 is no count"),
        ("# SystemC::Coverage-3\nC '\x01f\x02a.v' 3\n", "line 2 lacks a field"),
    ],
)
def test_a_file_cut_short_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "some.dat").write_text(text)
    with pytest.raises(LockstepError, match=message):
        read_counts(tmp_path / "some.dat", ROOT / "rtl")


def test_what_was_not_met_is_told_with_its_source_line() -> None:
    told = summary({BRANCH: 0, BIT: 0, BIT._replace(what="mem[2][1]:0->1"): 0}, [], {"full": 0, "empty": 2})
    assert [(hole["line"], hole["kind"], hole["what"]) for hole in told["holes"]] == [  # type: ignore[attr-defined]
        (26, "toggle", ["mem[2][0]:0->1", "mem[2][1]:0->1"]),
        (34, "branch", ["if"]),
    ]
    assert "reg [Width-1:0]      mem" in told["holes"][0]["source"]  # type: ignore[index]
    assert told["missed_points"] == ["fifo: full"]
    assert told["modules"]["fifo"]["toggle"] == {"places": 2, "met": 0, "waived": 0}  # type: ignore[index]


def test_a_waiver_takes_its_places_and_no_others() -> None:
    other = BIT._replace(what="memory[0]:0->1")
    waived, wrong = apply([WAIVER], Counter({BIT: 0, other: 0}), {"fifo": [WAIVER.source] * 40})
    assert (set(waived), wrong) == ({BIT}, [])
    told = summary({BRANCH: 1, BIT: 0}, [WAIVER])
    assert (told["holes"], told["waiver_errors"]) == ([], [])
    assert told["waivers"] == [{"waiver": str(WAIVER), "reason": "for the test", "places": 1}]
    assert share(told["modules"]["fifo"]["toggle"]) == 1.0  # type: ignore[index]


def test_a_waiver_of_any_module_takes_the_lines_with_its_source() -> None:
    everywhere = replace(WAIVER, module="*")
    assert summary({BIT: 0}, [everywhere])["holes"] == []
    assert "which was met" in str(summary({BIT: 1}, [everywhere])["waiver_errors"])
    assert "matches nothing" in str(summary({BRANCH: 1}, [everywhere])["waiver_errors"])
    assert summary({BRANCH: 1}, [replace(everywhere, source="no line of a fifo")])["waiver_errors"] == []


def test_points_of_the_plan_are_met_in_any_testbench() -> None:
    one = Outcome("fifo/fifo", Counter({BIT: 1}), {"full": 0, "states: reset in run": 0}, 1.0, True)
    other = replace(one, job="fuzz/bus", points={"full": 1, "states: reset in run": 2})
    told = summarize([one, other], [])
    assert told["points"] == {"fifo: full": 0, "fuzz: full": 1, "states: reset in run": 2}
    assert told["missed_points"] == ["fifo: full"]


def test_a_waiver_may_name_some_bits() -> None:
    bits = {BIT._replace(what=f"count_q[{bit}]:0->1"): int(bit < 4) for bit in range(8)}
    upper = replace(WAIVER, what="count_q[7:4]", source="")
    told = summary(bits, [upper])
    assert (told["holes"], told["waiver_errors"]) == ([], [])
    assert told["waivers"] == [{"waiver": str(upper), "reason": "for the test", "places": 4}]
    assert "covers count_q[3]:0->1" in str(summary(bits, [replace(upper, what="count_q[7:3]")])["waiver_errors"])


def test_a_waiver_of_nothing_or_of_what_was_met_is_an_error() -> None:
    assert "matches nothing" in str(summary({BRANCH: 1}, [WAIVER])["waiver_errors"])
    assert "line 26 of fifo, which was met" in str(summary({BIT: 1}, [WAIVER])["waiver_errors"])
    assert summary({BRANCH: 1}, [Waiver("sfp", "line", "*", "", "another module, not measured")])["waiver_errors"] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[waiver]\n", "expected TOML"),
        ("[waivers]\n", "expected tables"),
        ("[[waiver]]\nmodule = 'fifo'\n", "waiver 1: expected kind, module, reason, source, what, got module"),
        ("[[waiver]]\nmodule='a'\nkind='line'\nwhat='*'\nreason=' '\n", "none but source is empty"),
        ("[[waiver]]\nmodule='*'\nkind='line'\nwhat='*'\nreason='x'\n", "source must say which lines"),
        ("[[waiver]]\nmodule='a'\nkind='lines'\nwhat='*'\nreason='x'\n", "kind 'lines'; expected one of line, branch"),
    ],
)
def test_a_broken_waiver_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "w.toml").write_text(text)
    with pytest.raises(LockstepError, match=message):
        read_waivers(tmp_path / "w.toml")


def test_the_waivers_of_the_tree_can_be_read() -> None:
    for waiver in read_waivers(WAIVERS):
        assert waiver.module == "*" or (ROOT / "rtl" / f"{waiver.module}.v").is_file()
        assert len(waiver.reason.split()) > 3, f"{waiver}: say why"


def test_every_block_has_a_testbench_that_is_counted() -> None:
    folders = {name.partition("/")[0] for name in all_jobs()}
    assert {"fifo", "core", "accelerator", "network", "mac_array"} <= folders
    assert list(chosen_jobs("fifo")) == ["fifo/fifo"]
    with pytest.raises(LockstepError, match="ONLY is 'fif'; expected a folder of tb/, one of accelerator, act_mem"):
        chosen_jobs("fif")


def test_a_testbench_that_fails_is_not_counted(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text("def test_it():\n    assert 1 == 2\n")
    with pytest.raises(LockstepError, match=r"x/x: its tests fail, so nothing is counted; see .*\.log$") as told:
        run_job("x/x", tmp_path / "test_x.py", tmp_path / "out")
    assert "assert 1 == 2" in Path(str(told.value).rpartition("see ")[2]).read_text()


def test_a_testbench_without_counts_is_no_testbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "test_y.py"
    path.write_text("")
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 0))
    with pytest.raises(LockstepError, match="Verilator left no counts"):
        run_job("y/y", path, tmp_path / "out")


def test_what_a_testbench_met_is_kept_until_a_module_of_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "test_z.py"
    path.write_text("")
    starts: list[object] = []

    def run(command: list[str], *, env: dict[str, str], **_: object) -> subprocess.CompletedProcess[bytes]:
        starts.append(command)
        written(Path(env[VARIABLE]), record(BRANCH, 5, str(tmp_path / "rtl" / "fifo.v")))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr("tb.coverage.jobs.ROOT", tmp_path)
    (tmp_path / "rtl").mkdir()
    (tmp_path / "rtl" / "fifo.v").write_text("one")
    first, again = (run_job("z/z", path, tmp_path / "out") for _ in range(2))
    assert (first.fresh, again.fresh, first.counts) == (True, False, again.counts)
    (tmp_path / "rtl" / "sfp.v").write_text("no part of it")
    assert not run_job("z/z", path, tmp_path / "out").fresh
    (tmp_path / "rtl" / "fifo.v").write_text("two")
    assert run_job("z/z", path, tmp_path / "out").fresh
    (tmp_path / "out" / "jobs" / "z-z.json").write_text('{"key": ')
    assert run_job("z/z", path, tmp_path / "out").fresh
    assert len(starts) == 3
    (tmp_path / "rtl" / "fifo.v").write_text("three")

    def run_while_somebody_writes(command: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
        path.write_text("# another test")
        return run(command, **options)

    monkeypatch.setattr(subprocess, "run", run_while_somebody_writes)
    with pytest.raises(LockstepError, match="were changed while they ran"):
        run_job("z/z", path, tmp_path / "out")


def test_points_are_left_behind_while_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = Coverage("full")
    points.record()
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    points.hit("full")
    points.finish()
    (left,) = tmp_path.glob("*.points.json")
    assert '"full": 1' in left.read_text()


def test_descriptors_are_sorted_by_limits_and_modes() -> None:
    job = job_of_draw(draw(1, 1, "4x4 pairs"))
    hits = {point for point, count in descriptor_points([job.descriptors])._hits.items() if count}
    assert f"descriptor: {FIELDS[-2].name} at its least" in hits
    assert hits < set(POINTS)


@pytest.mark.slow
@pytest.mark.parametrize("there", [True] if HAS_VERILATOR else [], ids=["verilator"])
def test_of_a_wide_bus_each_bit_counts_for_itself(there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verilator's own count takes bit 3 for bits 35, 67 and 99 as well: tb/common/verilator/verilated_cov.h."""
    monkeypatch.delenv("INIT", raising=False)  # as `make coverage` does: lines are counted in rtl/
    monkeypatch.setenv(VARIABLE, str(tmp_path / "counts"))
    values = {"Width": 100, "Depth": 1}
    simulate("fifo", "tb.coverage.wide_tests", values, simulator="verilator", build_root=tmp_path / "build")
    (file,) = (tmp_path / "counts").glob("*.dat")
    met = {place.what for place, count in read_counts(file, ROOT / "rtl").items() if count and place.name == "data_i"}
    assert met == {f"data_i[{bit}]:{change}" for bit in BITS for change in ("0->1", "1->0")}


@pytest.mark.slow
@pytest.mark.parametrize("there", [True] if HAS_VERILATOR else [], ids=["verilator"])
def test_a_small_block_is_measured(there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One test of fifo does not meet all of it; both together do."""
    monkeypatch.delenv("INIT", raising=False)
    missed: list[list[Place]] = []
    for only in (["test_reset_empties_it"], None):
        folder = tmp_path / str(len(missed))
        monkeypatch.setenv(VARIABLE, str(folder))
        simulate(
            *("fifo", "tb.fifo.fifo_tests", {"Width": 2, "Depth": 3}),
            simulator="verilator",
            only=only,
            build_root=tmp_path / "build",
        )
        (file,) = folder.glob("*.dat")
        counts = read_counts(file, ROOT / "rtl")
        assert {place.module for place in counts} == {"fifo"}
        missed.append([place for place, count in counts.items() if not count])
    assert missed[0], "a reset of the full buffer is not all there is"
    assert missed[1] == []
