"""The core replays output-stationary vector sets: many shapes, wrong words, refusals, both simulators."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.errors import LockstepError
from model.numeric.weights import named
from model.vectors.generate import describe
from model.vectors.os_generate import describe_os, generate_os
from tb.core.launch import run_replay
from tb.core.replay import read_replay
from tests.format_graphs import NAMES, branched_graph, format_name
from tests.integer_graphs import random_pixels
from tests.os_sets import make_os_set, write_os_set
from tests.replay_sets import HAS_VERILATOR

pytestmark = pytest.mark.slow

SHAPES: dict[str, dict[str, Any]] = {
    "4x4": {},
    "8x8, whole groups": {"rows": 8, "cols": 8, "ins": 3, "outs": 16, "padded": (6, 6)},
    "16x8, a group half empty": {"rows": 16, "cols": 8, "outs": 8, "padded": (6, 8)},
    "4x8, not rectified": {"cols": 8, "outs": 9, "relu": False},
    "fewer terms than rows": {"rows": 8, "cols": 4, "ins": 1, "kernel": (1, 2), "padded": (5, 5)},
    "one term": {"rows": 3, "cols": 5, "ins": 1, "kernel": (1, 1), "padded": (4, 4)},
    "stride, one pixel": {"kernel": (3, 2), "stride": (2, 3), "padded": (3, 2)},
    "single element": {"rows": 1, "cols": 1, "outs": 2, "kernel": (2, 2), "padded": (3, 3)},
    "8-bit pixels": {"bits": (8, 4, 20)},
}


@pytest.mark.parametrize("name", SHAPES)
def test_random_sets_hold(name: str, tmp_path: Path) -> None:
    vectors = make_os_set(**SHAPES[name])
    result = run_replay(write_os_set(vectors, tmp_path / "set"), tmp_path)
    assert result["passed"]
    assert result["dataflow"] == "output_stationary"
    assert result["checked_psums"] == vectors.psum.size
    assert result["checked_outputs"] == vectors.out.size
    told, parts = vectors.manifest, result["breakdown"]
    assert sum(parts.values()) == result["cycles"]
    assert parts["fill_and_drain"] == 2 * told.array.rows + told.array.cols - 1
    assert parts["pixels"] == told.oc_tiles * told.groups * told.terms
    assert parts["bubbles"] == (told.oc_tiles * told.groups - 1) * max(0, told.array.rows - told.terms)


@pytest.mark.parametrize("name", ["psum_group1_otile0.txt", "out_otile1.txt", "weight_otile0.txt"])
def test_one_wrong_word_is_seen_and_named(name: str, tmp_path: Path) -> None:
    folder = write_os_set(make_os_set(relu=False), tmp_path / "set")
    told = json.loads((folder / "manifest.json").read_text()) | {"sha256": {}}
    (folder / "manifest.json").write_text(json.dumps(told))
    lines = (folder / name).read_text().split("\n")
    lines[4] = lines[4][:-1] + ("1" if lines[4][-1] == "0" else "0")
    (folder / name).write_text("\n".join(lines))
    result = run_replay(folder, tmp_path)
    assert not result["passed"]
    first = result["first_mismatch"]
    if name.startswith("weight"):
        assert first["port"] == "psum"
        assert first["oc"] == 0
    else:
        assert result["mismatches"] == 1
        assert (first["file"], first["line"], first["column"]) == (name, 5, 0)


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_every_format(name: str, tmp_path: Path) -> None:
    graph = branched_graph(named(name), 4)
    vectors = generate_os(graph, random_pixels(graph, 2), describe_os(describe(graph, "conv.1", "sample", 4, 4, 22)))
    result = run_replay(write_os_set(vectors, tmp_path / "set"), tmp_path)
    assert result["passed"]
    assert format_name(result["parameters"]) == name
    assert result["checked_psums"] == vectors.psum.size


def test_a_word_too_narrow_for_a_term_is_refused(tmp_path: Path) -> None:
    folder = write_os_set(make_os_set(rows=2, cols=5), tmp_path)
    with pytest.raises(LockstepError, match=r"WGT_LANES is 2; expected 3 or more: output stationary, a word of 2"):
        read_replay(folder, None, 2)
    assert read_replay(folder, None, 3).parameters["OutputStationary"] == 1


def test_psums_too_narrow_for_a_product_are_refused(tmp_path: Path) -> None:
    vectors = make_os_set(bits=(4, 4, 16))
    folder = write_os_set(vectors, tmp_path)
    told = json.loads((folder / "manifest.json").read_text())
    told["bits"]["psum"] = 7
    (folder / "manifest.json").write_text(json.dumps(told))
    with pytest.raises(LockstepError, match=r"psum_group0_otile0\.txt"):
        read_replay(folder, None, 2)


@pytest.mark.parametrize("there", [True] if HAS_VERILATOR else [], ids=["verilator"])
def test_verilator_agrees_cycle_by_cycle(there: bool, tmp_path: Path) -> None:
    folder = write_os_set(make_os_set(), tmp_path / "set")
    icarus = run_replay(folder, tmp_path / "icarus", simulator="icarus")
    verilator = run_replay(folder, tmp_path / "verilator", simulator="verilator")
    same = ("passed", "cycles", "stream_cycles", "breakdown", "checked_psums", "checked_outputs")
    assert {name: icarus[name] for name in same} == {name: verilator[name] for name in same}
    assert np.all(verilator["passed"])
