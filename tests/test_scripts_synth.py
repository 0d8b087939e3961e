"""`make synth`: Yosys takes all of the RTL, the array's tests pass on its gates, and what is told is what was found."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import stat
import sys
from pathlib import Path

import pytest

import scripts.synth
import tb.synth.flows
import tb.synth.gates
from model.errors import LockstepError
from model.files import read_json
from model.numeric.power import POWERS
from scripts.synth import main
from tb.common.jobs import Job
from tb.common.runner import Outcome, SimulationError
from tb.common.sources import read_rtl
from tb.common.tools import Tool, ToolError, find, last_words
from tb.synth import formats
from tb.synth.flows import SOUND, synthesize
from tb.synth.gates import GATE, invert, run_tests, shape, write_netlist
from tb.synth.jobs import sources_of
from tb.synth.place import TARGETS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
RTL = ROOT / "rtl"


def real_yosys() -> Tool | None:
    try:
        return find("yosys")
    except LockstepError:
        return None


YOSYS = real_yosys()
needs_yosys = pytest.mark.skipif(YOSYS is None, reason="needs Yosys (make setup-synth)")

# ---------------------------------------------------------------- Yosys on the RTL


@needs_yosys
def test_yosys_takes_all_of_the_rtl_and_finds_no_loop_no_latch_and_no_second_driver(tmp_path: Path) -> None:
    shutil.copytree(RTL, tmp_path / "src")
    names = " ".join(f"src/{path.name}" for path in sorted(RTL.glob("*.v")))
    steps = f"read_verilog -DSYNTHESIS {names}; hierarchy -check; proc; opt_clean; {SOUND}"
    YOSYS.run(["-Q", "-T", "-p", steps], tmp_path, "log")
    said = (tmp_path / "log").read_text()
    for path in RTL.glob("*.v"):
        assert f"module `\\{path.stem}'" in said


UNSOUND = {
    "latch": "reg q; always @* if (a) q = b; assign y = q;",
    "loop": "wire t = a ^ (b & u); wire u = ~t; assign y = u;",
    "second driver": "wire t; assign t = a; assign t = b; assign y = t;",
    "no such module": "nothing u_nothing (.a(a), .y(y));",
    "syntax": "assign y = a &;",
}


@needs_yosys
@pytest.mark.parametrize("fault", UNSOUND)
def test_what_is_unsound_is_refused(tmp_path: Path, fault: str) -> None:
    source = tmp_path / "bad.v"
    source.write_text(f"module bad (input a, input b, output y);\n{UNSOUND[fault]}\nendmodule\n")
    with pytest.raises(ToolError, match=r"yosys: .+; see .+generic\.log"):
        synthesize(YOSYS, "generic", [source], "bad", tmp_path / "out")


@needs_yosys
@pytest.mark.parametrize(("parameters", "flip_flops"), [({}, 41), ({"PsumWidth": 20, "ActWidth": 5}, 46)])
def test_a_pe_has_the_flip_flops_that_it_declares(tmp_path: Path, parameters: dict[str, int], flip_flops: int) -> None:
    """valid, swap, act; valid, group, two weights of a flit; shadow, active; psum: 6 + 11 + 8 + 16."""
    counted = synthesize(YOSYS, "generic", [RTL / "mac_tile.v"], "mac_tile", tmp_path, parameters)
    assert counted["flip_flops"] == flip_flops
    assert counted["gates"] > 100
    assert counted["memory_bits"] == 0


@needs_yosys
@pytest.mark.parametrize("name", POWERS)
def test_nothing_multiplies_where_weights_are_powers_of_two(tmp_path: Path, name: str) -> None:
    sources = sources_of("mac_tile", read_rtl(RTL))
    found = formats.area(YOSYS, "mac_tile", name, "generic", sources, tmp_path)
    assert 0 < found["gates"] < 300


@needs_yosys
def test_a_multiplier_is_seen(tmp_path: Path) -> None:
    """The counterpart: the PE of integers has one, and is refused where none may be."""
    sources = sources_of("mac_tile", read_rtl(RTL))
    given = formats.parameters("mac_tile", "int4")
    with pytest.raises(ToolError, match="ssertion failed"):
        synthesize(YOSYS, "generic", sources, "mac_tile", tmp_path, given, refused=formats.MULTIPLIERS)


def test_cells_are_counted_by_kind() -> None:
    assert doctest.testmod(formats) == (0, 1)
    assert doctest.testmod(tb.synth.flows) == (0, 1)
    assert doctest.testmod(tb.synth.gates) == (0, 1)
    generic = {"$_AND_": 3, "$_NOT_": 1, "$_SDFFE_PN0P_": 5, "$_DFF_P_": 2, "$_SDFF_PN0_": 1, "$mem_v2": 1, "row": 8}
    assert tb.synth.flows.count("generic", generic) == {"gates": 4, "flip_flops": 8}
    ice40 = {"SB_LUT4": 9, "SB_CARRY": 4, "SB_DFF": 1, "SB_DFFESR": 2, "SB_RAM40_4K": 3, "$scopeinfo": 7}
    expected = {"luts": 9, "carries": 4, "flip_flops": 3, "brams": 3, "multipliers": 0}
    assert tb.synth.flows.count("ice40", ice40) == expected


# ---------------------------------------------------------------- gate level

SMALL = shape(2, 3)


@pytest.fixture(scope="module")
def netlist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gates")
    counted = write_netlist(YOSYS, RTL, SMALL, folder)
    assert counted["flip_flops"] == 6 * 40  # a group number of one bit here
    return folder


@needs_yosys
def test_the_netlist_is_gates_and_flip_flops_alone(netlist: Path) -> None:
    text = (netlist / "netlist" / "mac_array.v").read_text()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    assert not re.search(r" [*+] |\bparameter\b|\bcase|\bfor\b|\$signed", text)
    assert len(GATE.findall(text)) > 100
    assert {"gen_row_1_u_row", "gen_col_2_u_tile"} <= set(re.findall(r"gen_\w+", text))


@needs_yosys
def test_the_arrays_tests_pass_on_its_gates(netlist: Path) -> None:
    assert run_tests(netlist, SMALL).tests == 4


@needs_yosys
@pytest.mark.parametrize("number", [0, 40, 111])
def test_one_inverted_gate_fails_them(netlist: Path, tmp_path: Path, number: int) -> None:
    text = (netlist / "netlist" / "mac_array.v").read_text()
    broken, gate = invert(text, number)
    assert broken != text
    (tmp_path / "netlist").mkdir()
    (tmp_path / "netlist" / "mac_array.v").write_text(broken)
    with pytest.raises(SimulationError, match=r"test_\w+ failure: ") as error:
        run_tests(tmp_path, SMALL)
    assert "expected" in str(error.value), gate


def test_a_text_without_gates_cannot_be_broken() -> None:
    with pytest.raises(LockstepError, match="the netlist has no gates"):
        invert("module mac_array; endmodule", 0)
    assert invert("  assign a = b & c;\n", 5) == ("  assign a = ~(b & c);\n", "assign a = b & c;")


# ---------------------------------------------------------------- tools and jobs


def program(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!{sys.executable} -IS\n{text}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_a_tool_that_fails_or_hangs_is_told(tmp_path: Path) -> None:
    bad = program(tmp_path, "bad", "print('fine')\nprint('ERROR: no such wire')\nprint('bye')\nraise SystemExit(1)\n")
    with pytest.raises(ToolError, match=r"yosys: ERROR: no such wire; see .*/log"):
        Tool("yosys", str(bad), "native", "1").run([], tmp_path, "log")
    slow = program(tmp_path, "slow", "import time\ntime.sleep(60)\n")
    with pytest.raises(ToolError, match="yosys was not ready after 0 s"):
        Tool("yosys", str(slow), "native", "1").run([], tmp_path, "log", limit=0.3)
    (tmp_path / "log").write_text("\n")
    assert last_words(tmp_path / "log") == "no output"


def test_a_result_is_kept_until_something_it_depends_on_changes(tmp_path: Path) -> None:
    calls = []

    def work() -> dict[str, int]:
        calls.append(1)
        return {"gates": len(calls)}

    def finish(depends: str) -> tuple[int, bool]:
        result = Job("a/generic", "area", "a", "generic", tmp_path / "a", depends, work, {"rows": 8}).finish()
        assert (result["error"], result["rows"]) == (None, 8)
        return result["gates"], result["kept"]

    assert [finish(depends) for depends in ("x", "x", "y", "y", "x")] == [
        (1, False),
        (1, True),
        (2, False),
        (2, True),
        (3, False),
    ]
    for damage in ("", "{}", "[]", '{"key"'):
        (tmp_path / "a" / "job.json").write_text(damage)
        assert finish("x")[1] is False


def test_a_failure_is_not_kept(tmp_path: Path) -> None:
    def work() -> dict[str, int]:
        raise ToolError("yosys: no")

    job = Job("a/generic", "area", "a", "generic", tmp_path / "a", "x", work)
    assert [job.finish()["error"] for _ in range(2)] == ["yosys: no"] * 2
    assert not (tmp_path / "a" / "job.json").exists()


def test_a_block_comes_with_all_below_it() -> None:
    names = [path.stem for path in sources_of("mac_array", read_rtl(RTL))]
    assert names == ["mac_array", "mac_row", "mac_tile", "os_drain", "shift_add"]
    assert {"core", "sram", "delay", "mac_tile"} <= {path.stem for path in sources_of("core", read_rtl(RTL))}


# ---------------------------------------------------------------- the whole, with tools that only pretend

FAKE_YOSYS = """
import json, os, pathlib, re, sys
if sys.argv[1:] == ["-V"]:
    print(os.environ.get("FAKE_VERSION", "Yosys 9.9 (git sha1 abc)"))
    raise SystemExit
