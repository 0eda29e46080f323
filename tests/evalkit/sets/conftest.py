"""Inception with random weights in the layout of the real file, and eyes that cost nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evalkit.records import WeightsInfo
from tests.evalkit.sets.layout import random_inception


@pytest.fixture(scope="session")
def inception_file(tmp_path_factory) -> Path:
    return random_inception(tmp_path_factory.mktemp("inception") / "random.pth")


class Eye:
    """See nine thumbnails' pixels, or their signs: enough to tell sets apart."""

    def __init__(self, name: str, resize: str = "clean") -> None:
        self.info = WeightsInfo(id=name, digest=f"sha256:{name}")
        self.resize, self.seen = resize, 0

    def see(self, images):
        self.seen += len(images)
        small = [np.asarray(i.resize((2, 2), Image.Resampling.BOX), np.float32) for i in images]
        flat = np.stack([s.ravel() / 255 for s in small]).astype(np.float32)
        return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)  # black is 0


@pytest.fixture
def eyes():
    return {"inception": Eye("inception"), "clip": Eye("clip")}


@pytest.fixture
def photographs(tmp_path) -> Path:
    folder = tmp_path / "photographs"
    (folder / "more").mkdir(parents=True)
    rng = np.random.default_rng(5)
    for i in range(12):
        pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / ("more" if i % 2 else ".") / f"{i}.png")
    return folder
