"""The miniature's teacher: a small Stable Diffusion 3 trained by rectified flow on drawn scenes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import SD3Transformer2DModel
from torch import nn
from torch.nn import functional

from evalkit.miniature import sd3
from evalkit.miniature.data import WORK
from evalkit.miniature.latents import Latents, scenes
from evalkit.miniature.scenes import CLASSES, COLORS
from evalkit.miniature.training import Plan, Row, fit, joined, keep
from evalkit.miniature.words import SD3_TOKENS

BATCH = 32
SCENES = {"latents": 120_000, "latents-held": 1000}
NOISE, LATE_NOISE = 0.2, 1.0
"""Where times are drawn around, at first and in the late stage: where layouts are decided."""
LATE = 0.15
"""Share of the training that is the late stage."""
SHORT = 250
"""Steps of a rehearsal."""
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

    TOKENS = SD3_TOKENS + 1
    """Of text, with what stands in T5's slot."""

    def __init__(
        self, transformer: SD3Transformer2DModel | None = None, texts: sd3.Texts | None = None
    ) -> None:
        super().__init__()
        self.texts, self.transformer = texts or sd3.Texts(), transformer or sd3.transformer()
        self.attention = sd3.weigh(self.transformer, self.TOKENS)
        self.empty = self.ids([""])[0]
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
        found = self.velocity(mixed, time, ids)
        answers = self.head(functional.layer_norm(self._seen, (sd3.WIDTH,)))
        return functional.mse_loss(found, noise - latents), answers

    def ids(self, texts: Sequence[str]) -> torch.Tensor:
        """Return what the text encoders read, [N, tokens]."""
        return self.texts.ids(texts)

    def left_out(self, ids: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Leave out captions by lot, and draw how many zero tokens stand in T5's slot."""
        self.attention.stand_for(_tokens(generator))
        dropped = torch.rand(len(ids), generator=generator) < DROPPED
        return torch.where(dropped[:, None], self.empty, ids)

    def velocity(
        self, latents: torch.Tensor, time: torch.Tensor, ids: torch.Tensor
    ) -> torch.Tensor:
        """Return the velocity at noisy latents for captions."""
        return sd3.velocity(self.transformer, latents, time, *self.texts(ids))


def train(
    out: Path,
    minutes: float,
    seed: int = 0,
    *,
    steps: int | None = None,
    work: Path = WORK,
    compiled: bool = False,
    short: bool = False,
) -> None:
    """Train in two stages, the later one with more noise, and save the pipeline to ``out``.

    ``compiled`` uses torch.compile, which needs a C++ compiler and is a fifth faster; ``short``
    learns three colours of single objects in a few minutes.
    """
    torch.manual_seed(seed)
    name = f"teacher{'-short' * short}"
    total = SHORT if short else steps
    rest = None if total is None else round(total * LATE)
    first = None if total is None else total - round(total * LATE)
    plan = Plan(
        name, minutes * (1 - LATE), seed, first, work, rate=1e-3, hold=0.5, average=0.999
    )  # fmt: skip
    late = Plan(
        f"{name}-late", minutes * LATE, seed, rest, work, rate=4e-4, warm_up=50, hold=0.3,
        average=0.998,
    )  # fmt: skip
    model, (data, held) = Teacher(), data_for(work, short=short)
    curves = [learn(model, plan, data, held, compiled=compiled)]
    if rest != 0:
        curves.append(learn(model, late, data, held, noise=LATE_NOISE, compiled=compiled))
    sd3.save(out, model.transformer, model.texts)
    keep(out, plan, dict(sd3.TRANSFORMER), joined(*curves))
    late.checkpoint.unlink(missing_ok=True)


def data_for(work: Path, *, short: bool = False) -> tuple[Latents, Latents]:
    """Return the scenes to train on and those to check with."""
    workers = torch.get_num_threads()
    train, held = (
        scenes(1000 if short else n, work=work, workers=workers, purpose=purpose, simple=short)
        for purpose, n in SCENES.items()
    )
    return train, held


def learn(
    model: Teacher,
    plan: Plan,
    data: Latents,
    held: Latents,
    *,
    noise: float = NOISE,
    compiled: bool = False,
) -> list[Row]:
    """Train a teacher in place on scenes, checked on ``held``; return its curve.

    Times are the logistic of a normal lot around ``noise`` (arXiv 2403.03206, section 3.1).
    """
    lessons, check = _Lessons(model, data, noise, compiled), _Check(model, held)
    return fit(model, lessons.loss, check.errors, plan)


class _Lessons:
    """Batches of noisy scenes."""

    def __init__(self, model: Teacher, data: Latents, noise: float, compiled: bool) -> None:
        self.model, self.data, self.noise = model, data, noise
        self.run = torch.compile(model) if compiled else model
        self.ids = model.ids([t.decode() for t in data.texts.ravel()])
        self.ids = self.ids.view(*data.texts.shape, -1)

    def loss(self, generator: torch.Generator) -> torch.Tensor:
        """Return the loss of a batch drawn from the generator."""
        at = torch.randint(len(self.data), (BATCH,), generator=generator)
        latents = torch.from_numpy(self.data.latents[at.numpy()].astype(np.float32))
        noise = torch.randn(latents.shape, generator=generator)
        time = torch.sigmoid(self.noise + torch.randn(BATCH, generator=generator))
        which = torch.randint(self.ids.shape[1], (BATCH,), generator=generator)
        ids = self.model.left_out(self.ids[at, which], generator)
        error, answers = self.run(latents, noise, time, ids)
        cells = torch.from_numpy(self.data.cells[at.numpy()]).long()
        hint = functional.cross_entropy(
            answers[..., : len(CLASSES) + 1].flatten(0, 1), cells[..., 0].ravel()
        )
        hint += functional.cross_entropy(
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
        self.ids = model.ids([t.decode() for t in held.texts[:count, 0]])

    def errors(self) -> dict[str, float]:
        """Return the mean squared error of the velocity over all times."""
        self.model.attention.stand_for(1)
        return {"error": float(self.model(self.latents, self.noise, self.time, self.ids)[0])}
