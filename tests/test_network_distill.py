"""Distillation: the loss is the one of its equation, the teacher is the float network and stays as it is."""

from __future__ import annotations

import copy

import pytest
import torch

from model.errors import LockstepError
from model.network.distill import Teacher
from model.network.layers import QuantReLU
from model.network.recipe import Leg
from model.network.train import Trainer
from tests.trained import odd_network, random_images, recipe, small_network, stripes


def pixels() -> torch.Tensor:
    return torch.from_numpy(random_images(6)).double() / 255


@pytest.mark.parametrize(("share", "temperature"), [(1.0, 1.0), (0.3, 1.0), (0.5, 4.0)])
def test_the_loss_is_that_of_the_equation(share, temperature):
    network = odd_network(2).double()
    teacher = Teacher(network, share, temperature)
    logits = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    labelled = torch.tensor(1.7, dtype=torch.float64)
    given = teacher.loss(labelled, logits, pixels())
    with torch.no_grad():
        told = torch.softmax(teacher.network(pixels()).float().double() / temperature, 1)
    learnt = torch.softmax(logits / temperature, 1)
    distance = (told * (told.log() - learnt.log())).sum(1).mean()
    expected = (1 - share) * 1.7 + share * temperature**2 * distance
    torch.testing.assert_close(given, expected, rtol=1e-6, atol=1e-6)
    (gradient,) = torch.autograd.grad(given, [logits])
    torch.testing.assert_close(gradient, share * temperature * (learnt - told) / 6, rtol=1e-5, atol=1e-6)


def test_the_teacher_is_a_float_network_of_its_own():
    network = odd_network(1)
    before = copy.deepcopy(network.state_dict())
    teacher = Teacher(network, 0.5, 1.0)
    assert all(module.quantized for module in network.modules() if isinstance(module, QuantReLU))
    assert not any(module.quantized for module in teacher.network.modules() if isinstance(module, QuantReLU))
    assert not any(parameter.requires_grad for parameter in teacher.network.parameters())
    assert all(parameter.requires_grad for parameter in network.parameters())
    with torch.no_grad():
        network.classifier.weight.zero_()
    after = teacher.network.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


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
    wanted = torch.load(next((tmp_path / "plain").glob("float-*.pt")), weights_only=True)["network"]
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in teacher.network.state_dict().items())


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
