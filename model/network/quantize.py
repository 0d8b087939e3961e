"""Quantizers with a learned step size.

    code = clamp(floor(v / s + 1/2), low, high)        value = code * s            (1)

Backward passes the gradient straight through inside the range and gives the step the gradient of LSQ (S. K. Esser et
al., "Learned Step Size Quantization", ICLR 2020, equations 2, 3 and section 2.2), scaled by 1 / sqrt(count * high):

    d value / d v = 1 where low < v/s < high, else 0                              (2)
    d value / d s = code - v/s where low < v/s < high, else code (low or high)    (3)

A weight whose values are powers of two (`PowerFormat`) takes the nearest one instead, in units of the same step:

    code = the level l of least |v/s - l|, of two the greater one                 (4)

Levels stand apart, so a small weight moves by (2) between few of them; (2) and (3) hold as they are, with low and high
the least and the greatest level. A format without 0 has -1 and 1 beside each other and settles here, in training, that
a weight of 0 is 1: nothing is patched later.

The step's gradient is scaled by 1 / (sqrt(count) * high) there. LSQ's factor keeps a step's relative change like that
of its weights; the gradient of s is a sum of terms of the size rms(code - v/s), and a weight is rms(v/s) steps long:
their product is about sqrt(high) / 3 for even levels, but grows like high for levels that double.

Rounding is half up, as in the integer contract. In float64, the precision in which a trained network is compared with
its frozen graph, v / s is a division as written; below that it may be a product with 1/s, which is quicker.

Training need not pass over an activation for its step at all: whoever makes v divides its own few factors by s
(BatchNorm's), and whoever takes the value multiplies its weights by s. Between the two stands `round_codes`, and
autograd finds (2) and (3) by itself.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from model.numeric.power import PowerFormat
from model.numeric.weights import WeightFormat

LEAST_STEP = 1e-6


def _rounded(ratio: Tensor, low: int, high: int) -> Tensor:
    """Codes of values of step 1: the rounding and the clamp of equation (1)."""
    # bfloat16 has 8 bits: a half added to 128 or more is rounded away, or to a whole
    exact = ratio.float() if ratio.dtype == torch.bfloat16 and max(-low, high) >= 128 else ratio
    return (exact + 0.5).floor_().clamp_(low, high).to(ratio.dtype)


@lru_cache
def _levels(fmt: PowerFormat, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """The levels, rising, and the midpoints between neighbours."""
    levels = torch.tensor(fmt.values, dtype=dtype, device=device)
    return levels, (levels[1:] + levels[:-1]) / 2


def nearest(ratio: Tensor, fmt: WeightFormat) -> Tensor:
    """Codes of values of step 1, not differentiable: equation (1)'s, or (4)'s of powers of two."""
    if not isinstance(fmt, PowerFormat):
        return _rounded(ratio, fmt.min, fmt.max)
    levels, midpoints = _levels(fmt, ratio.dtype, ratio.device)
    codes = levels[torch.bucketize(ratio.contiguous(), midpoints, right=True)]  # a midpoint belongs to the level above
    return codes if ratio.is_contiguous() else torch.empty_like(ratio).copy_(codes)  # channels last stay last


def codes_of(value: Tensor, step: Tensor, fmt: WeightFormat) -> Tensor:
    """Equation (1)'s codes, or (4)'s, as a float tensor of `value`'s shape and dtype; not differentiable."""
    return nearest(value / step, fmt)


