"""CutMix: a rectangle of each training image comes from another image of the batch, and the label with it in part.

S. Yun, D. Han, S. J. Oh, S. Chun, J. Choe, Y. Yoo, "CutMix: Regularization Strategy to Train Strong Classifiers with
Localizable Features", ICCV 2019, section 3, with alpha = 1; drawn for each image by itself, not for a whole batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model.network.augment import covered


class Unmixed:
    """What `CutMix` has, where images stay as they are."""

    def __init__(self, share: slice) -> None:
        self.sources = share

    def images(self, sources: Tensor) -> Tensor:
        """As they are."""
        return sources

    def loss(self, logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        """Mean cross entropy."""
        return nn.functional.cross_entropy(logits, labels, label_smoothing=smoothing)

    def main_labels(self, labels: Tensor) -> Tensor:
        """As they are."""
        return labels


class CutMix:
    """The draws for one batch: which image each one is mixed with, and where.

    Parameters
    ----------
    shape : (batch, channels, height, width)
    odds : float in (0, 1]
        Share of the images that are mixed.
    generator : CPU generator that the draws come from
    share : slice
        The images wanted; the draws are made for all of them, so each image's are the same whoever asks.
    """

    def __init__(self, shape: torch.Size, odds: float, generator: torch.Generator, share: slice = slice(None)) -> None:
        batch, _, height, width = shape
        mixed = torch.rand((batch, 1), generator=generator) < odds
        side = torch.rand((batch, 1), generator=generator).sqrt() * mixed  # so that areas are spread evenly
        rows, cols = (
            covered(size, (torch.rand((batch, 1), generator=generator) - side / 2) * size, side * size)
            for size in (height, width)
        )
        partner = torch.randperm(batch, generator=generator)
        self.sources = torch.cat([torch.arange(batch)[share], partner[share]])  # in the batch: the wanted, the others
        self.box = rows[share, :, None] & cols[share, None, :]
        self.kept = 1 - self.box.float().mean((1, 2))

    def images(self, sources: Tensor) -> Tensor:
        """The images at `sources` (2 * wanted, channels, height, width), any dtype, to the mixed ones (wanted, ...)."""
        own, other = sources.chunk(2)
        return torch.where(self.box[:, None].to(own.device), other, own)

    def loss(self, logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        """Mean cross entropy with both labels of each image, by area.

        Parameters
        ----------
        logits : float tensor (wanted, classes)
        labels : int64 tensor (2 * wanted,), at `sources`
        smoothing : float in [0, 1)
        """
        own, other = (
            nn.functional.cross_entropy(logits, each, reduction="none", label_smoothing=smoothing)
            for each in labels.chunk(2)
        )
        kept = self.kept.to(logits)
        return (kept * own + (1 - kept) * other).mean()

    def main_labels(self, labels: Tensor) -> Tensor:
        """The label of the greater part of each image (wanted,), of `labels` at `sources`."""
        own, other = labels.chunk(2)
        return torch.where(self.kept.to(own.device) >= 0.5, own, other)


def draw_mix(shape: torch.Size, odds: float, generator: torch.Generator, share: slice) -> CutMix | Unmixed:
    """`CutMix`; without odds nothing is drawn."""
    return CutMix(shape, odds, generator, share) if odds else Unmixed(share)
