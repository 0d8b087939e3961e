"""Networks and data small enough to train in a test, and what a network computes written out another way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from model.dataset import Dataset
from model.network.layers import QuantConv2d, QuantLinear, QuantReLU, set_quantized
from model.network.nets import POOL, ConvNet
from model.network.recipe import Leg, Recipe
from model.network.train import Trainer

KILLED_RUN = ["--net", "tiny", "--float-epochs", "3", "--qat-epochs", "3", "--quiet"]  # arguments of scripts.train
ROOT = Path(__file__).resolve().parents[1]
PLAN, INPUT_SHAPE = (6, 5, POOL, 4, POOL), (3, 4, 4)


def recipe(float_epochs: int = 3, qat_epochs: int = 3, **changes: object) -> Recipe:
    values = {
        "network": "small",
        "batch": 16,
        "seed": 7,
        "label_smoothing": 0.1,
        "crop": 1,
        "flip": True,
        "evaluate_every": 2,
        "float": Leg(float_epochs, 0.1, 0.25, 5e-4),
        "qat": Leg(qat_epochs, 0.03, 0.1, 1e-4),
    }
    return Recipe(**{**values, **changes})


def stripes(count: int = 70, shape: tuple[int, int, int] = INPUT_SHAPE) -> Dataset:
    """Three classes that a convolution can tell apart: dark to the left, dark above, neither."""
    rng = np.random.default_rng(3)

    def images(number: int) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.integers(0, 3, number)
        pixels = rng.integers(120, 256, (number, *shape))
        pixels[labels == 0, :, :, : shape[2] // 2] -= 110
        pixels[labels == 1, :, : shape[1] // 2] -= 110
        return pixels.astype(np.uint8), labels.astype(np.int64)

    return Dataset(*images(count), *images(30), ("left", "above", "neither"))


def small_network(weight_bits: int = 4, act_bits: int = 4, seed: int = 0, classes: int = 3) -> ConvNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ConvNet(PLAN, INPUT_SHAPE, classes, weight_bits, act_bits)


@torch.no_grad()
def odd_network(seed: int, weight_bits: int = 4, act_bits: int = 4) -> ConvNet:
    """A quantized network as no training would leave it.

    BatchNorm has scales of both signs, zero and almost zero among them, variances from almost zero to thousands, and
    shifts that hold some channels at code 0 or at the largest; steps are far apart.
    """
    network = small_network(weight_bits, act_bits, seed)
    generator = torch.Generator().manual_seed(seed)

    def normal(count: int) -> torch.Tensor:
        return torch.randn(count, generator=generator)

    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            count = module.num_features
            module.running_mean.copy_(normal(count))
            module.running_var.copy_(torch.exp(3 * normal(count)))
            module.weight.copy_(2 * normal(count))
            module.bias.copy_(2 * normal(count))
            module.weight[0], module.bias[0] = -0.7, 1.1
            module.weight[1], module.bias[1] = 0.0, 0.9
            module.weight[2], module.running_var[2] = 1e-12, 1e-20
            module.weight[3], module.bias[3] = 0.3, 40.0 * (-1) ** seed
        elif isinstance(module, QuantConv2d | QuantLinear):
            peak = module.weight.flatten(1).abs().amax(dim=1)
            scale = torch.exp(0.7 * normal(len(peak))) / (0.8 * module.fmt.max)
            module.step.copy_((peak * scale).reshape(module.step.shape))
            module.weight[0] = 0  # a channel whose psum is always 0
            if isinstance(module, QuantLinear):
                module.bias.copy_(normal(len(peak)))
        elif isinstance(module, QuantReLU):
            module.step.copy_(torch.exp(0.5 * normal(1)[0]) * 3 / module.fmt.max)
    set_quantized(network, True)
    return network.eval()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def break_off(run: Trainer, steps: int) -> None:
    """Train until the network is called for the `steps`-th time, as someone who presses Ctrl-C then."""
    calls = 0

    def stop(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == steps:
            raise KeyboardInterrupt

    run.network.register_forward_hook(stop)
    with pytest.raises(KeyboardInterrupt):
        run.run()


def random_images(count: int, seed: int = 0, shape: tuple[int, int, int] = INPUT_SHAPE) -> np.ndarray:
    """uint8 (count, *shape): noise, and images all 0 and all 255."""
    pixels = np.random.default_rng(seed).integers(0, 256, (count, *shape)).astype(np.uint8)
    pixels[0], pixels[1] = 0, 255
    return pixels


def state_tensors(checkpoint: Path) -> dict[str, torch.Tensor]:
    """Every tensor of the network in a checkpoint."""
    state: dict[str, torch.Tensor] = torch.load(checkpoint, weights_only=True)["network"]
    return state


def state_bytes(checkpoint: Path) -> dict[str, bytes]:
    """The same as bytes."""
    return {name: tensor.contiguous().numpy().tobytes() for name, tensor in state_tensors(checkpoint).items()}
