"""The mutants: each patch applies, a sample of them is killed, and a change that is no fault is called a survivor."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import scripts.mutants
from model.errors import LockstepError
from model.program.draw import ARRAYS, Draw, draw
from scripts.mutants import main
from tb.common.runner import BuildError, SimulationError
from tb.mutants import campaign, stages
from tb.mutants.campaign import Trial, mutate, read_rtl
from tb.mutants.patches import PATCHES, read_mutant, read_mutants
from tb.mutants.stages import DRAW_SEED, STAGES, Kind, Stage, drawn, run_stage, stages_of
from tb.network.draws import stall_of

ROOT = Path(__file__).resolve().parents[1]
RTL = read_rtl()
MUTANTS = read_mutants()
SMALL = tuple(stage for stage in STAGES if stage.top in ("sram", "ofifo", "sfp"))

PATCH = """\
# Fault: {fault}. Stands for: {fault}.
--- a/rtl/sfp.v
+++ b/rtl/sfp.v
@@ -67,3 +67,3 @@

-{old}
+{new}
   assign out_o       = out_q;
"""
TOLD = "  assign out_valid_o = out_valid_q;"


def write_patch(folder: Path, name: str, new: str, old: str = TOLD) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.patch"
    path.write_text(PATCH.format(fault="a test", old=old, new=new))
    return path


def code(source: str) -> str:
    """Verilog without comments and layout."""
    return re.sub(r"\s+", " ", re.sub(r"//.*", "", source))


# ---------------------------------------------------------------- the patches


def test_there_are_enough_and_every_module_has_one() -> None:
    assert len(MUTANTS) >= 20
    assert {mutant.module for mutant in MUTANTS} == set(RTL)


def test_names_are_unique_and_told_in_the_docs() -> None:
    names = [mutant.name for mutant in MUTANTS]
    assert len(set(names)) == len(names) == len(list(PATCHES.glob("*.patch")))
    page = (ROOT / "docs" / "mutants.md").read_text()
    told = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.*?) \|", page, re.MULTILINE)
    assert sorted(told) == sorted((mutant.name, mutant.module, mutant.fault) for mutant in MUTANTS)


def test_every_patch_applies_and_no_two_make_the_same_rtl() -> None:
    made = {code(mutate(mutant, RTL)[mutant.module]) for mutant in MUTANTS}
    assert len(made) == len(MUTANTS)
    assert not made & {code(source) for source in RTL.values()}


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_git_applies_them_to_the_same_effect(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "rtl", tmp_path / "rtl")
    for mutant in MUTANTS[::8]:
        subprocess.run(["git", "apply", str(mutant.path)], cwd=tmp_path, check=True)
        assert (tmp_path / "rtl" / f"{mutant.module}.v").read_text() == mutate(mutant, RTL)[mutant.module]
        subprocess.run(["git", "apply", "-R", str(mutant.path)], cwd=tmp_path, check=True)


def test_a_hunk_that_has_moved_still_applies(tmp_path: Path) -> None:
    mutant = read_mutant(write_patch(tmp_path, "moved", TOLD + " // changed"))
    source = "// a\n// b\n" + RTL["sfp"]
    assert mutant.apply(source) == source.replace(TOLD, TOLD + " // changed")


def test_of_several_places_the_one_it_says_is_meant(tmp_path: Path) -> None:
    mutant = read_mutant(write_patch(tmp_path, "twice", "  // changed"))
    block = f"\n{TOLD}\n  assign out_o       = out_q;\n"
    changed, before = block.replace(TOLD, "  // changed"), "\n" * 63
    assert mutant.apply(before + block + block) == before + block + changed
    with pytest.raises(LockstepError, match=r"hunk 1 fits lines 1, 4 of rtl/sfp\.v, but not line 67, where it says"):
        mutant.apply(block + block)


def test_a_hunk_whose_lines_are_gone_is_an_error(tmp_path: Path) -> None:
    mutant = read_mutant(write_patch(tmp_path, "gone", "  // changed", old="  assign out_valid_o = 1'b0;"))
    with pytest.raises(LockstepError, match=r"gone\.patch does not apply: hunk 1 .* not in rtl/sfp\.v .* again"):
        mutate(mutant, RTL)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: text.partition("\n")[2], "line 1: expected `# Fault"),
        (lambda text: text.replace(". Stands for: a test.", ""), "line 1: expected `# Fault"),
        (lambda text: text.replace("rtl/sfp.v", "tb/sfp.v"), "exactly one file"),
        (lambda text: text + text.partition("\n")[2], "exactly one file"),
        (lambda text: text.replace("67,3 +67,3", "67,3 +67,4"), "3 old and 3 new lines, its head promises 3 and 4"),
        (lambda text: text.partition("@@")[0], "changes nothing"),
        (lambda text: text.replace("@@ -67,3 +67,3 @@", "@@ 67 @@"), "line 4: '@@ 67 @@' belongs to no hunk"),
        (lambda text: text + "and so on\n", "line 9: 'and so on' belongs to no hunk"),
    ],
)
def test_an_odd_patch_is_refused(tmp_path: Path, edit: Callable[[str], str], message: str) -> None:
    path = write_patch(tmp_path, "odd", "  // changed")
    path.write_text(edit(path.read_text()))
    with pytest.raises(LockstepError, match=message) as error:
        read_mutant(path)
    assert "\n" not in str(error.value)


def test_a_name_that_is_no_fault_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LockstepError, match="named by its fault"):
        read_mutant(write_patch(tmp_path, "Mutant-3", "  // changed"))


# ---------------------------------------------------------------- the stages


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_stages_are_simulations_of_the_suite(stage: Stage) -> None:
    """What kills a mutant here is a test and a parameter set that `make test` runs as well."""
    if stage.draws:
        assert stage.parameters == ARRAYS[stage.array].parameters
        return
    suite = importlib.import_module(f"tb.{stage.top}.test_{stage.top}{'_unit' if stage.top == 'core' else ''}")
    if stage.top == "accelerator":
        assert stage.parameters in [suite.SMALL | shape for shape in suite.ARRAYS.values()]
        return
    sets = [suite.RANGE] if stage.name == "core_range_tests" else suite.SETS
    assert tuple(stage.parameters.values()) in sets, stage
    names = getattr(suite, "NAMES", None)
    assert names is None or tuple(stage.parameters) == names


def test_no_two_stages_have_one_name() -> None:
    assert len({stage.name for stage in STAGES}) == len(STAGES)


def sorts(each: Draw) -> set[str]:
    """What a drawn layer is an example of."""
    table, shape = each.program.descriptor, each.shape
    stalled, tiles = stall_of(each.index) > 0, table.oc > 1
    marks = {
        "padding above": table.y_start < 0,
        "padding to the left only": table.x_start < 0 == table.y_start,
        "planes": table.planes and table.sub > 1,
        "more than two planes": table.planes and table.sub > 2,
        "banks": not table.planes and table.sub > 1,
        "pooling over several rows and columns": table.dx > 1 and table.wx > 1 and table.wy > 1,
        "logits": table.wide,
        "several channel tiles and a kernel": table.ic > 1 and table.kx > 1,
        "segments, each used twice": shape.segments > 1 and table.oc > shape.segments and table.out_map > 1,
        "output tiles of one pass": tiles and table.passes == 1,
        "output tiles of many passes": tiles and table.passes > 2,
        "output tiles under stalls": tiles and stalled,
        "a shift of 32 or more": table.shift >= 32,
        "codes below all ones": not table.wide and table.out_max < (1 << shape.act_width) - 1,
        "waiting, by the cycle model": not stalled and each.program.cycles.waiting > 0,
    }
    return {mark for mark, met in marks.items() if met}


def test_the_drawn_layers_are_of_every_sort() -> None:
    draws = [draw(DRAW_SEED, index, stage.array) for stage in STAGES for index in stage.draws]
    found = set().union(*map(sorts, draws))
    assert found == {
        *("padding above", "padding to the left only", "planes", "more than two planes", "banks", "logits"),
        *("pooling over several rows and columns", "several channel tiles and a kernel", "segments, each used twice"),
        *("output tiles of one pass", "output tiles of many passes", "output tiles under stalls"),
        *("a shift of 32 or more", "codes below all ones", "waiting, by the cycle model"),
    }
    assert sum(each.program.cycles.total for each in draws) < 10_000


ACCELERATOR = ["register_tests", "run_tests", "error_tests"]
ENGINES = ["draws_4x4", "draws_12x4", "draws_4x12", *ACCELERATOR]


def test_a_mutant_meets_the_stages_that_contain_it() -> None:
    names = {module: [stage.name for stage in stages_of(module, RTL)] for module in RTL}
    core = ["core_unit_tests", "core_range_tests"]
    assert names["core"] == [*core, *ENGINES]
    assert names["sfp"] == ["sfp_tests", *core, *ENGINES]
    assert names["delay"] == ["l0_tests", "ofifo_tests", *core, *ENGINES]
    assert names["mac_tile"] == ["mac_tile_tests", "mac_row_tests", "mac_array_tests", *core, *ENGINES]
    assert names["walker"] == ["walker_tests", *ENGINES]
    assert names["sequencer"] == ENGINES
    assert names["fifo"] == ["fifo_tests", "result_stream_tests", *ACCELERATOR]
    assert names["axil_regs"] == ACCELERATOR


FAILED_DRAWS = {
    "an assertion": (SimulationError("broke off"), Kind.ASSERTION, "draw 2", "rtl/core.v:9: engine.u_core: overflow"),
    "a difference": ({3: "code 0 differs", 2: "hung in layer 0"}, Kind.COMPARISON, "draw 2", "hung in layer 0"),
    "nothing": ({}, Kind.PASSED, "", ""),
    "no Verilog": (BuildError("x.v:3: error: ;\nI give up."), Kind.ERROR, "", "does not build: x.v:3: error: ;"),
    "no reason": (SimulationError("killed"), Kind.ERROR, "", "killed"),
}


@pytest.mark.parametrize("what", FAILED_DRAWS)
def test_a_verdict_on_drawn_layers(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The draw that failed is named: of an assertion, the one behind those that ended before it."""
    found, *verdict = FAILED_DRAWS[what]

    def simulated(draws: object, folder: Path, *arguments: object, **options: object) -> tuple[object, None]:
        folder.mkdir(parents=True)
        told = "FATAL: rtl/core.v:9: engine.u_core: overflow" if what == "an assertion" else "..."
        (folder / "sim.log").write_text(f"JOB 0 0 0 9 0 0 0\n{told}\n")
        if isinstance(found, Exception):
            raise found
        return found, None

    monkeypatch.setattr(stages, "run_draws", simulated)
    told = run_stage(drawn("4x4", 1, 2, 3), tmp_path, tmp_path / "build", checks=True)
    assert [told.kind, told.test, told.message] == verdict


