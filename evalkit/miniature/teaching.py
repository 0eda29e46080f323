"""What all lessons draw on: the guided teacher, its paths, captions and scenes."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import torch

from evalkit.miniature import sd3
from evalkit.miniature.latents import scenes
from evalkit.miniature.trajectories import SHARD, Guide, Trajectories, trajectories
from evalkit.weights import content_digest

BATCH = 16
SCENES, PATHS = 24_000, 2000
"""Scenes whose captions and latents are used, and teacher's paths."""


class Teaching:
    """What all lessons draw on: the guided teacher, its paths, captions and scenes."""

    def __init__(self, teacher: Path, work: Path, *, short: bool = False) -> None:
        transformer, reader = sd3.load(teacher)
        self.attention = sd3.weigh(transformer)
        self.guide = Guide(transformer.requires_grad_(False), reader)
        self.teacher, self.work, self.short = teacher, work, short
        self.name = f"{content_digest(teacher)[-12:]}-{self.guide.scale:g}{'-short' * short}"
        count = 1000 if short else SCENES
        self._data = scenes(count, work=work, simple=short)
        texts = [t.decode() for t in self._data.texts.ravel()]
        self._ids = reader.ids(texts).view(*self._data.texts.shape, -1)

    @cached_property
    def _paths(self) -> Trajectories:
        ids = self._ids[: SHARD if self.short else PATHS, 0]
        return trajectories(self.guide, self.teacher, ids, work=self.work)

    def text(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Read captions without learning to."""
        with torch.no_grad():
            found: tuple[torch.Tensor, torch.Tensor] = self.guide.texts(ids)
        return found

    def path(self, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw a batch of the teacher's paths [N, points, ...] and their captions."""
        at = torch.randint(len(self._paths), (BATCH,), generator=generator)
        return torch.from_numpy(self._paths.points[at.numpy()]).float(), self._paths.ids[at]

    def captions(self, generator: torch.Generator) -> torch.Tensor:
        """Draw a batch of captions."""
        return self.scene(generator)[1]

    def scene(self, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw a batch of scenes' latents and their captions."""
        at = torch.randint(len(self._data), (BATCH,), generator=generator)
        which = torch.randint(self._ids.shape[1], (BATCH,), generator=generator)
        return torch.from_numpy(self._data.latents[at.numpy()]).float(), self._ids[at, which]


def noise_for(ids: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Draw noise for a batch of captions."""
    return torch.randn(len(ids), sd3.CHANNELS, sd3.SIDE, sd3.SIDE, generator=generator)
