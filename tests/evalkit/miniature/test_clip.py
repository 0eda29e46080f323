import random
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from evalkit.miniature import clip, clip_accuracy, samples
from evalkit.miniature.rendering import Scene, SceneObject, render
from evalkit.registry import scorer
from evalkit.weights import MINIATURE_ROOT

WEIGHTS = MINIATURE_ROOT / "clip"


@pytest.fixture(scope="module")
def rows():
    found = clip_accuracy.evaluate(WEIGHTS, count=40, seed=1)
    return {(r.condition, r.measure): r for r in found}


def test_the_shipped_files_load_as_the_hubs_do():
    from transformers import AutoTokenizer, CLIPImageProcessor, CLIPModel

    model, report = CLIPModel.from_pretrained(WEIGHTS, output_loading_info=True)
    assert not any(report.values())
    assert model.dtype == torch.float32
    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS)
    assert tokenizer.get_vocab() == clip.clip_tokenizer().get_vocab()
    processor = CLIPImageProcessor.from_pretrained(WEIGHTS)
    shown = processor(Image.new("RGB", (100, 80)), return_tensors="pt")["pixel_values"]
    assert shown.shape == (1, 3, 64, 64)
    assert sum(f.stat().st_size for f in WEIGHTS.iterdir()) < 6_000_000


def test_red_is_not_blue_to_the_clip_score():
    judge = scorer("clip-score", weights="miniature")
    prompts, pictures = ["a photo of a red apple", "a photo of a blue apple"], []
    for color in ("red", "blue"):
        scene = Scene((SceneObject("apple", color, 0.5, 0.5, 0.6),))
        pictures.append(render(scene, 128).image)
    red, blue = ([v.value for v in judge.score(prompts, [picture] * 2)] for picture in pictures)
    assert red[0] > red[1]
    assert blue[1] > blue[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("condition", "measure", "least"),
    [
        ("clean", "colour of a cut-out named, of 10", 0.95),
        ("through the VAE", "colour of a cut-out named, of 10", 0.85),
        ("clean", "object of a cut-out named, of 18", 0.9),
        ("clean", "near miss told: color_attr", 0.75),
        ("clean", "near miss told: position", 0.7),
        ("clean", "near miss told: counting", 0.8),
        ("clean", "own caption found, of 100", 0.75),
    ],
)
def test_held_out_scenes_are_judged_well(rows, condition, measure, least):
    share = rows[condition, measure].share
    assert share is not None
    assert share >= least


@pytest.mark.slow
def test_measures_cover_new_pairs(rows):
    conditions = {condition for condition, _ in rows}
    assert conditions == set(clip_accuracy.CONDITIONS)
    assert all(r.total for r in rows.values())


@pytest.fixture(scope="module")
def drawn():
    return samples.draw("test", 60)


@pytest.mark.slow
def test_a_short_training_lowers_the_loss(drawn):
    torch.manual_seed(0)
    tokenizer = clip.clip_tokenizer()
    pupil, weights = clip.Pupil(clip.build(tokenizer)), clip.chances(drawn)
    optimiser = torch.optim.AdamW(pupil.parameters(), lr=1e-3)
    losses = []
    for step in range(12):
        g = torch.Generator().manual_seed(step)
        loss = clip.loss(pupil, clip.batch(drawn, tokenizer, weights, g), g)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-3:]) < 0.9 * np.mean(losses[:3])


def test_training_saves_what_the_adapter_reads(drawn, tmp_path, monkeypatch):
    monkeypatch.setattr(clip, "drawn", lambda *_: drawn)
    monkeypatch.setattr(clip, "BATCH", 4)
    clip.train(tmp_path / "out", 1, 3, steps=2, work=tmp_path / "work")
    shutil.rmtree(tmp_path / "work")
    verdict = scorer("clip-score", weights=tmp_path / "out").score(
        ["a photo of a red apple"], [Image.new("RGB", (70, 50), "red")]
    )[0]
    assert verdict.value is not None
    assert -100 <= verdict.value <= 100
    assert {"training.json", "curve.png"} <= {p.name for p in (tmp_path / "out").iterdir()}


def test_a_true_near_miss_is_not_held_against_the_picture():
    rng = random.Random(0)
    scene = Scene(
        (SceneObject("apple", "red", 0.3, 0.3, 0.3), SceneObject("cup", "blue", 0.7, 0.7, 0.3))
    )
    found = clip.facts.of_scene(scene)
    said = [samples.say(scene, rng)[0] for _ in range(4)]
    claims = np.array([s.facts.holds for s in said] * 2)
    holds, known = np.array([found.holds] * 4), np.array([found.known] * 4)
    excused = clip._excused(claims, holds, known)
    assert not excused[np.arange(4), np.arange(4)].any()
    assert excused[np.arange(4), np.arange(4) + 4].all()
