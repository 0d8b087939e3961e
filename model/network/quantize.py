"""Quantizers with a learned step size.

    code = clamp(floor(v / s + 1/2), low, high)        value = code * s            (1)

Forward is (1); backward passes the gradient straight through inside the range and gives the step the gradient of LSQ
(S. K. Esser et al., "Learned Step Size Quantization", ICLR 2020, equations 2, 3 and section 2.2), scaled by
1 / sqrt(count * high):

    d value / d v = 1 where low < v/s < high, else 0                              (2)
    d value / d s = code - v/s where low < v/s < high, else code (low or high)    (3)

Rounding is half up, as in the integer contract. In float64, the precision in which a trained network is compared with
its frozen graph, v / s is a division as written; below that it is a product with 1/s, which is quicker.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from model.numeric.formats import IntFormat

LEAST_STEP = 1e-6
SMALL_MAP = 4  # pixels of a map up to which im2col beats a direct convolution on a CPU


def codes_of(value: Tensor, step: Tensor, fmt: IntFormat) -> Tensor:
    """Equation (1)'s codes, as a float tensor of `value`'s shape and dtype."""
    return torch.floor(value / step + 0.5).clamp_(fmt.min, fmt.max)


class _LearnedStep(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, step: Tensor, low: int, high: int, scale: float) -> Tensor:
        # Few passes over the data, in place where it can be: on a CPU these cost as much as the convolutions between.
        ratio = value / step if value.dtype == torch.float64 else value * step.reciprocal().to(value.dtype)
        codes = (ratio + 0.5).floor_().clamp_(low, high)
        ctx.save_for_backward(ratio, codes)
        ctx.low, ctx.high, ctx.scale = low, high, scale
        ctx.step_shape, ctx.step_dtype = step.shape, step.dtype
        return codes * step.to(value.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        ratio, codes = ctx.saved_tensors
        through = torch.ops.aten.hardtanh_backward(grad, ratio, ctx.low, ctx.high)  # (2); 0 at the limits themselves
        slope = (grad * codes).addcmul_(through, ratio, value=-1)  # (3)
        scalar = len(ctx.step_shape) == 0
        dims = [axis for axis in range(grad.dim()) if scalar or ctx.step_shape[axis] == 1]
        wide = torch.float64 if slope.dtype == torch.float64 else torch.float32  # a sum in bfloat16 would stand still
        step_grad = slope.sum(dims, keepdim=not scalar, dtype=wide) * ctx.scale
        return through, step_grad.to(ctx.step_dtype), None, None, None


def fake_quantize(value: Tensor, step: Tensor, fmt: IntFormat) -> Tensor:
    """Equation (1)'s values, differentiable in `value` and `step`.

    Parameters
    ----------
    value : float tensor
    step : positive float tensor, scalar, or of `value`'s rank with size 1 on all axes but the channels'
    fmt : IntFormat

    Returns
    -------
    float tensor of `value`'s shape and dtype
    """
    count = value.numel() // max(1, step.numel())
    if step.dim() == 0:  # an activation's count is per image: the batch size does not change the step's speed
        count //= max(1, value.shape[0])
    scale = (count * fmt.max) ** -0.5
    result: Tensor = _LearnedStep.apply(value, step.clamp_min(LEAST_STEP), fmt.min, fmt.max, scale)
    return result


@torch.no_grad()
def best_step(value: Tensor, fmt: IntFormat, candidates: int = 60) -> Tensor:
    """The start of the learned step: the one of least squared error, per row.

    Parameters
    ----------
    value : float tensor (rows, count)
    fmt : IntFormat
    candidates : int
        Steps tried, evenly spread up to the one that reaches the row's largest magnitude.

    Returns
    -------
    float32 tensor (rows,)
    """
    value = value.float()
    peak = value.abs().amax(dim=1).clamp_min(1e-4)
    best, least = peak / fmt.max, torch.full_like(peak, torch.inf)
    for part in range(1, candidates + 1):
        step = peak * part / (candidates * fmt.max)
        error = (codes_of(value, step[:, None], fmt) * step[:, None] - value).square_().sum(dim=1)
        best, least = torch.where(error < least, step, best), torch.minimum(error, least)
    return best


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


class _WeightQuantizer(nn.Module):
    """What QuantConv2d and QuantLinear share: a step per output channel."""

    weight: Tensor
    step: nn.Parameter

    def _prepare(self, bits: int) -> None:
        self.fmt = IntFormat(bits, signed=True, symmetric=True)
        self.step = nn.Parameter(torch.ones([self.weight.shape[0]] + [1] * (self.weight.dim() - 1)))
        self.quantized = False

    def effective_weight(self) -> Tensor:
        """The weight that forward uses: quantized to `fmt` when `quantized` is set."""
        return fake_quantize(self.weight, self.step, self.fmt) if self.quantized else self.weight


def _two(value: Any) -> tuple[int, int]:
    y, x = value
    return int(y), int(x)


class QuantConv2d(nn.Conv2d, _WeightQuantizer):
    """Conv2d without bias (BatchNorm follows), with weights quantized per output channel."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, padding: int, bits: int) -> None:
        super().__init__(in_channels, out_channels, kernel, padding=padding, bias=False)
        self._prepare(bits)

    def forward(self, value: Tensor) -> Tensor:
        """(batch, in_channels, y, x) to (batch, out_channels, y, x)."""
        weight = self.effective_weight()
        if value.device.type == "cpu" and value.shape[2] * value.shape[3] <= SMALL_MAP:
            return self._matmul_forward(value, weight)
        result: Tensor = self._conv_forward(value, weight, None)
        return result

    def _matmul_forward(self, value: Tensor, weight: Tensor) -> Tensor:
        """The same convolution (stride 1) by im2col: on a CPU several times faster on maps of a few pixels."""
        batch, _, height, width = value.shape
        (py, px), (ky, kx) = _two(self.padding), weight.shape[2:]
        rows, cols = height + 2 * py - ky + 1, width + 2 * px - kx + 1
        padded = nn.functional.pad(value.permute(0, 2, 3, 1), [0, 0, px, px, py, py])  # (batch, y, x, in)
        patches = torch.cat([padded[:, y : y + rows, x : x + cols] for y in range(ky) for x in range(kx)], dim=3)
        matrix = weight.permute(2, 3, 1, 0).reshape(-1, weight.shape[0])  # (ky*kx*in, out)
        result: Tensor = patches.reshape(batch * rows * cols, -1) @ matrix  # (batch*y*x, out)
        return result.reshape(batch, rows, cols, -1).permute(0, 3, 1, 2)  # channels last, as (batch, out, y, x)


class QuantLinear(nn.Linear, _WeightQuantizer):
    """Linear with bias, with weights quantized per output channel."""

    def __init__(self, in_features: int, out_features: int, bits: int) -> None:
        super().__init__(in_features, out_features)
        self._prepare(bits)

    def forward(self, value: Tensor) -> Tensor:
        """(batch, in_features) to (batch, out_features)."""
        return nn.functional.linear(value, self.effective_weight(), self.bias)


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
        sample = args[0].flatten()
        sample = sample[:: max(1, sample.numel() // 200_000)]
        module.step.copy_(best_step(sample.relu()[None], module.fmt)[0])
        module.quantized = True

    hooks = [m.register_forward_pre_hook(calibrate) for m in network.modules() if isinstance(m, QuantReLU)]
    try:
        network(pixels)
    finally:
        for hook in hooks:
            hook.remove()


def set_quantized(network: nn.Module, quantized: bool) -> None:
    """Switch every quantizer of `network` on or off, steps untouched."""
    for module in network.modules():
        if isinstance(module, QuantReLU | _WeightQuantizer):
            module.quantized = quantized
