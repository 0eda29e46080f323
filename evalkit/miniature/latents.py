"""What the miniature's diffusion models learn from: scenes as latents, with their captions."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evalkit.miniature import vae
from evalkit.miniature.captions import describe
from evalkit.miniature.data import WORK
from evalkit.miniature.rendering import Rendered, Scene, render
from evalkit.miniature.samples import drawn
from evalkit.miniature.scenes import CLASSES, COLORS, TASKS, Pairs, random_requirements, sample
from evalkit.records import Clause, Requirements
from evalkit.weights import MINIATURE_ROOT, content_digest

CAPTIONS = 4
"""True sentences kept for every scene."""
GRID = 8
"""Cells along a side of which it is known what lies there: the transformer's patches."""
TASK_WEIGHTS = (0.08, 0.13, 0.2, 0.2, 0.16, 0.23)
"""How often scenes for each of GenEval's tasks are drawn."""
SIMPLE_COLORS = ("red", "green", "blue")
_SHARE = 0.3
"""An object must fill so much of a cell to own it."""


@dataclass(frozen=True)
class Latents:
    """Scenes: normalised latents, captions, and whose each cell is.

    ``latents`` [n, 8, 16, 16]; ``texts`` [n, CAPTIONS] bytes; ``cells`` [n, 64, 2] hold the class
    and the colour, counted from 1; 0 is the backdrop.
    """

    latents: npt.NDArray[np.float16]
    texts: npt.NDArray[np.bytes_]
    cells: npt.NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.latents)


def draw(seed: str, count: int, pairs: Pairs, _vae: float) -> Latents:
    """Draw ``count`` scenes that fulfil prompts of all tasks, and encode them."""
    rng = random.Random(seed)
    tags = rng.choices(TASKS, TASK_WEIGHTS, k=count)
    wanted = [random_requirements(t, rng, pairs=pairs) for t in tags]
    return _encoded([sample(w, rng, pairs=pairs) for w in wanted], rng)


def draw_simple(seed: str, count: int, pairs: Pairs, _vae: float) -> Latents:
    """Draw ``count`` scenes of one object in one of three colours: enough for a rehearsal."""
    rng = random.Random(seed)
    chosen = [
        Clause.model_validate({"class": c, "count": 1, "color": rng.choice(SIMPLE_COLORS)})
        for c in rng.choices(CLASSES, k=count)
    ]
    wanted = [Requirements(tag="colors", include=(c,)) for c in chosen]
    return _encoded([sample(w, rng, pairs=pairs) for w in wanted], rng)


def _encoded(found: Sequence[Scene], rng: random.Random) -> Latents:
    pictures = [render(scene, vae.SIDE) for scene in found]
    latents = vae.encode(np.stack([np.asarray(p.image) for p in pictures]))
    texts = [[describe(s, rng).encode() for _ in range(CAPTIONS)] for s in found]
    return Latents(
        latents.half().numpy(),
        np.array(texts, dtype="S100"),
        np.stack([_cells(p) for p in pictures]),
    )


def _cells(picture: Rendered) -> npt.NDArray[np.int8]:
    side = picture.masks.shape[-1] // GRID
    filled = (
        picture.masks.reshape(-1, GRID, side, GRID, side).mean(axis=(2, 4)).reshape(-1, GRID**2)
    )
    owner, share = filled.argmax(axis=0), filled.max(axis=0)
    kinds = [(CLASSES.index(o.class_name) + 1, COLORS.index(o.color) + 1) for o in picture.objects]
    cells: npt.NDArray[np.int8] = np.array(kinds, dtype=np.int8)[owner]
    cells[share < _SHARE] = 0
    return cells


def scenes(
    count: int,
    *,
    work: Path = WORK,
    workers: int = 1,
    purpose: str = "latents",
    simple: bool = False,
) -> Latents:
    """Return ``count`` training scenes, drawn once and kept; other purposes are other scenes."""
    folder = work / f"latents-{content_digest(MINIATURE_ROOT / 'vae')[-12:]}"
    name = f"{purpose}-simple" if simple else purpose
    return drawn(draw_simple if simple else draw, name, count, folder, workers=workers)
