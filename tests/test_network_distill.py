"""Distillation: the loss is the one of its equation, teachers are graphs or the float network, and stay as they are."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from model.errors import LockstepError
from model.golden import execute
from model.graph.graph import IntegerGraph
from model.network.distill import Teacher
from model.network.freeze import freeze
from model.network.layers import QuantReLU
from model.network.nets import ConvNet
from model.network.recipe import Leg
from model.network.train import Trainer
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
BITS = ((4, 4), (8, 2), (2, 8))


def pixels() -> torch.Tensor:
    return torch.from_numpy(random_images(6)).double() / 255


@pytest.mark.parametrize("seeds", [(2,), (2, 3, 4)])
@pytest.mark.parametrize(("share", "temperature"), [(1.0, 1.0), (0.3, 1.0), (0.5, 4.0)])
def test_the_loss_is_that_of_the_equation(share, temperature, seeds):
    networks = [odd_network(seed).double() for seed in seeds]
    teacher = Teacher(networks, share, temperature)
    logits = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    labelled = torch.tensor(1.7, dtype=torch.float64)
    given = teacher.loss(labelled, logits, pixels())
    with torch.no_grad():
        answers = [network(pixels()).float().double() / temperature for network in networks]
        told = sum(torch.softmax(answer, 1) for answer in answers) / len(seeds)
    learnt = torch.softmax(logits / temperature, 1)
    distance = (told * (told.log() - learnt.log())).sum(1).mean()
    expected = (1 - share) * 1.7 + share * temperature**2 * distance
    torch.testing.assert_close(given, expected, rtol=1e-6, atol=1e-6)
    (gradient,) = torch.autograd.grad(given, [logits])
    torch.testing.assert_close(gradient, share * temperature * (learnt - told) / 6, rtol=1e-5, atol=1e-6)


def test_the_float_teacher_is_a_network_of_its_own(tmp_path):
    plan = recipe(1, qat=Leg(1, 0.03, 0.1, 1e-4, distill=0.5))
    run = Trainer(small_network(), stripes(), plan, tmp_path, quiet=True)
    run.run()
    teacher = run._find_teacher(run.plan("qat"))
    assert teacher is not None
    (network,) = teacher.networks
    assert not network.training
    assert all(module.quantized for module in run.network.modules() if isinstance(module, QuantReLU))
    assert not any(module.quantized for module in network.modules() if isinstance(module, QuantReLU))
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert all(parameter.requires_grad for parameter in run.network.parameters())
    before = copy.deepcopy(network.state_dict())
    with torch.no_grad():
        for parameter in run.network.parameters():
            parameter.zero_()
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def taught_by(graphs: list[IntegerGraph], folder: Path, epochs: int = 2, **leg: float) -> Trainer:
    plan = recipe(0, qat=Leg(epochs, 0.03, 0.1, 1e-4, **{"distill": 1.0, **leg}), teachers=("a",) * len(graphs))
    return Trainer(small_network(seed=7), stripes(), plan, folder, quiet=True, teachers=graphs)


def test_graphs_teach_with_the_answers_of_their_integers(tmp_path):
    graphs = [freeze(odd_network(seed, *bits), "a", CLASSES, {}) for seed, bits in enumerate(BITS)]
    run = taught_by(graphs, tmp_path)
    teacher = run._find_teacher(run.plan("qat"))
    assert teacher is not None
    images = random_images(50)
    for graph, network in zip(graphs, teacher.networks, strict=True):
        with torch.no_grad():
            answers = network.double()(torch.from_numpy(images).double() / 255)
        *_, (_, _, logits) = execute.activations(graph, images)
        told = torch.from_numpy(logits[:, :, 0, 0].astype(float))
        unit = float((answers * told).sum() / (told * told).sum())
        assert float((answers - unit * told).abs().max()) < 0.02 * float(answers.std()), "but for rounded logits"


def test_who_learns_from_a_graph_alone_answers_as_it_does(tmp_path):
    """Labels that all say one class decide nothing where `distill` is 1, and much where it is a half."""
    graphs = []
    for seed in (1, 2):
        run = Trainer(small_network(seed=seed), stripes(), recipe(4, 4, seed=seed), tmp_path / str(seed), quiet=True)
        run.run()
        graphs.append(freeze(run.network, "a", CLASSES, {}))
    data = stripes()
    wrong = dataclasses.replace(data, train_labels=np.zeros_like(data.train_labels))

    def distance(distill: float, rate: float) -> float:
        plan = recipe(0, qat=Leg(20, rate, 0.1, 1e-4, distill=distill), start="a", teachers=("b",))
        folder = tmp_path / f"{distill} {rate}"
        run = Trainer(small_network(), wrong, plan, folder, None, True, graphs[0], graphs[1:])
        run.run()
        (teacher,) = run._find_teacher(run.plan("qat")).networks
        images = torch.from_numpy(data.train_pixels) / 255
        with torch.no_grad():
            return Teacher([teacher], 1, 1).loss(torch.tensor(0.0), run.network.eval()(images), images).item()

    start, taught, half = distance(1, 1e-12), distance(1, 0.1), distance(0.5, 0.1)
    assert taught < start / 4 < half, (start, taught, half)


def test_a_run_that_graphs_teach_resumes_to_the_same_bits(tmp_path):
    graphs = [freeze(odd_network(seed), "a", CLASSES, {}) for seed in (1, 2)]
    taught_by(graphs, tmp_path / "whole").run()
    break_off(taught_by(graphs, tmp_path / "broken"), 9)
    taught_by(graphs, tmp_path / "broken").run()
    ends = [state_bytes(tmp_path / each / "checkpoint.pt") for each in ("whole", "broken")]
    assert ends[0] == ends[1]


def test_a_teacher_of_other_shapes_is_refused(tmp_path):
    graph = freeze(odd_network(1), "odd", CLASSES, {})
    wider = ConvNet((6, 7, *PLAN[2:]), INPUT_SHAPE, 3, 4, 4)
    plan = recipe(0, qat=Leg(1, 0.03, 0.1, 1e-4, distill=1.0), teachers=("odd",))
    with pytest.raises(LockstepError, match=r"graph odd is not of this network: expected 4 layers, features\.3 with"):
        Trainer(wider, stripes(), plan, tmp_path, quiet=True, teachers=[graph])


def test_it_changes_what_is_learnt_and_the_teacher_is_the_end_of_the_float_leg(tmp_path):
    def run(name: str, **leg: float) -> Trainer:
        plan = recipe(2, qat=Leg(2, 0.03, 0.1, 1e-4, **leg))
        run = Trainer(small_network(), stripes(), plan, tmp_path / name, tmp_path, quiet=True)
        run.run()
        return run

    plain, taught = run("plain"), run("taught", distill=0.9)
    assert not torch.equal(plain.network.classifier.weight, taught.network.classifier.weight)
    teacher = taught._find_teacher(taught.plan("qat"))
    assert teacher is not None
    (network,) = teacher.networks
    wanted = torch.load(next((tmp_path / "plain").glob("float-*.pt")), weights_only=True)["network"]
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in network.state_dict().items())


def test_without_its_teacher_a_run_does_not_go_on(tmp_path, monkeypatch):
    plan = recipe(1, qat=Leg(2, 0.03, 0.1, 1e-4, distill=0.9))
    run = Trainer(small_network(), stripes(), plan, tmp_path, quiet=True)
    run.plan("float")
    saved = run.state.save

    def stop(*arguments):
        saved(*arguments)
        if run.progress.epochs["qat"]:
            raise KeyboardInterrupt

    monkeypatch.setattr(run.state, "save", stop)
    with pytest.raises(KeyboardInterrupt):
        run.run()
    run.state.start.unlink()
    again = Trainer(small_network(), stripes(), plan, tmp_path, quiet=True)
    with pytest.raises(LockstepError, match=r"float-.* is missing: the float network teaches .* move .* away"):
        again.run()
