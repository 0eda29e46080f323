"""CLIP behind CLIPScore and behind GenEval's colours."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from transformers import AutoTokenizer, CLIPModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from evalkit.errors import ImageError, WeightsError
from evalkit.geneval import COLORS
from evalkit.scorers.clip_models import OpenClip, TransformersClip, open_any, require_quick_gelu
from evalkit.scorers.clip_score import ClipScore
from evalkit.scorers.colours import TEMPLATES, ClipColours, crop, directions
from evalkit.scorers.detection import Detection
from evalkit.scorers.pictures import normalised, square

CPU = torch.device("cpu")


def noise(seed: int, size: tuple[int, int] = (50, 37)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("size", [(50, 37), (37, 50), (32, 32), (35, 200)])
def test_the_score_is_transformers_own_cosine(checkpoints: Any, size: Any) -> None:
    text, image = "a photo of a red cat", noise(1, size)
    model = CLIPModel.from_pretrained(checkpoints.clip).eval()
    tokens = AutoTokenizer.from_pretrained(checkpoints.clip)(
        [text], return_tensors="pt", return_token_type_ids=False
    )
    processor = CLIPImageProcessorPil.from_pretrained(checkpoints.clip)
    pixels = processor(image, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        output = model(**tokens, pixel_values=pixels)
    cosine = float(output.logits_per_image / model.logit_scale.detach().exp())
    (verdict,) = ClipScore(checkpoints.clip, device="cpu").score([text], [image])
    assert verdict.value == pytest.approx(100 * cosine, abs=1e-4)
    assert verdict.detail == {"tokens": 8, "truncated": False}


def test_the_score_is_not_clamped(checkpoints: Any) -> None:
    scorer = ClipScore(checkpoints.clip, device="cpu")
    texts = [f"a photo of a {c} cat" for c in COLORS]
    values = [v.value for v in scorer.score(texts, [noise(i) for i in range(10)])]
    clip = TransformersClip(checkpoints.clip, CPU)
    cosines = clip.read(texts) @ clip.see(np.stack([clip.pixels(noise(i)) for i in range(10)])).T
    assert values == pytest.approx(list(100 * np.diag(cosines)), abs=1e-4)
    assert min(cosines.min(), -cosines.max()) < 0


def test_a_text_is_cut_at_what_the_model_reads(checkpoints: Any) -> None:
    scorer = ClipScore(checkpoints.clip, device="cpu")
    full, cut = scorer.score(["cat " * 14, "cat " * 14 + "dog"], [noise(0)] * 2)
    assert (full.detail["tokens"], full.detail["truncated"]) == (16, False)
    assert (cut.detail["tokens"], cut.detail["truncated"]) == (17, True)
    assert cut.value == pytest.approx(full.value, abs=1e-5)


def test_a_preparation_that_is_not_clips_is_refused(checkpoints: Any, tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    shutil.copytree(checkpoints.clip, folder)
    for config in ({"size": {"shortest_edge": 64}}, {"size": 32, "resample": 2}):
        (folder / "preprocessor_config.json").write_text(json.dumps(config))
        with pytest.raises(WeightsError, match="only bicubic"):
            TransformersClip(folder, CPU)


def test_a_picture_is_squashed_where_the_config_says_so(checkpoints: Any, tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    shutil.copytree(checkpoints.clip, folder)
    config = {"size": {"height": 32, "width": 32}, "do_center_crop": False}
    (folder / "preprocessor_config.json").write_text(json.dumps(config))
    theirs = CLIPImageProcessorPil.from_pretrained(folder)(noise(0), return_tensors="np")
    ours = TransformersClip(folder, CPU).pixels(noise(0))
    assert np.allclose(ours, theirs["pixel_values"][0], atol=1e-6)


def test_a_folder_without_a_tokenizer_is_refused(checkpoints: Any, tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    shutil.copytree(checkpoints.clip, folder)
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(WeightsError, match="no tokenizer that loads"):
        TransformersClip(folder, CPU)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(WeightsError, match=r"neither tokenizer.json nor vocab.json"):
        TransformersClip(folder, CPU)


def test_a_clip_that_lacks_tensors_is_refused(checkpoints: Any, tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    shutil.copytree(checkpoints.clip, folder)
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["num_hidden_layers"] = 3
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match="missing keys"):
        TransformersClip(folder, CPU)


class Known:
    """A CLIP whose vectors can be told beforehand: colour words and mean colours."""

    size = 8
    mean = (0.0, 0.0, 0.0)
    std = (1.0, 1.0, 1.0)

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.rgb = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1)}

    def read(self, texts: Any) -> Any:
        self.texts += texts
        rows = []
        for text in texts:
            hits = [rgb for name, rgb in self.rgb.items() if f" {name}" in text]
            rows.append(hits[0] if hits else (-0.6, -0.6, -0.6))
        return self._unit(rows)

    def see(self, pixels: Any) -> Any:
        return self._unit(pixels.mean(axis=(2, 3)))

    def _unit(self, rows: Any) -> Any:
        array = np.asarray(rows, dtype=np.float32)
        return array / np.linalg.norm(array, axis=1, keepdims=True)


def test_colours_are_asked_in_genevals_words_once_per_class() -> None:
    clip = Known()
    colours = ClipColours(clip)
    half = Image.new("RGB", (20, 10), "blue")
    half.paste("red", (0, 0, 10, 10))
    left, right = Detection((0, 0, 10, 10), 0.9), Detection((10, 0, 20, 10), 0.8)
    assert colours.colours(half, "apple", [left, right]) == ["red", "blue"]
    assert colours.colours(half, "apple", [right]) == ["blue"]
    assert len(clip.texts) == 30
    assert clip.texts[3:6] == [
        "a photo of a orange apple",
        "a photo of a orange-colored apple",
        "a photo of a orange object",
    ]
    assert len(TEMPLATES) == 3


def test_a_direction_is_the_mean_of_its_texts_at_unit_length(checkpoints: Any) -> None:
    clip = TransformersClip(checkpoints.clip, CPU)
    found = directions(clip, "cat")
    assert found.shape == (16, 10)
    assert np.linalg.norm(found, axis=0) == pytest.approx(np.ones(10), abs=1e-6)
    texts = ["a photo of a red cat", "a photo of a red-colored cat", "a photo of a red object"]
    mean = clip.read(texts).mean(axis=0)
    assert found[:, 0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)


def test_what_is_not_the_object_is_grey() -> None:
    image = Image.new("RGB", (6, 4), "red")
    mask = np.zeros((4, 6), dtype=bool)
    mask[1:3, 2:5] = True
    mask[1, 2] = False
    cut = np.asarray(crop(image, Detection((2.0, 1.0, 5.0, 3.0), 1.0, mask)))
    assert cut.shape == (2, 3, 3)
    assert cut[0, 0].tolist() == [153, 153, 153]
    assert cut[1, 0].tolist() == cut[0, 2].tolist() == [255, 0, 0]
    bare = np.asarray(crop(image, Detection((2.0, 1.0, 5.0, 3.0), 1.0)))
    assert (bare == [255, 0, 0]).all()


def test_a_box_is_rounded_as_pillow_does() -> None:
    image = noise(0)
    box = (1.5, 2.5, 9.5, 10.49)
    assert crop(image, Detection(box, 1.0)).tobytes() == image.crop(box).tobytes()


def test_a_box_or_mask_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ImageError, match="is empty"):
        crop(noise(0), Detection((3.0, 3.0, 3.2, 9.0), 1.0))
    with pytest.raises(
        ImageError, match=r"A mask of \(3, 2\) was given for a picture of \(50, 37\)"
    ):
        crop(noise(0), Detection((0, 0, 3, 3), 1.0, np.ones((2, 3), dtype=bool)))


TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="module")
def open_clip_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("open_clip")
    for name, quick in (("tiny-quickgelu", True), ("tiny-gelu", False)):
        (root / f"{name}.json").write_text(json.dumps({**TINY, "quick_gelu": quick}))
    open_clip.add_model_config(root)
    torch.manual_seed(0)
    model = open_clip.create_model("tiny-quickgelu")
    torch.save(model.state_dict(), root / "open_clip_pytorch_model.bin")
    return root


def test_open_clips_own_vectors(open_clip_files: Path) -> None:
    file = open_clip_files / "open_clip_pytorch_model.bin"
    model = open_clip.create_model("tiny-quickgelu", pretrained=str(file)).eval()
    transform = open_clip.image_transform(32, is_train=False)
    image, texts = noise(0, (61, 40)), ["a photo of a red cat", "你好"]
    clip = OpenClip(file, CPU, "tiny-quickgelu")
    ours = clip.see(normalised(square(image, clip.size), clip.mean, clip.std)[None])
    with torch.no_grad():
        theirs = model.encode_image(transform(image)[None], normalize=True).numpy()
        read = model.encode_text(open_clip.get_tokenizer("tiny-quickgelu")(texts), normalize=True)
    assert ours == pytest.approx(theirs, abs=1e-6)
    assert clip.read(texts) == pytest.approx(read.numpy(), abs=1e-6)


def test_plain_gelu_is_refused(open_clip_files: Path) -> None:
    with pytest.raises(WeightsError, match="tiny-gelu with plain GELU"):
        OpenClip(open_clip_files / "open_clip_pytorch_model.bin", CPU, "tiny-gelu")
    require_quick_gelu(open_clip.create_model("tiny-quickgelu"), "tiny-quickgelu")


def test_a_file_of_another_architecture_is_refused(open_clip_files: Path, tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "open_clip_pytorch_model.bin")
    with pytest.raises(WeightsError, match="does not fit open_clip's tiny-quickgelu"):
        OpenClip(tmp_path / "open_clip_pytorch_model.bin", CPU, "tiny-quickgelu")


def test_the_layout_decides_which_clip_it_is(
    checkpoints: Any, open_clip_files: Path, monkeypatch: Any
) -> None:
    opened: list[Path] = []
    monkeypatch.setattr(
        "evalkit.scorers.clip_models.OpenClip", lambda file, _device: opened.append(file)
    )
    open_any(open_clip_files, CPU)
    open_any(open_clip_files / "open_clip_pytorch_model.bin", CPU)
    assert opened == [open_clip_files / "open_clip_pytorch_model.bin"] * 2
    assert isinstance(open_any(checkpoints.clip, CPU), TransformersClip)
