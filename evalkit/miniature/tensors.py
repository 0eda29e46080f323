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
