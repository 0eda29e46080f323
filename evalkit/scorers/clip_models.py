"""CLIP checkpoints of two layouts behind one protocol: texts and pictures to unit vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from open_clip.transformer import QuickGELU
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import normalize
from transformers import AutoTokenizer, CLIPModel

from evalkit.errors import WeightsError
from evalkit.scorers.pictures import CLIP_MEAN, CLIP_STD, normalised, square
from evalkit.scorers.pretrained import load
from evalkit.weights import read_json

GENEVAL_ARCHITECTURE = "ViT-L-14-quickgelu"
"""Since open-clip 2.29 plain "ViT-L-14" silently builds another activation than OpenAI's."""
OPEN_CLIP_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")


class Clip(Protocol):
    """Put texts and pictures into one space, each on its own."""

    @property
    def size(self) -> int:
        """Side of the square pictures that go in."""
        ...

    @property
    def mean(self) -> tuple[float, ...]:
        """Per channel, what pictures are standardised with."""
        ...

    @property
    def std(self) -> tuple[float, ...]:
        """Per channel, what pictures are standardised with."""
        ...

    def read(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return a unit vector per text, cut to what the model reads."""
        ...

    def see(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a unit vector per standardised picture of (n, 3, size, size)."""
        ...


class TransformersClip:
    """A ``transformers.CLIPModel`` folder with tokenizer and ``preprocessor_config.json``."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        config = read_json(folder / "preprocessor_config.json")
        self.mean = tuple(config.get("image_mean", CLIP_MEAN))
        self.std = tuple(config.get("image_std", CLIP_STD))
        self._squash = "height" in _sizes(config)
        self._model = load(CLIPModel, folder).to(device)
        self._tokenizer = _tokenizer(folder)
        self._device = device
        self.scale = float(self._model.logit_scale.detach().exp())
        self.size = int(self._model.config.vision_config.image_size)
        self.max_tokens = int(self._model.config.text_config.max_position_embeddings)
        _check_size(folder, config, self.size)

    def pixels(self, image: Image.Image) -> NDArray[np.float32]:
        """Prepare an RGB picture as the folder's own processor does, by way of Pillow."""
        if self._squash:
            resized = image.resize((self.size, self.size), Image.Resampling.BICUBIC)
        else:
            resized = square(image, self.size, halves_down=True)
        return normalised(resized, self.mean, self.std)

    def count(self, text: str) -> int:
        """Return how many tokens a text has before it is cut, start and end included."""
        ids = self._tokenizer(text, verbose=False, return_token_type_ids=False)["input_ids"]
        return len(ids)

    def read(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return a unit vector per text, cut at ``max_tokens``."""
        tokens = self._tokenizer(
            list(texts),
            padding="max_length",
            truncation=True,
            max_length=self.max_tokens,
            return_tensors="pt",
            return_token_type_ids=False,
        )
        with torch.inference_mode():
            return _unit(self._model.get_text_features(**tokens.to(self._device)).pooler_output)

    def see(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a unit vector per picture."""
        with torch.inference_mode():
            tensor = torch.from_numpy(pixels).to(self._device)
            return _unit(self._model.get_image_features(pixel_values=tensor).pooler_output)


class OpenClip:
    """An open_clip checkpoint file; OpenAI's need the QuickGELU activation, LAION's do not."""

    def __init__(
        self,
        file: Path,
        device: torch.device,
        architecture: str = GENEVAL_ARCHITECTURE,
        *,
        quick_gelu: bool = True,
    ) -> None:
        try:
            model = open_clip.create_model(architecture, pretrained=str(file), device=device)
        except Exception as error:  # a corrupt file raises anything
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise WeightsError(
                f"{file} does not fit open_clip's {architecture}: {reason}"
            ) from error
        if quick_gelu:
            require_quick_gelu(model, architecture)
        self._model = model.eval()
        self._tokenizer = open_clip.get_tokenizer(architecture)
        self._device = device
        self.size = int(model.visual.image_size[0])
        self.mean, self.std = CLIP_MEAN, CLIP_STD
        self.max_tokens = int(self._tokenizer.context_length)

    def count(self, text: str) -> int:
        """Return how many tokens a text has before it is cut, start and end included."""
        return len(self._tokenizer.encode(text)) + 2

    def read(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return a unit vector per text, cut at 77 tokens."""
        with torch.inference_mode():
            return _unit(self._model.encode_text(self._tokenizer(list(texts)).to(self._device)))

    def see(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a unit vector per picture."""
        with torch.inference_mode():
            return _unit(self._model.encode_image(torch.from_numpy(pixels).to(self._device)))


def require_quick_gelu(model: nn.Module, architecture: str) -> None:
    """Raise WeightsError unless every activation of the model is QuickGELU."""
    kinds = {type(m) for m in model.modules()}
    if QuickGELU not in kinds or nn.GELU in kinds:
        raise WeightsError(
            f"open_clip built {architecture} with plain GELU, but OpenAI's weights need QuickGELU "
            f"and give wrong colours without. Use {GENEVAL_ARCHITECTURE!r}."
        )


def open_any(path: Path, device: torch.device) -> Clip:
    """Open a folder of transformers' layout, or an open_clip file or the folder it lies in."""
    if path.is_file():
        return OpenClip(path, device)
    for name in OPEN_CLIP_FILES:
        if (path / name).is_file():
            return OpenClip(path / name, device)
    return TransformersClip(path, device)


def in_open_clips_layout(path: Path) -> bool:
    """Say whether ``open_any`` would open this with open_clip."""
    return path.is_file() or any((path / name).is_file() for name in OPEN_CLIP_FILES)


def _tokenizer(folder: Path) -> Any:
    # transformers makes an empty tokenizer, without a word, where the files are missing.
    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json")):
        raise WeightsError(f"{folder} holds no tokenizer: neither tokenizer.json nor vocab.json.")
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # a corrupt file raises anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{folder} holds no tokenizer that loads: {reason}") from error


def _sizes(config: dict[str, Any]) -> dict[str, int]:
    size = config.get("size", {})
    return {"shortest_edge": size} if isinstance(size, int) else cast(dict[str, int], size)


def _check_size(folder: Path, config: dict[str, Any], size: int) -> None:
    """Refuse a preparation that is not "bicubic, to the model's size"."""
    stated = set(_sizes(config).values())
    if stated - {size} or config.get("resample", Image.Resampling.BICUBIC) != 3:
        raise WeightsError(
            f"{folder}/preprocessor_config.json asks for size {_sizes(config)} and resample "
            f"{config.get('resample')}, but only bicubic (3) to the model's {size} is supported."
        )


def _unit(vectors: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = normalize(vectors.float(), dim=-1).cpu().numpy()
    return array