script = sys.argv[-1]
top = re.search(r"hierarchy -check -top (\\w+)", script)[1]
if top == os.environ.get("FAKE_REFUSED"):
    print("ERROR: Unsound.")
    raise SystemExit(1)
with open(os.environ["FAKE_CALLS"], "a") as calls:
    print(top, file=calls)
cells = {"$_AND_": 640, "$_DFF_P_": 64, "SB_LUT4": 128, "SB_DFF": 64, "LUT4": 128, "TRELLIS_FF": 64}
for name in re.findall(r"tee -q -o (\\S+) stat -json", script):
    pathlib.Path(name).write_text(json.dumps({"design": {"num_memory_bits": 5, "num_cells_by_type": cells}}))
if "write_verilog" in script:
    pathlib.Path("yosys.v").write_text("module mac_array; endmodule")
"""
FAKE_NEXTPNR = """
import json, pathlib, sys
if sys.argv[1:] == ["--version"]:
    print('"nextpnr" -- Next Generation Place and Route (Version nextpnr-9.9)', file=sys.stderr)
    raise SystemExit
cells = {"used": 7, "available": 9}
report = {"fmax": {"clk": {"achieved": 88.62}}, "utilization": {"ICESTORM_LC": cells, "TRELLIS_COMB": cells}}
pathlib.Path("report.json").write_text(json.dumps(report))
"""


@pytest.fixture
def pretended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, and tools on PATH that do nothing."""
    program(tmp_path / "bin", "yosys", FAKE_YOSYS)
    for family in ("ice40", "ecp5"):
        program(tmp_path / "bin", f"nextpnr-{family}", FAKE_NEXTPNR)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_CALLS", str(tmp_path / "calls"))
    monkeypatch.chdir(tmp_path)
    outcome = Outcome(4, 1.0, 1, tmp_path, None, None)
    monkeypatch.setattr(scripts.synth, "run_tests", lambda folder, parameters, simulator: outcome)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(["--tools", "native", *arguments])
    return status, *capsys.readouterr()


