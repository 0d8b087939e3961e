"""Sharpness-aware minimization: where the second gradient is taken, what is left as it was, and a run with it."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch

from model.network import train
from model.network.sharpness import highest_nearby
from model.network.train import Trainer
from tests.trained import break_off, odd_network, recipe, small_network, state_bytes, stripes


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    data = stripes()
    return torch.from_numpy(data.train_pixels).double() / 255, torch.from_numpy(data.train_labels)


def loss_of(network: torch.nn.Module) -> torch.Tensor:
    pixels, labels = batch()
    return torch.nn.functional.cross_entropy(network(pixels), labels)


def norms(network: torch.nn.Module) -> list[torch.Tensor]:
    return [each for norm in network.modules() if isinstance(norm, torch.nn.BatchNorm2d) for each in norm.parameters()]


@pytest.mark.parametrize("rho", [0.01, 0.3])
def test_the_second_gradient_is_of_where_the_first_one_points(rho):
    network = small_network().double().train()
    reference = copy.deepcopy(network)
    wanted = torch.autograd.grad(loss_of(reference), norms(reference))
    length = torch.cat(wanted).norm()
    with torch.no_grad():
        for parameter, grad in zip(norms(reference), wanted, strict=True):
            parameter += rho * grad / length
    there = loss_of(reference)
    there.backward()
    first = loss_of(network)
    with highest_nearby(network, first, rho):
        moved = torch.cat([new - old for new, old in zip(norms(network), norms(small_network().double()), strict=True)])
        assert float(moved.detach().norm()) == pytest.approx(rho)
        again = loss_of(network)
        again.backward()
    assert again.item() == pytest.approx(there.item(), rel=1e-12)
    assert again.item() > first.item()
    for ours, theirs in zip(network.parameters(), reference.parameters(), strict=True):
        if theirs.grad is not None:  # quantizers are off: a step has none
            torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-9, atol=1e-12)


def test_afterwards_all_is_as_it_was_but_for_one_look_at_the_images():
    network, once = odd_network(1).double().train(), odd_network(1).double().train()
    loss_of(once)
    first = loss_of(network)

    def look_and_fail() -> None:
        with highest_nearby(network, first, 0.5):
            loss_of(network)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        look_and_fail()
    for name, value in once.state_dict().items():
        if "num_batches" not in name:
            assert torch.equal(value, network.state_dict()[name]), name
    assert {norm.momentum for norm in network.modules() if isinstance(norm, torch.nn.BatchNorm2d)} == {0.1}


def test_a_run_with_it_resumes_to_the_same_bits_and_ends_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(train.tqdm, "write", lambda line: None)
    sharp = {leg: dataclasses.replace(getattr(recipe(), leg), sharpness=0.1) for leg in ("float", "qat")}

    def run(folder: str, **changes: object) -> Trainer:
        return Trainer(small_network(), stripes(), recipe(**changes), tmp_path / folder, quiet=True)

    run("whole", **sharp).run()
    break_off(run("broken", **sharp), 31)  # two calls a step, four steps an epoch: in the fourth epoch
    run("broken", **sharp).run()
    run("plain").run()
    whole, broken, plain = (state_bytes(tmp_path / each / "checkpoint.pt") for each in ("whole", "broken", "plain"))
    assert whole == broken
    assert whole != plain
