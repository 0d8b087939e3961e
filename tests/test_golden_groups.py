"""Grouped layers and graphs with branches: definition = exact execution = fast execution = torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from model.golden.evaluate import Executor, Stage
from model.golden.execute import activations, conv, conv_naive, finish, layer_input, logits
from model.graph.graph import IntegerGraph, Layer
from tests.integer_graphs import random_dag, random_layer, random_pixels


def draw_grouped(rng: np.random.Generator) -> tuple[Layer, np.ndarray]:
    """A layer of one to six groups over one to three maps, and codes for it."""
    kernel = tuple(int(n) for n in rng.integers(1, 4, 2))
    stride = tuple(int(n) for n in rng.integers(1, 3, 2))
    padding = tuple(int(rng.integers(0, side)) for side in kernel)
    groups, maps, part = int(rng.integers(1, 7)), int(rng.integers(1, 4)), int(rng.integers(1, 4))
    outs = groups * int(rng.integers(1, 4))
    inputs = tuple("abc"[:maps]) if maps > 1 else ()
    layer = random_layer(
        rng, "x", (outs, maps * part, *kernel), stride=stride, padding=padding, groups=groups, inputs=inputs
    )
    codes = rng.integers(0, 16, (2, layer.in_channels, *rng.integers(4, 8, 2))).astype(np.uint8)
    return layer, codes


@pytest.mark.parametrize("seed", range(30))
def test_grouped_layers_naive_fast_and_torch(seed):
    layer, codes = draw_grouped(np.random.default_rng(seed))
    psum = conv(codes, layer)
    for image, fast in zip(codes, psum, strict=True):
        np.testing.assert_array_equal(conv_naive(image, layer), fast.transpose(2, 0, 1))
    maps = max(1, len(layer.inputs))
    by_map = codes.reshape(len(codes), maps, layer.groups, -1, *codes.shape[2:])  # torch wants each group's together
    grouped = by_map.transpose(0, 2, 1, 3, 4, 5).reshape(codes.shape)
    reference = torch.nn.functional.conv2d(
        torch.from_numpy(grouped.astype(np.float64)),
        torch.from_numpy(layer.weight.astype(np.float64)),
        stride=layer.stride,
        padding=layer.padding,
        groups=layer.groups,
    )
    np.testing.assert_array_equal(psum.transpose(0, 3, 1, 2), reference.numpy())
    (py, px), size = layer.padding, codes.shape[2:]
    padded = np.pad(codes, [(0, 0), (0, 0), (py, py), (px, px)]).transpose(0, 2, 3, 1)
    result = np.zeros((len(codes), *layer.map_after(*size), layer.out_channels), np.uint8)
    Stage(layer, *size).run(np.ascontiguousarray(padded), [result])
    np.testing.assert_array_equal(result.transpose(0, 3, 1, 2), finish(psum, layer))


def test_both_ways_of_the_fast_execution_are_drawn():
    drawn = [draw_grouped(np.random.default_rng(seed)) for seed in range(30)]
    thin = [Stage(layer, *codes.shape[2:]).thin for layer, codes in drawn if layer.groups > 1]
    assert 3 < sum(thin) < len(thin) - 3


def by_recursion(graph: IntegerGraph, pixels: np.ndarray, name: str) -> np.ndarray:
    """What layer `name` gives for one image, asking for its inputs by name, nothing kept."""
    layer = graph.layer(name)
    before = graph.layers.index(layer) - 1
    names = layer.inputs or ((graph.layers[before].name,) if before >= 0 else ())
    codes = np.concatenate([by_recursion(graph, pixels, each) for each in names]) if names else pixels
    return finish(conv_naive(codes, layer).transpose(1, 2, 0)[None], layer)[0]


@pytest.mark.parametrize("seed", range(12))
def test_graphs_with_branches(seed):
    graph = random_dag(seed)
    pixels = np.stack([random_pixels(graph, image) for image in range(2)])
    for layer, codes, result in activations(graph, pixels):
        np.testing.assert_array_equal(result[0], by_recursion(graph, pixels[0], layer.name))
        np.testing.assert_array_equal(layer_input(graph, pixels, layer.name), codes)
    np.testing.assert_array_equal(Executor(graph).logits(pixels), logits(graph, pixels))


def test_the_graphs_drawn_have_every_kind_of_layer():
    layers = [layer for seed in range(12) for layer in random_dag(seed).layers]
    assert {"add", "joi", "mea", "con", "all"} <= {layer.name[:3] for layer in layers}
    assert any(len(layer.inputs) == 3 for layer in layers)
    assert any(1 < layer.groups < layer.out_channels for layer in layers)
