"""How well the detector sees scenes that it was never trained on, through the GenEval adapter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from evalkit.miniature.data import lot, prompted
from evalkit.miniature.faults import FAULTS, blur, noise
from evalkit.miniature.matching import LIKELY, Comparison, Mask, compare, overlap
from evalkit.miniature.rows import Row, row
from evalkit.miniature.scenes import Pairs, Rendered, Scene, render, sample_free
from evalkit.records import Requirements
from evalkit.scorers.detection import Detection, Found
from evalkit.scorers.geneval_rules import judge
from evalkit.weights import MINIATURE_ROOT

if TYPE_CHECKING:
    from evalkit.scorers.mask2former import Mask2Former

JUDGE = "detector"
View = Callable[[Sequence[Scene]], tuple[list[Image.Image], list[Rendered]]]
"""Draws scenes: the pictures as shown to the judge, and what they truly show at the same side."""


def clean(scenes: Sequence[Scene]) -> tuple[list[Image.Image], list[Rendered]]:
    """Draw at 256 px."""
    drawn = [render(s, 256) for s in scenes]
    return [d.image for d in drawn], drawn


def recoded(scenes: Sequence[Scene]) -> tuple[list[Image.Image], list[Rendered]]:
    """Draw at 64 px and send the pictures through the autoencoder."""
    from evalkit.miniature.vae import SIDE, round_trip

    drawn = [render(s, SIDE) for s in scenes]
    pixels = round_trip(np.stack([np.asarray(d.image) for d in drawn]))
    return [Image.fromarray(p) for p in pixels], drawn


def blurred(scenes: Sequence[Scene]) -> tuple[list[Image.Image], list[Rendered]]:
    """Draw at 256 px and blur at strength 0.4."""
    images, drawn = clean(scenes)
    return [blur(i, 0.4) for i in images], drawn


def noisy(scenes: Sequence[Scene]) -> tuple[list[Image.Image], list[Rendered]]:
    """Draw at 256 px and add grain of strength 0.4."""
    images, drawn = clean(scenes)
    return [noise(image, 0.4, seed) for seed, image in enumerate(images)], drawn


CONDITIONS: tuple[tuple[str, Pairs, View], ...] = (
    ("clean", "train", clean),
    ("through the VAE", "train", recoded),
    ("new pairs", "held-out", clean),
    ("new pairs, through the VAE", "held-out", recoded),
    ("blurred", "train", blurred),
    ("noisy", "train", noisy),
)
"""Scenes are new in all; "new pairs" are colours of objects that training never showed."""


def evaluate(folder: Path = MINIATURE_ROOT / "detector", *, count: int = 400) -> list[Row]:
    """Return the detector's rows, on ``count`` free scenes and ``count`` prompts a condition."""
    detector = load(folder)
    rows = []
    for condition, pairs, view in CONDITIONS:
        free = [sample_free(lot("test", i, f"eval-{pairs}"), pairs=pairs) for i in range(count)]
        asked = [prompted("test", i, pairs=pairs, purpose="eval") for i in range(count)]
        rows += sightings(detector, condition, *view(free))
        rows += verdicts(detector, condition, asked, pairs, view)
    return rows


def load(folder: Path) -> Mask2Former:
    """Load a detector as the GenEval scorer does."""
    import torch

    from evalkit.scorers.mask2former import Mask2Former

    return Mask2Former(folder, device=torch.device("cpu"), floor=LIKELY, batch_size=32)


def _detect(detector: Mask2Former, images: Sequence[Image.Image]) -> list[Found]:
    return [found or {} for found in detector.detect(images)]


def sightings(
    detector: Mask2Former, condition: str, images: Sequence[Image.Image], drawn: Sequence[Rendered]
) -> list[Row]:
    """Compare what is found with what is there, object by object."""
    cases = [_compared(f, d) for f, d in zip(_detect(detector, images), drawn, strict=True)]
    measures: list[tuple[str, Iterable[bool]]] = [
        ("objects found (score > 0.3)", (h for c in cases for h in c.likely_hits)),
        ("objects found (score > 0.9)", (h for c in cases for h in c.hits)),
        ("pictures with nothing extra (> 0.3)", (c.nothing_extra for c in cases)),
        ("pictures with exact counts (> 0.9)", (c.exact for c in cases)),
    ]
    for number in range(1, 5):
        counted = [right for c in cases for right in c.counts.get(number, ())]
        measures.append((f"classes of {number} counted right (> 0.9)", counted))
    return [row(JUDGE, condition, measure, outcomes) for measure, outcomes in measures]


def _compared(found: Found, drawn: Rendered) -> Comparison:
    return compare(found, [o.class_name for o in drawn.objects], list(drawn.masks))


def verdicts(
    detector: Mask2Former,
    condition: str,
    asked: Sequence[tuple[Requirements, Scene]],
    pairs: Pairs,
    view: View,
) -> list[Row]:
    """Judge faithful and faulty pictures by GenEval's rules, the colours taken from the truth."""
    faulty = []
    for i, (requirements, scene) in enumerate(asked):
        rng = lot("test", i, f"faulty-{pairs}")
        broken = [f(scene, requirements, rng, pairs="all") for f in FAULTS.values()]
        faulty.append((requirements, rng.choice([b for b in broken if b is not None])))
    passed, failed = (_judged(detector, part, view) for part in (asked, faulty))
    return [
        row(JUDGE, condition, "faithful pictures pass GenEval, colours given", passed),
        row(
            JUDGE, condition, "faulty pictures fail GenEval, colours given", (not p for p in failed)
        ),
    ]


def _judged(
    detector: Mask2Former, asked: Sequence[tuple[Requirements, Scene]], view: View
) -> list[bool]:
    images, drawn = view([scene for _, scene in asked])
    return [
        judge(requirements, found, _true_colors(true)).correct
        for (requirements, _), found, true in zip(
            asked, _detect(detector, images), drawn, strict=True
        )
    ]


def _true_colors(drawn: Rendered) -> Callable[[str, Sequence[Detection]], list[str]]:
    """Return a colour classifier that looks up the object which a detection overlaps most."""

    def shared(mask: Mask, detection: Detection) -> float:
        return overlap(detection.mask, mask)

    def colour_of(_: str, detections: Sequence[Detection]) -> list[str]:
        best = [
            max(range(len(drawn.objects)), key=lambda k: shared(drawn.masks[k], d))
            for d in detections
        ]
        return [drawn.objects[k].color for k in best]

    return colour_of
