"""The reader: every dialect gives the same integers, and every damage is named with file, line, found and expected."""

from __future__ import annotations

import hashlib
import json
import os
import time

import numpy as np
import pytest

from model.errors import LockstepError
from model.vectors.manifest import from_json
from model.vectors.reader import read_set
from model.vectors.text import Text, decode, encode, read_text
from tests.vector_sets import DIALECTS, Foreign, digits


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_gives_the_same_integers(dialect, tmp_path):
    foreign = Foreign(**DIALECTS[dialect])
    foreign.write(tmp_path)
    vectors = read_set(tmp_path, from_json(foreign.manifest()))
    np.testing.assert_array_equal(vectors.act, foreign.a)
    np.testing.assert_array_equal(vectors.wgt, foreign.w)
    assert vectors.act.dtype == vectors.wgt.dtype == np.int64
    if foreign.psum:
        np.testing.assert_array_equal(vectors.psum, foreign.p)
    else:
        assert vectors.psum is None
    if foreign.acc:
        assert vectors.acc.min() >= 0
        assert vectors.acc.shape == (foreign.len_onij, foreign.kijs)
        flat = foreign.p.transpose(0, 1, 4, 2, 3).reshape(
            -1, foreign.kijs * foreign.length
        )  # address is kij * length + place
        if foreign.psum:
            np.testing.assert_array_equal(
                flat[:, vectors.acc].sum(axis=-1).reshape(foreign.oc, foreign.ic, foreign.cols, -1).sum(axis=1),
                foreign.o.transpose(0, 2, 1),
            )
    else:
        assert vectors.acc is None
    assert [relu for relu, _ in vectors.outs] == list(foreign.relus)
    for relu, out in vectors.outs:
        np.testing.assert_array_equal(out, np.maximum(foreign.o, 0) if relu else foreign.o)


def test_manifest_beside_the_files_or_elsewhere(tmp_path):
    foreign = Foreign()
    foreign.write(tmp_path / "set")
    with pytest.raises(LockstepError) as caught:
        read_set(tmp_path / "set")
    assert str(caught.value).startswith(f"{tmp_path}/set holds no manifest.json; write one as docs/vectors.md shows")
    elsewhere = tmp_path / "kept.json"
    elsewhere.write_text(json.dumps(foreign.manifest()))
    np.testing.assert_array_equal(read_set(tmp_path / "set", elsewhere).act, foreign.a)
    elsewhere.rename(tmp_path / "set" / "manifest.json")
    np.testing.assert_array_equal(read_set(tmp_path / "set").act, foreign.a)
    assert read_set(tmp_path / "set").manifest == from_json(foreign.manifest())


def test_a_set_in_folders_that_may_not_be_written(tmp_path):
    foreign = Foreign()
    folder = foreign.write(tmp_path / "set")
    before = sorted(folder.rglob("*"))
    folder.chmod(0o555)
    try:
        read_set(folder, from_json(foreign.manifest()))
    finally:
        folder.chmod(0o755)
    assert sorted(folder.rglob("*")) == before


# Damage: (file, what to do with its lines, message after the file's name); 4 rows, 3 columns, a 5x5 map.


def at(number, change):
    """Apply `change` to line `number` (from 1)."""

    def damage(lines):
        lines[number - 1] = change(lines[number - 1])
        return lines

    return damage