def test_every_block_and_every_target_is_told(pretended: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys)
    assert (status, err) == (0, "")
    result = read_json(pretended / "build/synth/result.json")
    assert (result["passed"], result["complete"]) == (True, True)
    assert set(result["blocks"]) == {path.stem for path in RTL.glob("*.v")}
    for flows in result["blocks"].values():
        assert set(flows) == {"generic", "ice40", "ecp5"}
        assert (flows["generic"]["gates"], flows["generic"]["memory_bits"], flows["ice40"]["luts"]) == (640, 5, 128)
    assert result["per_pe"]["generic"] == {"gates": 10.0, "flip_flops": 1.0}
    assert [(target["device"], target["rows"], target["mhz"]) for target in result["fmax"]] == [
        (target.device, target.rows, 88.6) for target in TARGETS
    ]
    assert result["gate_level"]["tests"] == 4
    assert set(result["formats"]) == set(formats.NAMES)
    pot4 = result["formats"]["pot4"]
    assert (pot4["mac_tile"]["ice40"]["luts"], pot4["mac_array"]["generic"]["gates"]) == (128, 640)
    assert pot4["mac_tile"]["ice40"]["parameters"]["WgtPower"] == 8
    assert "  pot4         4       640     64    128    128 |       640       64     128     128" in out
    assert result["tools"]["yosys"] == {"version": "Yosys 9.9 (git sha1 abc)", "source": "native"}
    assert result["tools"]["nextpnr-ecp5"]["version"] == "nextpnr-9.9"
    assert "8x8 in hx8k (products in LUTs): 88.6 MHz, 7 of 9 logic cells" in out
    assert "mac_array at gate level (8x8): 4 tests pass" in out
    assert out.endswith("PASS  build/synth/result.json\n")


