"""The authors' formulas, written out anew through torchvision, open_clip and transformers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import open_clip
import torch
from PIL import Image
from torchvision.transforms import functional
from transformers import AutoTokenizer, CLIPModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from evalkit.scorers.pictures import CLIP_MEAN, CLIP_STD

Formula = Callable[[str, Image.Image], float]
BICUBIC = functional.InterpolationMode.BICUBIC


def cosine(folder: Path, scale: float | None) -> Formula:
    """PickScore's README; with a scale of 100 the CLIPScore that papers print."""
    model = CLIPModel.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    processor = CLIPImageProcessorPil.from_pretrained(folder)

    @torch.no_grad()
    def score(text: str, image: Image.Image) -> float:
        tokens = tokenizer(
            [text], return_tensors="pt", return_token_type_ids=False,
            truncation=True, max_length=model.config.text_config.max_position_embeddings,
        )  # fmt: skip
        x = model.get_image_features(**processor(image, return_tensors="pt")).pooler_output
        y = model.get_text_features(**tokens).pooler_output
        x, y = x / x.norm(dim=-1, keepdim=True), y / y.norm(dim=-1, keepdim=True)
        factor = model.logit_scale.exp() if scale is None else scale
        return (factor * (y @ x.T)[0, 0]).item()

    return score


def resize_max_size(image: Image.Image, size: int) -> torch.Tensor:
    """HPSv2's preparation: the longest side resized, the rest padded with black."""
    scale = size / max(image.size)
    height, width = (round(side * scale) for side in (image.height, image.width))
    resized = functional.resize(image, [height, width], interpolation=BICUBIC)
    tall, wide = size - height, size - width
    edges = [wide // 2, tall // 2, wide - wide // 2, tall - tall // 2]
    return standardised(functional.pad(resized, edges, fill=0))


def standardised(image: Image.Image) -> torch.Tensor:
    """RGB, scaled to [0, 1] and standardised, one picture."""
    pixels = functional.to_tensor(image.convert("RGB"))
    return functional.normalize(pixels, CLIP_MEAN, CLIP_STD)[None]


def hps(file: Path) -> Formula:
    """HPSv2's score, times 100."""
    model = open_clip.create_model("tiny-hps").eval()
    model.load_state_dict(torch.load(file, weights_only=True)["state_dict"])
    tokenizer = open_clip.get_tokenizer("tiny-hps")

    @torch.no_grad()
    def score(text: str, image: Image.Image) -> float:
        x = model.encode_image(resize_max_size(image, 32), normalize=True)
        y = model.encode_text(tokenizer([text]), normalize=True)
        return 100 * (x @ y.T)[0, 0].item()

    return score


def aesthetic(head: Path, clip: Path) -> Formula:
    """The authors' stack of linear layers over CLIP's unit vector."""
    model = CLIPModel.from_pretrained(clip).eval()
    state = torch.load(head, weights_only=True)
    side = model.config.vision_config.image_size

    @torch.no_grad()
    def score(_text: str, image: Image.Image) -> float:
        resized = functional.resize(image, side, interpolation=BICUBIC)
        cut = functional.center_crop(resized, [side, side])
        x = model.get_image_features(pixel_values=standardised(cut)).pooler_output
        x = x / x.norm(dim=-1, keepdim=True)
        for i in (0, 2, 4, 6, 7):
            x = x @ state[f"layers.{i}.weight"].T + state[f"layers.{i}.bias"]
        return x[0, 0].item()

    return score
