"""The runner believes only complete, passed results."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.errors import LockstepError
from tb.common.runner import ROOT, BuildError, SimulationError, check_results, simulate

CASE = '<testcase name="test_a" classname="x" time="1">{}</testcase>'
WHOLE = "<testsuites><testsuite>{}</testsuite></testsuites>"


def results(folder: Path, content: str) -> Path:
    """A results file."""
    path = folder / "results.xml"
    path.write_text(content)
    return path


def test_passed_results_name_their_tests(tmp_path: Path) -> None:
    assert check_results(results(tmp_path, WHOLE.format(CASE.format("")))) == ["test_a"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (WHOLE.format(""), "no test ran"),
        (WHOLE.format(CASE.format('<failure error_msg="psum 3"/>')), "test_a failure: psum 3"),
        (WHOLE.format(CASE.format("") + CASE.format("<error/>")), "test_a error"),
        (WHOLE.format(CASE.format("<skipped/>")), "test_a skipped"),
        (WHOLE.format(CASE.format(""))[:-9], "cut short"),
        ("", "cut short"),
    ],
)
def test_anything_else_is_an_error(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        check_results(results(tmp_path, content))


def test_missing_results_show_the_end_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "sim.log"
    log.write_text("first\nlast words\n")
    with pytest.raises(SimulationError, match=r"(?s)no results.*last words"):
        check_results(tmp_path / "results.xml", log)


def test_a_name_that_matches_no_test_is_an_error() -> None:
    with pytest.raises(SimulationError):
        simulate("sfp", "tb.sfp.sfp_tests", {"Cols": 2, "PsumWidth": 8}, only=["test_no_such_thing"])


def test_a_missing_test_module_is_an_error() -> None:
    with pytest.raises(SimulationError):
        simulate("sfp", "tb.sfp.no_such_tests", {"Cols": 2, "PsumWidth": 8})


def test_a_block_that_does_not_compile_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "sfp.v").write_text((ROOT / "rtl" / "sfp.v").read_text().replace("endmodule", ""))
    with pytest.raises(BuildError, match="sfp does not build"):
        simulate("sfp", "tb.sfp.sfp_tests", {"Cols": 2, "PsumWidth": 8}, rtl=tmp_path, build_root=tmp_path / "build")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"simulator": "modelsim"}, "expected one of icarus, verilator"),
        ({"waves": "lxt"}, "expected fst or vcd"),
        ({"rtl": Path("/nonexistent")}, "no Verilog sources"),
    ],
)
def test_impossible_arguments_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(LockstepError, match=message):
        simulate("sfp", "tb.sfp.sfp_tests", {"Cols": 2, "PsumWidth": 8}, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seed", "told"),
    [
        ("seven", "SEED='seven' is not a whole number; expected SEED=1, for instance"),
        ("1_0", "SEED='1_0' is not a whole number"),
        ("-1", r"SEED=-1 is impossible; expected 0\.\.4294967295"),
        ("4294967296", "SEED=4294967296 is impossible"),
    ],
)
def test_a_seed_that_is_none_is_named(seed: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEED", seed)
    with pytest.raises(LockstepError, match=told):
        simulate("sfp", "tb.sfp.sfp_tests", {"Cols": 2, "PsumWidth": 8})


@pytest.mark.parametrize("waves", ["fst", "vcd"])
def test_waves_are_written_in_the_format_asked_for(tmp_path: Path, waves: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAVES", "0")  # the argument counts, not cocotb's variable
    outcome = simulate("sfp", "tb.sfp.sfp_tests", {"Cols": 1, "PsumWidth": 8}, waves=waves, build_root=tmp_path)
    assert outcome.waves is not None
    assert outcome.waves.suffix == f".{waves}"
    head = outcome.waves.read_bytes()[:64]
    assert (b"$date" in head) == (waves == "vcd")
    assert outcome.tests == 3


def test_the_checks_of_the_rtl_can_be_left_out(tmp_path: Path) -> None:
    """The same broken rule is fatal with SIM_CHECKS and goes unnoticed without; both builds are kept."""
    parameters, only = {"Cols": 2, "PsumWidth": 8}, ["sfp_first_missing"]
    with pytest.raises(SimulationError, match="first is missing"):
        simulate("sfp", "tb.sim_checks.array_rules_tests", parameters, only=only, build_root=tmp_path)
    simulate("sfp", "tb.sim_checks.array_rules_tests", parameters, only=only, build_root=tmp_path, checks=False)
    assert len(list(tmp_path.rglob("built.sha256"))) == 2
