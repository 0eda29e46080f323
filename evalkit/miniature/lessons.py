"""How a student learns: by the teacher's guided path, by an elder's steps, or by its pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from diffusers import SD3Transformer2DModel
from torch import nn
from torch.nn import functional

from evalkit.miniature import sd3, students
from evalkit.miniature.adversary import Adversary
from evalkit.miniature.teaching import Teaching, noise_for
from evalkit.miniature.trajectories import POINTS

Matrices = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Phase:
    """One part of a student's training: which lesson, for how many optimiser steps."""

    lesson: str
    steps: int
    rate: float
    start: int = 0
    """``progress``: the number of steps of the student in this phase; 0 for its own."""
    adversarial: float = 0.0
    """Weight of the adversarial loss."""


class Guided:
    """Trajectory guidance: from a point of the teacher's path the step ends on its next one."""

    def __init__(self, teaching: Teaching, student: SD3Transformer2DModel, steps: int) -> None:
        self.teaching, self.student = teaching, student
        self.schedule = students.times(steps)
        if POINTS % steps:
            raise ValueError(
                f"paths are kept at {POINTS} stretches, which {steps} steps cannot take"
            )

    def loss(self, generator: torch.Generator) -> torch.Tensor:
        """Return the squared distance of where the steps end, for a step by lot."""
        points, ids = self.teaching.path(generator)
        return self._distance(
            points, ids, torch.randint(self.steps, (len(ids),), generator=generator)
        )

    @property
    def steps(self) -> int:
        """The student's number of steps."""
        return len(self.schedule) - 1

    def _distance(
        self, points: torch.Tensor, ids: torch.Tensor, step: torch.Tensor
    ) -> torch.Tensor:
        stride = (points.shape[1] - 1) // self.steps
        rows = torch.arange(len(ids))
        start, end = points[rows, step * stride], points[rows, (step + 1) * stride]
        time = torch.tensor(self.schedule)[step]
        found = sd3.velocity(self.student, start, time, *self.teaching.text(ids))
        return functional.mse_loss(start - found / self.steps, end) * self.steps


class Progress:
    """Progressive distillation: one step does two of an elder's, from noisy scenes."""

    def __init__(
        self,
        teaching: Teaching,
        student: SD3Transformer2DModel,
        steps: int,
        elder: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor],
    ) -> None:
        self.teaching, self.student, self.steps, self.elder = teaching, student, steps, elder

    def loss(self, generator: torch.Generator) -> torch.Tensor:
        """Return the squared distance of where the steps end, for a step by lot."""
        latents, ids = self.teaching.scene(generator)
        step = torch.randint(self.steps, (len(ids),), generator=generator)
        time, half = 1 - step / self.steps, 0.5 / self.steps
        t = time.view(-1, 1, 1, 1)
        start = (1 - t) * latents + t * noise_for(ids, generator)
        with torch.no_grad():
            middle = start - half * self.elder(start, time, ids)
            end = middle - half * self.elder(middle, time - half, ids)
        found = sd3.velocity(self.student, start, time, *self.teaching.text(ids))
        return functional.mse_loss(start - found / self.steps, end) * self.steps


