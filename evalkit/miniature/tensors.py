"""Training pictures as tensors: standardised as the adapters do, and varied a little."""

from __future__ import annotations

import torch
from torch import Tensor

from evalkit.scorers.pictures import CLIP_MEAN, CLIP_STD


def normalised(pixels: Tensor) -> Tensor:
    """Standardise pixels [n, 3, h, w] of 0..255 with CLIP's mean and deviation."""
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (CLIP_MEAN, CLIP_STD))
    return (pixels.float() / 255 - mean) / std


def varied(pixels: Tensor, g: torch.Generator) -> Tensor:
    """Change the light and tint of pictures a little, and add fine grain to some."""
    count = len(pixels)
    gain = 1 + 0.05 * torch.randn(count, 3, 1, 1, generator=g)
    grain = 20 * (torch.rand(count, 1, 1, 1, generator=g) - 0.6).clamp(min=0)
    noise = torch.randn(pixels.shape, generator=g)
    return (pixels.float() * gain + noise * grain).clamp(0, 255)


def tinted(pixels: Tensor, g: torch.Generator) -> Tensor:
    """Mix the colour channels of pictures [n, ..., 3, h, w] by lot, each picture its own way.

    What a thing is must not be told by its colour: else a thing in a colour that it never had in
    training is taken for another. Grey stays grey; the rows of the mix add up to one.
    """
    count = len(pixels)
    orders = torch.rand(2 * count, 3, generator=g).argsort(dim=1)
    swaps = torch.eye(3)[orders].view(2, count, 3, 3)
    share = torch.rand(count, 1, 1, generator=g)
    mix = share * swaps[0] + (1 - share) * swaps[1]
    return torch.einsum("nij,n...jhw->n...ihw", mix, pixels.float())
