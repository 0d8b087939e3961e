"""Networks with branches: what their units compute, codes against values, the freeze, and what is refused."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from model.errors import LockstepError
from model.golden.evaluate import Executor
from model.golden.execute import activations, logits
from model.network.branched import BRANCHED, Add, BranchedNet, Conv, Mean
from model.network.freeze import exact_codes, freeze
from model.network.layers import QuantConv1d, QuantConv2d, set_quantized, start_quantization
from model.network.nets import build, input_shape
from model.network.units import AddUnit, ConvUnit, MeanUnit, QuantSigned
from model.numeric.weights import WeightFormat, named
from model.program.fit import fitting_shape

CLASSES = tuple("abcdefghij")


def pixels_for(name: str, count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *input_shape(name))).astype(np.uint8)


def as_input(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels).float() / 255


def odd(name: str, seed: int = 0, weights: int | WeightFormat = 4, act_bits: int = 4) -> BranchedNet:
    """Quantized, with BatchNorms that trained ones may have: slopes of both signs, means and variances of any size."""
    network = build(name, 10, weights, act_bits, seed)
    assert isinstance(network, BranchedNet)
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            size = module.weight.shape
            module.weight.data = torch.randn(size, generator=generator) + 0.5
            module.bias.data = torch.randn(size, generator=generator)
            module.running_mean = torch.randn(size, generator=generator) * 0.3
            module.running_var = torch.rand(size, generator=generator) + 0.1
    network.eval()
    start_quantization(network, as_input(pixels_for(name, 60, seed)))
    return network


@pytest.mark.parametrize("bits", [(4, 4), (2, 2), (8, 3)])
@pytest.mark.parametrize("name", BRANCHED)
def test_every_frozen_code_equals_the_network(name: str, bits: tuple[int, int]) -> None:
    for seed in range(2):
        network, pixels = odd(name, seed, *bits), pixels_for(name, 30, seed + 1)
        graph = freeze(network, name, CLASSES, {})
        expected, _ = exact_codes(network, pixels)
        assert list(expected) == [layer.name for layer in graph.layers[:-1]]
        for layer, _, codes in activations(graph, pixels):
            if layer.out is not None:
                np.testing.assert_array_equal(codes, expected[layer.name], err_msg=layer.name)
        np.testing.assert_array_equal(Executor(graph).logits(pixels), logits(graph, pixels))


@pytest.mark.parametrize("weights", ["ternary", "level5", "pot5", "pot4"])
def test_weights_that_are_powers_of_two(weights: str) -> None:
    """Sums and means take weights of 1 in the network's own format; an array takes them unless it has no zero."""
    network = odd("residual", 0, named(weights))
    graph = freeze(network, "residual", CLASSES, {})
    pixels = pixels_for("residual", 10)
    expected, _ = exact_codes(network, pixels)
    for layer, _, codes in activations(graph, pixels):
        assert layer.wgt == named(weights)
        if layer.out is not None:
            np.testing.assert_array_equal(codes, expected[layer.name], err_msg=layer.name)
    if weights == "pot4":
        with pytest.raises(LockstepError, match="layer block1: 16 groups of pot4 weights; an array needs zeros"):
            fitting_shape(graph)
    else:
        assert fitting_shape(graph).wgt_width == named(weights).bits


def test_the_layers_are_those_of_the_plan() -> None:
    graph = freeze(odd("residual"), "residual", CLASSES, {})
    total = graph.layer("block1")
    assert (total.groups, total.inputs, total.weight.shape) == (16, ("block1b", "stem"), (16, 2, 1, 1))
    assert (total.weight == 1).all()
    assert graph.layer("mean").weight.shape == (32, 1, 4, 4)
    assert graph.layer("mean").stride == (4, 4)
    depth = freeze(odd("separable"), "separable", CLASSES, {}).layer("depth2")
    assert (depth.groups, depth.weight.shape, depth.inputs) == (32, (32, 1, 3, 3), ())
    flat = freeze(odd("signal"), "signal", CLASSES, {})
    assert flat.input_shape == (8, 1, 8)
    assert flat.layer("conv3").weight.shape == (64, 32, 1, 3)
    assert (flat.layer("conv3").stride, flat.layer("conv3").padding) == ((1, 2), (0, 1))


def test_signed_branches_are_stored_with_an_offset() -> None:
    """Some codes of a branch lie below the one that stands for 0, some above; the sum takes the offset back."""
    graph = freeze(odd("residual"), "residual", CLASSES, {})
    outputs = {layer.name: codes for layer, _, codes in activations(graph, pixels_for("residual", 20))}
    branch = outputs["block1b"]
    assert branch.min() < 8 < branch.max()
    shared = branch.astype(int) - 8 + outputs["stem"]
    layer = graph.layer("block1")
    again = np.clip(((shared + 8) * layer.multiplier[0] + layer.bias[0]) >> layer.shift, 0, 15)
    np.testing.assert_array_equal(again, outputs["block1"])
    real = (shared[shared >= 0] == 0).sum()
    assert real > 0
    assert (outputs["block1"][shared <= 0] == 0).all()  # what sums up to 0 or less is 0


