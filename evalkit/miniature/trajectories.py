"""The teacher's guided paths from noise to picture, which students learn to follow in few steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from diffusers import SD3Transformer2DModel
from tqdm import tqdm

from evalkit.miniature import sd3
from evalkit.miniature.data import WORK, cached
from evalkit.records import digest
from evalkit.weights import content_digest

GUIDANCE = 4.0
POINTS = 4
"""Stretches of equal length between the times 1 and 0 whose ends are kept."""
SUBSTEPS = 3
"""Steps of the teacher in each stretch, of second order."""
SHARD = 250


@dataclass(frozen=True)
class Guide:
    """The teacher with guidance: what few-step students are taught by."""

    transformer: SD3Transformer2DModel
    texts: sd3.Texts
    scale: float = GUIDANCE

    def velocity(
        self, latents: torch.Tensor, time: torch.Tensor, ids: torch.Tensor
    ) -> torch.Tensor:
        """Return the guided velocity [N, 8, 16, 16] at ``time`` [N] (arXiv 2207.12598, eq. 6)."""
        empty = self.texts.ids([""]).expand(len(ids), -1)
        with torch.no_grad():
            both = sd3.velocity(
                self.transformer,
                torch.cat([latents, latents]),
                torch.cat([time, time]),
                *self.texts(torch.cat([empty, ids])),
            )
        without, with_text = both.chunk(2)
        return without + self.scale * (with_text - without)

    def path(self, noise: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Return the points [N, POINTS + 1, 8, 16, 16] of paths from noise.

        The solver is Adams and Bashforth's of two steps: each velocity is used once.
        """
        x, step, last = noise, 1 / (POINTS * SUBSTEPS), None
        points = [noise]
        for i in range(POINTS * SUBSTEPS):
            found = self.velocity(x, torch.full((len(x),), 1 - i * step), ids)
            slope = found if last is None else 1.5 * found - 0.5 * last
            x, last = x - step * slope, found
            if (i + 1) % SUBSTEPS == 0:
                points.append(x)
        return torch.stack(points, dim=1)


@dataclass(frozen=True)
class Trajectories:
    """Guided paths [n, POINTS + 1, 8, 16, 16], and their captions' tokens [n, T]."""

    points: npt.NDArray[np.float16]
    ids: torch.Tensor

    def __len__(self) -> int:
        return len(self.points)


def trajectories(
    guide: Guide, teacher: Path, ids: torch.Tensor, *, work: Path = WORK
) -> Trajectories:
    """Return the teacher's path for each caption, computed once for its weights, in shards."""
    facts = [content_digest(teacher), guide.scale, POINTS, SUBSTEPS, ids.tolist()]
    folder = work / f"trajectories-{digest(facts)[:12]}"
    shards = range(0, len(ids), SHARD)
    points = [
        cached(folder / f"{start}-{SHARD}.npy", partial(_shard, guide, ids, start))
        for start in tqdm(shards, desc="trajectories")
    ]
    return Trajectories(np.concatenate(points), ids)


def _shard(guide: Guide, ids: torch.Tensor, start: int) -> npt.NDArray[np.float16]:
    part = ids[start : start + SHARD]
    noise = torch.randn(
        len(part), sd3.CHANNELS, sd3.SIDE, sd3.SIDE, generator=torch.Generator().manual_seed(start)
    )
    batches: Sequence[tuple[torch.Tensor, ...]] = list(
        zip(torch.split(noise, 50), torch.split(part, 50), strict=True)
    )
    return torch.cat([guide.path(n, i) for n, i in batches]).half().numpy()
