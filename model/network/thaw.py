"""From an integer graph back to a network that can be trained on: the inverse of the freeze, as far as there is one.

For a psum p a layer of the graph gives clamp(floor(A*p + C + 1/2), 0, a_max), with A = M / 2**S and
C = (B + 1/2) / 2**S - 1/2: p*M + B is whole, so that a half on top changes nothing but keeps it off the thresholds.
Many networks give these codes: BatchNorm undoes the length of a filter, the next layer the step of the codes. The
one made here has

    w = codes * s_w,   s_w such that every filter is FILTER long                                                  (1)
    g = A * s_out / (s_in * s_w),   gamma = g * sqrt(var + eps),   beta = C * s_out + mean * g                    (2)

with the mean and variance that training images have before BatchNorm, and s_out such that |gamma| is GAMMA on average.
The logits have the unit of least cross entropy. Lost for good is where, within a step, each weight had been.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn

from model.errors import LockstepError
from model.graph.graph import IntegerGraph, Layer
from model.network.freeze import PIXEL_SCALE
from model.network.layers import QuantConv1d, QuantConv2d, QuantLinear, QuantReLU, start_step
from model.network.nets import ConvNet, Network
from model.network.quantize import best_step
from model.network.units import ConvUnit

# As training leaves them. A filter's length times its gradient's is the same for every length, so a shorter one turns
# faster: half of what SGD at rate 0.02 and weight decay 5e-4 keeps in the first nine layers of VGG16, so that they are
# not held back, and the last four come to their length while the rate rises and falls.
FILTER, GAMMA = 0.5, 0.5
STEPS = 1e-3, 10.0  # least and greatest of the codes, for a layer whose psums hardly move
UNITS_TRIED = torch.logspace(-2, 2, 400, dtype=torch.float64)  # of the logits, for a deviation of 1


@torch.no_grad()
def thaw(network: Network, graph: IntegerGraph, pixels: Tensor, labels: Tensor, smoothing: float = 0.0) -> None:
    """Give `network` the weights and steps of `graph`, quantizers on.

    Frozen again, it gives the graph's codes, but for rounding where its steps are those of single precision. A weight
    or a code whose format is another one than the graph's gets the step of least squared error, as at the start of
    quantization-aware training.

    Parameters
    ----------
    network : ConvNet
        Built for the graph's shapes, in any formats.
    graph : IntegerGraph
    pixels : float tensor (batch, channels, height, width)
        Real training inputs.
    labels : int64 tensor (batch,)
    smoothing : float in [0, 1)
        Of the labels, for the unit of the logits.

    Raises
    ------
    LockstepError
        When the network has branches, or the graph is not of its shapes.
    """
    check_shapes(network, graph)
    network.eval()
    value, s_in = pixels, PIXEL_SCALE
    for wired, layer in zip(network.units(), graph.layers, strict=False):
        unit = wired.unit
        assert isinstance(unit, ConvUnit)
        assert isinstance(unit.act, QuantReLU)
        s_w = _set_weight(unit.conv, layer)
        psums = unit.conv(value)
        variance, mean = torch.var_mean(psums.double(), (0, 2, 3), correction=0)
        slope, offset = (
            torch.from_numpy(each / 2.0**layer.shift).to(mean) for each in (layer.multiplier, layer.bias + 0.5)
        )
        slope /= s_in * s_w.double()
        gamma = slope * (variance + unit.norm.eps).sqrt()
        s_out = (GAMMA / gamma.abs().mean()).clamp(*STEPS)
        for target, found in (
            (unit.norm.running_mean, mean),
            (unit.norm.running_var, variance),
            (unit.norm.weight, gamma * s_out),
            (unit.norm.bias, (offset - 0.5 + mean * slope) * s_out),
            (unit.act.step, s_out),
        ):
            assert target is not None
            target.copy_(found)
        values = unit.norm(psums)
        if unit.act.fmt != layer.out:
            unit.act.step.copy_(start_step(values, unit.act.fmt))
        unit.act.quantized = True
        value = nn.functional.max_pool2d(unit.act(values), unit.pool) if unit.pool > 1 else unit.act(values)
        s_in = float(s_out)
    _set_classifier(network.classifier, graph.layers[-1], value.flatten(1), labels, smoothing, s_in)


def thawed(like: Network, graph: IntegerGraph, pixels: Tensor, labels: Tensor, smoothing: float = 0.0) -> Network:
    """The network that `graph` becomes in its own formats, layer by layer; shapes and device are those of `like`.

    Parameters and errors are those of `thaw`.
    """
    check_shapes(like, graph)
    network = copy.deepcopy(like)
    for wired, layer in zip(network.units(), graph.layers, strict=False):
        assert isinstance(wired.unit, ConvUnit)
        assert layer.out is not None
        wired.unit.conv.fmt, wired.unit.act.fmt = layer.wgt, layer.out
    network.classifier.fmt = graph.layers[-1].wgt
    thaw(network, graph, pixels, labels, smoothing)
    return network


def check_shapes(network: Network, graph: IntegerGraph) -> None:
    """Raise LockstepError unless `graph` can become a network like `network`."""
    if not isinstance(network, ConvNet):
        raise LockstepError("a network with branches cannot be made of a graph; expected a chain of convolutions")
    units = [(wired.name, wired.unit) for wired in network.units()]
    ours = [(name, tuple(unit.conv.weight.shape)) for name, unit in units if isinstance(unit, ConvUnit)]
    ours.append(("classifier", (*network.classifier.weight.shape, 1, 1)))
    theirs = [(layer.name, layer.weight.shape) for layer in graph.layers]
    if ours != theirs or network.input_shape != graph.input_shape:
        name, shape = next((our for our, other in zip(ours, theirs, strict=False) if our != other), ours[-1])
        raise LockstepError(
            f"graph {graph.name} is not of this network: expected {len(ours)} layers, {name} with weights of shape "
            f"{shape}, for inputs {network.input_shape}"
        )


def _set_weight(module: QuantConv2d | QuantConv1d | QuantLinear, layer: Layer, s_w: Tensor | None = None) -> Tensor:
    """The layer's weight, in steps `s_w` or as (1) has it; returns the steps (out,)."""
    codes = torch.from_numpy(layer.weight.astype(np.float32)).to(module.weight).reshape(module.weight.shape)
    if s_w is None:
        s_w = FILTER / codes.flatten(1).norm(dim=1).clamp_min(1.0)
    shape = module.step.shape
    module.weight.copy_(codes * s_w.reshape(shape))
    module.step.copy_(
        (s_w if module.fmt == layer.wgt else best_step(module.weight.flatten(1), module.fmt)).reshape(shape)
    )
    module.quantized = True
    return s_w


def _set_classifier(
    classifier: QuantLinear, layer: Layer, value: Tensor, labels: Tensor, smoothing: float, s_in: float
) -> None:
    """The logits' weights and biases in units of 2**-S, then in the unit of least cross entropy."""
    _set_weight(classifier, layer, torch.from_numpy(layer.multiplier / s_in).to(classifier.weight))
    classifier.bias.copy_(torch.from_numpy(layer.bias - 2.0 ** (layer.shift - 1)))
    logits = classifier(value).double().cpu()
    units = UNITS_TRIED / logits.std().clamp_min(1e-12)
    losses = [nn.functional.cross_entropy(logits * unit, labels.cpu(), label_smoothing=smoothing) for unit in units]
    for parameter in classifier.parameters():
        parameter.mul_(units[int(torch.stack(losses).argmin())].item())
