"""The layers: convolution on small maps, codes that travel with their step, statistics, the start of quantization."""

from __future__ import annotations

import pytest
import torch

from model.network.layers import (
    BatchNorm,
    QuantConv2d,
    QuantLinear,
    QuantReLU,
    set_quantized,
    start_quantization,
)
from model.network.nets import build
from model.network.quantize import best_step
from tests.trained import odd_network, random_images, small_network


@pytest.mark.parametrize("bits", range(2, 9))
def test_in_bfloat16_codes_stay_exact(bits):
    relu = QuantReLU(bits)
    with torch.no_grad():
        relu.step.fill_(2.0**-4)
    relu.quantized = True
    codes = torch.arange(1 << bits)[None]
    result = relu((codes * 2.0**-4).bfloat16())
    assert result.dtype == torch.bfloat16
    assert torch.equal((result * 16).long(), codes)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 2), (2, 1), (1, 3), (3, 2)])
@pytest.mark.parametrize("quantized", [False, True])
def test_on_small_maps_the_result_is_the_convolutions(size, quantized):
    torch.manual_seed(0)
    conv = QuantConv2d(3, 5, 3, 1, 4).double()
    conv.quantized = quantized
    value = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    result = conv(value)
    expected = torch.nn.functional.conv2d(value, conv.effective_weight(), padding=1)
    torch.testing.assert_close(result, expected, rtol=1e-12, atol=1e-12)
    upstream = torch.randn_like(expected)
    for given, wanted in zip(
        torch.autograd.grad(result, [value, conv.weight, conv.step] if quantized else [value, conv.weight], upstream),
        torch.autograd.grad(expected, [value, conv.weight, conv.step] if quantized else [value, conv.weight], upstream),
        strict=True,
    ):
        torch.testing.assert_close(given, wanted, rtol=1e-10, atol=1e-12)


def test_small_maps_go_as_one_matrix_and_large_ones_do_not(monkeypatch):
    conv = QuantConv2d(2, 2, 3, 1, 4)
    taken = []
    real = QuantConv2d._matmul_forward
    monkeypatch.setattr(
        QuantConv2d,
        "_matmul_forward",
        lambda self, value, weight: taken.append(value.shape[2:]) or real(self, value, weight),
    )
    for side in (1, 2, 3):
        conv(torch.zeros(1, 2, side, side))
    assert taken == [(1, 1), (2, 2)]


def test_quantization_starts_on_what_the_quantized_layers_before_give():
    network = build("tiny", 10, 4, 4, seed=0).eval()
    pixels = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        floating = network(pixels)
    start_quantization(network, pixels)
    relus = [module for module in network.modules() if isinstance(module, QuantReLU)]
    layers = [module for module in network.modules() if isinstance(module, QuantConv2d | QuantLinear)]
    assert len(relus) == 5
    assert len(layers) == 6
    assert all(module.quantized for module in [*relus, *layers])
    assert not any(module._forward_pre_hooks for module in relus), "the calibration's hooks are gone"
    torch.testing.assert_close(layers[0].step.flatten(), best_step(layers[0].weight.flatten(1), layers[0].fmt))
    with torch.no_grad():
        entered = network.features[1](network.features[0](pixels))
        step = best_step(entered.flatten().relu()[None], relus[0].fmt)[0]
        quantized = network(pixels)
    torch.testing.assert_close(relus[0].step.detach(), step)
    assert 0 < float((quantized - floating).norm()) < 0.5 * float(floating.norm())
    set_quantized(network, False)
    with torch.no_grad():
        torch.testing.assert_close(network(pixels), floating, rtol=0, atol=0)


def gradients(network, pixels, labels):
    network.zero_grad()
    logits = network(pixels)
    torch.nn.functional.cross_entropy(logits, labels).backward()
    return logits.detach(), {name: each.grad.clone() for name, each in network.named_parameters()}


def by_values(network, pixels):
    """The network's logits with values, not codes, between the layers: equation (1) as it is written."""
    value = pixels
    for module in network.features:
        value = module(value)
    return network.classifier(value.flatten(1))


@pytest.mark.parametrize("seed", range(3))
def test_codes_that_travel_with_their_step_train_as_the_values_do(seed):
    network = small_network(seed=seed).double()
    pixels = torch.from_numpy(random_images(12, seed)).double() / 255
    network.eval()
    start_quantization(network, pixels)
    set_quantized(network, True)
    network.train()
    labels = torch.arange(12) % 3
    logits, given = gradients(network, pixels, labels)
    network.forward = lambda pixels: by_values(network, pixels)
    expected, wanted = gradients(network, pixels, labels)
    torch.testing.assert_close(logits, expected, rtol=1e-9, atol=1e-9)
    for name, gradient in wanted.items():
        torch.testing.assert_close(given[name], gradient, rtol=1e-7, atol=1e-9, msg=lambda m, name=name: f"{name}: {m}")
        assert gradient.abs().max() > 0, f"{name}: nothing was compared"


def test_in_training_what_goes_between_the_layers_are_codes():
    network = odd_network(1)
    seen = []
    for module in network.features[3:]:
        if isinstance(module, QuantConv2d):
            module.register_forward_pre_hook(lambda module, args: seen.append(args))
    network.train()
    network(torch.from_numpy(random_images(4)).float() / 255)
    network.eval()
    network(torch.from_numpy(random_images(4)).float() / 255)
    (codes, step), (values, none) = seen[0], seen[-1]
    assert len(seen) == 4
    assert step is not None
    assert none is None
    assert torch.equal(codes, codes.round())
    assert codes.max() > 1
    assert not torch.equal(values, values.round())


def test_batch_norm_is_torchs():
    own, other = BatchNorm(3), torch.nn.BatchNorm2d(3)
    value = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0)) * 3 + 1
    with torch.no_grad():
        for norm in (own, other):
            norm.weight.copy_(torch.tensor([1.0, -2.0, 0.5]))
            norm.bias.copy_(torch.tensor([0.0, 1.0, -1.0]))
    for train in (True, True, False):
        own.train(train)
        other.train(train)
        torch.testing.assert_close(own(value), other(value))
        torch.testing.assert_close(own(value, torch.tensor(0.25)), other(value) / 0.25)
        own.running_mean.copy_(other.running_mean)  # `own` ran twice
        own.running_var.copy_(other.running_var)
