"""From a trained network to the integer graph, without changing a single code.

A quantized layer computes, for the integer psum p of channel c,

    code(p) = clamp(floor(A*p + C + 1/2), 0, a_max)                                (1)
    A = s_in * s_w * g / s_out,   C = (beta - mean * g) / s_out,   g = gamma / sqrt(var + eps)

Only the integers t_k = min{p : code(p) >= k}, k = 1..a_max, matter (for A < 0, read -p for p). (p*M + B) >> S gives the
same codes exactly when, for every k whose t_k lies among the psums that can occur,

    M*t_k + B >= k * 2**S   and   M*(t_k - 1) + B < k * 2**S                       (2)

so with M = round(A * 2**S), B is any integer between the greatest lower and the least upper limit of (2). S is the
smallest shift for which every channel has one. The frozen layer is then equal to the trained one for every input, not
within a tolerance.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from model.errors import LockstepError
from model.graph.graph import MAX_SHIFT, IntegerGraph, Layer
from model.network.layers import QuantConv2d, QuantLinear, QuantReLU
from model.network.nets import ConvNet
from model.network.quantize import LEAST_STEP, codes_of
from model.numeric.formats import IntFormat

Array = np.ndarray[Any, Any]
PIXEL = IntFormat(8)
PIXEL_SCALE = 1 / 255
LOGIT_SHIFT, LOGIT_BITS = 16, 20  # logits resolve 2**-4 of a psum's step in the class of the coarsest weights


def solve_requantization(
    slope: Array, offset: Array, low: Array, high: Array, code_max: int
) -> tuple[Array, Array, int]:
    """M, B and S of (2) for all channels of a layer.

    A slope of 0 is a channel whose code does not depend on the psum: M = 0. One beyond a_max + 1 is taken as that: from
    one psum to the next it crosses every threshold in either case.

    Parameters
    ----------
    slope, offset : float64 arrays (channels,)
        A and C of (1).
    low, high : int64 arrays (channels,)
        Least and greatest psum that can occur in each channel.
    code_max : int
        a_max, the largest output code.

    Returns
    -------
    multiplier, bias : int64 arrays (channels,)
    shift : int, 4..MAX_SHIFT

    Raises
    ------
    LockstepError
        When no shift up to MAX_SHIFT serves every channel; names the channel.
    """
    sign = np.where(slope < 0, -1, 1)
    slope = np.abs(slope)
    low, high = np.where(sign < 0, -high, low), np.where(sign < 0, -low, high)
    levels = np.arange(1, code_max + 1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        exact = (levels - 0.5 - offset[:, None]) / slope[:, None]  # (channels, levels)
    always_or_never = np.where(offset[:, None] + 0.5 >= levels, -np.inf, np.inf)
    exact = np.where(slope[:, None] == 0, always_or_never, exact)
    first = np.clip(np.ceil(exact), low[:, None], high[:, None] + 1).astype(np.int64)  # t_k, cut to the psums there are
    reached, before = first <= high[:, None], first > low[:, None]
    furthest = int(max(-low.min(), high.max())) + 1
    solved = np.zeros(len(slope), bool)
    for shift in range(4, MAX_SHIFT + 1):
        multiplier = np.floor(np.minimum(slope, code_max + 1) * 2.0**shift + 0.5).astype(np.int64)
        step = levels << shift
        if int(multiplier.max()) * furthest + int(step[-1]) >= 1 << 62:
            break  # what follows would leave int64; the graph holds no such numbers either
        at_least = np.where(reached, step - multiplier[:, None] * first, np.iinfo(np.int64).min).max(axis=1)
        at_most = np.where(before, step - 1 - multiplier[:, None] * (first - 1), np.iinfo(np.int64).max).min(axis=1)
        solved = at_least <= at_most
        if solved.all():
            wanted = np.floor(np.clip(offset, -(2.0**20), 2.0**20) * 2.0**shift + 2.0 ** (shift - 1)).astype(np.int64)
            bias = np.clip(wanted, at_least, at_most)
            return multiplier * sign, bias, shift
    worst = int(np.argmin(solved))
    raise LockstepError(
        f"channel {worst} has no requantization equal to its trained one up to a shift of {MAX_SHIFT}: "
        f"slope {slope[worst] * sign[worst]:g}, offset {offset[worst]:g}; train it again with another seed"
    )


def freeze(network: ConvNet, name: str, classes: tuple[str, ...], meta: Mapping[str, Any]) -> IntegerGraph:
    """The integer graph of a trained, quantized `network`.

    Parameters
    ----------
    network : ConvNet
        On any device; it is not changed.
    name : str
        The graph's name: one of PLANS, and what tells it from other runs of that network (``vgg16_w2a2``).
    classes : tuple of str
    meta : mapping of JSON values

    Raises
    ------
    LockstepError
        When a parameter is not finite, or (2) has no solution.
    """
    network = copy.deepcopy(network).cpu().double().eval()
    for key, tensor in network.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise LockstepError(
                f"parameter {key} of the trained network is not finite: training diverged; lower the learning rate"
            )
    layers: list[Layer] = []
    act, scale = PIXEL, PIXEL_SCALE
    chain = list(network.features.named_children())
    for index, (number, module) in enumerate(chain):
        if not isinstance(module, QuantConv2d):
            continue
        norm, relu = chain[index + 1][1], chain[index + 2][1]
        assert isinstance(norm, nn.BatchNorm2d)
        assert isinstance(relu, QuantReLU)
        _check_quantized(f"features.{number}", module, relu)
        pooled = index + 3 < len(chain) and isinstance(chain[index + 3][1], nn.MaxPool2d)
        weight, weight_step = _weight_codes(module)
        out_step = float(relu.step.detach().clamp_min(LEAST_STEP))
        gain = _array(norm.weight) / np.sqrt(_array(norm.running_var) + norm.eps)
        slope = scale * weight_step * gain / out_step
        offset = (_array(norm.bias) - _array(norm.running_mean) * gain) / out_step
        low, high = _psum_limits(weight, act)
        try:
            multiplier, bias, shift = solve_requantization(slope, offset, low, high, relu.fmt.max)
        except LockstepError as error:
            raise LockstepError(f"layer features.{number}: {error}") from error
        layers.append(
            Layer(
                f"features.{number}",
                weight,
                module.fmt,
                act,
                multiplier,
                bias,
                shift,
                relu.fmt,
                padding=_pair(module.padding),
                pool=2 if pooled else 1,
            )
        )
        act, scale = relu.fmt, out_step
    layers.append(_freeze_classifier(network.classifier, act, scale))
    return IntegerGraph(name, network.input_shape, tuple(layers), classes, meta)


def _check_quantized(where: str, *modules: QuantConv2d | QuantLinear | QuantReLU) -> None:
    if not all(module.quantized for module in modules):
        raise LockstepError(f"{where} is not quantized: the network has had no quantization-aware training to freeze")


def _freeze_classifier(module: QuantLinear, act: IntFormat, scale: float) -> Layer:
    """Logits in one common step for all classes: 2**-4 of a psum's step in the class of the coarsest weights."""
    _check_quantized("classifier", module)
    weight, weight_step = _weight_codes(module)
    unit = _logit_unit(scale, weight_step)
    multiplier = np.floor(scale * weight_step / unit + 0.5).astype(np.int64)
    bias = np.floor(_array(module.bias) / unit + 0.5).astype(np.int64) + (1 << (LOGIT_SHIFT - 1))
    return Layer("classifier", weight, module.fmt, act, multiplier, bias, LOGIT_SHIFT, None)


