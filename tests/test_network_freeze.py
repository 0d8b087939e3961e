"""The freeze changes no code: requantization against every psum, frozen layers against the network they come from."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
import torch

from model.errors import LockstepError
from model.golden.execute import activations, conv, logits
from model.graph.graph import MAX_SHIFT
from model.network.freeze import LOGIT_SHIFT, exact_codes, freeze, solve_requantization
from model.network.layers import QuantReLU
from model.network.nets import build
from tests.trained import odd_network, random_images, small_network


def trained_codes(slope: float, offset: float, psums: range, code_max: int) -> list[int]:
    """Equation (1) in rational arithmetic: no rounding anywhere."""
    return [min(max(floor(Fraction(slope) * p + Fraction(offset) + Fraction(1, 2)), 0), code_max) for p in psums]


def solved_codes(multiplier: int, bias: int, shift: int, psums: range, code_max: int) -> list[int]:
    return [min(max((p * int(multiplier) + int(bias)) >> shift, 0), code_max) for p in psums]


def check_every_psum(slope, offset, low, high, code_max) -> int:
    arrays = (np.array(slope, float), np.array(offset, float), np.array(low, np.int64), np.array(high, np.int64))
    multiplier, bias, shift = solve_requantization(*arrays, code_max)
    assert multiplier.dtype == bias.dtype == np.int64
    for channel in range(len(arrays[0])):
        psums = range(int(arrays[2][channel]), int(arrays[3][channel]) + 1)
        expected = trained_codes(float(arrays[0][channel]), float(arrays[1][channel]), psums, code_max)
        given = solved_codes(multiplier[channel], bias[channel], shift, psums, code_max)
        assert given == expected, f"channel {channel}: slope {slope[channel]}, offset {offset[channel]}"
    return shift


@pytest.mark.parametrize("code_max", [1, 3, 15, 255])
@pytest.mark.parametrize("seed", range(4))
def test_random_channels_of_both_signs(seed, code_max):
    rng = np.random.default_rng(seed)
    count = 12
    low, high = -rng.integers(0, 3000, count), rng.integers(0, 3000, count)
    slope = np.exp(rng.normal(0, 1.5, count)) * code_max / 2000 * rng.choice([-1, 1], count)
    check_every_psum(slope, rng.normal(0, code_max, count), low, high, code_max)


@pytest.mark.parametrize("offset", [-1000.0, -0.5001, -0.4999, 0.3, 7.2, 14.4999, 14.5001, 1000.0, 1e9, -1e9])
@pytest.mark.parametrize("slope", [0.0, -0.0, 1e-300, 5e-324, -1e-300, 1e-13, -1e-13])
def test_channels_that_the_psum_hardly_moves(slope, offset):
    check_every_psum([slope, 0.01], [offset, 0.2], [-500, -500], [700, 700], 15)


@pytest.mark.parametrize("slope", [0.02, -0.02])
@pytest.mark.parametrize("offset", [-1e5, -30.0, 30.0, 1e5, 2.0**25])
def test_channels_that_never_or_always_reach_a_code(slope, offset):
    check_every_psum([slope], [offset], [-500], [700], 15)


@pytest.mark.parametrize("slope", [3.3, 15.9, 16.1, 400.7, 1e6, 1e12, 1e18, -1e12])
def test_channels_steeper_than_the_codes(slope):
    check_every_psum([slope, 0.0123], [slope * 17.31, 0.1], [-500, -500], [700, 700], 15)


def test_a_channel_whose_psum_is_always_zero():
    check_every_psum([0.3, 0.3, -0.3], [4.2, -4.2, 99.0], [0, 0, 0], [0, 0, 0], 15)


def test_exact_ties_round_up():
    """Slope a half, offset 0: every second psum lies exactly between two codes."""
    check_every_psum([0.5, -0.5, 0.25], [0.0, 0.0, 0.5], [-40] * 3, [40] * 3, 15)


def test_the_shift_is_the_smallest_that_serves():
    slope, offset = np.array([0.1234, 0.0721]), np.array([0.31, 1.77])
    low, high = np.array([-90, -90]), np.array([150, 150])
    shift = check_every_psum(slope, offset, low, high, 15)
    assert shift > 4
    psums = np.arange(-90, 151)
    wanted = [trained_codes(float(a), float(c), range(-90, 151), 15) for a, c in zip(slope, offset, strict=True)]

    def serves(shift: int) -> bool:
        biases = np.arange(-(1 << shift), 3 << shift)[:, None]
        multipliers = [floor(a * 2**shift + 0.5) for a in slope]
        given = [np.clip((psums * multiplier + biases) >> shift, 0, 15) for multiplier in multipliers]
        return all((codes == right).all(axis=1).any() for codes, right in zip(given, wanted, strict=True))

    assert serves(shift)
    assert not any(serves(smaller) for smaller in range(4, shift))


def test_no_solution_is_told_with_its_channel():
    slope = np.array([0.01, -1e-9])  # the second crosses one threshold after 10**8 psums, which needs more than 40 bits
    offset = np.array([0.0, 0.5 - 1e-9 * 123_456_789])
    reach = np.array([100, 1 << 40])
    with pytest.raises(LockstepError, match=rf"channel 1 has no requantization .* of {MAX_SHIFT}: slope -1e-09"):
        solve_requantization(slope, offset, -reach, reach, 15)


def compare(network, pixels) -> int:
    """Every code of every layer of the frozen graph against the network in float64; returns how many there were."""
    graph = freeze(network, "odd", ("a", "b", "c"), {})
    expected, _ = exact_codes(network, pixels)
    compared = 0
    for layer, _, codes in activations(graph, pixels):
        if layer.out is not None:
            np.testing.assert_array_equal(codes, expected[layer.name], err_msg=layer.name)
            compared += codes.size
    assert compared == sum(codes.size for codes in expected.values())
    return compared


@pytest.mark.parametrize("bits", [(4, 4), (2, 2), (8, 8), (3, 5), (8, 2)])
@pytest.mark.parametrize("seed", range(4))
def test_frozen_layers_equal_those_of_odd_networks(seed, bits):
    assert compare(odd_network(seed, *bits), random_images(40, seed)) > 1000


@pytest.mark.parametrize("seed", range(3))
def test_a_frozen_layer_equals_the_network_for_every_psum_that_can_occur(seed):
    """Not on images only: each requantization against the network's own BatchNorm and quantizer, psum by psum."""
    network = odd_network(seed)
    graph = freeze(network, "odd", ("a", "b", "c"), {})
    double = odd_network(seed).double()
    scale = 1 / 255
    chain = dict(double.features.named_children())
    seen = set()
    for layer in graph.layers[:-1]:
        number = int(layer.name.split(".")[1])
        conv_module, norm, relu = (chain[str(number + i)] for i in range(3))
        assert isinstance(relu, QuantReLU)
        low, high = layer.psum_range
        psums = torch.arange(low, high + 1).double()
        step = conv_module.step.detach().flatten()
        value = psums[:, None] * (scale * step)[None]  # (psum, channel): what the convolution gives for that psum
        with torch.no_grad():
            out = relu(norm(value[:, :, None, None]))[:, :, 0, 0]
        expected = torch.round(out / relu.step).long().numpy()
        codes = np.clip((psums.long().numpy()[:, None] * layer.multiplier + layer.bias) >> layer.shift, 0, 15)
        weight = layer.weight.reshape(layer.out_channels, -1).astype(int)
        for channel in range(layer.out_channels):  # only psums of the channel's own range can occur
            first = int(np.minimum(weight[channel], 0).sum()) * layer.act.max - low
            last = int(np.maximum(weight[channel], 0).sum()) * layer.act.max - low
            np.testing.assert_array_equal(codes[first : last + 1, channel], expected[first : last + 1, channel])
        seen |= set(np.unique(codes))
        scale = float(relu.step.detach())
    assert seen == set(range(16))