class Matched(nn.Module):
    """Distribution matching: a student, and a proxy that learns the student's own pictures.

    Both learn at once; each loss is blind to the other's weights.
    """

    def __init__(
        self,
        teaching: Teaching,
        student: SD3Transformer2DModel,
        phase: Phase,
        schedule: Sequence[float],
        only: Sequence[int] | None = None,
        proxy: Matrices | None = None,
    ) -> None:
        super().__init__()
        self.student = student
        self.proxy = students.student_of(teaching.guide.transformer)
        if proxy is not None:
            students.set_matrices(self.proxy, proxy)
        self.adversary = Adversary() if phase.adversarial else None
        self.teaching = teaching
        self.phase, self.schedule = phase, tuple(schedule)
        self.only = tuple(range(len(schedule) - 1)) if only is None else tuple(only)

    def loss(self, generator: torch.Generator) -> torch.Tensor:
        """Walk the student from noise, and return its loss at a step by lot plus the proxy's."""
        ids = self.teaching.captions(generator)
        text = self.teaching.text(ids)
        at = self.only[int(torch.randint(len(self.only), (), generator=generator))]
        now, then = self.schedule[at], self.schedule[at + 1]
        with torch.no_grad():
            start = students.walk(
                self.student, noise_for(ids, generator), text, self.schedule[: at + 1]
            )
        found = sd3.velocity(self.student, start, torch.full((len(ids),), now), *text)
        point = start + (then - now) * found
        with torch.no_grad():
            end = students.walk(self.student, point.detach(), text, self.schedule[at + 1 :])
        guess = start - now * found
        if self.phase.lesson == "renoised":
            # DMD2: the student's guess of the picture, with fresh noise of any strength.
            time = _any_time(len(ids), generator)
            moved, seen = guess, _noisy(guess, time, generator)
        else:
            # SD3.5-Flash: the point of the walk as it is; a finished picture at its last time.
            time = torch.full((len(ids),), then or self.schedule[-2])
            moved, seen = point, point if then else _noisy(point, time, generator)
        loss = _towards(moved, self._push(seen, guess, time, ids, text))
        loss = loss + self._proxy_error(end, text, generator)
        if self.adversary is not None:
            loss = loss + self._adversarial(self.adversary, guess, text, generator)
        return loss

    def _push(
        self,
        seen: torch.Tensor,
        guess: torch.Tensor,
        time: torch.Tensor,
        ids: torch.Tensor,
        text: tuple[torch.Tensor, torch.Tensor],
    ) -> torch.Tensor:
        """Return where the teacher would have the student's picture go.

        The difference of the teacher's and the proxy's guesses of the clean picture, divided by the
        student's mean distance from the teacher's (arXiv 2311.18828, eq. 7-8).
        """
        t = time.view(-1, 1, 1, 1)
        with torch.no_grad():
            theirs = seen - t * self.teaching.guide.velocity(seen, time, ids)
            ours = seen - t * sd3.velocity(self.proxy, seen, time, *text)
            size = (guess - theirs).abs().mean(dim=(1, 2, 3), keepdim=True).clamp(min=1e-3)
            return (theirs - ours) / size

    def _proxy_error(
        self, end: torch.Tensor, text: tuple[torch.Tensor, torch.Tensor], generator: torch.Generator
    ) -> torch.Tensor:
        """Return the proxy's error on the student's pictures, at times it is asked about."""
        if self.phase.lesson == "renoised":
            time = _any_time(len(end), generator)
        else:
            inner = torch.tensor(self.schedule[1:-1])
            time = inner[torch.randint(len(inner), (len(end),), generator=generator)]
        noise = torch.randn(end.shape, generator=generator)
        t = time.view(-1, 1, 1, 1)
        found = sd3.velocity(self.proxy, (1 - t) * end + t * noise, time, *text)
        return functional.mse_loss(found, noise - end)

    def _adversarial(
        self,
        adversary: Adversary,
        end: torch.Tensor,
        text: tuple[torch.Tensor, torch.Tensor],
        generator: torch.Generator,
    ) -> torch.Tensor:
        scene, ids = self.teaching.scene(generator)
        pooled = text[1], self.teaching.text(ids)[1]
        student, judge = adversary.losses(end, scene, pooled, generator)
        return self.phase.adversarial * student + judge


def _towards(x: torch.Tensor, push: torch.Tensor) -> torch.Tensor:
    """Return a loss whose gradient at ``x`` is ``-push``, but for the mean over its elements."""
    return 0.5 * functional.mse_loss(x, (x + push).detach())


def _any_time(count: int, generator: torch.Generator) -> torch.Tensor:
    return 0.02 + 0.96 * torch.rand(count, generator=generator)


def _noisy(x: torch.Tensor, time: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    t = time.view(-1, 1, 1, 1)
    return (1 - t) * x + t * torch.randn(x.shape, generator=generator)
