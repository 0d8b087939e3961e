"""Graphs on disk: there and back, the same bytes each time, and every damage refused in one line."""

from __future__ import annotations

import dataclasses
import doctest
import io
import json
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from model import files
from model.errors import LockstepError
from model.graph import storage
from model.graph.graph import IntegerGraph
from model.numeric.formats import IntFormat
from model.numeric.weights import FORMATS, named
from tests.integer_graphs import small_graph

ROOT = Path(__file__).resolve().parents[1]


def test_examples_in_the_docstrings():
    assert doctest.testmod(storage).attempted == 4
    assert doctest.testmod(storage).failed == 0


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("symmetric", [False, True])
def test_packed_codes_come_back(bits, symmetric):
    fmt = IntFormat(bits, signed=True, symmetric=symmetric)
    for count in (1, 2, 3, 7, 8, 9, 257):
        codes = np.random.default_rng(count).integers(fmt.min, fmt.max + 1, count).astype(np.int8)
        data = storage.pack_codes(codes, fmt)
        assert len(data) == -(-count * bits // 8)
        np.testing.assert_array_equal(storage.unpack_codes(data, count, fmt), codes)


def test_packed_codes_are_a_plain_bit_string():
    fmt = IntFormat(3, signed=True)
    codes = np.array([1, -1, -4, 3, 0])
    bits = "".join(format(int(code) % 8, "03b") for code in codes).ljust(16, "0")
    assert storage.pack_codes(codes, fmt) == int(bits, 2).to_bytes(2, "big")


def equal(one: IntegerGraph, other: IntegerGraph) -> bool:
    arrays = all(
        np.array_equal(getattr(a, name), getattr(b, name)) and getattr(a, name).dtype == getattr(b, name).dtype
        for a, b in zip(one.layers, other.layers, strict=True)
        for name in ("weight", "multiplier", "bias")
    )
    return arrays and one.describe() == other.describe() and one.meta == other.meta and one.sha256 == other.sha256


def test_a_graph_comes_back(tmp_path):
    graph = small_graph()
    storage.save(graph, tmp_path / "new" / "x.graph.zip")
    assert equal(storage.load(tmp_path / "new" / "x.graph.zip"), graph)


def test_widths_and_extremes_come_back(tmp_path):
    graph = small_graph()
    first = graph.layers[0]
    weight = first.weight.copy()
    weight.flat[:2] = -128, 127
    wide = dataclasses.replace(
        first,
        weight=weight,
        wgt=IntFormat(8, signed=True),
        bias=np.linspace(-(2**40), 2**40, len(first.bias)).astype(np.int64),
        multiplier=-first.multiplier,
    )
    graph = dataclasses.replace(graph, layers=(wide, *graph.layers[1:]), meta={"ü": [1, None, "x"], "n": 0.5})
    storage.save(graph, tmp_path / "x.graph.zip")
    assert equal(storage.load(tmp_path / "x.graph.zip"), graph)


def test_the_same_graph_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        storage.save(small_graph(), tmp_path / name)
    storage.save(storage.load(tmp_path / "a"), tmp_path / "c")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()


def test_the_file_is_read_without_lockstep(tmp_path):
    """What docs/graph.md tells a reader to do, with nothing but a zip and a JSON reader."""
    graph = small_graph()
    storage.save(graph, tmp_path / "x.graph.zip")
    with zipfile.ZipFile(tmp_path / "x.graph.zip") as archive:
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        head = json.loads(archive.read("graph.json"))
        for index, layer in enumerate(head["layers"]):
            data = archive.read(f"{index}.weight")
            bits = "".join(format(byte, "08b") for byte in data)
            width = layer["wgt"]["bits"]
            count = int(np.prod(layer["shape"]))
            codes = [int(bits[i * width : (i + 1) * width], 2) for i in range(count)]
            codes = [code - (1 << width) if code >> (width - 1) else code for code in codes]
            np.testing.assert_array_equal(np.reshape(codes, layer["shape"]), graph.layers[index].weight)
            assert set(bits[count * width :]) <= {"0"}
            bias = archive.read(f"{index}.bias")
            ints = [int.from_bytes(bias[i : i + 8], "little", signed=True) for i in range(0, len(bias), 8)]
            assert ints == graph.layers[index].bias.tolist()
    assert head["sha256"] == graph.sha256


def refused(path: Path) -> str:
    with pytest.raises(LockstepError) as caught:
        storage.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_no_file_and_a_folder(tmp_path):
    assert "cannot read" in refused(tmp_path / "missing.graph.zip")
    assert "cannot read" in refused(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04" + bytes(60), b"PK\x05\x06" + bytes(18)])
def test_not_a_graph_at_all(content, tmp_path):
    (tmp_path / "x").write_bytes(content)
    assert "is not a whole integer graph" in refused(tmp_path / "x")


def test_every_altered_byte_and_every_truncation_is_refused_or_changes_nothing(tmp_path):
    path, graph = tmp_path / "x.graph.zip", small_graph()
    storage.save(graph, path)
    whole = path.read_bytes()
    rng = np.random.default_rng(5)
    told = []
    for place in rng.choice(len(whole), 400, replace=False):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            assert equal(storage.load(path), graph), f"byte {place} was altered and nobody saw it"
        except LockstepError as error:
            told.append(str(error))
    assert all("\n" not in line for line in told)
    assert len(told) > 300  # zip headers hold time stamps and flags that change nothing
    for length in [*range(0, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:length])
        refused(path)


def rewrite(path: Path, compression: int = zipfile.ZIP_STORED, **members: bytes | None) -> None:
    """Write the graph file again with members replaced, or left out where None; checksums are right again."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    content.update({name.replace("__", "."): data for name, data in members.items()})
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in content.items():
            if data is not None:
                archive.writestr(name, data)


@pytest.fixture
def stored(tmp_path) -> Path:
    storage.save(small_graph(), tmp_path / "x.graph.zip")
    return tmp_path / "x.graph.zip"


def head_of(path: Path) -> dict:
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("graph.json"))


def test_an_altered_weight_with_its_checksum_set_right_is_refused_by_the_hash(stored):
    with zipfile.ZipFile(stored) as archive:
        data = bytearray(archive.read("1.weight"))
    data[0] ^= 0x10
    rewrite(stored, **{"1__weight": bytes(data)})
    assert "the file was altered" in refused(stored)


def test_an_altered_shift_is_refused_by_the_hash(stored):
    head = head_of(stored)
    head["layers"][0]["shift"] -= 1
    rewrite(stored, graph__json=json.dumps(head).encode())
    assert "the file was altered" in refused(stored)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"version": 2}, "is 'lockstep-graph' version 2; expected 'lockstep-graph' version 1"),
        ({"format": "other"}, "is 'other' version 1"),
        ({"layers": None}, "is not a whole integer graph (TypeError"),
        ({"layers": []}, "has no layers"),
        ({"input_shape": [3, 6]}, "is not a whole integer graph (ValueError"),
        ({"name": "../../x"}, "not usable as a folder"),
        ({"meta": 3}, "is not a whole integer graph (TypeError"),
        ({"sha256": 3}, "the file was altered"),
    ],
)
def test_a_forged_header_is_refused(change, told, stored):
    rewrite(stored, graph__json=json.dumps(head_of(stored) | change).encode())
    assert told in refused(stored)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"shape": [1 << 40, 1 << 40, 3, 3]}, "member 0.weight has"),
        ({"shape": [10, 3, 3]}, "expected four positive numbers"),
        ({"shape": [-10, -3, 3, 3]}, "expected four positive numbers"),
        ({"shape": [10, 3, 3, 4]}, "member 0.weight has 135 bytes; expected 180"),
        ({"shape": [3, 10, 3, 3]}, "member 0.multiplier has 80 bytes; expected 24"),
        ({"wgt": {"bits": 9, "signed": True, "symmetric": True}}, "weights of 9 bits; expected at most 8"),
        ({"wgt": {"bits": 4.0, "signed": True, "symmetric": True}}, "an integer format of 4.0 bits is impossible"),
        ({"wgt": {"bits": 4, "signed": True}}, "KeyError"),
        ({"act": 8}, "TypeError"),
        ({"shift": 1 << 60}, "outside 0..40"),
        ({"shift": 1 << 70}, "does not fit 64 bits"),
        ({"shift": 1e999}, "Infinity is not finite"),
        ({"stride": [1]}, "IndexError"),
        ({"pool": 1 << 40}, "pooling does not fit"),
        ({"name": "../x"}, "not usable as a folder"),
    ],
)
def test_a_forged_layer_is_refused(change, told, stored):
    head = head_of(stored)
    head["layers"][0] |= change
    rewrite(stored, graph__json=json.dumps(head).encode())
    assert told in refused(stored)


@pytest.mark.parametrize("content", [b"", b"[]", b"3", b"\xff\xfe", b"{" * 100_000, b"[" * 100_000])
def test_a_header_that_is_no_object_is_refused(content, stored):
    rewrite(stored, graph__json=content)
    told = refused(stored)
    assert "is not a whole integer graph" in told or "graph.json" in told


def same_but(path: Path, change) -> None:
    """Change the header at `path` in place; hash and meaning stay."""
    head = head_of(path)
    change(head)
    rewrite(path, graph__json=json.dumps(head).encode())


@pytest.mark.parametrize(
    "change",
    [
        lambda head: head["layers"][0].update(shift=str(head["layers"][0]["shift"])),
        lambda head: head["layers"][0].update(shift=head["layers"][0]["shift"] + 0.5),
        lambda head: head["layers"][0].update(pool=True),
        lambda head: head.update(input_shape=[3.0, 6, 5]),
        lambda head: head.update(more=1),
        lambda head: head["layers"][0].update(groups=1),
    ],
)
def test_a_header_in_other_words_is_refused(change, stored):
    """They were taken for the numbers that they are near to: found by make fuzz."""
    same_but(stored, change)
    assert "in words that are not ours" in refused(stored)


def test_a_key_that_stands_twice_is_refused(stored):
    """The last one counted: found by make fuzz."""
    text = json.dumps(head_of(stored))
    rewrite(stored, graph__json=(text[:-1] + ', "name": "small"}').encode())
    assert "'name' stands twice" in refused(stored)


def test_members_that_are_none_of_a_graph_or_stand_twice_are_refused(stored):
    """They were passed over: found by make fuzz."""
    whole = stored.read_bytes()
    for name, told in (("0.weights", "is none of a graph"), ("0.weight", "stands twice")):
        stored.write_bytes(whole)
        with zipfile.ZipFile(stored) as archive:
            data = archive.read("0.weight")
        with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(stored, "a") as archive:
            archive.writestr(name, data)
        assert told in refused(stored)


def test_bits_behind_the_last_weight_are_refused(stored):
    """They were passed over: found by make fuzz."""
    fmt = named("int5")
    graph = small_graph(wgt=fmt)
    storage.save(graph, stored)
    layer = next(i for i, each in enumerate(graph.layers) if each.weight.size * fmt.bits % 8)
    with zipfile.ZipFile(stored) as archive:
        data = bytearray(archive.read(f"{layer}.weight"))
    data[-1] |= 1
    rewrite(stored, **{f"{layer}__weight": bytes(data)})
    assert "does not end in zeros" in refused(stored)


def test_a_missing_member_is_refused(stored):
    rewrite(stored, **{"2__bias": None})
    assert "2.bias" in refused(stored)


def test_a_code_outside_its_format_is_refused(stored):
    rewrite(stored, **{"0__weight": b"\x88" * 135})
    assert "is -8, outside -7..7" in refused(stored)


def test_a_file_too_large_is_refused_before_it_is_read(stored, monkeypatch):
    monkeypatch.setattr(files.read_bytes, "__defaults__", ("a file", 100))
    assert "of 100 at most" in refused(stored)


def test_a_compressed_member_is_refused(stored):
    """A few kilobytes could stand for gigabytes: found by make fuzz."""
    rewrite(stored, zipfile.ZIP_DEFLATED)
    assert "is compressed" in refused(stored)


def test_an_encrypted_member_is_refused(stored):
    data = bytearray(stored.read_bytes())
    central = data.rindex(b"PK\x01\x02", 0, data.index(b"graph.json", data.index(b"PK\x01\x02")))
    data[central + 8] |= 1
    data[6] |= 1
    stored.write_bytes(data)
    assert "encrypted" in refused(stored)


def test_find_prefers_a_path_then_the_trained_then_the_shipped(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "ZOO", tmp_path / "zoo")
    build = tmp_path / "build"
    assert storage.find("some/where", build) == Path("some/where")
    assert storage.find("x.graph.zip", build) == Path("x.graph.zip")
    with pytest.raises(
        LockstepError, match=r"no integer graph for network 'net'; expected one of a path to a \*\.graph"
    ):
        storage.find("net", build)
    storage.save(small_graph(), tmp_path / "zoo" / "net.graph.zip")
    assert storage.find("net", build) == tmp_path / "zoo" / "net.graph.zip"
    storage.save(small_graph(), build / "net" / "net.graph.zip")
    assert storage.find("net", build) == build / "net" / "net.graph.zip"
    with pytest.raises(LockstepError, match="expected one of net, a path"):
        storage.find("other", build)


@pytest.mark.parametrize("path", sorted((ROOT / "model" / "zoo").glob("*.graph.zip")), ids=lambda path: path.name)
def test_shipped_graphs_are_whole_and_written_by_this_code(path):
    graph = storage.load(path)
    buffer = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "write_atomic", lambda _, content: buffer.write(content))
        storage.save(graph, path)
    assert buffer.getvalue() == path.read_bytes()
    assert graph.name == path.name.removesuffix(storage.SUFFIX)
    assert 0.5 < graph.meta["integer_accuracy"] <= 1


@pytest.mark.parametrize("name", FORMATS)
def test_graphs_of_every_weight_format_there_and_back(tmp_path, name):
    graph = small_graph(1, wgt=named(name))
    storage.save(graph, tmp_path / "graph.zip")
    again = storage.load(tmp_path / "graph.zip")
    assert again.sha256 == graph.sha256
    for before, after in zip(graph.layers, again.layers, strict=True):
        assert after.wgt == before.wgt == named(name)
        assert after.weight.dtype == before.weight.dtype == named(name).dtype
        np.testing.assert_array_equal(after.weight, before.weight)


def test_the_same_weights_in_another_format_have_another_hash():
    one, other = named("ternary"), named("int2")
    assert one.values.tolist() == other.values.tolist()
    assert small_graph(1, wgt=one).sha256 != small_graph(1, wgt=other).sha256


def test_power_of_two_weights_bit_by_bit():
    assert storage.pack_codes(np.array([1, -1, 128, -64]), named("pot4")).hex() == "087e"  # 0000 1000 0111 1110
    assert storage.pack_codes(np.array([1, -2, 2]), named("pot2")).hex() == "34"  # 00 11 01, then filling
    assert storage.pack_codes(np.array([-8, 0, 1]), named("level5")).hex() == "c080"  # 110 000 001, then filling


def test_a_pattern_without_a_value_in_the_file_is_refused(tmp_path):
    graph = small_graph(1, wgt=named("ternary"))
    path = tmp_path / "graph.zip"
    storage.save(graph, path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["0.weight"] = b"\x80" + members["0.weight"][1:]  # the first pattern becomes 10
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(LockstepError) as caught:
        storage.load(path)
    assert str(caught.value) == f"{path}: pattern [0] (10 of ternary) is a negative zero"