def _logit_unit(scale: float, weight_step: Array) -> float:
    """Real value of one unit of a logit before the shift."""
    return float(scale * weight_step.max() / 2.0**LOGIT_BITS)


def logit_resolution(network: ConvNet, graph: IntegerGraph) -> tuple[float, float]:
    """How the frozen graph's logits stand to the network's.

    Returns
    -------
    step : float
        Real value of one step of an integer logit.
    error : float
        Greatest distance, in steps, of an integer logit from the exact one: half a step from the shift, and half a unit
        before it from the rounded bias and, for each unit of the psum, from the rounded multiplier.
    """
    relus = [module for module in network.modules() if isinstance(module, QuantReLU)]
    scale = float(relus[-1].step.detach().double().clamp_min(LEAST_STEP))
    weight_step = network.classifier.step.detach().cpu().double().clamp_min(LEAST_STEP).flatten().numpy()
    furthest = max(abs(limit) for limit in graph.layers[-1].psum_range)
    return _logit_unit(scale, weight_step) * 2**LOGIT_SHIFT, 0.5 + (0.5 + 0.5 * furthest) / 2**LOGIT_SHIFT


def _weight_codes(module: QuantConv2d | QuantLinear) -> tuple[Array, Array]:
    """Values (out, in, ky, kx), of the format's type, and steps float64 (out,) of a layer's weight."""
    step = module.step.detach().clamp_min(LEAST_STEP)
    codes = codes_of(module.weight.detach(), step, module.fmt).numpy().astype(module.fmt.dtype)
    return codes.reshape(codes.shape[0], codes.shape[1], *(codes.shape[2:] or (1, 1))), step.flatten().numpy()


def _psum_limits(weight: Array, act: IntFormat) -> tuple[Array, Array]:
    """Least and greatest psum of each channel, int64 (channels,)."""
    flat = weight.reshape(len(weight), -1).astype(np.int64)
    return np.minimum(flat, 0).sum(axis=1) * act.max, np.maximum(flat, 0).sum(axis=1) * act.max


def _array(tensor: torch.Tensor | None) -> Array:
    assert tensor is not None
    return np.asarray(tensor.detach().numpy(), dtype=np.float64)


def _pair(value: Any) -> tuple[int, int]:
    y, x = value
    return int(y), int(x)


@torch.no_grad()
def exact_codes(network: ConvNet, pixels: Array) -> tuple[dict[str, Array], Array]:
    """What the fake-quant network itself computes, in float64: the reference that the frozen graph must equal.

    Parameters
    ----------
    network : quantized network
    pixels : uint8 array (batch, channels, height, width)

    Returns
    -------
    codes : {conv name: int64 array (batch, channels, y, x)} after that conv's pooling, where it has one
    logits : float64 array (batch, classes)
    """
    network = copy.deepcopy(network).cpu().double().eval()
    value = torch.from_numpy(pixels.astype(np.float64)) * PIXEL_SCALE
    codes: dict[str, Array] = {}
    conv, step = "", 1.0
    for number, module in network.features.named_children():
        value = module(value)
        if isinstance(module, QuantConv2d):
            conv = f"features.{number}"
        elif isinstance(module, QuantReLU):
            step = float(module.step.clamp_min(LEAST_STEP))
        if isinstance(module, QuantReLU | nn.MaxPool2d):
            codes[conv] = torch.round(value / step).numpy().astype(np.int64)
    logits: Array = network.classifier(value.flatten(1)).numpy()
    return codes, logits
