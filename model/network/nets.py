"""The networks: VGG16 for 32x32 images with a squeezed block, small ones for 8x8 digits (three in `branched`)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model.errors import LockstepError
from model.network.branched import BRANCHED, BranchedNet, build_branched
from model.network.layers import BatchNorm, QuantConv2d, QuantLinear, QuantReLU
from model.network.recipe import check_bits
from model.network.units import ConvUnit, Wired
from model.numeric.weights import WeightFormat

POOL = 0  # in a plan: 2x2 max pooling; other numbers are output channels of conv + BatchNorm + ReLU
PLANS: dict[str, tuple[tuple[int, int, int], tuple[int, ...]]] = {
    "vgg16": ((3, 32, 32), (64, 64, POOL, 128, 128, POOL, 256, 256, 256, POOL, 16, 16, 512, POOL, 512, 512, 512, POOL)),
    "tiny": ((1, 8, 8), (16, 16, POOL, 32, 32, POOL, 32, POOL)),
    "micro": ((1, 8, 8), (12, POOL, 24, POOL, 24, POOL)),
}


class ConvNet(nn.Module):
    """`features` (3x3 conv, BatchNorm, ReLU, pooling) down to a 1x1 map, then `classifier`.

    Modules carry the names that torchvision's VGG gives them: the n-th module of the chain is ``features.n``.

    Parameters
    ----------
    plan : tuple of int
        Output channels of each convolution; POOL for 2x2 max pooling.
    input_shape : (channels, height, width)
    classes : int
    weights : int or weight format
        Bits of integers, 2..8, or the format itself.
    act_bits : int, 2..8
    """

    def __init__(
        self,
        plan: tuple[int, ...],
        input_shape: tuple[int, int, int],
        classes: int,
        weights: int | WeightFormat,
        act_bits: int,
    ) -> None:
        super().__init__()
        self.input_shape = input_shape
        chain: list[nn.Module] = []
        channels = input_shape[0]
        for width in plan:
            if width == POOL:
                # ceil_mode: images that training scales down end as one pixel too; nothing else is odd
                chain.append(nn.MaxPool2d(2, ceil_mode=True))
                continue
            chain += [QuantConv2d(channels, width, 3, 1, weights), BatchNorm(width), QuantReLU(act_bits)]
            channels = width
        self.features = nn.Sequential(*chain)
        self.classifier = QuantLinear(channels, classes, weights)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def units(self) -> list[Wired]:
        """Convolution, BatchNorm, quantizer and pooling, unit by unit, in order of execution."""
        chain = list(self.features.named_children())
        found: list[Wired] = []
        for (number, conv), (_, norm), (_, act), (_, pool) in zip(
            chain, chain[1:], chain[2:], [*chain[3:], ("", None)], strict=False
        ):
            if isinstance(conv, QuantConv2d):
                assert isinstance(norm, BatchNorm)
                assert isinstance(act, QuantReLU)
                unit = ConvUnit(conv, norm, act, 2 if isinstance(pool, nn.MaxPool2d) else 1)
                found.append(Wired(f"features.{number}", unit, (found[-1].name,) if found else ()))
        return found

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels in [0, 1], float (batch, channels, height, width), to logits (batch, classes)."""
        value, step = pixels, None  # with a step, `value` holds codes of it
        chain = iter(self.features)
        for module in chain:
            if isinstance(module, QuantConv2d):
                norm, act = next(chain), next(chain)
                assert isinstance(norm, BatchNorm)
                assert isinstance(act, QuantReLU)
                value = module(value, step)
                step = act.travelling_step(value.shape)
                value = act(norm(value)) if step is None else act.codes(norm(value, step))
            else:
                value = module(value)
        logits: Tensor = self.classifier(value.flatten(1), step)
        return logits


Network = ConvNet | BranchedNet
NAMES = (*PLANS, *BRANCHED)


def input_shape(name: str) -> tuple[int, int, int]:
    """What the network called `name` takes: (channels, height, width)."""
    return PLANS[name][0] if name in PLANS else BRANCHED[name][0]


def build(name: str, classes: int, weights: int | WeightFormat, act_bits: int, seed: int) -> Network:
    """A network of PLANS or BRANCHED with weights drawn from `seed`; `weights`: their bits, or their format.

    Raises
    ------
    LockstepError
        For a name that is in neither, or impossible widths.
    """
    if name not in NAMES:
        raise LockstepError(f"no network {name!r}; expected one of {', '.join(sorted(NAMES))}")
    check_bits(weights if isinstance(weights, int) else weights.bits, act_bits)
    if name in BRANCHED:
        return build_branched(name, classes, weights, act_bits, seed)
    shape, plan = PLANS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ConvNet(plan, shape, classes, weights, act_bits)
