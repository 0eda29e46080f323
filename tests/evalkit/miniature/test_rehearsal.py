"""What ``--short`` trains learns something: its loss falls, and colours are heeded."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("diffusers")
import torch

from evalkit.miniature import distil, sd3, students, teacher, vae
from evalkit.miniature.scenes import CLASSES
from evalkit.miniature.trajectories import Guide
from evalkit.prompts import article

SOME = CLASSES[::3]


def redness(model, texts, color):
    """Return how much more red than blue the pictures of a colour's prompts are, 0..255."""
    asked = [f"a photo of {article(f'{color} {name}')}" for name in SOME]
    noise = torch.randn(len(asked), 8, 16, 16, generator=torch.Generator().manual_seed(0))
    pixels = vae.decode(Guide(model, texts, 3.0).path(noise, texts.ids(asked))[:, -1])
    return (pixels[..., 0].astype(float) - pixels[..., 2]).mean()


@pytest.mark.timeout(1200)
def test_a_rehearsal_lowers_the_loss_and_learns_a_colour(tmp_path):
    folder, lora = tmp_path / "sd3", tmp_path / "tg-4"
    folder.mkdir()
    lora.mkdir()
    teacher.train(folder, 0, work=tmp_path, short=True)
    errors = [row["error"] for row in json.loads((folder / "training.json").read_text())["curve"]]
    assert errors[-1] < 1.2, "untrained, the error is the variance of noise and picture, 2"
    model, texts = sd3.load(folder)
    assert redness(model, texts, "red") > redness(model, texts, "blue") + 10
    distil.train("tg-4", folder, lora, work=tmp_path, short=True)
    assert (lora / students.LORA).is_file()