def test_weights_on_ties_freeze_to_the_codes_that_the_network_uses():
    network = odd_network(0)
    conv_module = network.features[0]
    with torch.no_grad():
        generator = torch.Generator().manual_seed(4)
        conv_module.step.copy_(torch.rand(6, 1, 1, 1, generator=generator) * 2**-12 + 0.01)
        halves = torch.randint(-7, 7, conv_module.weight.shape, generator=generator) + 0.5
        conv_module.weight.copy_(halves * conv_module.step)
    assert compare(network, random_images(20)) > 0


def test_the_network_is_left_as_it_was():
    network = odd_network(1).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    freeze(network, "odd", ("a", "b", "c"), {})
    exact_codes(network, random_images(3))
    assert network.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])
        assert tensor.dtype == before[name].dtype


@pytest.mark.parametrize("seed", range(6))
def test_logits_of_the_classifier_are_the_networks_up_to_their_resolution(seed):
    """Integers = real logits / unit, off by at most the roundings of M (half a unit a psum), B, and the final shift."""
    network, pixels = odd_network(seed), random_images(200, seed)
    graph = freeze(network, "odd", ("a", "b", "c"), {})
    _, real = exact_codes(network, pixels)
    *_, (layer, entered, _) = activations(graph, pixels)
    integers = logits(graph, pixels)
    relu_step = next(m.step.item() for m in reversed(list(network.features)) if isinstance(m, QuantReLU))
    unit = relu_step * network.classifier.step.max().item() / 2**20 * 2**LOGIT_SHIFT
    psum = np.abs(conv(entered, layer)).max()
    off = 0.5 + (0.5 * psum + 0.5) / 2**LOGIT_SHIFT
    assert np.abs(integers - real / unit).max() <= off + 1e-6
    ranked = np.sort(real, axis=1)
    clear = (ranked[:, -1] - ranked[:, -2]) / unit > 2 * off
    assert clear.sum() > 150
    np.testing.assert_array_equal(integers.argmax(axis=1)[clear], real.argmax(axis=1)[clear])


def test_a_network_that_was_never_quantized_is_refused():
    with pytest.raises(LockstepError, match=r"features\.0 is not quantized"):
        freeze(small_network(), "small", ("a", "b", "c"), {})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_diverged_network_is_refused(value):
    network = odd_network(0)
    with torch.no_grad():
        network.features[4].running_var[1] = value
    with pytest.raises(LockstepError, match=r"parameter features\.4\.running_var .* is not finite"):
        freeze(network, "odd", ("a", "b", "c"), {})


def test_class_names_must_fit():
    with pytest.raises(LockstepError, match="2 class names for 3 logits"):
        freeze(odd_network(0), "odd", ("a", "b"), {})


@pytest.mark.parametrize("name", ["vgg16", "tiny"])
def test_every_layer_has_its_torch_name(name):
    network = build(name, 10, 4, 4, seed=0)
    names = [
        key.removesuffix(".weight") for key, value in network.named_parameters() if value.dim() > 1 and "weight" in key
    ]
    if name == "vgg16":
        assert names[8] == "features.27"
        assert tuple(network.features[27].weight.shape) == (16, 16, 3, 3)
        assert len(names) == 14
    for module in network.modules():
        if hasattr(module, "quantized"):
            module.quantized = True
    graph = freeze(network, name, tuple("abcdefghij"), {"note": 1})
    assert [layer.name for layer in graph.layers] == names
    assert graph.meta == {"note": 1}
    assert graph.layers[0].act.max == 255
