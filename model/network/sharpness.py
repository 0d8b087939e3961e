"""Sharpness-aware minimization: a step is taken by the gradient found where the loss is highest close by.

    e = rho * d L(v) / d v / |d L(v) / d v|,   the step of all parameters by the gradient of L at v + e          (1)

P. Foret, A. Kleiner, H. Mobahi, B. Neyshabur, "Sharpness-Aware Minimization for Efficiently Improving Generalization",
ICLR 2021, equation 2; v are the scales and shifts of BatchNorm alone, after M. Mueller, T. Vlaar, D. Rolnick, M. Hein,
"Normalization Layers Are All That Sharpness-Aware Minimization Needs", NeurIPS 2023. So no weight is moved across a
step of its quantizer for it, and the first pass finds no gradient of a weight: it costs two thirds of a step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from model.network.layers import BatchNorm
from model.network.processes import process_count, sum_of_all


@contextmanager
def highest_nearby(network: nn.Module, loss: Tensor, rho: float) -> Iterator[None]:
    """Within, `network` stands at v + e of (1); after it, at v again, to the bit.

    BatchNorm's running statistics stay as they are within: an image counts once.

    Parameters
    ----------
    network : module
        Not wrapped for several processes: their gradients are averaged here.
    loss : float tensor ()
        Of the batch at v; its graph is used up.
    rho : float, more than 0
        Length of e.
    """
    norms = [module for module in network.modules() if isinstance(module, BatchNorm)]
    moved = [parameter for norm in norms for parameter in (norm.weight, norm.bias)]
    grads = torch.autograd.grad(loss, moved)
    uphill = sum_of_all(torch.cat(grads)) / process_count()
    uphill *= rho / uphill.norm().clamp_min(1e-12)
    kept = [parameter.detach().clone() for parameter in moved]
    momenta = [norm.momentum for norm in norms]
    try:
        with torch.no_grad():
            for parameter, part in zip(moved, torch.split(uphill, [each.numel() for each in moved]), strict=True):
                parameter.add_(part)
        for norm in norms:
            norm.momentum = 0.0
        yield
    finally:
        with torch.no_grad():
            for parameter, value in zip(moved, kept, strict=True):
                parameter.copy_(value)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
