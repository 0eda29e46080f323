"""A small judge of latents: does a noisy one come from a scene or from the student?"""

from __future__ import annotations

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from evalkit.miniature import sd3

WIDTH = 64


class Adversary(nn.Module):
    """Convolutions over noisy latents, told the time and the caption (arXiv 2405.14867, 4.3)."""

    def __init__(self) -> None:
        super().__init__()
        text = sum(sd3.TEXT_WIDTHS)
        self.tell = nn.Linear(text + 1, WIDTH)
        self.read = nn.Sequential(
            nn.Conv2d(sd3.CHANNELS, WIDTH, 3, padding=1), nn.SiLU(), nn.GroupNorm(8, WIDTH)
        )
        self.judge = nn.Sequential(
            nn.Conv2d(WIDTH, WIDTH, 4, stride=2, padding=1), nn.SiLU(), nn.GroupNorm(8, WIDTH),
            nn.Conv2d(WIDTH, WIDTH, 4, stride=2, padding=1), nn.SiLU(),
            nn.Conv2d(WIDTH, 1, 1),
        )  # fmt: skip

    def forward(
        self, latents: torch.Tensor, time: torch.Tensor, pooled: torch.Tensor
    ) -> torch.Tensor:
        """Return logits [N, 1, 4, 4], positive for scenes."""
        told = self.tell(torch.cat([pooled, time[:, None]], dim=1))
        found: torch.Tensor = self.judge(self.read(latents) + told[:, :, None, None])
        return found

    def losses(
        self,
        ours: torch.Tensor,
        scenes: torch.Tensor,
        pooled: tuple[torch.Tensor, torch.Tensor],
        generator: torch.Generator,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the student's loss and the judge's, on end points with noise added to both.

        ``pooled`` are the captions' vectors of the student's pictures and of the scenes.
        """
        time = torch.rand(len(ours), generator=generator)
        t = time.view(-1, 1, 1, 1)
        noise = torch.randn(ours.shape, generator=generator)
        ours, scenes = ((1 - t) * x + t * noise for x in (ours, scenes))
        fixed = {n: p.detach() for n, p in self.named_parameters()}
        student = functional.softplus(-functional_call(self, fixed, (ours, time, pooled[0]))).mean()
        judge = functional.softplus(self(ours.detach(), time, pooled[0])).mean()
        judge = judge + functional.softplus(-self(scenes, time, pooled[1])).mean()
        return student, judge
