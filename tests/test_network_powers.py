"""Training with power-of-two weights: the nearest level, gradients, recipes by format, an exact freeze."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from model.errors import LockstepError
from model.golden.execute import activations
from model.network import recipe as recipes
from model.network.freeze import exact_codes, freeze, logit_resolution
from model.network.quantize import best_step, codes_of, fake_quantize, learned_step, nearest, quantized_weight
from model.network.recipe import FOLDER, load
from model.numeric.power import POWERS
from model.numeric.weights import FORMATS
from tests.trained import odd_network, random_images, recipe

EVERY = list(POWERS.values())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("fmt", EVERY, ids=lambda fmt: fmt.name)
def test_the_nearest_level_of_two_the_greater(fmt, dtype):
    levels = fmt.values
    middle = (levels[1:] + levels[:-1]) / 2
    step = 1 / 64  # exact, so that the midpoints are
    assert nearest(torch.tensor(middle, dtype=dtype), fmt).tolist() == levels[1:].tolist()
    assert codes_of(torch.tensor(middle * step, dtype=dtype), torch.tensor(step, dtype=dtype), fmt).tolist() == (
        levels[1:].tolist()
    )
    draw = np.random.default_rng(0).uniform(1.5 * fmt.min, 1.5 * fmt.max, 500)
    ratio = torch.tensor(np.concatenate([draw, levels, [1e9, -1e9]]), dtype=dtype)
    distance = (ratio.double()[:, None] - torch.tensor(levels)).abs()
    found = nearest(ratio, fmt).double()
    assert ((ratio.double() - found).abs() == distance.min(dim=1).values).all()
    assert set(found.tolist()) <= set(levels.tolist())


@pytest.mark.parametrize("name", ["pot4", "pot2"])
def test_a_weight_of_zero_becomes_one_in_training(name):
    fmt = POWERS[name]
    assert nearest(torch.tensor([0.0, -0.0, 1e-9, -1e-9]), fmt).tolist() == [1, 1, 1, -1]


@pytest.mark.slow
@pytest.mark.parametrize("fmt", EVERY, ids=lambda fmt: fmt.name)
def test_gradients_are_those_of_the_equations(fmt):
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(3, 40, dtype=torch.float64, generator=generator) * fmt.max
    weight.requires_grad_()
    step = torch.tensor([[0.7], [1.1], [2.3]], dtype=torch.float64, requires_grad=True)
    out = torch.randn(3, 40, dtype=torch.float64, generator=generator)
    (quantized_weight(weight, step, fmt, None, torch.float64) * out).sum().backward()
    ratio = (weight / step).detach()
    inside = (ratio > fmt.min) & (ratio < fmt.max)
    codes = nearest(ratio, fmt)
    torch.testing.assert_close(weight.grad, out * inside)
    by_equation = (out * (codes - ratio * inside)).sum(dim=1, keepdim=True) / (40**0.5 * fmt.max)
    torch.testing.assert_close(step.grad, by_equation)
    other, other_step = weight.detach().requires_grad_(), step.detach().requires_grad_()
    (fake_quantize(other, other_step, fmt) * out).sum().backward()
    torch.testing.assert_close(other.grad, weight.grad)
    torch.testing.assert_close(other_step.grad, step.grad)
    assert 0 < int(inside.sum()) < inside.numel(), "some weights must be beyond the levels"


def test_the_step_of_an_integer_moves_as_before():
    step = torch.tensor(1.0, requires_grad=True)
    for name, scale in (("int4", (10 * 7) ** -0.5), ("pot4", 1 / (10**0.5 * 128))):
        step.grad = None
        learned_step(step, 10, FORMATS[name]).backward()
        torch.testing.assert_close(step.grad, torch.tensor(scale))


@pytest.mark.parametrize("fmt", EVERY, ids=lambda fmt: fmt.name)
def test_the_start_is_better_than_any_round_step(fmt):
    weight = torch.randn(4, 300, generator=torch.Generator().manual_seed(2))

    def error(step):
        return (codes_of(weight, step[:, None], fmt) * step[:, None] - weight).square().sum(dim=1)

    best = error(best_step(weight, fmt))
    for part in (0.2, 0.4, 0.6, 0.8, 1.0):
        assert (best <= error(weight.abs().amax(dim=1) * part / fmt.max) * 1.0001).all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("fmt", EVERY, ids=lambda fmt: fmt.name)
def test_every_code_of_the_frozen_graph_is_the_networks(fmt, seed):
    network = odd_network(seed, fmt)
    graph = freeze(network, "small", ("a", "b", "c"), {})
    pixels = random_images(24, seed)
    expected, logits = exact_codes(network, pixels)
    step, error = logit_resolution(network, graph)
    for layer, _, result in activations(graph, pixels):
        assert layer.wgt == fmt
        assert set(np.unique(layer.weight)) <= set(fmt.values.tolist())
        if layer.out is None:
            assert (np.abs(result[:, :, 0, 0] - logits / step) <= error * (1 + 1e-6)).all()
        else:
            np.testing.assert_array_equal(result, expected[layer.name])


# ---------------------------------------------------------------- recipes


def test_formats_by_name():
    assert load("tiny", weights="int4") == load("tiny") == load("tiny", weight_bits=4)
    assert load("tiny", weights="int3") == load("tiny", weight_bits=3)
    pot = load("tiny", weights="pot5")
    assert (pot.weight_format, pot.weight_bits, pot.run_name) == (POWERS["pot5"], 5, "tiny_pot5")
    assert load("tiny", weights="pot4", act_bits=2).run_name == "tiny_pot4a2"
    assert [load("tiny", **given).run_name for given in ({}, {"act_bits": 2}, {"weight_bits": 2})] == [
        "tiny",
        "tiny_w4a2",
        "tiny_w2a4",
    ]


def test_what_an_integer_recipe_says_of_itself_is_unchanged():
    assert "weights" not in load("tiny").describe()
    assert load("tiny", weights="ternary").describe()["weights"] == "ternary"


def test_formats_share_the_float_leg():
    assert load("tiny", weights="pot4").float_key("data") == load("tiny").float_key("data")


def test_a_format_that_has_a_recipe_of_its_own_gets_it(tmp_path, monkeypatch):
    text = (FOLDER / "tiny.toml").read_text()
    (tmp_path / "tiny.toml").write_text(text)
    own = 'weights = "ternary"\nweight_bits = 2\n' + text.replace("epochs = 20", "epochs = 25")
    (tmp_path / "tiny_ternary.toml").write_text(own)
    monkeypatch.setattr(recipes, "FOLDER", tmp_path)
    found = load("tiny", weights="ternary")
    assert (found.qat.epochs, found.run_name) == (25, "tiny_ternary")
    assert found == load("tiny_ternary")
    assert load("tiny_ternary", weight_bits=2).run_name == "tiny_w2a4"
    assert load("tiny", weights="pot2").qat.epochs == 20


def test_impossible_formats_are_refused():
    with pytest.raises(LockstepError, match="no weight format 'pot3'; expected one of int2"):
        load("tiny", weights="pot3")
    with pytest.raises(LockstepError, match="weight_bits 4 beside pot5 is impossible; expected 5"):
        recipe(weights="pot5")
    with pytest.raises(LockstepError, match="no weight format"):
        dataclasses.replace(recipe(), weights="fp130")
