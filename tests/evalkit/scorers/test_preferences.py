"""PickScore, HPSv2 and the aesthetic head against their authors' formulas, written out anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from torchvision.transforms import functional
from transformers import AutoTokenizer, CLIPModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from evalkit.errors import WeightsError
from evalkit.scorers.aesthetic import Aesthetic, read_head
from evalkit.scorers.clip_score import ClipScore
from evalkit.scorers.hps import HpsV2, HpsV21
from evalkit.scorers.pick_score import PickScore
from evalkit.scorers.pictures import CLIP_MEAN, CLIP_STD, padded

SIZES = [(50, 37), (37, 50), (32, 32), (35, 200), (224, 97)]
TEXT = "a photo of a red cat"


def noise(seed: int, size: tuple[int, int] = (50, 37)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("size", SIZES)
def test_pick_score_is_the_readmes_formula(checkpoints: Any, size: Any) -> None:
    image, model = noise(1, size), CLIPModel.from_pretrained(checkpoints.clip).eval()
    tokenizer = AutoTokenizer.from_pretrained(checkpoints.clip)
    tokens = tokenizer([TEXT], return_tensors="pt", return_token_type_ids=False)
    pixels = CLIPImageProcessorPil.from_pretrained(checkpoints.clip)(image, return_tensors="pt")
    with torch.no_grad():
        x = model.get_image_features(**pixels).pooler_output
        y = model.get_text_features(**tokens).pooler_output
        x, y = x / x.norm(dim=-1, keepdim=True), y / y.norm(dim=-1, keepdim=True)
        expected = float((model.logit_scale.exp() * (y @ x.T)[0, 0]).item())
    (found,) = PickScore(checkpoints.clip, device="cpu").score([TEXT], [image])
    assert found.value == pytest.approx(expected, abs=1e-5)


def test_pick_score_is_not_clip_score_under_another_name(checkpoints: Any) -> None:
    pick, clip = PickScore(checkpoints.clip), ClipScore(checkpoints.clip)
    assert pick.card.name.startswith("pick-score-")
    assert clip.card.name.startswith("clip-score-")
    assert pick.card.low is None, "the scale is the checkpoint's own"


def reference(image: Image.Image, size: int) -> torch.Tensor:
    """Prepare a picture as HPSv2's ``ResizeMaxSize``, through torchvision."""
    scale = size / max(image.size)
    height, width = (round(side * scale) for side in (image.height, image.width))
    resized = functional.resize(
        image, [height, width], interpolation=functional.InterpolationMode.BICUBIC
    )
    tall, wide = size - height, size - width
    edges = [wide // 2, tall // 2, wide - wide // 2, tall - tall // 2]
    whole = functional.pad(resized, edges, fill=0).convert("RGB")
    return functional.normalize(functional.to_tensor(whole), CLIP_MEAN, CLIP_STD)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", [HpsV2, HpsV21])
def test_hps_is_the_cosine_of_the_padded_picture(checkpoints: Any, kind: Any, size: Any) -> None:
    image, file = noise(2, size), checkpoints.hps / kind.file
    model = open_clip.create_model("tiny-hps").eval()
    model.load_state_dict(torch.load(file, weights_only=True)["state_dict"])
    with torch.no_grad():
        x = model.encode_image(reference(image, 32)[None], normalize=True)
        y = model.encode_text(open_clip.get_tokenizer("tiny-hps")([TEXT]), normalize=True)
        expected = 100 * float((x @ y.T)[0, 0])
    scorer = kind(checkpoints.hps, architecture="tiny-hps", device="cpu")
    (found,) = scorer.score([TEXT], [image])
    assert found.value == pytest.approx(expected, abs=1e-4)


def test_the_two_versions_never_share_a_name_or_a_digest(checkpoints: Any) -> None:
    one, two = (kind(checkpoints.hps).card for kind in (HpsV2, HpsV21))
    assert one.name.startswith("hps-v2-")
    assert two.name.startswith("hps-v2.1-")
    assert one.weights[0].digest != two.weights[0].digest
    assert HpsV21(checkpoints.hps / HpsV21.file).card.name == "hps-v2.1"


def test_nothing_of_a_long_picture_is_cut_off() -> None:
    whole = np.asarray(padded(Image.new("RGB", (64, 16), "white"), 32))
    assert (whole[12:20] == 255).all()
    assert not whole[:12].any()
    assert not whole[20:].any()


@pytest.mark.parametrize("size", SIZES)
def test_the_aesthetic_head_is_the_authors_stack(checkpoints: Any, size: Any) -> None:
    image = noise(3, size)
    model = CLIPModel.from_pretrained(checkpoints.clip).eval()
    short = 32 / min(size)
    target = [max(32, int(side * short)) for side in (image.height, image.width)]
    bicubic = functional.InterpolationMode.BICUBIC
    cut = functional.center_crop(functional.resize(image, target, interpolation=bicubic), [32, 32])
    pixels = functional.normalize(functional.to_tensor(cut), CLIP_MEAN, CLIP_STD)[None]
    state = torch.load(checkpoints.head, weights_only=True)
    with torch.no_grad():
        x = model.get_image_features(pixel_values=pixels).pooler_output
        x = x / x.norm(dim=-1, keepdim=True)
        for i in (0, 2, 4, 6, 7):
            x = x @ state[f"layers.{i}.weight"].T + state[f"layers.{i}.bias"]
    (found,) = Aesthetic(checkpoints.head, checkpoints.clip, device="cpu").score(["any"], [image])
    assert found.value == pytest.approx(float(x[0, 0]), abs=1e-5)


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
