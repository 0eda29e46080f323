"""The detector's training examples: pictures at its input size, and which pixel is whose."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm import trange

from evalkit.miniature.data import WORK, Pixels, Split, cached, lot, mixed
from evalkit.miniature.faults import blur, noise
from evalkit.miniature.scenes import CLASSES, VERSION, Pairs, Rendered, Scene, render

SIDE = 96
MOST = 6
"""Objects in a training scene: more than a prompt asks for, since models draw more than that."""
_SIDES = (64, 64, 64, 96, 128, 128, 192, 256)
_CHUNK = 500
_RECODED, _DAMAGED, _EMPTY = 0.28, 0.12, 0.03


def scene_at(split: Split, index: int, *, pairs: Pairs = "train") -> Scene:
    """Return an example's scene; now and then one with nothing in it."""
    scene = mixed(split, index, pairs=pairs, purpose="detector", most=MOST)
    empty = lot(split, index, "empty").random() < _EMPTY
    return Scene((), scene.backdrop) if empty else scene


def labels(split: Split, count: int) -> npt.NDArray[np.int64]:
    """Return the classes of each example's objects, [count, MOST], -1 where there is none."""
    table = np.full((count, MOST), -1, dtype=np.int64)
    for i in range(count):
        for k, item in enumerate(scene_at(split, i).objects):
            table[i, k] = CLASSES.index(item.class_name)
    return table


def examples(split: Split, count: int, *, work: Path = WORK) -> Pixels:
    """Return [count, SIDE, SIDE, 4]: the picture, and the number of the object seen there (or 0).

    Pictures are drawn at several sides and resized as GenEval's pipeline does; a part of them
    goes through the autoencoder first, or is blurred or noisy.
    """
    path = work / "data" / f"annotated-{split}-{count}-v{VERSION}.npy"
    return cached(path, lambda: _make(split, count))


def _make(split: Split, count: int) -> Pixels:
    table = np.empty((count, SIDE, SIDE, 4), dtype=np.uint8)
    for start in trange(0, count, _CHUNK, desc="drawing examples", mininterval=20):
        numbers = range(start, min(count, start + _CHUNK))
        table[start : numbers.stop] = _chunk(split, numbers)
    return table


def _chunk(split: Split, numbers: range) -> Pixels:
    pictures: list[Image.Image] = []
    owners: list[Image.Image] = []
    recoded: list[int] = []
    for place, index in enumerate(numbers):
        rng = lot(split, index, "view")
        through_vae = rng.random() < _RECODED
        drawn = render(scene_at(split, index), 64 if through_vae else rng.choice(_SIDES))
        pictures.append(drawn.image if through_vae else _damaged(drawn.image, rng))
        owners.append(owner(drawn).resize((SIDE, SIDE), Image.Resampling.NEAREST))
        recoded += [place] if through_vae else []
    _recode(pictures, recoded, numbers.start)
    resized = [np.asarray(p.resize((SIDE, SIDE), Image.Resampling.BILINEAR)) for p in pictures]
    return np.concatenate(
        [np.stack(resized), np.stack([np.asarray(o) for o in owners])[..., None]], 3
    )


def owner(drawn: Rendered) -> Image.Image:
    """Return a picture of object numbers: 0 for the backdrop, 1 for the first object, ..."""
    numbers = np.arange(1, len(drawn.objects) + 1, dtype=np.uint8)[:, None, None]
    return Image.fromarray((drawn.masks * numbers).sum(axis=0).astype(np.uint8))


def _damaged(image: Image.Image, rng: random.Random) -> Image.Image:
    chance, strength, grain = rng.random(), rng.uniform(0.1, 0.6), rng.randrange(2**31)
    if chance < _DAMAGED / 2:
        return blur(image, strength)
    return noise(image, strength, grain) if chance < _DAMAGED else image


def _recode(pictures: list[Image.Image], which: list[int], seed: int) -> None:
    """Send some pictures through the autoencoder, half of them with unclean latents."""
    from evalkit.miniature.vae import round_trip

    for part, jitter in ((which[::2], 0.0), (which[1::4], 0.15), (which[3::4], 0.3)):
        if part:
            pixels = np.stack([np.asarray(pictures[i]) for i in part])
            for i, y in zip(part, round_trip(pixels, jitter=jitter, seed=seed), strict=True):
                pictures[i] = Image.fromarray(y)
