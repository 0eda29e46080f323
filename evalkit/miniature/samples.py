"""What the small CLIP learns from: pictures and cut-outs, true sentences, near misses, facts."""

from __future__ import annotations

import multiprocessing
import os
import random
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm import tqdm

from evalkit.miniature import facts, views
from evalkit.miniature.captions import Sentence, miss, say, word
from evalkit.miniature.facts import Bools
from evalkit.miniature.rendering import Rendered, Scene, render
from evalkit.miniature.scenes import (
    CLASSES,
    TASKS,
    VERSION,
    Pairs,
    random_requirements,
    sample,
    sample_free,
)
from evalkit.miniature.views import Labels, Pixels
from evalkit.records import Clause, Requirements

SENTENCES = 3
"""Sentences, each with its near miss, that are kept for every picture."""
TASK_WEIGHTS = (0.5, 1.0, 1.5, 1.0, 3.0, 2.0)
FREE_SHARE, DAMAGED_SHARE = 0.2, 0.25
CUT_OUTS = 0.7
"""Cut-outs a picture."""
SHARD = 1000


@dataclass(frozen=True)
class Samples:
    """Pictures [n, 3, side, side], what they show, whose each patch is, and sentences about them.

    ``classes`` [n, patches] holds indices of classes, -1 for none. ``texts`` [n, sentences, 2] are
    true sentences and their near misses, as bytes; ``claims`` and ``settled`` their facts.
    """

    pixels: Pixels
    holds: Bools
    known: Bools
    classes: Labels
    texts: npt.NDArray[np.bytes_]
    claims: Bools
    settled: Bools

    def __len__(self) -> int:
        return len(self.pixels)


T = TypeVar("T")


def joined(parts: Sequence[T]) -> T:
    """Put records of arrays end to end."""
    kind: Any = type(parts[0])
    arrays = {f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(kind)}
    return cast(T, kind(**arrays))


def drawn(
    draw: Callable[[str, int, Pairs, float], T],
    purpose: str,
    count: int,
    folder: Path,
    *,
    workers: int = 1,
) -> T:
    """Draw ``count`` scenes' worth in shards, every third through the VAE, and join them.

    Other processes help; each shard is kept in ``folder``, so that a killed run goes on.
    """
    jobs = [
        _Job(folder / f"{purpose}-{i}-v{VERSION}.npz", f"{purpose}/{i}", float(i % 3 == 2))
        for i in range(-(-count // SHARD))
    ]
    missing = [j for j in jobs if not j.path.exists()]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            list(tqdm(pool.map(partial(_draw, draw), missing), total=len(missing), desc=purpose))
    kind = get_type_hints(draw)["return"]
    return joined([cast(T, _read(kind, j.path)) for j in jobs])


@dataclass(frozen=True)
class _Job:
    path: Path
    seed: str
    vae: float


def _draw(draw: Callable[[str, int, Pairs, float], Any], job: _Job) -> None:
    import torch

    torch.set_num_threads(1)
    record = draw(job.seed, SHARD, "train", job.vae)
    part = job.path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as stream:
        np.savez(stream, **{f.name: getattr(record, f.name) for f in fields(record)})
    part.replace(job.path)


def _read(kind: Any, path: Path) -> Any:
    with np.load(path) as arrays:
        return kind(**arrays)


def draw(seed: str, count: int, pairs: Pairs = "train", vae: float = 0.0) -> Samples:
    """Draw ``count`` scenes: each as a whole and, for most, one object cut out.

    ``vae`` is the share of pictures that go through the VAE.
    """
    rng = random.Random(seed)
    scenes = [scene_by_lot(rng, pairs) for _ in range(count)]
    pictures = seen(scenes, rng, vae=vae)
    wholes = [_whole(p, s, rng, pairs) for p, s in zip(pictures, scenes, strict=True)]
    return joined(wholes + [c for p in pictures for c in _cut_outs(p, rng, pairs)])


def scene_by_lot(rng: random.Random, pairs: Pairs) -> Scene:
    """Draw a scene for a prompt, the harder tasks more often, or one of a free layout."""
    if rng.random() < FREE_SHARE:
        return sample_free(rng, pairs=pairs)
    tag = rng.choices(TASKS, TASK_WEIGHTS)[0]
    return sample(random_requirements(tag, rng, pairs=pairs), rng, pairs=pairs)


def seen(
    scenes: Sequence[Scene],
    rng: random.Random,
    *,
    vae: float,
    damaged: float = DAMAGED_SHARE,
) -> list[Rendered]:
    """Render scenes at several sides; send a share through the VAE, damage a share of the rest."""
    pictures = []
    for scene in scenes:
        kind = "vae" if rng.random() < vae else "damaged" if rng.random() < damaged else ""
        side = views.SIDE if kind == "vae" else rng.choice(views.RENDER_SIDES)
        picture = render(scene, side)
        if kind == "damaged":
            picture = replace(picture, image=views.damaged(picture.image, rng))
        pictures.append((picture, kind))
    through = [p.image for p, kind in pictures if kind == "vae"]
    decoded = iter(views.decoded(through, rng))
    return [replace(p, image=next(decoded)) if kind == "vae" else p for p, kind in pictures]


def _whole(picture: Rendered, scene: Scene, rng: random.Random, pairs: Pairs) -> Samples:
    sentences = say(scene, rng, SENTENCES)
    return _sample(
        picture.image,
        scene,
        views.class_map(picture),
        [(s, miss(s, rng, pairs=pairs)) for s in sentences],
    )


def _cut_outs(picture: Rendered, rng: random.Random, pairs: Pairs) -> Iterable[Samples]:
    choices = views.usable(picture)
    if not choices or rng.random() > CUT_OUTS:
        return
    at = rng.choice(choices)
    item, mask = picture.objects[at], picture.masks[at]
    class_ = CLASSES.index(item.class_name)
    owner = np.where(views.crop_owners(mask) == 0, class_, -1).astype(np.int8)
    clause = Clause.model_validate({"class": item.class_name, "count": 1, "color": item.color})
    wanted = Requirements(tag="colors", include=(clause,))
    sentences = [word(wanted, rng) for _ in range(SENTENCES)]
    image = views.cut_out(picture.image, mask)
    yield _sample(image, Scene((item,)), owner, [(s, miss(s, rng, pairs=pairs)) for s in sentences])


def _sample(
    image: Image.Image,
    scene: Scene,
    classes: Labels,
    sentences: Sequence[tuple[Sentence, Sentence]],
) -> Samples:
    """Pack one picture as records of length one."""
    shown = facts.of_scene(scene)
    said = [[s.facts for s in pair] for pair in sentences]
    return Samples(
        pixels=views.pixels(image)[None],
        holds=shown.holds[None],
        known=shown.known[None],
        classes=classes[None],
        texts=np.array([[[s.text.encode() for s in pair] for pair in sentences]], dtype="S80"),
        claims=np.array([[[f.holds for f in pair] for pair in said]]),
        settled=np.array([[[f.known for f in pair] for pair in said]]),
    )
