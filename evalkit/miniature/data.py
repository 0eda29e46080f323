"""Training scenes by number: the same number is the same scene, and no two parts share one."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from evalkit.miniature.scenes import (
    TASKS,
    VERSION,
    Pairs,
    Scene,
    random_requirements,
    render,
    sample,
    sample_free,
)
from evalkit.records import Requirements

Split = Literal["train", "validation", "test"]
Pixels = npt.NDArray[np.uint8]
Kind = TypeVar("Kind", bound=np.generic)
WORK = Path("results/training")
"""Where data sets, checkpoints and logs are kept; not under version control."""


def lot(split: Split, index: int, purpose: str) -> random.Random:
    """Return the random numbers of one training example, on any machine the same."""
    return random.Random(f"{purpose}/{split}/{index}")


def prompted(
    split: Split, index: int, *, pairs: Pairs = "train", purpose: str = "prompted"
) -> tuple[Requirements, Scene]:
    """Return a prompt of the six tasks in turn, and a scene that fulfils it."""
    rng = lot(split, index, purpose)
    requirements = random_requirements(TASKS[index % len(TASKS)], rng, pairs=pairs)
    return requirements, sample(requirements, rng, pairs=pairs)


def mixed(
    split: Split, index: int, *, pairs: Pairs = "train", purpose: str = "mixed", most: int = 4
) -> Scene:
    """Return a scene: for a prompt when ``index`` is even, else of a free layout."""
    if index % 2 == 0:
        return prompted(split, index // 2, pairs=pairs, purpose=purpose)[1]
    return sample_free(lot(split, index, f"{purpose}-free"), pairs=pairs, most=most)


def pictures(split: Split, count: int, side: int, *, work: Path = WORK) -> Pixels:
    """Return pictures of mixed scenes, [count, side, side, 3]; drawn once, then cached."""
    return cached(
        work / "data" / f"pictures-{split}-{count}-{side}px-v{VERSION}.npy",
        lambda: drawn([mixed(split, i) for i in range(count)], side),
    )


def drawn(scenes: list[Scene], side: int) -> Pixels:
    """Draw scenes into one array."""
    pixels = np.empty((len(scenes), side, side, 3), dtype=np.uint8)
    for i, scene in enumerate(tqdm(scenes, desc="drawing", leave=False, disable=len(scenes) < 500)):
        pixels[i] = np.asarray(render(scene, side).image)
    return pixels


def cached(path: Path, make: Callable[[], npt.NDArray[Kind]]) -> npt.NDArray[Kind]:
    """Return the array kept at ``path``, mapped into memory; make and keep it first if need be."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        with part.open("wb") as stream:
            np.save(stream, make())
        part.replace(path)
    array: npt.NDArray[Kind] = np.load(path, mmap_mode="r")
    return array
