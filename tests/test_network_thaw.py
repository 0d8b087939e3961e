"""Training on from an integer graph: the thawed network has the graph's codes, and a run can start from it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from model.errors import LockstepError
from model.golden import execute
from model.graph.graph import IntegerGraph
from model.network import nets
from model.network.freeze import freeze
from model.network.layers import start_step
from model.network.thaw import thaw
from model.network.train import Trainer
from model.numeric.weights import named
from tests.trained import (
    INPUT_SHAPE,
    PLAN,
    break_off,
    odd_network,
    random_images,
    recipe,
    small_network,
    state_bytes,
    stripes,
)

CLASSES = ("left", "above", "neither")


def frozen(network) -> IntegerGraph:
    return freeze(network, "small", CLASSES, {})


@pytest.fixture(scope="module")
def graph(tmp_path_factory) -> IntegerGraph:
    """Of a small network that was trained."""
    run = Trainer(small_network(), stripes(), recipe(6, 6), tmp_path_factory.mktemp("run"), quiet=True)
    run.run()
    return frozen(run.network)


def inputs(count: int = 64, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    data = stripes(count)
    return torch.from_numpy(data.train_pixels).to(dtype) / 255, torch.from_numpy(data.train_labels)


def codes(graph: IntegerGraph, pixels: np.ndarray) -> list[np.ndarray]:
    return [result for _, _, result in execute.activations(graph, pixels)]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("bits", [(4, 4), (2, 2), (8, 8), (3, 5)])
def test_a_thawed_network_freezes_to_the_codes_of_its_graph(seed, bits):
    before = frozen(odd_network(seed, *bits))
    network = small_network(*bits, seed=99).double()
    data = stripes().train_pixels
    own = torch.from_numpy(codes(before, data)[-1].argmax(axis=1).ravel())
    thaw(network, before, torch.from_numpy(data / 255), own)
    after = frozen(network)
    pixels = random_images(200, seed)
    for layer, again, wanted, found in zip(
        before.layers, after.layers, codes(before, pixels), codes(after, pixels), strict=True
    ):
        assert np.array_equal(layer.weight, again.weight)
        if layer.out is not None:
            assert np.array_equal(wanted, found), layer.name
            assert wanted.any()
        else:
            assert (wanted.argmax(axis=1) == found.argmax(axis=1)).mean() > 0.98  # but for ties in the rounded logits


def test_what_it_trains_is_of_the_usual_size(graph):
    network = small_network(seed=99)
    thaw(network, graph, *inputs(dtype=torch.float32))
    for wired in network.units():
        unit = wired.unit
        lengths = unit.conv.weight.flatten(1).norm(dim=1)
        assert torch.allclose(lengths, torch.full_like(lengths, 0.5), rtol=1e-5)
        assert float(unit.norm.weight.detach().abs().mean()) == pytest.approx(0.5, rel=1e-5)
    pixels, labels = inputs(dtype=torch.float32)
    network.eval()
    with torch.no_grad():
        losses = [float(torch.nn.functional.cross_entropy(network(pixels) * by, labels)) for by in (0.9, 1.0, 1.1)]
    assert losses[1] == min(losses)


@pytest.mark.parametrize(("weights", "act_bits"), [(4, 8), (8, 4), (4, 2), (2, 4), ("pot4", 4)])
def test_another_format_gets_the_step_of_least_squared_error(graph, weights, act_bits):
    with torch.random.fork_rng(devices=[]):
        network = nets.ConvNet(PLAN, INPUT_SHAPE, 3, named(weights) if isinstance(weights, str) else weights, act_bits)
    seen = []
    for wired in network.units():
        wired.unit.norm.register_forward_hook(lambda *call: seen.append(call[2]))
    thaw(network, graph, *inputs(dtype=torch.float32))
    if act_bits != 4:
        for wired, values in zip(network.units(), seen, strict=True):
            assert float(wired.unit.act.step.detach()) == float(start_step(values, wired.unit.act.fmt))
    pixels = stripes().test_pixels
    told = codes(frozen(network), pixels)[-1].argmax(axis=1)
    agree = (told == codes(graph, pixels)[-1].argmax(axis=1)).mean()
    assert agree > (0.9 if (weights, act_bits) in ((4, 8), (8, 4)) else 0.4), "chance is a third"


def test_a_run_starts_from_it_and_resumes_to_the_same_bits(graph, tmp_path):
    plan = recipe(0, 3, start="small", start_sha256=graph.sha256)

    def run(folder: str) -> Trainer:
        return Trainer(small_network(), stripes(), plan, tmp_path / folder, tmp_path, True, graph)

    whole = run("whole")
    whole.run()
    break_off(run("broken"), 9)
    run("broken").run()
    ends = [state_bytes(tmp_path / each / "checkpoint.pt") for each in ("whole", "broken")]
    assert ends[0] == ends[1]
    assert whole.progress.accuracy.keys() == {"qat"}
    assert not list(tmp_path.glob("*/float-*.pt"))
    other = dataclasses.replace(plan, start_sha256="0" * 64)
    with pytest.raises(LockstepError, match="belongs to another recipe or other data"):
        Trainer(small_network(), stripes(), other, tmp_path / "whole", tmp_path, True, graph)


def test_the_first_step_is_taken_from_the_graph(graph, tmp_path):
    """With a rate of almost nothing the run ends where the graph is; without a start it does not."""
    ends = []
    for start in (graph, None):
        leg = dataclasses.replace(recipe().qat, peak_rate=1e-12, epochs=1)
        plan = recipe(0, 1, qat=leg)
        run = Trainer(small_network(), stripes(), plan, tmp_path / str(start is None), quiet=True, start=start)
        run.run()
        ends.append(frozen(run.network))
    same = [
        [np.array_equal(layer.weight, other.weight) for layer, other in zip(end.layers, graph.layers, strict=True)]
        for end in ends
    ]
    assert same == [[True] * 4, [False] * 4]


def test_a_graph_of_other_shapes_is_refused(graph, tmp_path):
    wider = nets.ConvNet((6, 7, *PLAN[2:]), INPUT_SHAPE, 3, 4, 4)
    told = r"graph small is not of this network: expected 4 layers, features\.3 with weights of shape \(7, 6, 3, 3\)"
    with pytest.raises(LockstepError, match=told):
        Trainer(wider, stripes(), recipe(0, 1), tmp_path, quiet=True, start=graph)
    longer = nets.ConvNet((*PLAN, 4), INPUT_SHAPE, 3, 4, 4)
    with pytest.raises(LockstepError, match=r"expected 5 layers, features\.11 with weights"):
        thaw(longer, graph, *inputs())
    with pytest.raises(LockstepError, match="a network with branches cannot be made of a graph"):
        thaw(nets.build("residual", 10, 4, 4, 0), graph, *inputs())