def test_what_is_done_is_not_done_again(
    pretended: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, some = pretended / "calls", ["--only", "mac_array", "--only", "l0"]
    assert run(capsys, *some)[0] == 0
    first, before = read_json(pretended / "build/synth/result.json"), calls.read_text()
    status, out, _ = run(capsys, *some)
    assert status == 0
    assert calls.read_text() == before
    assert "kept from an earlier run" in out
    again = read_json(pretended / "build/synth/result.json")
    assert again["fmax"] == [{**target, "kept": True} for target in first["fmax"]]
    assert run(capsys, "--only", "l0")[0] == 0
    assert calls.read_text() == before
    monkeypatch.setenv("FAKE_VERSION", "Yosys 9.10")
    assert run(capsys, *some)[0] == 0
    assert len(calls.read_text()) == 2 * len(before)


def test_one_refused_block_fails_and_the_others_are_told(
    pretended: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_REFUSED", "sfp")
    status, out, _ = run(capsys, "--only", "sfp", "--only", "l0")
    assert status == 1
    result = read_json(pretended / "build/synth/result.json")
    assert (result["passed"], result["complete"]) == (False, False)
    assert "yosys: ERROR: Unsound.; see " in result["blocks"]["sfp"]["ice40"]["error"]
    assert result["blocks"]["l0"]["ice40"]["luts"] == 128
    assert "fmax" not in result
    assert out.endswith("FAIL  build/synth/result.json\n")


def test_gates_that_fail_the_tests_fail_the_run(
    pretended: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*given: object) -> None:
        raise SimulationError("test_a failure: psum 3\nmore")

    monkeypatch.setattr(scripts.synth, "run_tests", fails)
    status, out, err = run(capsys, "--only", "mac_array")
    assert status == 1
    assert err.startswith("error: test_a failure: psum 3")
    gate_level = read_json(pretended / "build/synth/result.json")["gate_level"]
    assert (gate_level["passed"], gate_level["stopped"]) == (False, "test_a failure: psum 3")
    assert "mac_array at gate level (8x8): FAIL" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "mac_tyle"], "there is no block 'mac_tyle'; expected one of "),
        (["--jobs", "0"], "JOBS=0 is impossible; expected 1..64, tools at a time"),
        (["--tools", "debian"], "TOOLS=debian is unknown; expected pypi or native"),
        (["--out", "calls"], "cannot write calls/lock: "),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    pretended: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    (pretended / "calls").touch()
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1


def test_without_tools_one_line_says_how_to_get_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    status, out, err = run(capsys)
    assert (status, out) == (2, "")
    assert err == "error: yosys is not on PATH; run `make setup-synth`, or install it and say TOOLS=native\n"
