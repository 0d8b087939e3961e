"""Vector sets on an array of half the rows that multiplies pairs: every psum and output, faults found, refusals."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from model.errors import LockstepError
from model.numeric.weights import named
from model.vectors.check import check_set
from model.vectors.folder import replace_folder
from model.vectors.generate import describe, generate
from model.vectors.reader import read_set
from model.vectors.writer import render
from tb.common.runner import ROOT, SimulationError
from tb.core.launch import run_replay
from tb.core.replay import read_replay
from tests.format_graphs import NAMES, branched_graph, format_name
from tests.integer_graphs import random_pixels
from tests.replay_sets import write_set
from tests.test_program_pairs import narrow_graph
from tests.vector_sets import Foreign

pytestmark = pytest.mark.slow

SETS: dict[str, dict[str, Any]] = {
    "16 rows, even and odd lines": {"rows": 16, "cols": 8, "line": "column_even_odd", "oc": 2, "padded": (6, 6)},
    "odd and even lines, low words first": {"rows": 4, "line": "column_odd_even", "act_first": "low", "ic": 2},
    "a weight line a column, several tiles": {"rows": 6, "cols": 4, "ic": 3, "oc": 2, "relus": (True, False)},
    "all positions, one bit": {"rows": 4, "positions": "all", "act_bits": 1},
    "one pixel, one pair": {"rows": 2, "cols": 1, "kernel": (1, 1), "padded": (1, 1), "ic": 3},
}


@pytest.mark.parametrize("name", SETS)
def test_sets_of_others_hold_on_half_the_rows(name: str, tmp_path: Path) -> None:
    foreign = Foreign(**{"act_bits": 2} | SETS[name])
    folder = write_set(foreign, tmp_path / "set")
    result = run_replay(folder, tmp_path, simd=True)
    told = read_set(folder)
    assert result["passed"]
    assert result["parameters"]["Rows"] * 2 == foreign.rows
    assert result["parameters"]["Simd"] == 1
    assert result["checked_outputs"] == sum(out.size for _, out in told.outs) > 0
    assert result["checked_psums"] == (0 if told.psum is None else told.psum.size)


def own_set(folder: Path) -> Path:
    """A layer of 19 channels of two bits as `make vectors SIMD=1` writes it for 4 x 4."""
    graph = narrow_graph()
    manifest = describe(graph, "conv.1", "sample", 4, 4, 16, simd=True)
    folder.mkdir()
    for name, content in render(generate(graph, random_pixels(graph), manifest)):
        (folder / name).write_bytes(content)
    return folder


def test_an_own_set_names_the_mode_and_holds(tmp_path: Path) -> None:
    folder = own_set(tmp_path / "set")
    told = json.loads((folder / "manifest.json").read_text())
    assert (told["mode"], told["array"], told["files"]["weight"]["line"]) == (
        "simd",
        {"rows": 8, "cols": 4},
        "column_even_odd",
    )
    assert told["tiles"] == {"ic": 3, "oc": 6}
    assert not check_set(read_set(folder))
    result = run_replay(folder, tmp_path)
    assert result["passed"]
    assert (result["parameters"]["Rows"], result["parameters"]["ActWidth"]) == (4, 4)
    assert result["checked_psums"] == 3 * 6 * 9 * 120 * 4


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_every_format(name: str, tmp_path: Path) -> None:
    graph = branched_graph(named(name), 2)
    vectors = generate(graph, random_pixels(graph), describe(graph, "conv.1", "sample", 4, 4, 22, simd=True))
    replace_folder(tmp_path / "set", render(vectors))
    result = run_replay(tmp_path / "set", tmp_path)
    assert result["passed"]
    assert (format_name(result["parameters"]), result["parameters"]["Simd"]) == (name, 1)
    told = read_set(tmp_path / "set")
    assert told.psum is not None
    assert result["checked_psums"] == told.psum.size


def test_a_wrong_word_and_a_wrong_circuit_are_found(tmp_path: Path) -> None:
    folder = write_set(Foreign(rows=4, act_bits=2), tmp_path / "set")
    rtl = tmp_path / "rtl"
    shutil.copytree(ROOT / "rtl", rtl)
    text = (rtl / "mac_tile.v").read_text()
    old = "!simd_i ? wgt : swap_i ? shadow_hi_q : active_hi_q"
    assert text.count(old) == 1
    (rtl / "mac_tile.v").write_text(text.replace(old, "wgt"))
    try:
        assert not run_replay(folder, tmp_path, simd=True, rtl=rtl, checks=False)["passed"]
    except SimulationError as error:
        raise AssertionError("the mismatch was not told") from error
    path = sorted(folder.glob("*weight*"))[0]
    head, sep, last = path.read_text().rstrip("\n").rpartition("\n")
    path.write_text(head + sep + ("1" if last[0] == "0" else "0") + last[1:] + "\n")
    result = run_replay(folder, tmp_path, simd=True)
    assert not result["passed"]
    assert result["mismatches"] > 0


def test_what_makes_no_pairs_is_refused(tmp_path: Path) -> None:
    wide = write_set(Foreign(rows=4), tmp_path / "wide")
    with pytest.raises(LockstepError, match=r"SIMD=1: mode is 'simd', but bits.act is 4; expected at most 2, half of"):
        read_replay(wide, simd=True)
    odd = write_set(Foreign(rows=3, act_bits=2), tmp_path / "odd")
    with pytest.raises(LockstepError, match=r"SIMD=1: mode is 'simd', but array.rows is 3; expected an even number"):
        read_replay(odd, simd=True)
    told = json.loads((odd / "manifest.json").read_text())
    (odd / "manifest.json").write_text(json.dumps(told | {"mode": "fast"}))
    with pytest.raises(LockstepError, match=r"mode is 'fast'; expected 'simd', or none"):
        read_set(odd)
    with pytest.raises(LockstepError, match=r"conv.0 has activations of 8 bits; pairs \(SIMD=1\) take at most 2, half"):
        describe(narrow_graph(), "conv.0", "sample", 8, 8, 16, simd=True)
