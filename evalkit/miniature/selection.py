"""The validation suite on which a student's settings are chosen; it shares no prompt by design.

Its prompts are drawn from the validation lot, never from the suite that results are reported on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

import torch
from diffusers import SD3Transformer2DModel
from PIL import Image

from evalkit.miniature import sd3, students, vae
from evalkit.miniature.data import lot
from evalkit.miniature.scenes import TASKS, random_requirements, text_for
from evalkit.records import Prompt
from evalkit.scorers.geneval import GenEval

EACH = 40
"""Prompts of each of GenEval's tasks."""


def prompts(each: int = EACH) -> list[Prompt]:
    """Return the validation suite: ``each`` prompts of every task."""
    wanted = [
        random_requirements(TASKS[i % len(TASKS)], lot("validation", i, "selection"), pairs="train")
        for i in range(each * len(TASKS))
    ]
    return [
        Prompt(id=f"{i:05}", suite="selection", text=text_for(w), category=w.tag, requirements=w)
        for i, w in enumerate(wanted)
    ]


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