def test_an_endless_simulation_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "LIMIT_SECONDS", 3)
    (tmp_path / "sfp.v").write_text(RTL["sfp"].replace(TOLD, TOLD + "\n  initial while (1) ;"))
    stage = next(stage for stage in STAGES if stage.top == "sfp")
    verdict = run_stage(stage, tmp_path, tmp_path / "build", checks=True)
    assert (verdict.kind, verdict.message) == (Kind.ERROR, "did not end within 3 s")


# ---------------------------------------------------------------- the whole, on the small blocks


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all runs, so that the baseline is simulated once."""
    return tmp_path_factory.mktemp("mutants")


@pytest.fixture
def run(out: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Runs the command with the stages of the small blocks alone; exit status and result file."""
    monkeypatch.setattr(stages, "STAGES", SMALL)

    def command(*arguments: str) -> tuple[int, dict[str, Any]]:
        (out / "result.json").unlink(missing_ok=True)
        status = main(["--out", str(out), "--jobs", "1", *arguments])
        result = out / "result.json"
        return status, json.loads(result.read_text()) if result.exists() else {}

    return command


SAMPLE = ("accumulator_not_cleared", "ofifo_deskew_one_short", "ofifo_valid_stuck_at_0", "sram_write_first")
Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.mark.slow
def test_a_sample_is_killed_and_kept(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = [word for name in SAMPLE for word in ("--only", name)]
    status, result = run(*chosen)
    assert status == 0
    assert result["passed"]
    assert not result["complete"]
    assert result["mutants"] == result["killed"] == result["killed_without_checks"] == len(SAMPLE)
    told = {entry["name"]: entry for entry in result["results"]}
    assert told["sram_write_first"]["by"]["test"] == "test_both_ports_at_once"
    assert told["sram_write_first"]["by"] == told["sram_write_first"]["by_without_checks"]
    assert told["ofifo_valid_stuck_at_0"]["by"]["how"] == "comparison"
    skewed = told["ofifo_deskew_one_short"]
    assert (skewed["by"]["how"], skewed["by_without_checks"]["how"]) == ("assertion", "comparison")
    assert re.fullmatch(r"rtl/ofifo\.v:\d+: ofifo: aligned valids disagree: [01]+", skewed["by"]["message"])

    def never(*arguments: object) -> None:
        raise AssertionError("simulated again")

    monkeypatch.setattr(campaign, "run_stage", never)
    status, again = run(*chosen)
    assert status == 0
    assert [{**entry, "kept": False} for entry in again["results"]] == result["results"]
    monkeypatch.setenv("SEED", "2")
    with pytest.raises(AssertionError, match="simulated again"):
        run(*chosen)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs Icarus Verilog")
@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        (None, Kind.PASSED, ""),
        ("waiting_not_counted", Kind.COMPARISON, "waiting 0 instead of 15, .*by the cycle model"),
        (
            "first_pixel_does_not_wait",
            Kind.ASSERTION,
            r"rtl/loader\.v:\d+: .*a swap without a whole tile in the shadow",
        ),
    ],
)
def test_drawn_layers_on_a_faulty_engine(name: str | None, kind: Kind, message: str, tmp_path: Path) -> None:
    mutant = next((mutant for mutant in MUTANTS if mutant.name == name), None)
    (tmp_path / "rtl").mkdir()
    for module, source in (mutate(mutant, RTL) if mutant else RTL).items():
        (tmp_path / "rtl" / f"{module}.v").write_text(source)
    verdict = run_stage(drawn("4x4", 1), tmp_path / "rtl", tmp_path / "build", checks=True)
    assert verdict.kind is kind, verdict
    assert verdict.test == ("draw 1" if mutant else "")
    assert re.match(message, verdict.message)


