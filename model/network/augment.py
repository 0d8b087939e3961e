"""What happens to a training image before the network sees it: drawn crops, mirror images, cut-out squares."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def augment(
    pixels: Tensor,
    crop: int,
    flip: bool,
    generator: torch.Generator,
    cutout: int = 0,
    share: slice | Tensor = slice(None),
) -> Tensor:
    """Random crops out of a border of `crop` zero pixels, mirror images and cut-out squares, for a whole batch at once.

    Parameters
    ----------
    pixels : uint8 tensor (batch, channels, height, width)
    generator : CPU generator that the draws come from
    cutout : int
        Side of a square of zero pixels that is laid over each image, its centre anywhere in it; 0 for none
        (T. DeVries, G. W. Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017).
    share : slice or int64 tensor on the CPU
        The images wanted back, or their indices; the draws are made for all of them, so each image's are the same
        whoever asks.

    Returns
    -------
    uint8 tensor (images in `share`, channels, height, width)
    """
    batch, _, height, width = pixels.shape
    rows = torch.arange(height)[None].repeat(batch, 1)
    cols = torch.arange(width)[None].repeat(batch, 1)
    if flip:
        mirrored = torch.randint(2, (batch, 1), generator=generator).bool()
        cols = torch.where(mirrored, cols.flip(1), cols)
    if crop:
        rows = rows + torch.randint(2 * crop + 1, (batch, 1), generator=generator)
        cols = cols + torch.randint(2 * crop + 1, (batch, 1), generator=generator)
    centres = [torch.randint(size, (batch, 1), generator=generator) for size in (height, width)] if cutout else []
    pixels, rows, cols, *centres = (each[share] for each in (pixels, rows, cols, *centres))
    if crop:
        pixels = nn.functional.pad(pixels, [crop] * 4)
    rows, cols = rows.to(pixels.device), cols.to(pixels.device)
    image = torch.arange(len(pixels), device=pixels.device)[:, None, None]
    picked = pixels.permute(0, 2, 3, 1)[image, rows[:, :, None], cols[:, None, :]]  # (batch, y, x, channel)
    if cutout:
        rows_gone, cols_gone = (
            covered(size, centre - cutout // 2, cutout) for size, centre in zip((height, width), centres, strict=True)
        )
        gone = rows_gone[:, :, None] & cols_gone[:, None, :]
        picked = picked.masked_fill(gone[..., None].to(pixels.device), 0)
    return picked.permute(0, 3, 1, 2)


def covered(size: int, begin: Tensor, side: Tensor | int) -> Tensor:
    """Bool (batch, size): the pixels of a row whose middle lies between `begin` (batch, 1) and `begin + side`."""
    middle = torch.arange(size)[None] + 0.5
    return (middle > begin) & (middle < begin + side)


def scaled_to(pixels: Tensor, side: int) -> Tensor:
    """Float images (batch, channels, height, width) as squares of `side` pixels: averages, where they become fewer."""
    if pixels.shape[2:] == (side, side):
        return pixels
    small = nn.functional.interpolate(pixels, (side, side), mode="bilinear", antialias=True)
    return small.contiguous(memory_format=torch.channels_last)


def to_input(pixels: Tensor) -> Tensor:
    """uint8 pixels to floats in [0, 1], channels last."""
    return pixels.float().div_(255).contiguous(memory_format=torch.channels_last)
