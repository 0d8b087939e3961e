"""The writer: every layer, any array, the same bytes every time; what the reader and plain arithmetic make of them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from model.errors import LockstepError
from model.golden.execute import conv_naive, layer_input
from model.vectors.check import check_set
from model.vectors.folder import replace_folder
from model.vectors.generate import describe, generate
from model.vectors.manifest import from_json
from model.vectors.reader import read_set
from model.vectors.writer import render
from tests.integer_graphs import random_layer, random_pixels, small_graph
from tests.vector_sets import digits

LAYERS = ["conv.0", "conv.1", "conv.2", "classifier"]


def make(layer, rows=8, cols=8, psum_bits=20, seed=0):
    graph = small_graph(seed)
    pixels = random_pixels(graph, seed)
    return graph, pixels, generate(graph, pixels, describe(graph, layer, "sample", rows, cols, psum_bits))


@pytest.mark.parametrize(("rows", "cols"), [(8, 8), (4, 3), (3, 16), (16, 1), (1, 5)])
@pytest.mark.parametrize("layer", LAYERS)
def test_what_is_written_is_read_back_and_true(layer, rows, cols, tmp_path):
    graph, pixels, vectors = make(layer, rows, cols)
    replace_folder(tmp_path / "img", render(vectors))
    back = read_set(tmp_path / "img")
    for name in ("act", "wgt", "psum", "acc"):
        np.testing.assert_array_equal(getattr(back, name), getattr(vectors, name))
    assert check_set(back) == []
    ((relu, out),) = back.outs
    assert relu == (layer != "classifier")
    whole = conv_naive(layer_input(graph, pixels[None], layer)[0], graph.layer(layer))
    expected = np.maximum(whole, 0) if relu else whole
    flat = out.transpose(0, 2, 1).reshape(-1, out.shape[1])  # (oc, onij, col) -> (channel, onij)
    np.testing.assert_array_equal(flat[: len(expected)], expected.reshape(len(expected), -1))
    assert not flat[len(expected) :].any()
    assert whole.min() < 0 < whole.max()


def test_lines_digit_by_digit(tmp_path):
    graph, pixels, vectors = make("conv.1", rows=4, cols=4)
    files = dict(render(vectors))
    codes = layer_input(graph, pixels[None], "conv.1")[0].astype(int)
    weight = graph.layer("conv.1").weight.astype(int)
    padded = np.pad(codes, ((0, 0), (1, 1), (1, 1)))

    def lines(name):
        return files[name].decode().splitlines()

    channels = [4, 5, 6, 7]  # input tile 1
    nij = 2 * 7 + 3
    expected = "".join(digits(int(padded[c, 2, 3]), 4) for c in reversed(channels))
    assert lines("activation_tile1.txt")[3 + nij] == expected
    kij, column, out_channel = 5, 2, 4 + 2  # output tile 1
    expected = "".join(digits(int(weight[out_channel, c, 1, 2]), 4) for c in reversed(channels))
    assert lines("weight_itile1_otile1_kij5.txt")[3 + column] == expected
    onij = 3 * 5 + 1
    sums = [sum(int(padded[c, 3 + 1, 1 + 2]) * int(weight[4 + col, c, 1, 2]) for c in channels) for col in range(4)]
    expected = "".join(digits(value, 20) for value in reversed(sums))
    assert lines(f"psum_itile1_otile1_kij{kij}.txt")[3 + onij] == expected
    assert lines("acc.txt")[onij * 9 + kij] == digits(kij * 30 + onij, 11)
    whole = np.maximum(conv_naive(codes, graph.layer("conv.1")), 0)[4:8].reshape(4, -1)
    assert lines("out_otile1.txt")[3 + onij] == "".join(digits(int(v), 20) for v in reversed(whole[:, onij]))


def test_header_lines_are_three_tokens_and_the_address_file_has_none():
    _, _, vectors = make("conv.1")
    for name, content in render(vectors):
        lines = content.decode().split("\n")
        assert lines.pop() == "", "the last line must end with a newline"
        if name.endswith(".json"):
            continue
        head = [line for line in lines if line.startswith("#")]
        assert head == lines[: 0 if name == "acc.txt" else 3]
        assert all(len(line.split()) == 1 for line in lines), "a Verilog %s must read a whole line"
        assert all(not line.strip("01") for line in lines[len(head) :])


def test_manifest_says_where_the_set_comes_from():
    graph, pixels, vectors = make("conv.1", rows=4)
    files = dict(render(vectors))
    told = from_json(json.loads(files["manifest.json"]))
    assert told.source == {
        "net": "small",
        "layer": "conv.1",
        "image": "sample",
        "seed": 0,
        "graph_sha256": graph.sha256,
        "image_sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
    }
    assert told.sha256 == {n: hashlib.sha256(c).hexdigest() for n, c in files.items() if n != "manifest.json"}
    assert set(told.file_names()) | {"manifest.json"} == set(files)
    assert told.bits.wgt_min == -7, "the codes are symmetric, and the reader is told so"


def test_pixels_are_eight_bits_wide_in_the_first_layer_only():
    assert make("conv.0")[2].manifest.bits.act == 8
    assert make("conv.1")[2].manifest.bits.act == 4


def test_addresses_get_the_bits_they_need_and_eleven_at_least():
    assert make("conv.1")[2].manifest.bits.acc == 11
    graph = small_graph()
    rng = np.random.default_rng(0)
    wide = replace(
        graph,
        input_shape=(3, 20, 20),
        layers=(
            random_layer(rng, "conv.0", (2, 3, 3, 3), act=graph.layers[0].act, padding=(1, 1)),
            random_layer(rng, "classifier", (4, 2, 20, 20), out=None),
        ),
    )
    assert describe(wide, "conv.0", "sample", 8, 8, 20).bits.acc == 12  # 9 * 400 addresses


def test_the_same_inputs_give_the_same_bytes():
    first, second = (list(render(make("conv.2", seed=3)[2])) for _ in range(2))
    assert first == second
    other = dict(render(make("conv.2", seed=4)[2]))
    assert other != dict(first)


def test_unknown_layer_impossible_array_and_overflow_are_refused():
    graph = small_graph()
    with pytest.raises(LockstepError) as caught:
        describe(graph, "conv.9", "sample", 8, 8, 16)
    assert str(caught.value) == "no layer 'conv.9' in small; expected one of conv.0, conv.1, conv.2, classifier"
    for rows, cols, message in (
        (0, 8, "array.rows is 0; expected 1..1024"),
        (8, 1025, "array.cols is 1025; expected 1..1024"),
    ):
        with pytest.raises(LockstepError) as caught:
            describe(graph, "conv.1", "sample", rows, cols, 16)
        assert str(caught.value) == message
    with pytest.raises(LockstepError) as caught:
        describe(graph, "conv.1", "sample", 8, 8, 63)
    assert str(caught.value) == "bits.psum is 63; expected 2..62"
    flat = graph.layer("conv.1").weight.reshape(9, -1).astype(int)
    high = (np.maximum(flat, 0).sum(axis=1) * 15).max()
    low = (np.minimum(flat, 0).sum(axis=1) * 15).min()
    with pytest.raises(
        LockstepError, match=r"layer conv.1: psums of output channel \d may reach -?\d+..\d+, which 12 bits"
    ) as caught:
        describe(graph, "conv.1", "sample", 8, 8, 12)
    need = int(max(-low, high)).bit_length() + 1
    assert str(caught.value).endswith(f"; expected a psum width of {need}")
    assert describe(graph, "conv.1", "sample", 8, 8, need).bits.psum == need
    with pytest.raises(LockstepError):
        describe(graph, "conv.1", "sample", 8, 8, need - 1)


def test_pixels_of_another_shape_or_kind_are_refused():
    graph = small_graph()
    told = describe(graph, "conv.1", "sample", 8, 8, 16)
    with pytest.raises(
        LockstepError, match=r"input is uint8\(1, 3, 5, 6\); small takes unsigned integers \(batch, 3, 6, 5\)"
    ):
        generate(graph, np.zeros((3, 5, 6), np.uint8), told)
    with pytest.raises(LockstepError, match=r"input is float32"):
        generate(graph, np.zeros((3, 6, 5), np.float32), told)


def test_only_the_own_dialect_is_written():
    _, _, vectors = make("conv.1")
    files = replace(vectors.manifest.files, weight=replace(vectors.manifest.files.weight, line="row"))
    with pytest.raises(LockstepError, match=r"not in the dialect that is written here"):
        list(render(replace(vectors, manifest=replace(vectors.manifest, files=files))))
