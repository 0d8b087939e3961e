"""The manifest: read, written, and refused with the entry, what it is and what is expected."""

from __future__ import annotations

import json

import numpy as np
import pytest

from model.errors import LockstepError
from model.vectors.manifest import Manifest, from_json, read_manifest
from tests.vector_sets import DIALECTS, Foreign


def test_json_comes_back_as_it_was():
    value = Foreign(relus=(True, False)).manifest()
    value["source"] = {"net": "vgg16", "seed": 1}
    value["sha256"] = {"acc.txt": "0" * 64}
    text = from_json(value).to_json()
    assert json.loads(text) == value
    assert text.endswith("}\n")
    assert list(json.loads(text)) == sorted(value)
    shuffled = dict(reversed(value.items()))
    assert from_json(shuffled).to_json() == text, "the order of keys in the input must not matter"


def test_geometry_by_hand():
    told = from_json(Foreign(kernel=(3, 2), stride=(2, 1), padded=(5, 4), positions="all").manifest())
    assert (told.kijs, told.len_nij, told.len_onij, told.positions_per_kij) == (6, 20, 6, 20)
    assert told.useful_nij().shape == (6, 6)
    # kij 3 is ky 1, kx 1; onij 4 is oy 1, ox 1: y = 1*2 + 1, x = 1 + 1
    assert told.useful_nij()[3, 4] == 3 * 4 + 2
    assert told.addresses()[4, 3] == 3 * 20 + 3 * 4 + 2
    useful = from_json(Foreign(kernel=(3, 2), stride=(2, 1), padded=(5, 4)).manifest())
    np.testing.assert_array_equal(useful.addresses()[4], [0 * 6 + 4, 6 + 4, 12 + 4, 18 + 4, 24 + 4, 30 + 4])


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_has_a_manifest_that_names_its_files(dialect, tmp_path):
    foreign = Foreign(**DIALECTS[dialect])
    foreign.write(tmp_path)
    told = from_json(foreign.manifest())
    assert isinstance(told, Manifest)
    there = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.txt")}
    assert set(told.file_names()) == there


def change(path: str, value: object) -> dict:
    """The default manifest with the entry at `path` set, or removed when `value` is the class `del_`."""
    manifest = Foreign().manifest()
    *way, last = path.split(".")
    place = manifest
    for step in way:
        place = place[int(step)] if step.isdigit() else place[step]
    if value is Remove:
        del place[last]
    else:
        place[int(last) if last.isdigit() else last] = value
    return manifest


class Remove:
    """Marks an entry to be removed."""


