"""Output-stationary sets: the golden order, the files, what is refused, what is found wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.errors import LockstepError
from model.golden import os_tiling, tiling
from model.golden.tiling import tile_weights
from model.graph import storage
from model.graph.graph import IntegerGraph, Layer
from model.numeric.power import POWERS
from model.vectors.generate import describe
from model.vectors.os_check import check_os_set, require_os_psum_bits
from model.vectors.os_generate import describe_os, generate_os
from model.vectors.os_set import read_os_set
from scripts import vectors
from scripts.vectors import load_image
from tb.core.replay import read_replay
from tests.integer_graphs import ACT, PIXEL, random_layer, random_pixels, small_graph
from tests.os_sets import make_os_set, write_os_set


@pytest.mark.parametrize("rows", [1, 3, 8])
@pytest.mark.parametrize("stride", [(1, 1), (2, 1)], ids=str)
def test_sums_are_the_convolution(rows: int, stride: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    codes, weight = rng.integers(0, 16, (3, 6, 5), dtype=np.uint8), rng.integers(-8, 8, (5, 3, 3, 2))
    terms = os_tiling.map_terms(codes, (3, 2), stride, (1, 0))
    act, wgt = os_tiling.turned(terms, rows), os_tiling.weight_terms(weight, 4)
    assert np.array_equal(os_tiling.unturned(act, terms.shape[1]), terms)
    sums = os_tiling.psums(act, wgt)
    assert np.array_equal(sums, os_tiling.psums_naive(act, wgt))
    cut = tiling.Tiling(rows, 4, 3, 5, (3, 2), stride, (8, 5))
    stationary = tiling.psums(
        tiling.tile_activations(codes, (1, 0), rows), tiling.tile_weights(weight, rows, 4), cut.nij_table()
    )
    lines = sums.reshape(2, -1, 4)  # (oc, group * line, col)
    assert np.array_equal(lines[:, : cut.len_onij], tiling.outputs(stationary, relu=False))
    assert not lines[:, cut.len_onij :].any()


def test_edge_columns_repeat_the_last_channel_where_there_is_no_zero() -> None:
    weight = np.array([1, 2, 4]).reshape(3, 1, 1, 1)
    assert os_tiling.weight_terms(weight, 2, filler=1).tolist() == [[[1, 2]], [[4, 4]]]
    assert os_tiling.weight_terms(weight, 2).tolist() == [[[1, 2]], [[4, 0]]]


def test_the_bound_holds_for_edge_columns_without_a_zero() -> None:
    """Half of each channel's weights are -1: its sums need a bit less than those of ones alone would."""
    half = POWERS["pot2"].values.min() * np.where(np.arange(18) % 2, 1, -1)
    weight = np.tile(half, (9, 1)).reshape(9, 2, 3, 3).astype(np.int8)
    layer = Layer(
        "conv", weight, POWERS["pot2"], ACT, np.ones(9, np.int64), np.zeros(9, np.int64), 4, ACT, padding=(1, 1)
    )
    bound = tiling.require_psum_bits(layer, 48)
    terms = np.full((1, 18, 4), ACT.max)
    sums = os_tiling.psums(terms, os_tiling.weight_terms(layer.dense, 8, layer.wgt.filler))
    assert max(sums.max(), -sums.min()) <= bound.reach


def test_a_set_of_a_layer_comes_back_as_written(tmp_path: Path) -> None:
    """Of the default layer; its weights are the same as those of the weight-stationary set."""
    graph = storage.load(storage.ZOO / "vgg16.graph.zip")
    manifest = describe_os(describe(graph, "features.27", "sample", 8, 8, 16))
    made = generate_os(graph, load_image("sample", None, graph), manifest)
    back = read_os_set(write_os_set(made, tmp_path))
    for name in ("act", "wgt", "psum", "acc", "out"):
        assert np.array_equal(getattr(back, name), getattr(made, name)), name
    assert check_os_set(back) == []
    assert made.act.shape == (2, 144, 8)
    stationary = tile_weights(graph.layer("features.27").weight, 8, 8)  # [oc][ic][kij][col][row]
    order = stationary.transpose(0, 2, 1, 4, 3).reshape(2, 144, 8)  # (oc, kij * ic * row, col)
    assert np.array_equal(made.wgt, order)


