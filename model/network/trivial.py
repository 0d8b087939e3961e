"""TrivialAugment: one drawn change of a training image's colours or shape, of drawn strength.

S. G. Müller, F. Hutter, "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation", ICCV 2021, section 3,
with the wide ranges, as torchvision has them: fourteen kinds (rotated, sheared, moved, brighter, fewer levels, ...).
"""

from __future__ import annotations

import torch
from torch import Tensor

CHANNELS = (1, 3)  # that the changes of colour are defined for


def changed(pixels: Tensor, odds: float, generator: torch.Generator, share: slice | Tensor = slice(None)) -> Tensor:
    """Images of a batch after TrivialAugment.

    Parameters
    ----------
    pixels : uint8 tensor (batch, 1 or 3 channels, height, width)
    odds : float in [0, 1]
        Share of the images that are changed; at 0 nothing is drawn.
    generator : CPU generator that the draws come from
    share : slice or int64 tensor on the CPU
        The images that are wanted; the others may stay as they are. Each image has a seed of its own, drawn for all of
        them, so its change is the same whoever asks.

    Returns
    -------
    uint8 tensor (batch, channels, height, width)
    """
    if not odds:
        return pixels
    from torchvision.transforms.v2 import TrivialAugmentWide  # takes a second

    change = TrivialAugmentWide()
    drawn = torch.rand(len(pixels), generator=generator) < odds
    seeds = torch.randint(1 << 62, (len(pixels),), generator=generator)
    wanted = torch.zeros(len(pixels), dtype=torch.bool)
    wanted[share] = True
    result = pixels.clone()
    with torch.random.fork_rng(devices=[]):  # torchvision draws from the global generator
        for index in (wanted & drawn).nonzero()[:, 0].tolist():
            torch.default_generator.manual_seed(int(seeds[index]))
            result[index] = change(pixels[index])
    return result
