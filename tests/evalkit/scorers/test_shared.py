"""Scorers of one tower load it once and see each picture once."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from evalkit.scorers import shared
from evalkit.scorers.aesthetic import Aesthetic
from evalkit.scorers.clip_conventions import ClipCosine, HesselClipScore
from evalkit.scorers.clip_models import TransformersClip
from evalkit.scorers.clip_score import ClipScore
from evalkit.scorers.pick_score import PickScore

CPU = torch.device("cpu")


def pictures(count: int) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)) for _ in range(count)
    ]


@pytest.fixture
def passes(monkeypatch: Any) -> list[int]:
    """Count the pictures that go through a network, in towers opened anew."""
    counted: list[int] = []
    see = TransformersClip.see

    def counting(self: TransformersClip, pixels: Any) -> Any:
        counted.append(len(pixels))
        return see(self, pixels)

    monkeypatch.setattr(TransformersClip, "see", counting)
    shared.shared_clip.cache_clear()
    return counted


def test_five_scorers_see_each_picture_once(checkpoints: Any, passes: list[int]) -> None:
    images, texts = pictures(5), ["a cat"] * 5
    for kind in (ClipScore, ClipCosine, HesselClipScore, PickScore):
        assert len(kind(checkpoints.clip, device="cpu").score(texts, images)) == 5
    Aesthetic(checkpoints.head, checkpoints.clip, device="cpu").score(texts, images)
    assert sum(passes) == 5


def test_vectors_are_those_of_the_network(checkpoints: Any) -> None:
    plain, kept = TransformersClip(checkpoints.clip, CPU), shared.SharedClip(checkpoints.clip, CPU)
    pixels = np.stack([plain.pixels(i) for i in pictures(4)])
    for order in ([0, 1], [1, 2, 1, 0], [3, 0, 2]):
        assert kept.see(pixels[order]) == pytest.approx(plain.see(pixels[order]), abs=1e-6)


def test_only_so_many_are_kept(checkpoints: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(shared, "MOST", 2)
    clip = shared.SharedClip(checkpoints.clip, CPU)
    pixels = np.stack([clip.pixels(i) for i in pictures(5)])
    assert clip.see(pixels).shape == (5, 16)
    assert len(clip._kept) == 2
    assert clip.see(pixels[::-1]) == pytest.approx(clip.see(pixels)[::-1], abs=1e-6)


def test_other_weights_are_another_tower(checkpoints: Any, tmp_path: Path) -> None:
    shutil.copytree(checkpoints.clip, tmp_path / "clip")
    here, there = ClipScore(checkpoints.clip, device="cpu"), ClipScore(tmp_path / "clip")
    assert here._clip is PickScore(checkpoints.clip, device="cpu")._clip
    assert here._clip is not there._clip