HEX = "0123456789abcdef" * 4
WRONG = [
    ("format", "vectors", "format is 'vectors'; expected 'lockstep-vectors'"),
    ("version", 2, "version is 2; expected 1"),
    ("version", True, "version is true; expected an integer"),
    ("version", "1", "version is '1'; expected an integer"),
    ("dataflow", "output_stationary", "dataflow is 'output_stationary'; expected 'weight_stationary'"),
    ("positions", "some", "positions is 'some'; expected one of useful, all"),
    ("array", Remove, "array is missing; expected an object with rows, cols"),
    ("array", [8, 8], "array is [8, 8]; expected an object with rows, cols"),
    ("array.depth", 3, "array.depth is not a known entry; expected rows, cols"),
    ("array.rows", 0, "array.rows is 0; expected 1..1024"),
    ("array.cols", 5000, "array.cols is 5000; expected 1..1024"),
    ("array.cols", None, "array.cols is null; expected an integer"),
    ("array.rows", 4.0, "array.rows is 4.0; expected an integer"),
    ("bits.act", 0, "bits.act is 0; expected 1..16"),
    ("bits.wgt", 1, "bits.wgt is 1; expected 2..16"),
    ("bits.psum", 63, "bits.psum is 63; expected 2..62"),
    ("bits.acc", 5, "bits.acc is 5; expected 7 for addresses up to 80"),
    ("bits.wgt_min", -9, "bits.wgt_min is -9; expected -8..0"),
    ("bits.act_max", 16, "bits.act_max is 16; expected 1..15"),
    ("layer.in_channels", 0, "layer.in_channels is 0; expected 1..65536"),
    ("layer.in_channels", 5, "tiles.ic is 1; expected 2 (5 channels in tiles of 4)"),
    ("layer.out_channels", 7, "tiles.oc is 1; expected 3 (7 channels in tiles of 3)"),
    ("layer.kernel", [3], "layer.kernel is [3]; expected two integers [y, x]"),
    ("layer.kernel", [3, "3"], "layer.kernel[1] is '3'; expected an integer"),
    ("layer.kernel", [3, 6], "layer.kernel is 6 along x, larger than the padded map's 5"),
    ("layer.stride", [0, 1], "layer.stride[0] is 0; expected 1..64"),
    ("layer.out_map", [3, 4], "layer.out_map is 4 along x; expected 3 (padded map 5, kernel 3, stride 1)"),
    ("layer.padded_map", [6, 5], "layer.out_map is 3 along y; expected 4 (padded map 6, kernel 3, stride 1)"),
    ("tiles.ic", 2, "tiles.ic is 2; expected 1 (4 channels in tiles of 4)"),
    (
        "files.weight",
        Remove,
        "files.weight is missing; expected an object with pattern, header_lines, first_word, line",
    ),
    ("files.weights", {}, "files.weights is not a known entry; expected activation, weight, psum, acc, out"),
    (
        "files.weight.line",
        "col",
        "files.weight.line is 'col'; expected one of column, row, column_even_odd, column_odd_even",
    ),
    ("files.weight.first_word", "left", "files.weight.first_word is 'left'; expected one of high, low"),
    ("files.weight.header_lines", -1, "files.weight.header_lines is -1; expected 0 or more"),
    (
        "files.weight.pattern",
        "w_{k}.txt",
        "files.weight.pattern 'w_{k}.txt' holds {k}; known there: {ic}, {oc}, {kij}, {tile}",
    ),
    ("files.weight.pattern", "", "files.weight.pattern is ''; expected a file name inside the folder"),
    (
        "files.weight.pattern",
        "../w{kij}.txt",
        "files.weight.pattern is '../w{kij}.txt'; expected a file name inside the folder",
    ),
    (
        "files.weight.pattern",
        "/w{kij}.txt",
        "files.weight.pattern is '/w{kij}.txt'; expected a file name inside the folder",
    ),
    ("files.acc.base", -1, "files.acc.base is -1; expected 0 or more"),
    ("files.acc.base", 2000, "bits.acc is 11; expected 12 for addresses up to 2080"),
    ("files.acc.pattern", "acc_{oc}.txt", "files.acc.pattern 'acc_{oc}.txt' holds {oc}; known there: none"),
    ("files.psum.pattern", "acc.txt", "two patterns of files name 'acc.txt'; expected every file to have one meaning"),
    ("files.out", {}, "files.out is {}; expected a list"),
    ("files.out.0.relu", 1, "files.out[0].relu is 1; expected true or false"),
    ("files.out.0.relu", Remove, "files.out[0].relu is missing; expected true or false"),
    ("files.out.0.first_word", "up", "files.out[0].first_word is 'up'; expected one of high, low"),
    ("sha256", {"other.txt": HEX}, "sha256 names 'other.txt', which is no file of the set"),
    ("sha256", {"acc.txt": "12"}, "sha256['acc.txt'] is '12'; expected 64 hexadecimal digits"),
    ("sha256", {"acc.txt": 12}, "sha256['acc.txt'] is 12; expected a string"),
    ("source", 5, "source is 5; expected an object"),
]


@pytest.mark.parametrize(("path", "value", "message"), WRONG, ids=[f"{p}={v}"[:50] for p, v, _ in WRONG])
def test_a_wrong_entry_is_named_with_what_it_is_and_what_is_expected(path, value, message):
    with pytest.raises(LockstepError) as caught:
        from_json(change(path, value), "here")
    assert str(caught.value) == f"here: {message}"


def test_tiles_must_appear_in_the_names():
    value = Foreign(ic=2, oc=2).manifest()
    value["files"]["weight"]["pattern"] = "weight_{ic}_{kij}.txt"
    with pytest.raises(
        LockstepError, match=r"pattern 'weight_\{ic\}_\{kij\}.txt' lacks \{oc\}, but there are 2 oc tiles"
    ):
        from_json(value)
    value["files"]["weight"]["pattern"] = "weight_{tile}_{kij}.txt"  # counts both
    from_json(value)
    value["files"]["activation"]["pattern"] = "activation.txt"
    with pytest.raises(LockstepError, match=r"pattern 'activation.txt' lacks \{ic\}, but there are 2 ic tiles"):
        from_json(value)


def test_two_lines_a_column_need_an_even_number_of_rows():
    with pytest.raises(LockstepError, match=r"line is 'column_even_odd', but array.rows is 5; expected an even number"):
        from_json(Foreign(rows=5).manifest() | {"files": Foreign(line="column_even_odd").manifest()["files"]})


def test_an_absurd_number_of_passes_is_refused_at_once():
    value = Foreign(rows=1, cols=1).manifest()
    value["layer"] |= {"in_channels": 65536, "out_channels": 65536}
    value["tiles"] = {"ic": 65536, "oc": 65536}
    with pytest.raises(LockstepError, match=r"the layer takes 38654705664 passes .* expected at most 1000000"):
        from_json(value)


def test_a_file_that_is_no_manifest(tmp_path):
    path = tmp_path / "manifest.json"
    with pytest.raises(LockstepError, match=r"cannot read .*manifest.json: No such file or directory"):
        read_manifest(path)
    path.write_text('{"format": ')
    with pytest.raises(LockstepError, match=r"manifest.json line 1 column 12: Expecting value; expected JSON"):
        read_manifest(path)
    path.write_text("[]")
    with pytest.raises(
        LockstepError, match=r"manifest.json: the document is \[\]; expected an object with format, version"
    ):
        read_manifest(path)
