"""The miniature's teacher: a small Stable Diffusion 3 trained by rectified flow on drawn scenes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from evalkit.miniature import sd3
from evalkit.miniature.data import WORK
from evalkit.miniature.latents import Latents, scenes
from evalkit.miniature.scenes import CLASSES, COLORS
from evalkit.miniature.training import Plan, fit, keep

BATCH = 32
SCENES = {"latents": 120_000, "latents-held": 1000}
DROPPED = 0.1
"""Share of captions replaced by the empty one, for guidance (arXiv 2207.12598)."""
HINT = 0.1
"""Weight of the hint in the loss."""
HINT_BLOCK = 2


class Teacher(nn.Module):
    """The transformer and its text encoders in training, with a hint of what lies where.

    The hint: a linear head reads each patch's class and colour off an early block. It shortens the
    time until captions are heeded, and is thrown away afterwards.
    """

    def __init__(self) -> None:
        super().__init__()
        self.texts = sd3.Texts()
        self.transformer = sd3.transformer()
        self.attention = sd3.WeighedAttention()
        for block in self.transformer.transformer_blocks:
            block.attn.set_processor(self.attention)
        self.head = nn.Linear(sd3.WIDTH, len(CLASSES) + 1 + len(COLORS) + 1)
        self._seen: torch.Tensor = torch.empty(0)
        self.transformer.transformer_blocks[HINT_BLOCK].register_forward_hook(self._see)

    def _see(self, _: nn.Module, __: Any, output: tuple[torch.Tensor, torch.Tensor]) -> None:
        self._seen = output[1]

    def forward(
        self, latents: torch.Tensor, noise: torch.Tensor, time: torch.Tensor, ids: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the error of the velocity, and the hint's answers [N, 64, classes + colours]."""
        t = time.view(-1, 1, 1, 1)
        mixed = (1 - t) * latents + t * noise
        found = sd3.velocity(self.transformer, mixed, time, *self.texts(ids))
        answers = self.head(F.layer_norm(self._seen, (sd3.WIDTH,)))
        return F.mse_loss(found, noise - latents), answers


def train(
    out: Path,
    minutes: float,
    seed: int = 0,
    *,
    steps: int | None = None,
    work: Path = WORK,
    compiled: bool = False,
    count: int | None = None,
) -> None:
    """Train on ``count`` scenes and save the pipeline's folder to ``out``.

    ``compiled`` uses torch.compile, which needs a C++ compiler and is a fifth faster.
    """
    torch.manual_seed(seed)
    plan = Plan(
        "teacher", minutes, seed, steps, work, rate=1e-3, warm_up=100, hold=0.5, average=0.999
    )
    data, held = (
        scenes(count or n, work=work, workers=torch.get_num_threads(), purpose=purpose)
        for purpose, n in SCENES.items()
    )
    model = Teacher()
    lessons, check = _Lessons(model, data, plan, compiled), _Check(model, held)
    curve = fit(model, lessons.loss, check.errors, plan)
    sd3.save(out, model.transformer, model.texts)
    keep(out, plan, dict(sd3.TRANSFORMER), curve)


class _Lessons:
    """Batches of noisy scenes."""

    def __init__(self, model: Teacher, data: Latents, plan: Plan, compiled: bool) -> None:
        self.model, self.data, self.plan = model, data, plan
        self.run = torch.compile(model) if compiled else model
        self.ids = model.texts.ids([t.decode() for t in data.texts.ravel()])
        self.ids = self.ids.view(*data.texts.shape, -1)
        self.empty = model.texts.ids([""])[0]

    def loss(self, generator: torch.Generator) -> torch.Tensor:
        """Return the loss of a batch drawn from the generator."""
        at = torch.randint(len(self.data), (BATCH,), generator=generator)
        latents = torch.from_numpy(self.data.latents[at.numpy()].astype(np.float32))
        noise = torch.randn(latents.shape, generator=generator)
        time = torch.sigmoid(0.2 + torch.randn(BATCH, generator=generator))
        which = torch.randint(self.ids.shape[1], (BATCH,), generator=generator)
        ids = self.ids[at, which]
        ids[torch.rand(BATCH, generator=generator) < DROPPED] = self.empty
        self.model.attention.stand_for(_tokens(generator))
        error, answers = self.run(latents, noise, time, ids)
        cells = torch.from_numpy(self.data.cells[at.numpy()]).long()
        hint = F.cross_entropy(
            answers[..., : len(CLASSES) + 1].flatten(0, 1), cells[..., 0].ravel()
        )
        hint += F.cross_entropy(
            answers[..., len(CLASSES) + 1 :].flatten(0, 1), cells[..., 1].ravel()
        )
        loss: torch.Tensor = error + HINT * hint
        return loss


def _tokens(generator: torch.Generator) -> int:
    """Draw how many zero tokens stand in T5's slot: mostly one, or the pipeline's own 256."""
    lot = float(torch.rand((), generator=generator))
    if lot < 0.6:
        return 1
    return 256 if lot < 0.85 else int(torch.randint(2, 512, (), generator=generator))


class _Check:
    """The error on scenes that are never trained on, with the same noise each time."""

    def __init__(self, model: Teacher, held: Latents, count: int = 256) -> None:
        generator = torch.Generator().manual_seed(1)
        self.model = model
        self.latents = torch.from_numpy(held.latents[:count].astype(np.float32))
        self.noise = torch.randn(self.latents.shape, generator=generator)
        self.time = (torch.arange(count) + 0.5) / count
        self.ids = model.texts.ids([t.decode() for t in held.texts[:count, 0]])

    def errors(self) -> dict[str, float]:
        """Return the mean squared error of the velocity over all times."""
        self.model.attention.stand_for(1)
        return {"error": float(self.model(self.latents, self.noise, self.time, self.ids)[0])}