@pytest.mark.parametrize("name", BRANCHED)
def test_codes_with_their_steps_are_the_values(name: str) -> None:
    """In training the units pass codes and steps; BatchNorm held still, they mean what evaluation computes."""
    network = odd(name).double()
    pixels = as_input(pixels_for(name, 8)).double()
    expected = network(pixels)
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    torch.testing.assert_close(network(pixels), expected, rtol=1e-9, atol=1e-9)


def test_gradients_reach_every_step_and_weight() -> None:
    network = odd("residual").train()
    set_quantized(network, True)
    network(as_input(pixels_for("residual", 16))).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    stem = network.parts["stem"]
    assert isinstance(stem, ConvUnit)
    alone = stem.act.step.grad.clone()
    network.zero_grad()
    for wired in network.units():
        if isinstance(wired.unit.act, QuantSigned):
            wired.unit.act.fmt = type(wired.unit.act.fmt)(3, signed=True)  # another rounding: another gradient
    network(as_input(pixels_for("residual", 16))).square().mean().backward()
    assert not torch.equal(stem.act.step.grad, alone)  # the branch has a say in the step that it shares


def test_a_copy_shares_its_own_steps() -> None:
    network = odd("residual")
    twin = copy.deepcopy(network)
    branch, stem = twin.parts["block1b"], twin.parts["stem"]
    assert branch.act.step is stem.act.step
    assert branch.act.step is not network.parts["stem"].act.step
    assert "parts.block1b.act.step" not in network.state_dict()


def test_units_by_their_definition() -> None:
    rng = torch.Generator().manual_seed(0)
    value = torch.randn((2, 6, 4, 4), generator=rng)
    network = build("residual", 10, 4, 4, 0).eval()
    add, mean = AddUnit(6, network.parts["block1"].act), MeanUnit(6, (4, 4), network.parts["mean"].act)
    torch.testing.assert_close(add((value, None), (value, None))[0], torch.relu(2 * value))
    torch.testing.assert_close(mean((value, None))[0], torch.relu(value.mean((2, 3), keepdim=True)))


@pytest.mark.parametrize(("stride", "groups"), [(1, 1), (2, 1), (1, 4), (2, 2)])
def test_convolutions_with_strides_and_groups_are_torchs(stride: int, groups: int) -> None:
    """On maps where every pixel meets every other as well, and along one dimension."""
    rng = torch.Generator().manual_seed(1)
    conv = QuantConv2d(8, 12, 3, 1, 4, stride=stride, groups=groups)
    value = torch.randn((3, 8, 2, 2), generator=rng)
    expected = nn.functional.conv2d(value, conv.weight, stride=stride, padding=1, groups=groups)
    torch.testing.assert_close(conv(value), expected)
    flat = QuantConv1d(8, 12, 3, 1, 4, stride=stride, groups=groups)
    signal = torch.randn((3, 8, 1, 9), generator=rng)
    expected = nn.functional.conv1d(signal[:, :, 0], flat.weight, stride=stride, padding=1, groups=groups)
    torch.testing.assert_close(flat(signal)[:, :, 0], expected)


STEM = Conv("stem", 4)


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        ((Conv("a", 4, source="b"), Mean("m")), "unit a takes b, which does not come before it"),
        ((STEM, STEM, Mean("m")), "two units are called stem"),
        ((STEM,), r"unit stem leaves a map of \(8, 8\); the last one must leave \(1, 1\)"),
        (
            (STEM, Conv("b", 4), Add("sum", "b", "stem"), Mean("m")),
            "unit sum: b has not the step of stem; say added_to",
        ),
        (
            (STEM, Conv("b", 4, pool=2, added_to="stem"), Add("sum", "b", "stem"), Mean("m")),
            r"unit sum adds maps of \(4, 4, 4\) and \(4, 8, 8\); expected one shape",
        ),
        (
            (STEM, Conv("b", 4, added_to="stem"), Conv("c", 4), Mean("m")),
            "unit c takes b, whose codes are signed: they can only be added",
        ),
        (
            (STEM, Conv("b", 4, added_to="stem"), Conv("c", 4, source="stem", added_to="b"), Mean("m")),
            "unit c: b has no step of its own to share",
        ),
    ],
)
def test_impossible_plans_are_refused(plan, told: str) -> None:
    with pytest.raises(LockstepError, match=told):
        BranchedNet(plan, (1, 8, 8), 10, 4, 4)
