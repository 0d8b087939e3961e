"""The core replays vector folders: every committed set, random sets of many shapes, every dialect, both simulators."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from model.numeric.weights import named
from model.vectors.folder import replace_folder
from model.vectors.generate import describe, generate
from model.vectors.manifest import from_json
from model.vectors.reader import read_set
from model.vectors.writer import render
from tb.common.runner import ROOT
from tb.core.launch import Result, run_replay
from tests.format_graphs import NAMES, format_name
from tests.integer_graphs import random_pixels, small_graph
from tests.replay_sets import HAS_VERILATOR, write_set
from tests.vector_sets import DIALECTS, Foreign

COMMITTED = sorted(path.parent.relative_to(ROOT) for path in (ROOT / "vectors").rglob("manifest.json"))

SHAPES: dict[str, dict[str, Any]] = {
    "8x8, two by two tiles": {"rows": 8, "cols": 8, "ic": 2, "oc": 2, "padded": (6, 6), "relus": (True, False)},
    "8x8, all positions": {"rows": 8, "cols": 8, "positions": "all", "oc": 2},
    "4x4, three by three tiles": {"rows": 4, "cols": 4, "ic": 3, "oc": 3},
    "4x8, one by three tiles": {"rows": 4, "cols": 8, "oc": 3, "relus": (False,)},
    "16x8, 5x5 kernel": {"rows": 16, "cols": 8, "kernel": (5, 5), "padded": (6, 6), "act_bits": 2},
    "8x8, 1x1 kernel": {"rows": 8, "cols": 8, "ic": 3, "kernel": (1, 1), "padded": (3, 3)},
    "linear layer, many tiles": {"rows": 8, "cols": 8, "ic": 9, "oc": 2, "kernel": (1, 1), "padded": (1, 1)},
    "stride 2": {"stride": (2, 2), "padded": (7, 7), "ic": 2},
    "stride 2, lines never read": {"stride": (2, 3), "kernel": (1, 2), "padded": (5, 8), "oc": 2},
    "2x2 map, passes shorter than the wave": {"rows": 8, "cols": 8, "ic": 3, "oc": 2, "padded": (4, 4)},
    "single element": {"rows": 1, "cols": 1, "ic": 2, "oc": 2, "padded": (3, 4)},
    "odd array, narrow psums": {"rows": 3, "cols": 5, "psum_bits": 12, "kernel": (2, 1), "padded": (3, 3), "oc": 2},
}


def replay(folder: Path, out: Path, **more: Any) -> Result:
    result = run_replay(folder, out, **more)
    told = read_set(folder, more.get("manifest"))
    assert result["passed"]
    assert result["mismatches"] == 0
    assert result["first_mismatch"] is None
    assert result["checked_psums"] == (0 if told.psum is None else told.psum.size)
    assert result["checked_outputs"] == sum(out.size for _, out in told.outs) > 0
    assert sum(result["breakdown"].values()) == result["cycles"]
    return result


@pytest.mark.parametrize("folder", COMMITTED, ids=str)
def test_committed_sets_hold(folder: Path, tmp_path: Path) -> None:
    result = replay(ROOT / folder, tmp_path)
    assert result["psums_judged"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "layer", "rows", "cols"), [("pot4", "conv.1", 8, 8), *((name, "conv.2", 4, 5) for name in NAMES)]
)
def test_sets_of_every_weight_format_hold(name: str, layer: str, rows: int, cols: int, tmp_path: Path) -> None:
    """The core takes its format from the manifest, by shift and add where it is one of powers of two."""
    graph = small_graph(4, wgt=named(name))
    vectors = generate(graph, random_pixels(graph, 4), describe(graph, layer, "sample", rows, cols, 26))
    replace_folder(tmp_path / "set", render(vectors))
    result = replay(tmp_path / "set", tmp_path)
    assert result["psums_judged"]
    assert format_name(result["parameters"]) == name


@pytest.mark.parametrize("name", SHAPES)
def test_random_sets_of_many_shapes_hold(name: str, tmp_path: Path) -> None:
    replay(write_set(Foreign(**SHAPES[name]), tmp_path / "set"), tmp_path)


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_holds(name: str, tmp_path: Path) -> None:
    dialect = cast(dict[str, Any], DIALECTS[name])
    replay(write_set(Foreign(**dialect), tmp_path / "set"), tmp_path)


@pytest.mark.parametrize("lanes", [1, 3, 4])
def test_any_number_of_weight_lanes(lanes: int, tmp_path: Path) -> None:
    folder = write_set(Foreign(rows=4, cols=4, ic=2, oc=2, kernel=(2, 2), padded=(3, 3)), tmp_path / "set")
    result = replay(folder, tmp_path, wgt_lanes=lanes)
    # passes of 4 pixels: one lane needs 4 flits a pass and hides them, too
    assert result["breakdown"]["bubbles"] == 0
    assert result["breakdown"]["load"] == {1: 4, 3: 2, 4: 2}[lanes]


def test_edge_tiles_are_filled_with_zeros(tmp_path: Path) -> None:
    """6 input and 5 output channels on a 4x4 array."""
    foreign = Foreign(rows=4, cols=4, ic=2, oc=2, relus=(True, False))
    foreign.a[1, :, 2:] = 0
    foreign.w[:, 1, :, :, 2:] = 0
    foreign.w[1, :, :, 1:] = 0
    lines = [[foreign.nij(kij, place) for place in range(foreign.length)] for kij in range(foreign.kijs)]
    foreign.p = np.einsum("oikcr,ikpr->oikpc", foreign.w, foreign.a[:, lines])
    foreign.o = foreign.p.sum(axis=(1, 2))
    told = foreign.manifest()
    told["layer"] |= {"in_channels": 6, "out_channels": 5}
    foreign.write(tmp_path / "set")
    (tmp_path / "set" / "manifest.json").write_text(json.dumps(told))
    result = replay(tmp_path / "set", tmp_path)
    assert result["macs"] == 6 * 5 * 9 * 9
    assert result["utilization"] == round(result["macs"] / (16 * result["stream_cycles"]), 4)


def test_manifest_may_lie_elsewhere(tmp_path: Path) -> None:
    foreign = Foreign()
    foreign.write(tmp_path / "set")
    manifest = tmp_path / "told.json"
    manifest.write_text(from_json(foreign.manifest()).to_json())
    replay(tmp_path / "set", tmp_path, manifest=manifest)


def test_addresses_in_any_order(tmp_path: Path) -> None:
    """An address file in another order than ours, every sum with its own terms in its own order."""
    foreign = Foreign(rows=4, cols=4, ic=2, oc=2, padded=(4, 4), relus=(True, False))
    folder = write_set(foreign, tmp_path / "set")
    lines = (folder / "acc.txt").read_text().split()
    sums = np.array(lines).reshape(foreign.len_onij, foreign.kijs)
    rng = np.random.default_rng(3)
    mixed = [rng.permutation(terms) for terms in sums]
    (folder / "acc.txt").write_text("\n".join(np.concatenate(mixed)) + "\n")
    replay(folder, tmp_path)


def test_layer_of_the_array_in_the_fewest_cycles(tmp_path: Path) -> None:
    """16 to 16 channels, 3x3, on a 4x4 map: 576 pixels, and what cannot overlap with them."""
    tiles: list[dict[str, Any]] = []
    folder = write_set(Foreign(rows=8, cols=8, ic=2, oc=2, padded=(6, 6)), tmp_path / "set")
    result = replay(folder, tmp_path, on_tile=lambda tile: tiles.append(dict(tile)))
    assert result["stream_cycles"] == 591
    assert result["cycles"] == 718
    parts = {"load": 4, "pixels": 576, "fill_and_drain": 15, "bubbles": 0, "accumulation": 123}
    assert result["breakdown"] == parts
    assert [(tile["oc"], tile["ic"], tile["cycles"]) for tile in tiles] == list(_ends())
    assert all(tile["checked"] == 1152 and tile["wrong"] == 0 for tile in tiles)
    assert result["macs"] == 36864
    assert result["utilization"] == 0.9746


def _ends() -> Iterator[tuple[int, int, int]]:
    for tile in range(4):
        yield tile // 2, tile % 2, 3 + 144 * (tile + 1) - 1 + 16 + 1


@pytest.mark.slow
@pytest.mark.parametrize("there", [True] if HAS_VERILATOR else [], ids=["verilator"])
def test_verilator_agrees_cycle_by_cycle(there: bool, tmp_path: Path) -> None:
    folder = write_set(Foreign(ic=2, oc=2, padded=(4, 5), relus=(True, False)), tmp_path / "set")
    icarus = replay(folder, tmp_path / "icarus", simulator="icarus")
    verilator = replay(folder, tmp_path / "verilator", simulator="verilator")
    same = ("cycles", "stream_cycles", "breakdown", "checked_psums", "checked_outputs")
    assert {name: icarus[name] for name in same} == {name: verilator[name] for name in same}
    assert verilator["simulator"].startswith("Verilator")
