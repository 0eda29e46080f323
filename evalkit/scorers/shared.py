"""One tower for all scorers that look with it: loaded once, and each picture seen once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from evalkit.scorers.clip_models import TransformersClip

MOST = 100_000
"""Pictures whose vectors are kept, the newest: 300 MB of ViT-L/14's."""


class SharedClip:
    """A ``TransformersClip`` that keeps the vectors of pixels it has seen."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        self._clip = TransformersClip(folder, device)
        self._kept: dict[bytes, NDArray[np.float32]] = {}
        self.size, self.mean, self.std = self._clip.size, self._clip.mean, self._clip.std
        self.max_tokens, self.scale = self._clip.max_tokens, self._clip.scale

    def pixels(self, image: Image.Image) -> NDArray[np.float32]:
        """Prepare an RGB picture."""
        return self._clip.pixels(image)

    def count(self, text: str) -> int:
        """Return how many tokens a text has before it is cut."""
        return self._clip.count(text)

    def read(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return a unit vector per text."""
        return self._clip.read(texts)

    def see(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a unit vector per picture; only those never seen go through the network."""
        keys = [hashlib.sha256(one.tobytes()).digest() for one in pixels]
        new = [i for i, key in enumerate(keys) if key not in self._kept]
        if new:
            seen = self._clip.see(pixels[new])
            found = {keys[i]: vector for i, vector in zip(new, seen, strict=True)}
        else:
            found = {}
        vectors = np.stack([found[k] if k in found else self._kept[k] for k in keys])
        self._kept |= found
        while len(self._kept) > MOST:
            del self._kept[next(iter(self._kept))]
        return vectors


@lru_cache(maxsize=2)
def shared_clip(folder: Path, digest: str | None, device: str) -> SharedClip:
    """Open a tower, or return the one that another scorer has opened of the same weights."""
    del digest  # part of the key alone: a folder whose files were changed is another tower
    return SharedClip(folder, torch.device(device))