@pytest.mark.parametrize("name", ["activation_group0.txt", "psum_group1_otile0.txt", "out_otile1.txt"])
def test_one_wrong_word_is_found_where_it_is(name: str, tmp_path: Path) -> None:
    folder = write_os_set(make_os_set(), tmp_path)
    told = json.loads((folder / "manifest.json").read_text()) | {"sha256": {}}
    (folder / "manifest.json").write_text(json.dumps(told))
    lines = (folder / name).read_text().split("\n")
    lines[4] = ("1" if lines[4][0] == "0" else "0") + lines[4][1:]
    (folder / name).write_text("\n".join(lines))
    wrong = check_os_set(read_os_set(folder))
    assert wrong
    if not name.startswith("activation"):
        assert [(entry.file, entry.line) for entry in wrong] == [(name, 5)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"terms": 17}, r"manifest\.json: terms is 17; expected 18"),
        ({"groups": 9}, r"groups is 9; expected 3"),
        ({"oc_tiles": 1}, r"oc_tiles is 1; expected 2"),
        ({"stationary": 1}, r"stationary is not a known entry"),
        ({"bits": {"act": 4, "wgt": 4, "psum": 16, "acc": 3}}, r"bits\.acc is 3; expected 4 for 12 addresses"),
        ({"sha256": {"psum.txt": "0"}}, r"sha256 names 'psum\.txt', which is no file of the set"),
        ({"sha256": {"acc.txt": "12"}}, r"sha256\['acc\.txt'\] is '12'; expected 64 hexadecimal digits"),
        ({"sha256": {"acc.txt": "A" * 64}}, r"sha256\['acc\.txt'\] is 'A{20}'; expected 64 hexadecimal digits"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(change: dict[str, object], message: str, tmp_path: Path) -> None:
    folder = write_os_set(make_os_set(), tmp_path)
    told = json.loads((folder / "manifest.json").read_text()) | change
    (folder / "manifest.json").write_text(json.dumps(told))
    with pytest.raises(LockstepError, match=message):
        read_os_set(folder)


def test_an_address_without_a_line_is_refused(tmp_path: Path) -> None:
    folder = write_os_set(make_os_set(), tmp_path)
    told = json.loads((folder / "manifest.json").read_text()) | {"sha256": {}}
    (folder / "manifest.json").write_text(json.dumps(told))
    lines = (folder / "acc.txt").read_text().split()
    (folder / "acc.txt").write_text("\n".join([*lines[:-1], f"{12:011b}"]) + "\n")
    with pytest.raises(LockstepError, match=r"acc\.txt line 12 word 1: found 12; expected an address 0\.\.11"):
        read_os_set(folder)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"wgt_min": -7}, r"weight_otile0\.txt line \d+ word \d: found -8; expected -7\.\.7 \(bits\.wgt_min\)"),
        ({"act_max": 3}, r"activation_group0\.txt line 4 word \d: found \d+; expected 0\.\.3 \(bits\.act_max\)"),
    ],
)
def test_words_outside_the_limits_told_are_refused(limits: dict[str, int], message: str, tmp_path: Path) -> None:
    folder = write_os_set(make_os_set(), tmp_path)
    told = json.loads((folder / "manifest.json").read_text()) | {"sha256": {}}
    (folder / "manifest.json").write_text(json.dumps(told | {"bits": told["bits"] | limits}))
    with pytest.raises(LockstepError, match=message):
        read_os_set(folder)


@pytest.mark.parametrize(
    ("name", "word", "message"),
    [
        ("weight_otile1.txt", 2, r"line 6 word 3: found 1; expected 0 \(a channel beyond those of the layer\)"),
        ("activation_group2.txt", 1, r"line 6 word 2: found 1; expected 0 \(a pixel beyond those of the layer\)"),
    ],
)
def test_words_beyond_the_layer_are_refused(name: str, word: int, message: str, tmp_path: Path) -> None:
    """Of the second output tile the layer has one channel, column 0; of the third group one pixel, the first word."""
    folder = write_os_set(make_os_set(padded=(5, 5)), tmp_path)
    told = json.loads((folder / "manifest.json").read_text()) | {"sha256": {}}
    (folder / "manifest.json").write_text(json.dumps(told))
    lines = (folder / name).read_text().split("\n")
    assert lines[5][4 * word : 4 * word + 4] == "0000"
    lines[5] = lines[5][: 4 * word] + "0001" + lines[5][4 * word + 4 :]
    (folder / name).write_text("\n".join(lines))
    with pytest.raises(LockstepError, match=rf"{name} {message}"):
        read_os_set(folder)


