"""Training pictures as tensors: standardised as the adapters do, and varied a little."""

from __future__ import annotations

import torch
from torch import Tensor

from evalkit.scorers.pictures import CLIP_MEAN, CLIP_STD

GRAIN = 48.0
"""Grey levels of grain at full strength: what is left of the faults' 80 after reduction."""


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


def hurt(pixels: Tensor, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """Blur or grain pictures [n, 3, h, w] by lot, as ``faults`` does; and say how strongly."""
    count = len(pixels)
    strength = 0.25 + 0.75 * torch.rand(count, generator=g)
    blurs = torch.rand(count, generator=g) < 0.5
    grain = torch.randn(pixels.shape, generator=g) * (GRAIN * strength).view(-1, 1, 1, 1)
    pairs = zip(pixels, strength.tolist(), strict=True)
    blurred = torch.stack([_blurred(p, s * pixels.shape[-1] / 30) for p, s in pairs])
    return torch.where(blurs.view(-1, 1, 1, 1), blurred, (pixels + grain).clamp(0, 255)), strength


def _blurred(pixels: Tensor, radius: float) -> Tensor:
    from torchvision.transforms.functional import gaussian_blur

    side = 2 * round(3 * radius) + 1
    blurred: Tensor = gaussian_blur(pixels, [side, side], [radius, radius])
    return blurred


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