DAMAGE = {
    "truncated": ("activation_tile0.txt", lambda s: s[:-5], " line 24: the file ends after 20 data lines; expected 25"),
    "header only": ("activation_tile0.txt", lambda s: s[:3], " line 4: the file ends after 0 data lines; expected 25"),
    "cut in the header": (
        "acc_h.txt",
        lambda s: s[:2],
        " line 3: the file ends in its header; expected 3 header lines",
    ),
    "cut in a line": (
        "activation_tile0.txt",
        at(28, lambda line: line[:-3]),
        " line 28: found 13 binary digits; expected 16 binary digits (4 x 4 bits)",
    ),
    "over-long": (
        "activation_tile0.txt",
        lambda s: [*s, s[-1]],
        " line 29: found a further line; expected the end after 25 data lines",
    ),
    "too wide": (
        "weight_itile0_otile0_kij3.txt",
        at(5, lambda line: line + "0"),
        " line 5: found 17 binary digits; expected 16 binary digits (4 x 4 bits)",
    ),
    "not binary": (
        "weight_itile0_otile0_kij8.txt",
        at(6, lambda line: line[:6] + "2" + line[7:]),
        " line 6: found '2' in column 7; expected a binary digit",
    ),
    "x": (
        "psum_itile0_otile0_kij1.txt",
        at(7, lambda line: "x" * 16 + line[16:]),
        " line 7: found 'x' in column 1, an unknown value; expected a binary digit",
    ),
    "z": (
        "out_relu_otile0.txt",
        at(4, lambda line: line[:-1] + "Z"),
        " line 4: found 'Z' in column 48, an unknown value; expected a binary digit",
    ),
    "padded with blanks": (
        "psum_itile0_otile0_kij0.txt",
        at(4, lambda line: "   " + line[3:]),
        " line 4: found a blank in column 1; expected 48 binary digits (3 x 16 bits) without blanks",
    ),
    "minus sign": (
        "psum_itile0_otile0_kij0.txt",
        at(4, lambda line: "-" + line[1:]),
        " line 4: found '-' in column 1; expected a binary digit",
    ),
    "empty line inside": (
        "activation_tile0.txt",
        at(10, lambda line: ""),
        " line 10: found an empty line; expected 16 binary digits (4 x 4 bits)",
    ),
    "a header line too many": (
        "activation_tile0.txt",
        lambda s: ["#more", *s],
        " line 4: found '#....#'; expected 16 binary digits (4 x 4 bits): header_lines is too small",
    ),
    "a header line inside": (
        "activation_tile0.txt",
        at(9, lambda line: "#time5row7"),
        " line 9: found '#time5row7'; expected 16 binary digits (4 x 4 bits)",
    ),
    "a header line too few": (
        "activation_tile0.txt",
        lambda s: s[1:],
        " line 3: found 16 binary digits; expected a header line: header_lines (3) is too large",
    ),
    "address out of range": (
        "acc.txt",
        at(5, lambda line: digits(81, 11)),
        " line 5 word 1: found 81; expected an address 0..80",
    ),
    "other text": (
        "out_relu_otile0.txt",
        lambda s: ["hello", "world"],
        " line 3: the file ends in its header; expected 3 header lines",
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_named_with_file_line_found_and_expected(case, tmp_path):
    name, damage, message = DAMAGE[case]
    foreign = Foreign()
    foreign.write(tmp_path)
    value = foreign.manifest()
    if name == "acc_h.txt":  # give the address file a header, to lose it
        value["files"]["acc"] |= {"pattern": name, "header_lines": 3}
        (tmp_path / name).write_text("#a\n#b\n#c\n" + (tmp_path / "acc.txt").read_text())
    path = tmp_path / name
    path.write_text("\n".join(damage(path.read_text().splitlines())) + ("\n" if case != "cut in the header" else ""))
    if case == "cut in the header":
        path.write_text("#a\n#b\n#c")
    with pytest.raises(LockstepError) as caught:
        read_set(tmp_path, from_json(value))
    assert str(caught.value) == f"{path}{message}"


def test_missing_file_folder_and_things_that_are_not_files(tmp_path):
    foreign = Foreign()
    foreign.write(tmp_path / "set")
    told = from_json(foreign.manifest())
    with pytest.raises(LockstepError) as caught:
        read_set(tmp_path / "none", told)
    assert str(caught.value) == f"{tmp_path}/none is missing; expected a folder of vectors"
    with pytest.raises(LockstepError) as caught:
        read_set(tmp_path / "set" / "acc.txt", told)
    assert str(caught.value) == f"{tmp_path}/set/acc.txt is not a folder; expected a folder of vectors"
    path = tmp_path / "set" / "weight_itile0_otile0_kij5.txt"
    path.unlink()
    with pytest.raises(LockstepError) as caught:
        read_set(tmp_path / "set", told)
    assert str(caught.value) == f"{path} is missing; expected a file of 3 lines of 4 x 4 bits"
    path.mkdir()
    with pytest.raises(LockstepError) as caught:
        read_set(tmp_path / "set", told)
    assert str(caught.value) == f"{path} is not a file; expected a file of 3 lines of 4 x 4 bits"
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(LockstepError, match=r"kij5.txt is not a file"):
        read_set(tmp_path / "set", told)


SMALL, LARGE = "header_lines is too small", "header_lines (4) is too large"
WEIGHT, PSUM = "weight_itile0_otile0_kij0.txt", "psum_itile0_otile0_kij0.txt"
DISAGREE = [
    ("bits.act", 5, "activation_tile0.txt line 4: found 16 binary digits; expected 20 binary digits (4 x 5 bits)"),
    ("bits.psum", 15, f"{PSUM} line 4: found 48 binary digits; expected 45 binary digits (3 x 15 bits)"),
    ("files.weight.line", "row", f"{WEIGHT} line 4: found 16 binary digits; expected 12 binary digits (3 x 4 bits)"),
    ("positions", "all", f"{PSUM} line 13: the file ends after 9 data lines; expected 25"),
    ("files.acc.base", 1, "acc.txt line 1 word 1: found 0; expected an address 1..81"),
    (
        "files.weight.header_lines",
        2,
        f"{WEIGHT} line 3: found '#....#'; expected 16 binary digits (4 x 4 bits): {SMALL}",
    ),
    ("files.weight.header_lines", 4, f"{WEIGHT} line 4: found 16 binary digits; expected a header line: {LARGE}"),
    (
        "layer.padded_map",
        [4, 5],
        "activation_tile0.txt line 24: found a further line; expected the end after 20 data lines",
    ),
]


@pytest.mark.parametrize(("path", "value", "message"), DISAGREE, ids=[path for path, _, _ in DISAGREE])
def test_a_manifest_that_disagrees_with_its_files(path, value, message, tmp_path):
    foreign = Foreign()
    foreign.write(tmp_path)
    manifest = foreign.manifest()
    place = manifest
    *way, last = path.split(".")
    for step in way:
        place = place[step]
    place[last] = value
    if last == "padded_map":
        manifest["layer"]["out_map"] = [2, 3]
    with pytest.raises(LockstepError) as caught:
        read_set(tmp_path, from_json(manifest))
    assert str(caught.value) == f"{tmp_path}/{message}"


def test_hashes_are_checked_where_given(tmp_path):
    foreign = Foreign()
    foreign.write(tmp_path)
    path = tmp_path / "out_relu_otile0.txt"
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    value = foreign.manifest() | {"sha256": {path.name: before}}
    read_set(tmp_path, from_json(value))
    text = path.read_text().splitlines()
    text[3] = text[3][:-1] + ("1" if text[3][-1] == "0" else "0")
    path.write_text("\n".join(text) + "\n")
    after = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(LockstepError) as caught:
        read_set(tmp_path, from_json(value))
    assert str(caught.value) == f"{path}: sha256 is {after}; expected {before} by the manifest: the file was changed"


def test_codes_beyond_the_promised_limits(tmp_path):
    foreign = Foreign(seed=3)
    foreign.write(tmp_path)
    value = foreign.manifest()
    read_set(tmp_path, from_json(value))  # -8 is a legal code of 4 bits
    value["bits"]["wgt_min"] = -7
    with pytest.raises(LockstepError) as caught:
        read_set(tmp_path, from_json(value))
    # the helper puts -8 at column 0, row 0 of kij 0: the first data line, rightmost word
    where = f"{tmp_path}/weight_itile0_otile0_kij0.txt line 4 word 4"
    assert str(caught.value) == f"{where}: found -8; expected -7..7 (bits.wgt_min)"
    del value["bits"]["wgt_min"]
    value["bits"]["act_max"] = 14
    with pytest.raises(LockstepError) as caught:
        read_set(tmp_path, from_json(value))
    assert (
        str(caught.value) == f"{tmp_path}/activation_tile0.txt line 4 word 4: found 15; expected 0..14 (bits.act_max)"
    )


@pytest.mark.parametrize(("line", "number", "word"), [("column", 5, 1), ("row", 7, 2), ("column_even_odd", 7, 1)])
def test_codes_in_channels_that_the_layer_does_not_have(line, number, word, tmp_path):
    foreign = Foreign(line=line)
    foreign.a[:, :, 3] = 0
    foreign.w[:, :, :, 2, :] = 0
    foreign.w[:, :, :, :, 3] = 0
    value = foreign.manifest()
    value["layer"] |= {"in_channels": 3, "out_channels": 2}
    foreign.write(tmp_path / "right")
    read_set(tmp_path / "right", from_json(value))
    foreign.w[0, 0, 4, 1, 3] = 5  # row 3 is no channel: column 1 is the file's second column
    foreign.write(tmp_path / "wrong")
    with pytest.raises(LockstepError) as caught:
        read_set(tmp_path / "wrong", from_json(value))
    where = f"{tmp_path}/wrong/weight_itile0_otile0_kij4.txt line {number} word {word}"
    assert str(caught.value) == f"{where}: found 5; expected 0 (a channel beyond those of the layer)"
    foreign.w[0, 0, 4, 1, 3] = 0
    foreign.a[0, 6, 3] = 2
    foreign.write(tmp_path / "act")
    with pytest.raises(LockstepError) as caught:
        read_set(tmp_path / "act", from_json(value))
    where = f"{tmp_path}/act/activation_tile0.txt line 10 word 1"
    assert str(caught.value) == f"{where}: found 2; expected 0 (a channel beyond those of the layer)"


def test_text_round_trip_at_both_ends_of_every_width():
    for bits in (1, 2, 3, 4, 8, 16, 24, 32, 62):
        for signed in (False, True) if bits > 1 else (False,):
            low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
            words = np.array([[low, high], [0, high - 1 if bits > 1 else 1]], dtype=np.int64)
            text = Text(2, 2, bits, signed)
            data = encode(words, text)
            lines = data.decode().splitlines()
            assert lines == ["".join(digits(int(v), bits) for v in line) for line in words]
            matrix = np.frombuffer(data, np.uint8).reshape(2, -1)[:, :-1] - ord("0")
            np.testing.assert_array_equal(decode(matrix, text), words)
            for wrong in (low - 1, high + 1):
                with pytest.raises(
                    LockstepError, match=rf"word 0 of line 0 is {wrong}; expected {low}..{high} \({bits} bits\)"
                ):
                    encode(np.array([[wrong, 0]]), Text(1, 2, bits, signed))


def test_a_file_far_too_large_is_not_read_whole(tmp_path):
    path = tmp_path / "huge.txt"
    with path.open("wb") as file:
        file.write(b"0000\n" * 10)
        file.truncate(1 << 40)  # a hole of a terabyte
    with pytest.raises(
        LockstepError, match=r"huge.txt line 11: found a further line; expected the end after 10 data lines"
    ):
        read_text(path, 0, Text(10, 1, 4, False))


def test_a_large_set_is_read_at_more_than_ten_megabytes_a_second(tmp_path):
    text = Text(1024, 8, 16, True)
    words = np.random.default_rng(0).integers(-(1 << 15), 1 << 15, (1024, 8))
    path = tmp_path / "psum.txt"
    path.write_bytes(encode(words, text))
    started = time.perf_counter()
    for _ in range(20):
        np.testing.assert_array_equal(read_text(path, 0, text), words)
    assert 20 * path.stat().st_size / (time.perf_counter() - started) > 10e6