class _Codes(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, ratio: Tensor, fmt: WeightFormat) -> Tensor:
        ctx.save_for_backward(ratio)
        ctx.low, ctx.high = fmt.min, fmt.max
        return nearest(ratio, fmt)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (ratio,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(grads[0], ratio, ctx.low, ctx.high), None  # 0 at the limits


def round_codes(ratio: Tensor, fmt: WeightFormat) -> Tensor:
    """Codes of values of step 1, with the gradient passed straight through inside the range.

    Parameters
    ----------
    ratio : float tensor, v / s
    fmt : IntFormat or PowerFormat

    Returns
    -------
    float tensor of `ratio`'s shape and dtype
    """
    codes: Tensor = _Codes.apply(ratio, fmt)
    return codes


class _ScaledGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, step: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return step.view_as(step)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return grads[0] * ctx.scale, None


def learned_step(step: Tensor, count: int, fmt: WeightFormat) -> Tensor:
    """The step as the equations take it: not below LEAST_STEP, its gradient scaled by 1 / sqrt(count * high).

    Of powers of two by 1 / (sqrt(count) * high).

    Parameters
    ----------
    step : float tensor of any shape
    count : int
        Values that share one step; an activation's are those of one image, so that the batch size does not change the
        step's speed.
    fmt : IntFormat or PowerFormat
    """
    reach = fmt.max**2 if isinstance(fmt, PowerFormat) else fmt.max
    scaled: Tensor = _ScaledGradient.apply(step.clamp_min(LEAST_STEP), (count * reach) ** -0.5)
    return scaled


def fake_quantize(value: Tensor, step: Tensor, fmt: WeightFormat) -> Tensor:
    """Equation (1)'s values, differentiable in `value` and `step`.

    Parameters
    ----------
    value : float tensor
    step : positive float tensor, scalar, or of `value`'s rank with size 1 on all axes but the channels'
    fmt : IntFormat or PowerFormat

    Returns
    -------
    float tensor of `value`'s shape and dtype
    """
    count = value.numel() // step.numel() // (max(1, value.shape[0]) if step.dim() == 0 else 1)
    used = learned_step(step, count, fmt).to(value.dtype)
    return round_codes(value / used, fmt) * used


class _Weight(torch.autograd.Function):
    """Equation (1) times a scalar, in as few passes over the weight as it takes: they are what QAT costs."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, step: Tensor, by: Tensor, fmt: WeightFormat, dtype: torch.dtype) -> Tensor:
        ratio = weight / step if weight.dtype == torch.float64 else weight * step.reciprocal()
        codes = nearest(ratio, fmt)
        ctx.save_for_backward(ratio, codes, step, by)
        ctx.low, ctx.high = fmt.min, fmt.max
        return (codes * (step * by)).to(dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        ratio, codes, step, by = ctx.saved_tensors
        grad = grads[0].to(ratio.dtype)
        through = torch.ops.aten.hardtanh_backward(grad, ratio, ctx.low, ctx.high)
        dims = tuple(range(1, grad.dim()))
        with_codes = (grad * codes).sum(dims, keepdim=True)
        step_grad = (with_codes - (through * ratio).sum(dims, keepdim=True)) * by
        by_grad = (with_codes * step).sum().reshape(by.shape)
        return through.mul_(by), step_grad, by_grad, None, None


def quantized_weight(weight: Tensor, step: Tensor, fmt: WeightFormat, by: Tensor | None, dtype: torch.dtype) -> Tensor:
    """Equation (1)'s values of a weight, times the scalar `by`.

    Parameters
    ----------
    weight : float tensor (out, ...)
    step : positive float tensor of `weight`'s rank with size 1 on all axes but the first
    fmt : IntFormat or PowerFormat
    by : float tensor (), or None for 1
        The step of the codes that the weight will meet.
    dtype : torch.dtype of the result

    Returns
    -------
    tensor of `weight`'s shape, differentiable in `weight`, `step` and `by`
    """
    used = learned_step(step, weight.numel() // step.numel(), fmt)
    factor = torch.ones((), dtype=step.dtype, device=step.device) if by is None else by
    result: Tensor = _Weight.apply(weight, used, factor, fmt, dtype)
    return result


@torch.no_grad()
def best_step(value: Tensor, fmt: WeightFormat, candidates: int = 60) -> Tensor:
    """The start of the learned step: the one of least squared error, per row.

    Parameters
    ----------
    value : float tensor (rows, count)
    fmt : IntFormat or PowerFormat
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
