"""Layers that train in float or quantized: convolution, linear, BatchNorm, ReLU, and how quantization is started.

A quantized activation travels in training as its codes, with the step beside it (`quantize`'s note); in evaluation as
the values themselves. The two are equal but for rounding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from model.network.processes import batch_statistics, process_count
from model.network.quantize import best_step, fake_quantize, learned_step, quantized_weight, round_codes
from model.numeric.formats import IntFormat
from model.numeric.weights import WeightFormat, weight_format


class QuantReLU(nn.Module):
    """ReLU; with `quantized` set, ReLU and quantizer in one: the codes' clamp at zero is the ReLU."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.fmt = IntFormat(bits)
        self.step = nn.Parameter(torch.tensor(1.0))
        self.quantized = False

    def forward(self, value: Tensor) -> Tensor:
        """Float tensor in, float tensor of the same shape out; quantized, the values are multiples of `step`."""
        return fake_quantize(value, self.step, self.fmt) if self.quantized else torch.relu(value)

    def travelling_step(self, shape: torch.Size) -> Tensor | None:
        """The step that goes with the codes of values of `shape` (batch, ...); None where the values themselves go."""
        if not (self.training and self.quantized):
            return None
        return learned_step(self.step, shape[1:].numel(), self.fmt)

    def codes(self, ratio: Tensor) -> Tensor:
        """Codes of values already divided by the step."""
        return round_codes(ratio, self.fmt)


