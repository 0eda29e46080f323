"""Distil the teacher into few-step students, by the paper's method and by its rivals.

A student is the same transformer without guidance, walked along an even schedule. What differs is
how it learns, in phases of a fixed number of optimiser steps:

- ``guide``: each step ends on the teacher's guided path (trajectory guidance, arXiv 2509.21318).
- ``match``: distribution matching. A proxy learns the student's own pictures; where it and the
  teacher disagree about a noisy one, the student is moved. DMD2 (arXiv 2405.14867) adds fresh noise
  to the student's end point (``renoised``); SD3.5-Flash looks at the points of the student's own
  walk, at the times of its schedule (``shared``, arXiv 2509.21318).
- ``split``: ``match`` with two copies, one for the noisier half of the times and one for the
  other, merged at the ratio that a validation suite prefers (arXiv 2509.21318).
- ``progress``: one student's step does two of its elder's, twice over (arXiv 2202.00512), on noisy
  scenes; the first elder is the guided teacher (SDXL-Lightning, arXiv 2402.13929).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import torch
from diffusers import SD3Transformer2DModel
from torch import nn

from evalkit.miniature import sd3, selection, students
from evalkit.miniature.data import WORK
from evalkit.miniature.lessons import Guided, Matched, Matrices, Phase, Progress
from evalkit.miniature.teaching import BATCH, Teaching
from evalkit.miniature.training import Plan, Row, fit, plot
from evalkit.records import digest

CHECKS = 3
"""Batches whose loss is the curve's validation."""
SPLIT_AVERAGE = 0.99
"""Decay of the branches' moving average (arXiv 2509.21318)."""
SHARES = (0.0, 0.3, 0.5, 0.7, 1.0)
"""Shares of the branch for clean times that are tried at the merge; the paper has 3:7."""
BOUNDARY = 0.5
"""The time at which the two branches part."""


@dataclass(frozen=True)
class Student:
    """A student: its number of steps and how it learns."""

    steps: int
    phases: tuple[Phase, ...]


GUIDE = Phase("guide", 500, 4e-4)
MATCH = Phase("renoised", 500, 1e-4)
SHARED = Phase("shared", 300, 1e-4)
SPLIT = Phase("split", 200, 1e-4)
STUDENTS: Mapping[str, Student] = MappingProxyType(
    {
        "tg-4": Student(4, (GUIDE, replace(GUIDE, rate=2e-4))),
        "dmd2-4": Student(4, (GUIDE, MATCH)),
        "lightning-4": Student(
            4, (Phase("progress", 500, 3e-4, start=8), Phase("progress", 500, 3e-4))
        ),
        "shared-4": Student(4, (GUIDE, replace(SHARED, steps=500))),
        "flash-4": Student(4, (GUIDE, SHARED, SPLIT)),
        "flash-4-gan": Student(4, (GUIDE, replace(SHARED, adversarial=0.05), SPLIT)),
        "flash-2": Student(2, (GUIDE, SHARED, SPLIT)),
        "tg-1": Student(1, (GUIDE, replace(GUIDE, rate=2e-4))),
    }
)
"""Every student has a thousand optimiser steps of ``BATCH`` captions."""


