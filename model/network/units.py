"""Pieces of a network with branches: a convolution, a residual add, an average over a map; each ends in a quantizer.

A value travels through them as `Travelling`: in quantized training as codes with their step beside them, otherwise as
the values themselves (`model.network.layers`).

Both maps that an add takes have one step, so that their codes can be added as integers: the quantizer of the branch,
`QuantSigned`, has none of its own but uses that of the map it will be added to. Its codes are signed; in the frozen
graph they are stored with an offset.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model.network.layers import BatchNorm, QuantConv1d, QuantConv2d, QuantReLU
from model.network.quantize import fake_quantize, learned_step, round_codes
from model.numeric.formats import IntFormat

Travelling = tuple[Tensor, Tensor | None]


class QuantSigned(nn.Module):
    """A quantizer of signed codes in the step of another one; while that is off, nothing.

    Parameters
    ----------
    shared : QuantReLU
        The quantizer of the map that these codes will be added to.
    """

    def __init__(self, shared: QuantReLU) -> None:
        super().__init__()
        self.fmt = IntFormat(shared.fmt.bits, signed=True)
        self._shared = [shared]  # in a list: it is no part of this module

    @property
    def step(self) -> Tensor:
        """The other one's step."""
        return self._shared[0].step

    @property
    def quantized(self) -> bool:
        """Whether the other one is on."""
        return self._shared[0].quantized

    def forward(self, value: Tensor) -> Tensor:
        """Float tensor in, float tensor of the same shape out; quantized, the values are multiples of `step`."""
        return fake_quantize(value, self.step, self.fmt) if self.quantized else value

    def travelling_step(self, shape: torch.Size) -> Tensor | None:
        """As `QuantReLU.travelling_step`."""
        if not (self.training and self.quantized):
            return None
        return learned_step(self.step, shape[1:].numel(), self.fmt)

    def codes(self, ratio: Tensor) -> Tensor:
        """Codes of values already divided by the step."""
        return round_codes(ratio, self.fmt)


Quantizer = QuantReLU | QuantSigned


class ConvUnit(nn.Module):
    """Convolution, BatchNorm, quantizer and, where asked, max pooling."""

    def __init__(self, conv: QuantConv2d | QuantConv1d, norm: BatchNorm, act: Quantizer, pool: int = 1) -> None:
        super().__init__()
        self.conv, self.norm, self.act, self.pool = conv, norm, act, pool

    def forward(self, source: Travelling) -> Travelling:
        """(batch, in, y, x) to (batch, out, y, x)."""
        value = self.conv(*source)
        step = self.act.travelling_step(value.shape)
        value = self.act(self.norm(value)) if step is None else self.act.codes(self.norm(value, step))
        return nn.functional.max_pool2d(value, self.pool) if self.pool > 1 else value, step


class AddUnit(nn.Module):
    """The sum of two maps of one step, and a quantizer."""

    def __init__(self, channels: int, act: QuantReLU) -> None:
        super().__init__()
        self.channels, self.act = channels, act

    def forward(self, main: Travelling, skip: Travelling) -> Travelling:
        """Two maps of one shape to one."""
        return _requantized(_wide(main[0]) + _wide(skip[0]), skip[1], self.act)


class MeanUnit(nn.Module):
    """The average of windows that do not overlap, and a quantizer of its own: means are smaller than their parts."""

    def __init__(self, channels: int, window: tuple[int, int], act: QuantReLU) -> None:
        super().__init__()
        self.channels, self.window, self.act = channels, window, act

    def forward(self, source: Travelling) -> Travelling:
        """(batch, channels, y, x) to (batch, channels, y / window, x / window)."""
        return _requantized(nn.functional.avg_pool2d(_wide(source[0]), self.window), source[1], self.act)


def _wide(value: Tensor) -> Tensor:
    """Float32 instead of bfloat16, which would round sums and means of codes."""
    return value.float() if value.dtype == torch.bfloat16 else value


def _requantized(value: Tensor, step: Tensor | None, act: QuantReLU) -> Travelling:
    """`value`, in units of `step` where there is one, in the step of `act`."""
    if step is None:
        return act(value), None
    own = act.travelling_step(value.shape)
    assert own is not None
    return act.codes(value * (step / own)), own


Unit = ConvUnit | AddUnit | MeanUnit


@dataclass(frozen=True)
class Wired:
    """A unit in its place.

    Parameters
    ----------
    name : str
        Of the layer that it becomes.
    unit : Unit
    inputs : tuple of str
        Units whose maps it takes; empty for the network's input.
    """

    name: str
    unit: Unit
    inputs: tuple[str, ...]
