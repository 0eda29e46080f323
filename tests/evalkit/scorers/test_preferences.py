"""PickScore, HPSv2 and the aesthetic head against their authors' formulas, written out anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from evalkit.errors import WeightsError
from evalkit.scorers.aesthetic import Aesthetic, read_head
from evalkit.scorers.clip_conventions import ClipCosine, HesselClipScore
from evalkit.scorers.clip_score import ClipScore
from evalkit.scorers.hps import HpsV2, HpsV21
from evalkit.scorers.pick_score import PickScore
from evalkit.scorers.pictures import padded
from tests.evalkit.scorers import formulas

SIZES = [(50, 37), (37, 50), (32, 32), (35, 200), (224, 97)]
TEXT = "a photo of a red cat"


def noise(seed: int, size: tuple[int, int] = (50, 37)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("size", SIZES)
def test_pick_score_is_the_readmes_formula(checkpoints: Any, size: Any) -> None:
    image = noise(1, size)
    (found,) = PickScore(checkpoints.clip, device="cpu").score([TEXT], [image])
    expected = formulas.cosine(checkpoints.clip, None)(TEXT, image)
    assert found.value == pytest.approx(expected, abs=1e-5)


def test_pick_score_is_not_clip_score_under_another_name(checkpoints: Any) -> None:
    pick, clip = PickScore(checkpoints.clip), ClipScore(checkpoints.clip)
    assert pick.card.name.startswith("pick-score-")
    assert clip.card.name.startswith("clip-score-")
    assert pick.card.low is None, "the scale is the checkpoint's own"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", [HpsV2, HpsV21])
def test_hps_is_the_cosine_of_the_padded_picture(checkpoints: Any, kind: Any, size: Any) -> None:
    image = noise(2, size)
    scorer = kind(checkpoints.hps, architecture="tiny-hps", device="cpu")
    (found,) = scorer.score([TEXT], [image])
    expected = formulas.hps(checkpoints.hps / kind.file)(TEXT, image)
    assert found.value == pytest.approx(expected, abs=1e-4)


def test_the_two_versions_never_share_a_name_or_a_digest(checkpoints: Any) -> None:
    one, two = (kind(checkpoints.hps).card for kind in (HpsV2, HpsV21))
    assert one.name.startswith("hps-v2-")
    assert two.name.startswith("hps-v2.1-")
    assert one.weights[0].digest != two.weights[0].digest
    assert HpsV21(checkpoints.hps / HpsV21.file).card.name == "hps-v2.1"


@pytest.mark.parametrize("seed", range(4))
def test_the_three_conventions_are_of_one_cosine(checkpoints: Any, seed: int) -> None:
    image, bare = noise(seed), formulas.cosine(checkpoints.clip, 1.0)
    kinds = (ClipCosine, ClipScore, HesselClipScore)
    cosine, score, hessel = (
        kind(checkpoints.clip, device="cpu").score([TEXT], [image])[0].value for kind in kinds
    )
    assert cosine == pytest.approx(bare(TEXT, image), abs=1e-6)
    assert score == pytest.approx(100 * bare(TEXT, image), abs=1e-4)
    expected = 2.5 * max(bare(f"A photo depicts {TEXT}", image), 0)
    assert hessel == pytest.approx(expected, abs=1e-5)


def test_hessels_score_is_never_below_nothing(checkpoints: Any) -> None:
    scorer = HesselClipScore(checkpoints.clip)
    assert [scorer._value(c) for c in (-0.5, 0.0, 0.2)] == [0.0, 0.0, 0.5]
    assert np.isnan(scorer._value(float("nan"))), "no number is a reason, not zero"


def test_nothing_of_a_long_picture_is_cut_off() -> None:
    whole = np.asarray(padded(Image.new("RGB", (64, 16), "white"), 32))
    assert (whole[12:20] == 255).all()
    assert not whole[:12].any()
    assert not whole[20:].any()


@pytest.mark.parametrize("size", SIZES)
def test_the_aesthetic_head_is_the_authors_stack(checkpoints: Any, size: Any) -> None:
    image = noise(3, size)
    (found,) = Aesthetic(checkpoints.head, checkpoints.clip, device="cpu").score(["any"], [image])
    expected = formulas.aesthetic(checkpoints.head, checkpoints.clip)("any", image)
    assert found.value == pytest.approx(expected, abs=1e-5)


def test_a_head_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "head.pth").write_bytes(b"no pickle")
    with pytest.raises(WeightsError, match="no head of five linear layers"):
        read_head(tmp_path / "head.pth")
    torch.save({"layers.0.weight": torch.zeros(2, 2)}, tmp_path / "head.pth")
    with pytest.raises(WeightsError, match="no head of five linear layers"):
        read_head(tmp_path / "head.pth")


def test_a_head_of_another_clip_is_refused(checkpoints: Any, tmp_path: Path) -> None:
    state = torch.load(checkpoints.head, weights_only=True)
    state["layers.0.weight"] = torch.zeros(12, 9)
    torch.save(state, tmp_path / "head.pth")
    with pytest.raises(WeightsError, match="reads vectors of 9, but"):
        Aesthetic(tmp_path / "head.pth", checkpoints.clip).score(["x"], [noise(0)])


def test_a_network_that_gives_no_number_says_so(checkpoints: Any, tmp_path: Path) -> None:
    state = torch.load(checkpoints.head, weights_only=True)
    state["layers.7.bias"] = torch.full((1,), float("nan"))
    torch.save(state, tmp_path / "head.pth")
    (found,) = Aesthetic(tmp_path / "head.pth", checkpoints.clip).score(["x"], [noise(0)])
    assert found.value is None
    assert "returned nan" in str(found.reason)
