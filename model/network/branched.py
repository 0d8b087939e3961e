"""Networks with branches: a plan is a list of units in order of execution, each naming the units that it takes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model.errors import LockstepError
from model.network.layers import BatchNorm, QuantConv1d, QuantConv2d, QuantLinear, QuantReLU
from model.network.units import AddUnit, ConvUnit, MeanUnit, QuantSigned, Travelling, Unit, Wired
from model.numeric.weights import WeightFormat

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Conv:
    """Convolution that keeps the size of its map but for stride and pooling, BatchNorm and ReLU.

    Parameters
    ----------
    name : str
    outs : int
        Output channels; 0 for as many as come in.
    kernel : int
        Side; of one dimension in a network whose maps have height 1.
    stride, pool : int
    depthwise : bool
        A group for every channel.
    source : str
        The unit taken; empty for the one before.
    added_to : str
        Instead of ReLU: signed codes in the step of this unit, to be added to it.
    """

    name: str
    outs: int = 0
    kernel: int = 3
    stride: int = 1
    pool: int = 1
    depthwise: bool = False
    source: str = ""
    added_to: str = ""


@dataclass(frozen=True)
class Add:
    """ReLU of the sum of two units of one step: `main` is a Conv that is `added_to` `skip`."""

    name: str
    main: str
    skip: str


@dataclass(frozen=True)
class Mean:
    """Average over the whole map of the unit before."""

    name: str


Part = Conv | Add | Mean
Plan = tuple[Part, ...]

RESIDUAL: Plan = (
    Conv("stem", 16),
    Conv("block1a", 16),
    Conv("block1b", 16, added_to="stem"),
    Add("block1", "block1b", "stem"),
    Conv("widen", 32, pool=2),
    Conv("block2a", 32),
    Conv("block2b", 32, added_to="widen"),
    Add("block2", "block2b", "widen"),
    Mean("mean"),
)
SEPARABLE: Plan = (
    Conv("stem", 16),
    Conv("depth1", depthwise=True),
    Conv("point1", 32, kernel=1, pool=2),
    Conv("depth2", depthwise=True),
    Conv("point2", 64, kernel=1),
    Mean("mean"),
)
SIGNAL: Plan = (
    Conv("conv1", 32),
    Conv("conv2", 32),
    Conv("conv3", 64, stride=2),
    Conv("conv4", 64),
    Mean("mean"),
)
BRANCHED: dict[str, tuple[Shape, Plan]] = {
    "residual": ((1, 8, 8), RESIDUAL),
    "separable": ((1, 8, 8), SEPARABLE),
    "signal": ((8, 1, 8), SIGNAL),
}


class BranchedNet(nn.Module):
    """The units of a plan, then `classifier` over the 1x1 map that the last one leaves.

    Parameters
    ----------
    plan : tuple of Conv, Add, Mean
    input_shape : (channels, height, width)
        Maps of height 1 are convolved along x alone, by `torch.nn.Conv1d`.
    classes : int
    weights : int or weight format
        Bits of integers, 2..8, or the format itself.
    act_bits : int, 2..8

    Raises
    ------
    LockstepError
        When units do not fit each other.
    """

    def __init__(
        self, plan: Plan, input_shape: Shape, classes: int, weights: int | WeightFormat, act_bits: int
    ) -> None:
        super().__init__()
        self.input_shape = input_shape
        self._inputs: dict[str, tuple[str, ...]] = {}
        self._weights, self._bits = weights, act_bits
        shapes: dict[str, Shape] = {"": input_shape}
        modules: dict[str, Unit] = {}
        before = ""
        for part in plan:
            inputs = (part.main, part.skip) if isinstance(part, Add) else (getattr(part, "source", "") or before,)
            for name in (*inputs, getattr(part, "added_to", "")):
                if name not in shapes:
                    raise LockstepError(f"unit {part.name} takes {name}, which does not come before it")
            if part.name in shapes:
                raise LockstepError(f"two units are called {part.name}")
            if not isinstance(part, Add) and inputs[0] and isinstance(modules[inputs[0]].act, QuantSigned):
                raise LockstepError(
                    f"unit {part.name} takes {inputs[0]}, whose codes are signed: they can only be added"
                )
            shapes[part.name], modules[part.name] = self._made(part, [shapes[name] for name in inputs], modules)
            self._inputs[part.name] = tuple(name for name in inputs if name)
            before = part.name
        if shapes[before][1:] != (1, 1):
            raise LockstepError(f"unit {before} leaves a map of {shapes[before][1:]}; the last one must leave (1, 1)")
        self.parts = nn.ModuleDict(modules)
        self.classifier = QuantLinear(shapes[before][0], classes, weights)
        for module in self.modules():
            if isinstance(module, nn.Conv1d | nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def _made(self, part: Part, taken: list[Shape], modules: dict[str, Unit]) -> tuple[Shape, Unit]:
        """The unit, and the map that it leaves."""
        channels, height, width = taken[0]
        if isinstance(part, Mean):
            return (channels, 1, 1), MeanUnit(channels, (height, width), QuantReLU(self._bits))
        if isinstance(part, Add):
            main, skip = modules[part.main], modules[part.skip]
            if taken[0] != taken[1]:
                raise LockstepError(f"unit {part.name} adds maps of {taken[0]} and {taken[1]}; expected one shape")
            if not isinstance(main.act, QuantSigned) or main.act.step is not skip.act.step:
                raise LockstepError(f"unit {part.name}: {part.main} has not the step of {part.skip}; say added_to")
            return taken[0], AddUnit(channels, QuantReLU(self._bits))
        outs, flat = part.outs or channels, self.input_shape[1] == 1
        groups = channels if part.depthwise else 1
        kind = QuantConv1d if flat else QuantConv2d
        conv = kind(channels, outs, part.kernel, part.kernel // 2, self._weights, stride=part.stride, groups=groups)
        act: QuantReLU | QuantSigned = QuantReLU(self._bits)
        if part.added_to:
            other = modules[part.added_to].act
            if not isinstance(other, QuantReLU):
                raise LockstepError(f"unit {part.name}: {part.added_to} has no step of its own to share")
            act = QuantSigned(other)
        reach = 2 * (part.kernel // 2) - part.kernel
        size = [(side + reach) // part.stride + 1 for side in (height, width)]
        if flat:
            size[0] = 1
        return (outs, size[0] // part.pool, size[1] // part.pool), ConvUnit(conv, BatchNorm(outs), act, part.pool)

    def units(self) -> list[Wired]:
        """The units in order of execution."""
        found = []
        for name, unit in self.parts.items():
            assert isinstance(unit, Unit)
            found.append(Wired(name, unit, self._inputs[name]))
        return found

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels in [0, 1], float (batch, channels, height, width), to logits (batch, classes)."""
        maps: dict[str, Travelling] = {}
        last: Travelling = (pixels, None)
        for wired in self.units():
            last = wired.unit(*([maps[name] for name in wired.inputs] or [(pixels, None)]))
            maps[wired.name] = last
        logits: Tensor = self.classifier(last[0].flatten(1), last[1])
        return logits


def build_branched(name: str, classes: int, weights: int | WeightFormat, act_bits: int, seed: int) -> BranchedNet:
    """A network of BRANCHED with weights drawn from `seed`."""
    input_shape, plan = BRANCHED[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return BranchedNet(plan, input_shape, classes, weights, act_bits)
