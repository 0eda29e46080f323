import json

import numpy as np
import pytest
import torch
from PIL import Image

from evalkit.miniature import reward, reward_accuracy, reward_learning
from evalkit.miniature.pairs import KINDS, draw
from evalkit.miniature.rendering import Scene, SceneObject, render
from evalkit.registry import scorer
from evalkit.scorers.image_reward import MAX_TOKENS, Tokens, read_state
from evalkit.scorers.reward_net import RewardNet, from_official, to_official
from evalkit.weights import MINIATURE_ROOT

WEIGHTS = MINIATURE_ROOT / "image-reward"


@pytest.fixture(scope="module")
def contests():
    return draw("test", 40)


@pytest.fixture
def untrained(tmp_path):
    torch.manual_seed(0)
    config = reward.med_config(reward.write_bert_vocabulary(tmp_path / "vocab.txt"))
    reader = reward.Reader(Tokens(tmp_path / "vocab.txt", config["vocab_size"], MAX_TOKENS))
    return reward.Pupil(RewardNet(reward.geometry(), config)), reader, config


def test_the_shipped_weights_have_the_official_keys():
    state = read_state(WEIGHTS / "ImageReward.safetensors")
    net = from_official(state, json.loads((WEIGHTS / "med_config.json").read_text()))
    assert state.keys() == to_official(net).keys()
    assert sum(f.stat().st_size for f in WEIGHTS.iterdir()) < 6_000_000


def test_the_apple_that_is_asked_for_is_preferred():
    judge = scorer("image-reward", weights="miniature")
    pictures = [
        render(Scene((SceneObject("apple", color, 0.5, 0.5, 0.6),)), 128).image
        for color in ("red", "blue")
    ]
    for text, better in (("a photo of a red apple", 0), ("a photo of a blue apple", 1)):
        values = [v.value for v in judge.score([text] * 2, pictures)]
        assert int(np.argmax(values)) == better


@pytest.fixture(scope="module")
def rows():
    return {
        (r.condition, r.measure): r for r in reward_accuracy.evaluate(WEIGHTS, count=40, seed=1)
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("condition", "fault", "least"),
    [
        ("clean", "all faults", 0.8),
        ("clean", "wrong_position", 0.7),
        ("clean", "wrong_color", 0.8),
        ("clean", "blur", 0.9),
        ("through the VAE", "all faults", 0.75),
    ],
)
def test_the_faithful_picture_is_mostly_preferred(rows, condition, fault, least):
    share = rows[condition, f"faithful preferred: {fault}"].share
    assert share is not None
    assert share >= least


def test_rewards_can_be_standardised(untrained, contests):
    pupil, reader, _ = untrained
    pupil.eval()
    before = reward.rewards(pupil, contests, reader)
    reward.standardise(pupil, before)
    after = reward.rewards(pupil, contests, reader)
    assert after.mean().item() == pytest.approx(0, abs=1e-3)
    assert after.std().item() == pytest.approx(1, abs=1e-3)
    expected = (before - before.mean()) / before.std()
    assert torch.allclose(after, expected, atol=0.02)  # untrained, they differ in the 4th digit


def test_the_pupil_scores_as_the_network_does(untrained, contests):
    pupil, reader, _ = untrained
    b = reward.collated(contests, reader, np.arange(3))
    pixels = reward.normalised(b.pixels[:, 0])
    with torch.no_grad():
        pupil.eval()
        theirs = pupil.net(pixels, b.ids[:3], b.mask[:3])
        ours = pupil.reward(pupil.read(pupil.net.see(pixels), b.ids[:3], b.mask[:3]))
    assert torch.allclose(theirs, ours, atol=1e-6)


@pytest.mark.slow
def test_a_short_training_lowers_the_loss(untrained, contests):
    pupil, reader, _ = untrained
    weights = reward.chances(contests, reward.LESSONS[1])
    optimiser = torch.optim.AdamW(pupil.parameters(), lr=1e-3)
    losses = []
    for step in range(12):
        g = torch.Generator().manual_seed(step)
        loss = reward.loss(pupil, reward.batch(contests, reader, weights, 0.5, g), g)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-3:]) < 0.9 * np.mean(losses[:3])


def test_training_saves_what_the_adapter_reads(contests, tmp_path, monkeypatch):
    monkeypatch.setattr(reward, "drawn", lambda *_: contests)
    monkeypatch.setattr(reward_learning, "BATCH", 3)
    reward.train(tmp_path / "out", 1, 3, steps=4, work=tmp_path / "work")
    facts = json.loads((tmp_path / "out" / "training.json").read_text())
    assert facts["steps"] == 4
    assert {"all", *KINDS} <= facts["curve"][-1].keys()
    verdict = scorer("image-reward", weights=tmp_path / "out").score(
        ["a photo of a red apple"], [Image.new("RGB", (70, 50), "red")]
    )[0]
    assert verdict.value is not None
    assert np.isfinite(verdict.value)
