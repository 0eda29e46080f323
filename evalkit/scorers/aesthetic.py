"""LAION's aesthetic predictor v2 (github.com/christophschuhmann/improved-aesthetic-predictor)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from evalkit.errors import WeightsError
from evalkit.records import Prompt, ScorerCard
from evalkit.scorers import Verdict
from evalkit.scorers.batches import judge_in_batches, needs_models, pick_device, verdict
from evalkit.scorers.pictures import normalised, square, unusable
from evalkit.weights import Weights, resolve, suffix

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL import Image

    from evalkit.scorers.clip_models import Clip

HEAD = "sac+logos+ava1-l14-linearMSE.pth"
"""The authors' file, which is in their repository and not on the hub."""
CLIP = "openai/clip-vit-large-patch14"
FILES = ("*.json", "*.txt", "model.safetensors")
LAYERS = (0, 2, 4, 6, 7)
"""Linear layers by their place in the authors' stack; dropout stands between, no activation."""


class Aesthetic:
    """Score how people would rate a picture's looks, about 4-7; the prompt is not read.

    ``weights`` is the path of the head; ``clip_weights`` OpenAI's ViT-L/14 in transformers' layout
    or open_clip's. The picture's unit vector goes through five linear layers.
    """

    version = 1

    def __init__(
        self,
        weights: str | os.PathLike[str] = HEAD,
        clip_weights: str | os.PathLike[str] = CLIP,
        *,
        device: str | None = None,
        batch_size: int = 16,
    ) -> None:
        self._weights = os.fspath(weights)
        self._clip_weights = os.fspath(clip_weights)
        self._device = device
        self._batch_size = batch_size

    @cached_property
    def _head_file(self) -> Weights:
        return resolve(self._weights)

    @cached_property
    def _clip_files(self) -> Weights:
        return resolve(self._clip_weights, files=FILES)

    @property
    def card(self) -> ScorerCard:
        """What the numbers mean and which files they come from."""
        infos = (self._head_file.info, self._clip_files.info)
        endings = (suffix(infos[0], HEAD.removesuffix(".pth")), suffix(infos[1], CLIP))
        return ScorerCard(
            name="aesthetic" + "".join(endings),
            version=self.version,
            title="LAION aesthetic v2",
            unit="predicted rating, 1 to 10",
            weights=infos,
        )

    def load(self) -> None:
        """Bring the network into memory."""
        _ = self._clip, self._head

    @cached_property
    def _clip(self) -> Clip:
        with needs_models("The scorer aesthetic"):
            from evalkit.scorers.clip_models import in_open_clips_layout, open_any
            from evalkit.scorers.pretrained import require_openais_activation
            from evalkit.scorers.shared import shared_clip
        require_openais_activation(self._clip_files)
        path, device = self._clip_files.path, pick_device(self._device)
        if in_open_clips_layout(path):
            return open_any(path, device)
        return shared_clip(path, self._clip_files.info.digest, str(device))

    @cached_property
    def _head(self) -> tuple[NDArray[np.float64], float]:
        return read_head(self._head_file.path)

    def score(
        self, prompts: Sequence[Prompt | str], images: Sequence[Image.Image]
    ) -> list[Verdict]:
        """Judge each picture."""
        return judge_in_batches(
            prompts, images, prepare=self._prepare, judge=self._judge, size=self._batch_size
        )

    def _prepare(self, _prompt: Prompt | str, image: Image.Image) -> NDArray[np.float32] | Verdict:
        if reason := unusable(image):
            return Verdict(None, reason)
        clip = self._clip
        return normalised(square(image, clip.size), clip.mean, clip.std)

    def _judge(self, pixels: list[NDArray[np.float32]]) -> list[Verdict]:
        direction, shift = self._head
        vectors = self._clip.see(np.stack(pixels)).astype(np.float64)
        if vectors.shape[1] != len(direction):
            raise WeightsError(
                f"The head {self._weights} reads vectors of {len(direction)}, but "
                f"{self._clip_weights} gives {vectors.shape[1]}. Give the CLIP it was trained on."
            )
        # einsum, whose sums do not depend on the batch's size as a BLAS product's do.
        values = np.einsum("nd,d->n", vectors, direction) + shift
        return [verdict(float(v), {}) for v in values]


def read_head(path: Path) -> tuple[NDArray[np.float64], float]:
    """Multiply the authors' linear layers out into one: a direction and a shift."""
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        layers = [
            [state[f"layers.{i}.{part}"].double().numpy() for part in ("weight", "bias")]
            for i in LAYERS
        ]
        direction, shift = layers[0]
        for weight, bias in layers[1:]:
            direction, shift = weight @ direction, weight @ shift + bias
        (row,), (offset,) = direction, shift
    except Exception as error:  # a corrupt pickle raises anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{path} is no head of five linear layers: {reason}") from error
    return row, float(offset)