class BatchNorm(nn.BatchNorm2d):
    """BatchNorm2d whose statistics are those of all processes' images, and that can divide by a step on the way."""

    def forward(self, value: Tensor, step: Tensor | None = None) -> Tensor:
        """(batch, channels, y, x) to the same shape, normalized and, with a `step`, divided by it."""
        weight, bias = (self.weight, self.bias) if step is None else (self.weight / step, self.bias / step)
        if self.training and process_count() > 1:
            return self._of_all_processes(value, weight, bias)
        assert self.momentum is not None
        return nn.functional.batch_norm(
            value, self.running_mean, self.running_var, weight, bias, self.training, self.momentum, self.eps
        )

    def _of_all_processes(self, value: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        wide = value if value.dtype == torch.float64 else value.float()
        mean, variance, count = batch_statistics(wide)
        with torch.no_grad():
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.momentum is not None
            self.running_mean.lerp_(mean.to(self.running_mean), self.momentum)
            self.running_var.lerp_((variance * (count / (count - 1))).to(self.running_var), self.momentum)
        gain = weight * (variance + self.eps).rsqrt()
        shift = bias - mean * gain
        return (wide * gain[:, None, None] + shift[:, None, None]).to(value.dtype)


class _WeightQuantizer(nn.Module):
    """What QuantConv2d and QuantLinear share: a step per output channel."""

    weight: Tensor
    step: nn.Parameter

    def _prepare(self, weights: int | WeightFormat) -> None:
        self.fmt = weight_format(weights)
        self.step = nn.Parameter(torch.ones([self.weight.shape[0]] + [1] * (self.weight.dim() - 1)))
        self.quantized = False

    def effective_weight(self, act_step: Tensor | None = None) -> Tensor:
        """The weight that forward uses: quantized if `quantized` is set, times the step of the codes that it meets."""
        kind = self.weight.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else self.weight.dtype
        if self.quantized:
            return quantized_weight(self.weight, self.step, self.fmt, act_step, dtype)
        return (self.weight if act_step is None else self.weight * act_step).to(dtype)


def _two(value: Any) -> tuple[int, int]:
    y, x = value
    return int(y), int(x)


class _Dense(torch.autograd.Function):
    """A convolution of stride 1 as one matrix, for a map so small that every pixel meets every other."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, size: tuple[int, int], padding: tuple[int, int]) -> Tensor:
        ctx.shape, ctx.size, ctx.padding, ctx.dtype = weight.shape, size, padding, weight.dtype
        taps = weight.permute(0, 2, 3, 1)  # (out, ky, kx, in)
        rows = [taps[(slice(None), *window)] for window in _windows(size, padding)]  # a pixel out: (out, y, x, in)
        return torch.stack(rows).reshape(len(rows) * weight.shape[0], -1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        out, into, height, width = ctx.shape
        wide = torch.promote_types(ctx.dtype, torch.float32)  # sums of several pixels' gradients
        taps = grads[0].new_zeros((out, height, width, into), dtype=wide)
        parts = grads[0].reshape(-1, out, *ctx.size, into)
        for window, part in zip(_windows(ctx.size, ctx.padding), parts, strict=True):
            taps[(slice(None), *window)] += part
        return taps.permute(0, 3, 1, 2).to(ctx.dtype), None, None


def _windows(size: tuple[int, int], padding: tuple[int, int]) -> list[tuple[slice, slice]]:
    """The kernel's part that each output pixel lays over the map."""
    (height, width), (py, px) = size, padding
    return [
        (slice(py - y, py - y + height), slice(px - x, px - x + width)) for y in range(height) for x in range(width)
    ]


class _QuantConv(_WeightQuantizer):
    """What the convolutions share: the constructor. It stands before torch's class among the bases, and calls it."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        padding: int,
        weights: int | WeightFormat,
        stride: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel, stride=stride, padding=padding, groups=groups, bias=False)
        self._prepare(weights)


class QuantConv2d(_QuantConv, nn.Conv2d):
    """Conv2d without bias (BatchNorm follows), with weights quantized per output channel."""

    def forward(self, value: Tensor, step: Tensor | None = None) -> Tensor:
        """(batch, in_channels, y, x) to (batch, out_channels, y, x); with a `step`, `value` holds codes of it."""
        weight = self.effective_weight(step)
        if value.device.type == "cpu" and self._every_pixel_meets_every_other(value):
            return self._matmul_forward(value, weight)
        result: Tensor = self._conv_forward(value, weight, None)
        return result

    def _every_pixel_meets_every_other(self, value: Tensor) -> bool:
        return (
            _two(self.stride) == (1, 1)
            and self.groups == 1
            and all(
                size <= pad + 1 and size + pad <= kernel and 2 * pad + 1 == kernel
                for size, pad, kernel in zip(value.shape[2:], _two(self.padding), self.weight.shape[2:], strict=True)
            )
        )

    def _matmul_forward(self, value: Tensor, weight: Tensor) -> Tensor:
        """The same convolution as one product of matrices: on a CPU several times faster on maps of a few pixels."""
        batch, _, height, width = value.shape
        matrix: Tensor = _Dense.apply(weight, (height, width), _two(self.padding))  # (y*x*out, y*x*in)
        result: Tensor = value.permute(0, 2, 3, 1).reshape(batch, -1).to(matrix.dtype) @ matrix.t()
        return result.reshape(batch, height, width, -1).permute(0, 3, 1, 2)  # channels last, as (batch, out, y, x)


class QuantConv1d(_QuantConv, nn.Conv1d):
    """Conv1d along the columns of maps of height 1, without bias, with weights quantized per output channel."""

    def forward(self, value: Tensor, step: Tensor | None = None) -> Tensor:
        """(batch, in_channels, 1, x) to (batch, out_channels, 1, x); with a `step`, `value` holds codes of it."""
        result: Tensor = self._conv_forward(value.squeeze(2), self.effective_weight(step), None)
        return result.unsqueeze(2)


class QuantLinear(nn.Linear, _WeightQuantizer):
    """Linear with bias, with weights quantized per output channel."""

    def __init__(self, in_features: int, out_features: int, weights: int | WeightFormat) -> None:
        super().__init__(in_features, out_features)
        self._prepare(weights)

    def forward(self, value: Tensor, step: Tensor | None = None) -> Tensor:
        """(batch, in_features) to (batch, out_features); with a `step`, `value` holds codes of it."""
        return nn.functional.linear(value, self.effective_weight(step), self.bias)


def start_step(value: Tensor, fmt: IntFormat) -> Tensor:
    """The step () of least squared error for the codes of a map, of any shape, before its ReLU."""
    sample = value.flatten()
    sample = sample[:: max(1, sample.numel() // 200_000)]
    return best_step(sample.relu()[None], fmt)[0]


@torch.no_grad()
def start_quantization(network: nn.Module, pixels: Tensor) -> None:
    """Switch every quantizer on and set its step to the one of least squared error.

    Parameters
    ----------
    network : module in eval mode
    pixels : float tensor (batch, channels, height, width)
        Real training inputs; layers are calibrated in order, each on what the quantized layers before it give.
    """
    for module in network.modules():
        if isinstance(module, _WeightQuantizer):
            module.step.copy_(best_step(module.weight.flatten(1), module.fmt).reshape(module.step.shape))
            module.quantized = True

    def calibrate(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        assert isinstance(module, QuantReLU)
        module.step.copy_(start_step(args[0], module.fmt))
        module.quantized = True

    hooks = [m.register_forward_pre_hook(calibrate) for m in network.modules() if isinstance(m, QuantReLU)]
    try:
        network(pixels)
    finally:
        for hook in hooks:
            hook.remove()


def set_quantized(network: nn.Module, quantized: bool) -> None:
    """Switch every quantizer of `network` on or off, steps untouched; steps that are off ask for no gradient."""
    for module in network.modules():
        if isinstance(module, QuantReLU | _WeightQuantizer):
            module.quantized = quantized
            module.step.requires_grad_(quantized)
