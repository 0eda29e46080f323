"""How often the miniature's CLIP is right, on scenes it has not seen and pairs it was never shown.

Everything goes through the adapters that the real CLIP is used by. Weak spots: which of two things
has which colour (about one in six or seven told wrongly), three things or four, and, where a thing
has a colour that it never had in training, what it is: in such pairs a colour is still named, but
two exchanged colours are told wrongly more often than not, for the exchanged pair is a known one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from evalkit.geneval import article
from evalkit.miniature import views
from evalkit.miniature.captions import Sentence, miss
from evalkit.miniature.rendering import Rendered, Scene
from evalkit.miniature.rows import Row, row
from evalkit.miniature.samples import seen
from evalkit.miniature.scenes import (
    CLASSES,
    TASKS,
    Pairs,
    random_requirements,
    sample,
    shows,
    text_for,
)
from evalkit.records import Requirements
from evalkit.scorers.detection import Detection
from evalkit.weights import MINIATURE_ROOT

if TYPE_CHECKING:
    from evalkit.scorers.clip_models import TransformersClip

JUDGE = "CLIP"
GALLERY = 100
"""Captions that a picture's own one is looked for among."""
CONDITIONS: dict[str, tuple[Pairs, float]] = {
    "clean": ("train", 0.0),
    "through the VAE": ("train", 1.0),
    "new pairs": ("held-out", 0.0),
    "new pairs, through the VAE": ("held-out", 1.0),
}
"""Which colour-class pairs are drawn, and the share that goes through the VAE."""
_COLORED = ("colors", "color_attr")


@dataclass(frozen=True)
class Case:
    """A prompt and a picture that fulfils it."""

    requirements: Requirements
    scene: Scene
    picture: Rendered


def evaluate(
    folder: Path = MINIATURE_ROOT / "clip", *, count: int = 600, seed: int = 0
) -> list[Row]:
    """Return rows of shares: objects and colours named, near misses told, captions found.

    ``count`` is the number of scenes for each task and condition.
    """
    import torch

    from evalkit.scorers.clip_models import TransformersClip

    clip = TransformersClip(folder, torch.device("cpu"))
    return [r for name in CONDITIONS for r in _condition(clip, name, count, seed)]


def _condition(clip: TransformersClip, name: str, count: int, seed: int) -> Iterator[Row]:
    pairs, vae = CONDITIONS[name]
    made = partial(row, JUDGE, name)
    cases = {t: cases_of(t, count, f"{name}/{seed}", pairs=pairs, vae=vae) for t in TASKS}
    colored = [c for t in _COLORED for c in cases[t]]
    yield made("colour of a cut-out named, of 10", _colors_named(clip, colored))
    yield made("object of a cut-out named, of 18", _objects_named(clip, colored))
    rng = random.Random(f"{name}/{seed}/misses")
    for task in TASKS:
        yield made(f"near miss told: {task}", _misses_told(clip, cases[task], rng))
    mixed = [c for group in zip(*cases.values(), strict=True) for c in group]
    yield made("own caption found, of 100", _captions_found(clip, mixed))


def cases_of(task: str, count: int, seed: str, *, pairs: Pairs, vae: float) -> list[Case]:
    """Draw test scenes for one task, rendered undamaged but for the VAE."""
    rng = random.Random(f"test/{task}/{seed}")
    wanted = [random_requirements(task, rng, pairs=pairs) for _ in range(count)]
    scenes = [sample(r, rng, pairs=pairs) for r in wanted]
    pictures = seen(scenes, rng, vae=vae, damaged=0.0)
    return [Case(r, s, p) for r, s, p in zip(wanted, scenes, pictures, strict=True)]


def _colors_named(clip: TransformersClip, cases: Sequence[Case]) -> Iterator[bool]:
    from evalkit.scorers.colours import ClipColours

    classifier = ClipColours(clip)
    for case in cases:
        for at in views.usable(case.picture):
            item, p = case.picture.objects[at], case.picture
            found = Detection(p.boxes[at], 1.0, p.masks[at])
            yield classifier.colours(p.image, item.class_name, [found]) == [item.color]


def _objects_named(clip: TransformersClip, cases: Sequence[Case]) -> Iterator[bool]:
    texts = clip.read([f"a photo of {article(c)}" for c in CLASSES])
    for case in cases:
        for at in views.usable(case.picture):
            cut = views.cut_out(case.picture.image, case.picture.masks[at])
            best = int((see(clip, [cut]) @ texts.T).argmax())
            yield CLASSES[best] == case.picture.objects[at].class_name


def _misses_told(
    clip: TransformersClip, cases: Sequence[Case], rng: random.Random
) -> Iterator[bool]:
    """Compare each prompt with one that is wrong in one thing; two colours are exchanged."""
    true = [Sentence(text_for(c.requirements), c.requirements) for c in cases]
    wrong = [_false(s, c.scene, rng) for s, c in zip(true, cases, strict=True)]
    pictures = see(clip, [c.picture.image for c in cases])
    likeness = [(pictures * clip.read([s.text for s in t])).sum(axis=1) for t in (true, wrong)]
    yield from (likeness[0] > likeness[1]).tolist()


def _false(sentence: Sentence, scene: Scene, rng: random.Random) -> Sentence:
    while shows(scene, (found := miss(sentence, rng, pairs="all")).requirements):
        continue
    return found


def _captions_found(clip: TransformersClip, cases: Sequence[Case]) -> Iterator[bool]:
    """Look for each picture's prompt among those of 100; others that are true are left out."""
    for start in range(0, len(cases) - GALLERY + 1, GALLERY):
        group = cases[start : start + GALLERY]
        pictures = see(clip, [c.picture.image for c in group])
        likeness = pictures @ clip.read([text_for(c.requirements) for c in group]).T
        for i, case in enumerate(group):
            others = [
                likeness[i, j]
                for j, other in enumerate(group)
                if not shows(case.scene, other.requirements)
            ]
            yield bool(likeness[i, i] > max(others))


def see(clip: TransformersClip, images: Sequence[Image.Image]) -> Any:
    """Return unit vectors of pictures, prepared as the adapter prepares them."""
    return clip.see(np.stack([clip.pixels(i) for i in images]))
