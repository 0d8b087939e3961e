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
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from model.errors import LockstepError
from model.graph.graph import MAX_SHIFT, IntegerGraph, Layer
from model.graph.kinds import add_weight
from model.network.layers import QuantConv1d, QuantConv2d, QuantLinear, QuantReLU
from model.network.nets import Network
from model.network.quantize import LEAST_STEP, codes_of
from model.network.units import AddUnit, ConvUnit, Quantizer, Wired
from model.numeric.formats import IntFormat
from model.numeric.sums import sum_limits
from model.numeric.weights import WeightFormat

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


def freeze(network: Network, name: str, classes: tuple[str, ...], meta: Mapping[str, Any]) -> IntegerGraph:
    """The integer graph of a trained, quantized `network`.

    Parameters
    ----------
    network : ConvNet or BranchedNet
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
    maps = {"": Map(PIXEL, PIXEL_SCALE)}
    last = maps[""]
    for wired in network.units():
        layer, last = _freeze_unit(wired, [maps[name] for name in wired.inputs or ("",)], network.classifier.fmt)
        before = (layers[-1].name,) if layers else ()
        layers.append(layer if wired.inputs == before else dataclasses.replace(layer, inputs=wired.inputs))
        maps[wired.name] = last
    layers.append(_freeze_classifier(network.classifier, last.fmt, last.step))
    return IntegerGraph(name, network.input_shape, tuple(layers), classes, meta)


@dataclass(frozen=True)
class Map:
    """Codes between units: their format, the real value of a step, and the code that stands for 0."""

    fmt: IntFormat
    step: float
    zero: int = 0


def _freeze_unit(wired: Wired, taken: list[Map], wgt: WeightFormat) -> tuple[Layer, Map]:
    """The layer that a unit becomes, and what it leaves; sums and means take the weight format `wgt`."""
    unit, source = wired.unit, taken[0]
    _check_quantized(wired.name, unit.act, *([unit.conv] if isinstance(unit, ConvUnit) else []))
    left = Map(IntFormat(unit.act.fmt.bits), float(unit.act.step.detach().clamp_min(LEAST_STEP)), -unit.act.fmt.min)
    stride, padding, pool = (1, 1), (0, 0), 1
    if isinstance(unit, ConvUnit):
        weight, weight_step = _weight_codes(unit.conv)
        gain = _array(unit.norm.weight) / np.sqrt(_array(unit.norm.running_var) + unit.norm.eps)
        slope = source.step * weight_step * gain / left.step
        offset = (_array(unit.norm.bias) - _array(unit.norm.running_mean) * gain) / left.step + left.zero
        wgt, groups, pool = unit.conv.fmt, unit.conv.groups, unit.pool
        stride, padding = _pair(unit.conv.stride, 1), _pair(unit.conv.padding, 0)
    else:
        groups = unit.channels
        if isinstance(unit, AddUnit):
            weight, count = add_weight(groups, [1] * len(taken)).astype(wgt.dtype), 1
        else:
            weight, stride = np.ones((groups, 1, *unit.window), wgt.dtype), unit.window
            count = unit.window[0] * unit.window[1]
        slope = np.full(groups, source.step / (count * left.step))
        offset = np.full(groups, -sum(each.zero for each in taken) * source.step / left.step)
    try:
        scale = solve_requantization(slope, offset, *sum_limits(weight, source.fmt.max), left.fmt.max)
    except LockstepError as error:
        raise LockstepError(f"layer {wired.name}: {error}") from error
    inputs = wired.inputs if len(taken) > 1 else ()
    return Layer(wired.name, weight, wgt, source.fmt, *scale, left.fmt, stride, padding, pool, groups, inputs), left


def _check_quantized(where: str, *modules: QuantConv2d | QuantConv1d | QuantLinear | Quantizer) -> None:
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


def logit_resolution(network: Network, graph: IntegerGraph) -> tuple[float, float]:
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


def _weight_codes(module: QuantConv2d | QuantConv1d | QuantLinear) -> tuple[Array, Array]:
    """Values (out, in / groups, ky, kx), of the format's type, and steps float64 (out,) of a layer's weight."""
    step = module.step.detach().clamp_min(LEAST_STEP)
    codes = codes_of(module.weight.detach(), step, module.fmt).numpy().astype(module.fmt.dtype)
    return codes.reshape(*codes.shape[:2], *[1] * (4 - codes.ndim), *codes.shape[2:]), step.flatten().numpy()


def _array(tensor: torch.Tensor | None) -> Array:
    assert tensor is not None
    return np.asarray(tensor.detach().numpy(), dtype=np.float64)


def _pair(value: Any, of_y: int) -> tuple[int, int]:
    """(y, x) of what torch keeps of a convolution; of one dimension that is x alone, and y is `of_y`."""
    *y, x = value
    return int(y[0]) if y else of_y, int(x)


@torch.no_grad()
def exact_codes(network: Network, pixels: Array) -> tuple[dict[str, Array], Array]:
    """What the fake-quant network itself computes, in float64: the reference that the frozen graph must equal.

    Parameters
    ----------
    network : quantized network
    pixels : uint8 array (batch, channels, height, width)

    Returns
    -------
    codes : {unit name: int64 array (batch, channels, y, x)} after its pooling, where it has any
    logits : float64 array (batch, classes)
    """
    network = copy.deepcopy(network).cpu().double().eval()
    value = torch.from_numpy(pixels.astype(np.float64)) * PIXEL_SCALE
    maps, codes = {"": value}, {}
    for wired in network.units():
        value, _ = wired.unit(*((maps[name], None) for name in wired.inputs or ("",)))
        step, zero = float(wired.unit.act.step.clamp_min(LEAST_STEP)), -wired.unit.act.fmt.min
        codes[wired.name] = torch.round(value / step).numpy().astype(np.int64) + zero
        maps[wired.name] = value
    logits: Array = network.classifier(value.flatten(1)).numpy()
    return codes, logits
