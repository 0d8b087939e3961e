"""Vector sets whose weights are powers of two: patterns in files, format in the manifest, values in arrays."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from model.errors import LockstepError
from model.golden.execute import conv_naive, layer_input
from model.graph.graph import IntegerGraph
from model.numeric.power import POWERS
from model.vectors.check import check_set, require_psum_bits
from model.vectors.folder import replace_folder
from model.vectors.generate import describe, generate
from model.vectors.manifest import from_json
from model.vectors.reader import read_set
from model.vectors.writer import render
from tests.integer_graphs import random_layer, random_pixels, small_graph


def make(name, layer="conv.1", rows=8, cols=8, psum_bits=26):
    graph = small_graph(2, wgt=POWERS[name])
    pixels = random_pixels(graph, 2)
    return graph, pixels, generate(graph, pixels, describe(graph, layer, "sample", rows, cols, psum_bits))


@pytest.mark.parametrize(("rows", "cols"), [(8, 8), (4, 3), (16, 16)])
@pytest.mark.parametrize("layer", ["conv.0", "conv.1", "classifier"])
@pytest.mark.parametrize("name", POWERS)
def test_what_is_written_is_read_back_and_true(name, layer, rows, cols, tmp_path):
    graph, pixels, vectors = make(name, layer, rows, cols)
    replace_folder(tmp_path / "img", render(vectors))
    back = read_set(tmp_path / "img")
    for part in ("act", "wgt", "psum", "acc"):
        np.testing.assert_array_equal(getattr(back, part), getattr(vectors, part))
    assert check_set(back) == []
    assert back.manifest.bits.weights == POWERS[name]
    ((relu, out),) = back.outs
    whole = conv_naive(layer_input(graph, pixels[None], layer)[0], graph.layer(layer))
    expected = np.maximum(whole, 0) if relu else whole
    flat = out.transpose(0, 2, 1).reshape(-1, out.shape[1])  # (oc, onij, col) -> (channel, onij)
    np.testing.assert_array_equal(flat[: len(expected)], expected.reshape(len(expected), -1))


def test_a_weight_line_digit_by_digit():
    graph, _, vectors = make("pot4", rows=4, cols=4)
    files = dict(render(vectors))
    lines = files["weight_itile1_otile1_kij5.txt"].decode().splitlines()
    assert lines[2] == "#4-lines,4-bits-a-word,sign-and-index,msb-first"
    weight = graph.layer("conv.1").weight
    expected = "".join(
        f"{int(weight[6, c, 1, 2] < 0)}{int(abs(int(weight[6, c, 1, 2]))).bit_length() - 1:03b}" for c in (7, 6, 5, 4)
    )
    assert lines[3 + 2] == expected
    manifest = json.loads(files["manifest.json"])
    assert manifest["bits"]["wgt_power"] == {"exponents": 8, "zero": False, "step": 1}
    assert "wgt_min" not in manifest["bits"]


def test_integers_say_nothing_of_powers():
    graph = small_graph(2)
    told = describe(graph, "conv.1", "sample", 8, 8, 20)
    assert "wgt_power" not in json.loads(told.to_json())["bits"]


def test_bits_of_the_set_are_those_of_the_layer():
    """Fillers beyond the channels widen no psum, with and without a zero."""
    for name in POWERS:
        graph, _, vectors = make(name, rows=16, cols=16)
        exact = next(bits for bits in range(4, 40) if _fits(graph, "conv.1", bits))
        assert require_psum_bits(vectors, "here").bits == exact


def _fits(graph, layer, bits):
    try:
        describe(graph, layer, "sample", 16, 16, bits)
    except LockstepError:
        return False
    return True


def spoiled(tmp_path, name, line, text, rows=8):
    _, _, vectors = make(name, rows=rows)
    told = replace(vectors.manifest, sha256={})
    file = "weight_itile0_otile0_kij3.txt" if line < 100 else "weight_itile1_otile0_kij3.txt"
    for path, content in render(vectors):
        (tmp_path / path).write_bytes(content)
    lines = (tmp_path / file).read_text().splitlines()
    lines[line % 100 - 1] = text + lines[line % 100 - 1][len(text) :]
    (tmp_path / file).write_text("\n".join(lines) + "\n")
    with pytest.raises(LockstepError) as caught:
        read_set(tmp_path, told)
    return str(caught.value).removeprefix(f"{tmp_path}/")


def test_patterns_without_a_weight_are_refused_where_they_stand(tmp_path):
    told = spoiled(tmp_path, "level5", 6, "000100")
    assert told == "weight_itile0_otile0_kij3.txt line 6 word 2: found 4; expected a pattern of level5 (bits.wgt_power)"


def test_rows_beyond_the_channels_hold_the_filler(tmp_path):
    told = spoiled(tmp_path, "pot4", 105, "0011")
    end = "found 8; expected 1 (a channel beyond those of the layer)"
    assert told == f"weight_itile1_otile0_kij3.txt line 5 word 1: {end}"


@pytest.mark.parametrize(
    ("bits", "said"),
    [
        ({"wgt": 5}, "bits.wgt is 5; expected 4, a pattern of bits.wgt_power"),
        ({"wgt_min": -7}, "bits.wgt_min is given beside bits.wgt_power; expected one of them"),
        ({"wgt_power": {"exponents": 0, "zero": False, "step": 1}}, "bits.wgt_power: a power-of-two format with expon"),
        ({"wgt_power": {"exponents": 8, "zero": 0, "step": 1}}, "bits.wgt_power.zero is 0; expected true or false"),
        ({"wgt_power": {"exponents": 8, "step": 1}}, "bits.wgt_power.zero is missing"),
    ],
)
def test_manifests_that_contradict_themselves_are_refused(bits, said):
    value = json.loads(make("pot4")[2].manifest.to_json())
    value["bits"] |= bits
    with pytest.raises(LockstepError) as caught:
        from_json(value, "here")
    assert str(caught.value).startswith(f"here: {said}")


def test_groups_without_a_zero_weight_are_refused():
    layer = random_layer(np.random.default_rng(0), "dw", (4, 1, 3, 3), groups=4, wgt=POWERS["pot4"])
    last = random_layer(np.random.default_rng(0), "classifier", (2, 4, 4, 4), out=None, wgt=POWERS["pot4"])
    graph = IntegerGraph("net", (4, 6, 6), (layer, last), ("a", "b"))
    with pytest.raises(LockstepError, match=r"layer dw: \d+ groups of pot4 weights; an array needs zeros"):
        describe(graph, "dw", "sample", 8, 8, 30)
