"""The validation suite on which a student's settings are chosen.

It shares no prompt with the suite that is reported on, but for single objects, of which there are
no others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence, Set
from statistics import fmean

import torch
from diffusers import SD3Transformer2DModel
from PIL import Image

from evalkit import prompts as suites
from evalkit.miniature import sd3, students, vae
from evalkit.miniature.data import lot
from evalkit.miniature.scenes import TASKS, random_requirements, text_for
from evalkit.records import Prompt, Requirements
from evalkit.scorers.geneval import GenEval

EACH = 40
"""Prompts of each of GenEval's tasks."""


def prompts(each: int = EACH) -> list[Prompt]:
    """Return the validation suite: ``each`` prompts of every task."""
    reported = {p.text for p in suites.load("miniature").prompts}
    wanted = [_unlike(reported, TASKS[i % len(TASKS)], i) for i in range(each * len(TASKS))]
    return [
        Prompt(id=f"{i:05}", suite="selection", text=text_for(w), category=w.tag, requirements=w)
        for i, w in enumerate(wanted)
    ]


def _unlike(reported: Set[str], task: str, index: int) -> Requirements:
    """Draw a prompt that is not reported on; of single objects there are no others."""
    rng = lot("validation", index, "selection")
    while True:
        wanted = random_requirements(task, rng, pairs="train")
        if task == "single_object" or text_for(wanted) not in reported:
            return wanted


def pictures(
    model: SD3Transformer2DModel,
    texts: sd3.Texts,
    suite: Sequence[Prompt],
    schedule: Sequence[float],
    *,
    seed: int = 0,
) -> list[Image.Image]:
    """Draw the suite with a student, its noise depending on the seed and the place in the suite."""
    ids = texts.ids([p.text for p in suite])
    noise = torch.randn(
        len(suite), sd3.CHANNELS, sd3.SIDE, sd3.SIDE, generator=torch.Generator().manual_seed(seed)
    )
    with torch.no_grad():
        latents = [
            students.walk(model, n, texts(i), schedule)
            for n, i in zip(torch.split(noise, 50), torch.split(ids, 50), strict=True)
        ]
    return [Image.fromarray(p) for p in vae.decode(torch.cat(latents))]


def geneval(suite: Sequence[Prompt], images: Sequence[Image.Image]) -> float:
    """Return the mean of the tasks' means, by the miniature's own detector and colours."""
    verdicts = GenEval("miniature", batch_size=16).score(suite, images)
    tasks: dict[str, list[float]] = defaultdict(list)
    for prompt, verdict in zip(suite, verdicts, strict=True):
        tasks[prompt.category].append(verdict.value or 0.0)
    return fmean(fmean(values) for values in tasks.values())
