"""The checkers are checked: with a fault built in, the block tests must fail, and say what is wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tb.common.runner import ROOT, SimulationError, simulate

ARRAY = {"Rows": 2, "Cols": 3, "ActWidth": 4, "WgtWidth": 4, "PsumWidth": 12, "WgtLanes": 2, "GroupWidth": 1}
CORE = {
    "Rows": 2,
    "Cols": 2,
    "ActWidth": 4,
    "WgtWidth": 4,
    "PsumWidth": 20,
    "WgtLanes": 1,
    "ActDepth": 128,
    "PsumDepth": 8,
}

ARRIVES = "wgt_valid_i && wgt_group_i == Group[GroupWidth-1:0]"  # this tile's own flit

FAULTS = {
    "sign of the weight lost": (
        *("mac_tile.v", "psum_q <= $signed(base) + $signed(wgt)", "psum_q <= $signed(base) + $signed({1'b0, wgt})"),
        *("mac_array", "tb.mac_array.mac_array_tests", ARRAY, r"cycle \d+: PE\(0,\d\) psum: expected -\d+, got \d+"),
    ),
    "swap takes the flit that arrives with it": (
        *("mac_tile.v", "active_q <= wgt;", f"active_q <= {ARRIVES} ? wgt_i[Lane*WgtWidth +: WgtWidth] : wgt;"),
        *("mac_array", "tb.mac_array.mac_array_tests", ARRAY, r"PE\(\d,\d\) active: expected"),
    ),
    "two columns exchanged": (
        *("ofifo.v", "data_o[c*Width +: Width] = data;", "data_o[(c^1)*Width +: Width] = data;"),
        *("ofifo", "tb.ofifo.ofifo_tests", {"Lanes": 4, "Width": 8}, r"ofifo: cycle \d+, lane \d: expected -?\d+, got"),
    ),
    "accumulator not cleared": (
        *("sfp.v", "first_i ? {PsumWidth{1'b0}} : acc_q", "1'b0 ? {PsumWidth{1'b0}} : acc_q"),
        *("sfp", "tb.sfp.sfp_tests", {"Cols": 2, "PsumWidth": 8}, "sfp"),
    ),
    "valid stuck at zero": (
        *("sfp.v", "assign out_valid_o = out_valid_q;", "assign out_valid_o = 1'b0;"),
        *("sfp", "tb.sfp.sfp_tests", {"Cols": 2, "PsumWidth": 8}, "got no valid result"),
    ),
    "no forwarding": (
        *("core.v", "wire                 fwd_d  = p_read", "wire                 fwd_d  = 1'b0 && p_read"),
        *("core", "tb.core.core_unit_tests", CORE, "output: cycle|side: cycle|never written|sum_o is X"),
    ),
    "psum late by a cycle": (
        *("ofifo.v", ".Cycles (Lanes - 1 - c)", ".Cycles (Lanes - c)"),
        *("core", "tb.core.core_unit_tests", CORE, "did not meet|psum: cycle"),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_caught(name: str, tmp_path: Path) -> None:
    file, right, wrong, top, tests, parameters, message = FAULTS[name]
    rtl = tmp_path / "rtl"
    shutil.copytree(ROOT / "rtl", rtl)
    source = (rtl / file).read_text()
    assert source.count(right) == 1, f"{file} has changed: {right!r} is not in it exactly once"
    (rtl / file).write_text(source.replace(right, wrong))
    with pytest.raises(SimulationError, match=message):
        simulate(top, tests, parameters, rtl=rtl, build_root=tmp_path / "build")


@pytest.mark.parametrize(
    ("top", "tests", "parameters"), sorted({entry[3:5]: entry[3:6] for entry in FAULTS.values()}.values(), key=str)
)
def test_without_a_fault_the_same_runs_pass(top: str, tests: str, parameters: dict[str, int], tmp_path: Path) -> None:
    """Otherwise the test above would prove nothing."""
    simulate(top, tests, parameters, build_root=tmp_path)
