"""Distillation: a quantized network learns from others, or from the float network it started as, beside the labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Teacher:
    """Networks whose answers, softmax(logits / T), are averaged.

    The loss is (1 - share) * cross entropy + share * T**2 * KL(teacher || softmax(student / T)), after
    G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network", 2015, section 2.

    Parameters
    ----------
    networks : modules, one or more
        They are this object's own: put in eval mode, their parameters frozen.
    share : float in (0, 1]
    temperature : float, more than 0
    """

    def __init__(self, networks: Sequence[nn.Module], share: float, temperature: float) -> None:
        self.networks = [network.eval().requires_grad_(False) for network in networks]
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
            answers = [network(pixels).float() / self.temperature for network in self.networks]
            told = torch.stack([nn.functional.softmax(answer, dim=1) for answer in answers]).mean(0)
        learnt = nn.functional.log_softmax(logits / self.temperature, dim=1)
        distance = nn.functional.kl_div(learnt, told, reduction="batchmean")
        return (1 - self.share) * labelled + self.share * self.temperature**2 * distance