@pytest.mark.slow
def test_a_change_that_is_no_fault_survives(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The check of the check: a comment more, and nothing must catch it."""
    write_patch(tmp_path, "comment_only", TOLD + "  // nothing else")
    status, result = run("--patches", str(tmp_path))
    assert status == 1
    assert (result["passed"], result["killed"], result["survived"]) == (False, 0, ["comment_only"])
    assert result["results"][0]["by"] is None
    assert "survived: comment_only (sfp): a test" in capsys.readouterr().err


@pytest.mark.slow
def test_what_does_not_compile_is_not_killed(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_patch(tmp_path, "no_verilog", "  assign out_valid_o = ;")
    status, result = run("--patches", str(tmp_path))
    assert status == 2
    assert (result["passed"], result["killed"], result["errors"]) == (False, 0, ["no_verilog"])
    assert re.search(r"error: no_verilog \(sfp\): does not build: rtl/sfp\.v:\d+: .*error", capsys.readouterr().err)


@pytest.mark.slow
def test_a_suite_that_the_rtl_itself_fails_proves_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = {**RTL, "sfp": RTL["sfp"].replace(TOLD, "  assign out_valid_o = 1'b0;")}
    monkeypatch.setattr(scripts.mutants, "read_rtl", lambda: broken)
    status, result = run("--only", "relu_missing")
    assert status == 1
    assert (result["passed"], result["results"], len(result["baseline_failures"])) == (False, [], 2)
    assert "the RTL without a fault fails its own tests" in capsys.readouterr().err


@pytest.mark.slow
def test_several_at_a_time_come_to_the_same(tmp_path: Path) -> None:
    trial = Trial(None, RTL, [next(stage for stage in STAGES if stage.top == "l0")], tmp_path / "l0", "", True)
    found = list(scripts.mutants._results([trial, replace(trial, folder=tmp_path / "again")], 2))
    assert [result["outcome"] for result in found] == ["passed", "passed"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "no_such_mutant"], "there is no mutant 'no_such_mutant'; expected one of "),
        (["--jobs", "0"], "JOBS=0 is impossible; expected 1..64"),
        (["--jobs", "two"], "JOBS='two' is not a whole number"),
        (["--patches", "/nonexistent"], "no mutants in /nonexistent; expected files *.patch"),
    ],
)
def test_bad_arguments_are_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {message}")
    assert told.count("\n") == 1


def test_a_patch_that_no_longer_applies_stops_before_any_simulation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign, "run_stage", None)
    write_patch(tmp_path / "patches", "gone", "  // changed", old="  assign out_valid_o = 1'b0;")
    assert main(["--patches", str(tmp_path / "patches"), "--out", str(tmp_path / "out"), "--jobs", "1"]) == 2
    told = capsys.readouterr()
    assert re.fullmatch(r"error: \S+gone\.patch does not apply: hunk 1 .*\n", told.err)
    assert told.out == ""


def test_the_key_knows_everything_a_result_depends_on(tmp_path: Path) -> None:
    mutant, stage = read_mutant(write_patch(tmp_path, "one", "  // changed")), STAGES[0]
    trial = Trial(mutant, RTL, [stage], tmp_path, "a", True)
    others: tuple[dict[str, Any], ...] = (
        {"mutant": read_mutant(write_patch(tmp_path, "two", "  // other"))},
        {"rtl": {**RTL, "sram": RTL["sram"] + "\n"}},
        {"stages": [Stage(stage.top, stage.tests, {**stage.parameters, "Width": 6})]},
        {"surroundings": "b"},
        {"checks": False},
    )
    keys = {trial.key, *(replace(trial, **other).key for other in others)}
    assert len(keys) == 1 + len(others)
    assert replace(trial, folder=tmp_path / "elsewhere").key == trial.key


def test_the_surroundings_follow_tests_and_seed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = campaign.surroundings()
    assert campaign.surroundings() == before
    monkeypatch.setenv("SEED", "2")
    assert campaign.surroundings() != before
    monkeypatch.setenv("SEED", "")
    for folder in ("tb", "model/golden"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setattr(campaign, "ROOT", tmp_path)
    seen = {campaign.surroundings()}
    for name in ("tb/x_tests.py", "model/golden/x.py"):
        (tmp_path / name).write_text("a = 1\n")
        seen.add(campaign.surroundings())
    assert len(seen) == 3
