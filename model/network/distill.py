"""Distillation: a quantized network learns from the float network it started as, beside the labels."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from model.network.layers import set_quantized


class Teacher:
    """The float network at the end of its leg.

    The loss is (1 - share) * cross entropy + share * T**2 * KL(softmax(teacher / T) || softmax(student / T)), after
    G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network", 2015, section 2.

    Parameters
    ----------
    network : module
        As it was at the end of the float leg; it is copied.
    share : float in (0, 1]
    temperature : float, more than 0
    """

    def __init__(self, network: nn.Module, share: float, temperature: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        set_quantized(self.network, False)
        self.network.requires_grad_(False)
        self.share, self.temperature = share, temperature

    def loss(self, labelled: Tensor, logits: Tensor, pixels: Tensor) -> Tensor:
        """The loss of one batch.

        Parameters
        ----------
        labelled : float tensor ()
            Cross entropy with the labels.
        logits : float tensor (batch, classes), the student's
        pixels : float tensor (batch, channels, height, width), what the student saw
        """
        with torch.no_grad():
            told = nn.functional.log_softmax(self.network(pixels).float() / self.temperature, dim=1)
        learnt = nn.functional.log_softmax(logits / self.temperature, dim=1)
        distance = nn.functional.kl_div(learnt, told, reduction="batchmean", log_target=True)
        return (1 - self.share) * labelled + self.share * self.temperature**2 * distance
