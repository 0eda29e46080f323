"""Pictures as the judges get them: whole, or one object cut out as for GenEval's colours."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from evalkit.miniature.faults import blur, noise
from evalkit.miniature.rendering import Rendered
from evalkit.miniature.scenes import CLASSES
from evalkit.scorers.pictures import square

SIDE = 64
"""Pixels a side of what the small CLIP and the small ImageReward read."""
PATCH = 8
GRID = SIDE // PATCH
RENDER_SIDES = (64, 64, 96, 128, 192, 256)
"""Pictures come in many sizes; the judges' own resizing brings them to ``SIDE``."""
BACKGROUND = (153, 153, 153)
"""GenEval's #999999 behind a cut-out object."""

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int8]


def pixels(image: Image.Image) -> Pixels:
    """Resize and crop as the adapters do: uint8 (3, SIDE, SIDE)."""
    return np.asarray(square(image, SIDE)).transpose(2, 0, 1)


def cut_out(image: Image.Image, mask: npt.NDArray[np.bool_]) -> Image.Image:
    """Put an object on plain grey and crop to its box, not squared, as GenEval does."""
    shape = Image.fromarray(mask)
    plain = Image.new("RGB", image.size, BACKGROUND)
    plain.paste(image, mask=shape.convert("L"))
    return plain.crop(shape.getbbox())


def owners(masks: npt.NDArray[np.bool_]) -> Labels:
    """Say whose each patch is: (GRID * GRID,) indices into ``masks``, -1 where a patch is nobody's.

    ``masks`` is [objects, side, side], side a multiple of GRID; a patch belongs to the object that
    covers most of it, if that is a quarter or more.
    """
    cell = masks.shape[-1] // GRID
    share = masks.reshape(len(masks), GRID, cell, GRID, cell).mean(axis=(2, 4))
    best = share.argmax(axis=0)
    return np.where(share.max(axis=0) >= 0.25, best, -1).astype(np.int8).ravel()


def class_map(picture: Rendered) -> Labels:
    """Say which class each patch shows: (GRID * GRID,) indices of classes, -1 for none."""
    names = [CLASSES.index(o.class_name) for o in picture.objects]
    return np.array([*names, -1], np.int8)[owners(picture.masks)]


def crop_owners(mask: npt.NDArray[np.bool_]) -> Labels:
    """Do the same for a cut-out: 0 where its one object is, -1 elsewhere."""
    shape = Image.fromarray(mask).convert("RGB")
    seen = pixels(shape.crop(shape.getbbox()))[:1] > 127
    return owners(seen)


def damaged(image: Image.Image, rng: random.Random) -> Image.Image:
    """Blur or grain a picture a little: less than what makes it hard to recognise."""
    if rng.random() < 0.5:
        return blur(image, rng.uniform(0.1, 0.6))
    return noise(image, rng.uniform(0.1, 0.5), rng.getrandbits(32))


def decoded(
    images: Sequence[Image.Image], rng: random.Random, jitter: float = 0.0
) -> list[Image.Image]:
    """Send 64-pixel pictures through the VAE; ``jitter`` disturbs the latents as a model would."""
    if not images:
        return []
    from evalkit.miniature.vae import round_trip

    arrays = np.stack([np.asarray(i) for i in images])
    done = round_trip(arrays, jitter=jitter, seed=rng.getrandbits(31))
    return [Image.fromarray(a) for a in done]


def usable(rendered: Rendered) -> Sequence[int]:
    """Return the objects that show enough to be cut out: 20 pixels of a 64-pixel picture."""
    least = 20 * (rendered.image.width / 64) ** 2
    return [i for i, mask in enumerate(rendered.masks) if mask.sum() >= least]