def test_a_manifest_of_too_many_files_is_refused_before_they_are_named(tmp_path: Path) -> None:
    folder = write_os_set(make_os_set(), tmp_path)
    told = json.loads((folder / "manifest.json").read_text()) | {"sha256": {}, "array": {"rows": 1, "cols": 1}}
    told["layer"] |= {"kernel": [1, 1], "padded_map": [2048, 2048], "out_map": [2048, 2048], "out_channels": 65536}
    told |= {"terms": 2, "groups": 1 << 22, "oc_tiles": 65536, "bits": told["bits"] | {"acc": 22}}
    (folder / "manifest.json").write_text(json.dumps(told))
    with pytest.raises(
        LockstepError, match=r"takes 274877906944 passes \(oc_tiles x groups\); expected at most 1000000"
    ):
        read_os_set(folder)


def test_a_layer_whose_groups_need_more_addresses_has_them() -> None:
    """Of 4,096 pixels in groups of 24 rows the last is filled up: 4,104 lines, a bit more than weight stationary."""
    graph = IntegerGraph(
        "one",
        (3, 64, 64),
        (
            random_layer(np.random.default_rng(0), "conv", (4, 3, 1, 1), act=PIXEL),
            random_layer(np.random.default_rng(0), "classifier", (4, 4, 64, 64), out=None),
        ),
        tuple("abcd"),
        {},
    )
    stationary = describe(graph, "conv", "sample", 24, 8, 24)
    assert (stationary.bits.acc, describe_os(stationary).bits.acc) == (12, 13)


def test_the_greatest_activation_told_is_what_the_bound_goes_by() -> None:
    vectors = make_os_set(bits=(4, 4, 8), relu=False, kernel=(1, 1), ins=3, padded=(1, 1))
    calm = replace(vectors, manifest=replace(vectors.manifest, bits=replace(vectors.manifest.bits, act_max=1)))
    assert require_os_psum_bits(calm, "a set").bits <= 8


def test_psums_that_could_overflow_are_refused() -> None:
    with pytest.raises(LockstepError, match=r"a set: bits\.psum is 8; expected 1\d or more, since psums of output"):
        require_os_psum_bits(make_os_set(bits=(4, 4, 8), relu=False, kernel=(1, 1), ins=3, padded=(1, 1)), "a set")


def test_auto_takes_the_dataflow_of_fewer_cycles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first layer has one input channel: weight stationary one row of eight works. The second: no difference."""
    monkeypatch.chdir(tmp_path)
    graph = storage.load(storage.ZOO / "tiny.graph.zip")
    names = [layer.name for layer in graph.layers]
    chosen = {}
    for layer in names[:2]:
        given = ["--net", "tiny", "--layer", layer, "--dataflow", "auto", "--psum", "20", "--out", "out"]
        assert vectors.main(given) == 0
        told = json.loads(Path("build/vectors/result.json").read_text())
        chosen[layer] = told["dataflow"]
        assert (told["dataflow"] == "os") == (told["pixel_cycles"]["os"] < told["pixel_cycles"]["ws"])
        assert vectors.main(["--check", told["folder"]]) == 0
    assert chosen[names[0]] == "os"
    assert vectors.main(["--net", "tiny", "--dataflow", "is"]) == 2
    assert "DATAFLOW=is; expected one of ws, os, auto" in capsys.readouterr().err


@pytest.mark.parametrize("name", POWERS)
def test_weights_that_are_powers_of_two(name: str, tmp_path: Path) -> None:
    graph = small_graph(2, wgt=POWERS[name])
    manifest = describe_os(describe(graph, "conv.1", "sample", 4, 3, 26))
    made = generate_os(graph, random_pixels(graph, 2), manifest)
    folder = write_os_set(made, tmp_path)
    back = read_os_set(folder)
    assert np.array_equal(back.wgt, made.wgt)
    assert set(np.unique(back.wgt)) <= set(POWERS[name].values.tolist())
    assert check_os_set(back) == []
    assert "sign-and-index" in (folder / "weight_otile0.txt").read_text()


def test_pairs_are_weight_stationary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither is such a set replayed in pairs, nor one written, whatever the layer."""
    monkeypatch.chdir(tmp_path)
    assert vectors.main(["--net", "tiny", "--simd", "1", "--dataflow", "os"]) == 2
    assert "SIMD=1 and DATAFLOW=os: an array multiplies pairs or is output stationary" in capsys.readouterr().err
    assert not (tmp_path / "vectors").exists()
    with pytest.raises(LockstepError, match=r"SIMD=1 with the output-stationary set .*"):
        read_replay(write_os_set(make_os_set(), tmp_path / "set"), simd=True)
