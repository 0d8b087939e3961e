"""The text of generated C: its interface, its sizes, and what is refused before there is any."""

from __future__ import annotations

import doctest
import re
from dataclasses import replace

import numpy as np
import pytest

import model.c.scale
import model.c.text
from model.c.layer import STYLES, sum_bits
from model.c.scale import _literal
from model.c.source import generate
from model.errors import LockstepError
from model.graph.graph import IntegerGraph
from model.numeric.weights import FORMATS, named
from tests.integer_graphs import random_layer, small_graph


@pytest.mark.parametrize("style", STYLES)
def test_nothing_but_stdint_is_included_and_one_function_is_seen(style):
    generated = generate(small_graph(), style)
    text = generated.header + generated.source
    assert re.findall(r"#include (\S+)", text) == ["<stdint.h>", '"net.h"']
    assert "void net_run(const uint8_t *input, int32_t *logits);" in generated.header
    heads = re.findall(r"^(?!typedef)(\w[\w ]*?)\**(\w+)\(.*\)$", generated.source, re.MULTILINE)
    assert [name for kind, name in heads if not kind.startswith("static")] == ["net_run"]
    assert not re.search(r"\b(float|double|malloc|memcpy|memset)\b", text)


def test_sizes_are_macros_and_comments():
    graph = small_graph()
    generated = generate(graph)
    macros = dict(re.findall(r"#define (\w+) (\d+)", generated.header))
    assert macros["NET_INPUT_BYTES"] == str(3 * 6 * 5)
    assert macros["NET_CLASSES"] == "4"
    assert macros["NET_INPUT_MAX"] == "255"
    assert macros["NET_ARENA_BYTES"] == str(generated.plan.size) == "354"
    assert f"static uint8_t arena[{generated.plan.size}];" in generated.source
    sizes = {"uint8_t": 1, "uint16_t": 2, "int32_t": 4, "int64_t": 8}
    tables = re.findall(r"static const (\w+) \w+\[(\d+)\]", generated.source)
    assert sum(sizes[kind] * int(count) for kind, count in tables) == int(macros["NET_TABLE_BYTES"])
    assert graph.sha256[:16] in generated.source
    assert "354 bytes; the most that is alive at one time is 354" in generated.source


def test_a_name_of_ones_own():
    generated = generate(small_graph(), prefix="digits")
    assert "void digits_run(" in generated.header
    assert "#define DIGITS_CLASSES 4" in generated.header
    assert '#include "digits.h"' in generated.source


def test_a_layer_in_mixed_style_is_unrolled_where_a_tap_does_not_fill_a_word():
    graph = IntegerGraph(
        "mixed",
        (1, 6, 6),
        (
            random_layer(np.random.default_rng(0), "thin", (8, 1, 3, 3), act=small_graph().layers[0].act),
            random_layer(np.random.default_rng(1), "wide", (8, 8, 3, 3)),
            random_layer(np.random.default_rng(2), "logits", (4, 8, 2, 2), out=None),
        ),
        tuple("abcd"),
    )
    source = generate(graph, "mixed").source
    assert "w0[" not in source
    assert "static const uint16_t w1[" in source


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"style": "zipped"}, "WEIGHTS=zipped is no way to store weights; expected packed, unrolled or mixed"),
        ({"prefix": "2net"}, "prefix '2net' is no C name; expected letters, digits and '_'"),
    ],
)
def test_impossible_wishes_are_refused(changes, told):
    with pytest.raises(LockstepError) as caught:
        generate(small_graph(), **changes)
    assert str(caught.value) == told


def test_too_many_weights_to_unroll_are_refused():
    layers = (random_layer(np.random.default_rng(0), "big", (300, 70, 1, 1), out=None),)
    graph = IntegerGraph("big", (70, 1, 1), layers, tuple(map(str, range(300))))
    with pytest.raises(LockstepError, match=r"layer big: 21000 weights are too many to be unrolled; expected at most"):
        generate(graph, "unrolled")


@pytest.mark.parametrize("name", FORMATS)
def test_sum_bits_holds_every_sum_on_the_way(name):
    layer = random_layer(np.random.default_rng(0), "l", (3, 5, 2, 2), wgt=named(name))
    low, high = layer.psum_range
    assert -(1 << (sum_bits(layer) - 1)) <= low
    assert high < 1 << (sum_bits(layer) - 1)


def test_sums_beyond_32_bits_are_refused():
    act = small_graph().layers[0].act
    layer = random_layer(np.random.default_rng(0), "wide", (2, 70_000, 1, 1), act=act, out=None, wgt=named("pot4"))
    layer = replace(layer, weight=np.full(layer.weight.shape, 128, np.int16))
    graph = IntegerGraph("wide", (70_000, 1, 1), (layer,), ("a", "b"))
    with pytest.raises(
        LockstepError, match=r"layer wide: its sums, shift by shift, may take 33 bits; generated C has 32"
    ):
        generate(graph)


def test_the_least_integer_is_no_literal_of_c():
    assert _literal(-(1 << 31), "int32_t") == "(-2147483647 - 1)"
    assert _literal(-5, "int32_t") == "-5"


def test_examples():
    for module in (model.c.text, model.c.scale):
        found = doctest.testmod(module)
        assert found.attempted
        assert not found.failed