def train(
    name: str,
    teacher: Path,
    out: Path,
    seed: int = 0,
    *,
    work: Path = WORK,
    short: bool = False,
) -> None:
    """Train a student of ``STUDENTS`` and save it to ``out`` as a LoRA over the teacher.

    What earlier phases came to is kept in ``work``, and shared by students that begin alike.
    ``short`` rehearses each phase in a few steps.
    """
    torch.manual_seed(seed)
    recipe = STUDENTS[name]
    phases = [replace(p, steps=max(2, p.steps // 100)) if short else p for p in recipe.phases]
    course = _Course(Teaching(teacher, work, short=short), recipe.steps, seed)
    found = course.follow(phases)
    factors, held = students.low_rank(course.teaching.guide.transformer, found.student)
    students.save_lora(out, factors)
    facts = {
        "student": name,
        "steps": recipe.steps,
        "seed": seed,
        "batch": BATCH,
        "phases": [vars(p) for p in phases],
        "rank": students.RANK,
        "share of the squared difference that the LoRA holds": round(held, 4),
        "merge": found.merge,
        "curves": found.curves,
    }
    (out / "training.json").write_text(json.dumps(facts, indent=1) + "\n")
    plot(out / "curve.png", name, [r for c in found.curves.values() for r in c])


@dataclass
class _Found:
    """What a course has come to."""

    student: Matrices
    proxy: Matrices | None
    curves: dict[str, list[Row]]
    merge: dict[str, float] | None = None


class _Course:
    """One student's phases, each kept when it ends."""

    def __init__(self, teaching: Teaching, steps: int, seed: int) -> None:
        self.teaching, self.steps, self.seed = teaching, steps, seed
        self.schedule = students.times(steps)

    def follow(self, phases: Sequence[Phase]) -> _Found:
        """Go through the phases, from what was kept of the longest beginning."""
        found = _Found(students.matrices(self.teaching.guide.transformer), None, {})
        for i, phase in enumerate(phases):
            path = self._path(phases[: i + 1])
            if path.with_suffix(".json").exists():
                found = _read(path)
                continue
            plan = Plan(
                path.stem, 0, self.seed, phase.steps, self.teaching.work, rate=phase.rate,
                warm_up=20, weight_decay=0.0, average=0.99, pace={"proxy": 2.0, "adversary": 2.0},
            )  # fmt: skip
            found = self._phase(phase, plan, found)
            _keep(path, found)
            for used in plan.checkpoint.parent.glob(f"{path.stem}*"):
                used.unlink()
        return found

    def _path(self, phases: Sequence[Phase]) -> Path:
        """Return where what these phases come to is kept, named by all that decides it."""
        facts = [self.teaching.name, self.steps, self.seed, BATCH, [vars(p) for p in phases]]
        lessons = "-".join(p.lesson for p in phases)
        name = f"{self.steps}-{lessons}-{digest(facts)[:12]}.safetensors"
        return self.teaching.work / "students" / name

    def _phase(self, phase: Phase, plan: Plan, before: _Found) -> _Found:
        if phase.lesson == "split":
            return self._split(phase, plan, before)
        student = students.student_of(self.teaching.guide.transformer)
        students.set_matrices(student, before.student)
        if phase.lesson == "guide":
            curve = self._fit(student, Guided(self.teaching, student, self.steps), plan)
        elif phase.lesson == "progress":
            curve = self._fit(student, self._progress(phase, student, before), plan)
        else:
            model = Matched(self.teaching, student, phase, self.schedule, proxy=before.proxy)
            curve = self._fit(model, model, plan)
            return self._next(before, plan.part, student, model.proxy, curve)
        return self._next(before, plan.part, student, None, curve)

    def _next(
        self,
        before: _Found,
        part: str,
        student: SD3Transformer2DModel,
        proxy: SD3Transformer2DModel | None,
        curve: list[Row],
    ) -> _Found:
        kept = None if proxy is None else students.matrices(proxy)
        return _Found(students.matrices(student), kept, {**before.curves, part: curve})

    def _progress(self, phase: Phase, student: SD3Transformer2DModel, before: _Found) -> Progress:
        if phase.start:
            return Progress(self.teaching, student, phase.start, self.teaching.guide.velocity)
        elder = students.student_of(self.teaching.guide.transformer)
        students.set_matrices(elder, before.student)

        def velocity(x: torch.Tensor, time: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
            return sd3.velocity(elder, x, time, *self.teaching.text(ids))

        return Progress(self.teaching, student, self.steps, velocity)

    def _split(self, phase: Phase, plan: Plan, before: _Found) -> _Found:
        """Train a copy on each half of the times; merge them as a validation suite prefers."""
        shared = replace(phase, lesson="shared")
        times = list(enumerate(self.schedule[:-1]))
        halves = {
            "noisy": [i for i, t in times if t > BOUNDARY],
            "clean": [i for i, t in times if t <= BOUNDARY],
        }
        curves, branches = dict(before.curves), {}
        for half, only in halves.items():
            student = students.student_of(self.teaching.guide.transformer)
            students.set_matrices(student, before.student)
            model = Matched(self.teaching, student, shared, self.schedule, only, proxy=before.proxy)
            part = f"{plan.part}-{half}"
            halved = replace(plan, part=part, steps=phase.steps // 2, average=SPLIT_AVERAGE)
            curves[part] = self._fit(model, model, halved)
            branches[half] = students.matrices(student)
        scores = self._try(branches)
        share = max(scores, key=lambda s: scores[s])
        merged = students.merge(branches["clean"], branches["noisy"], share)
        return _Found(merged, None, curves, {f"{s:g}": v for s, v in scores.items()})

    def _try(self, branches: Mapping[str, Matrices]) -> dict[float, float]:
        """Return the validation suite's GenEval for every share of the clean branch."""
        suite, scores = selection.prompts(1 if self.teaching.short else selection.EACH), {}
        model = students.student_of(self.teaching.guide.transformer).eval()
        for share in SHARES:
            merged = students.merge(branches["clean"], branches["noisy"], share)
            students.set_matrices(model, merged)
            self.teaching.attention.stand_for(1)
            images = selection.pictures(model, self.teaching.guide.texts, suite, self.schedule)
            scores[share] = round(selection.geneval(suite, images), 4)
        return scores

    def _fit(self, model: nn.Module, lesson: Guided | Progress | Matched, plan: Plan) -> list[Row]:
        check = torch.Generator()

        def validate() -> Mapping[str, float]:
            check.manual_seed(99)
            return {"validation": sum(float(lesson.loss(check)) for _ in range(CHECKS)) / CHECKS}

        return fit(model, lesson.loss, validate, plan)


def _keep(path: Path, found: _Found) -> None:
    kept = {f"student.{n}": m for n, m in found.student.items()}
    kept |= {f"proxy.{n}": m for n, m in (found.proxy or {}).items()}
    students.keep_matrices(path, kept)
    path.with_suffix(".json").write_text(json.dumps({"curves": found.curves, "merge": found.merge}))


def _read(path: Path) -> _Found:
    kept = students.read_matrices(path)
    facts = json.loads(path.with_suffix(".json").read_text())

    def part(prefix: str) -> Matrices:
        return {n.removeprefix(prefix): m for n, m in kept.items() if n.startswith(prefix)}

    return _Found(part("student."), part("proxy.") or None, facts["curves"], facts["merge"])
