"""CLIPScore: how near a picture is to its text, by CLIP."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.records import Prompt, ScorerCard
from evalkit.scorers import Verdict, text_of
from evalkit.scorers.batches import (
    judge_in_batches,
    needs_models,
    pick_device,
    unreadable,
    verdict,
)
from evalkit.scorers.pictures import unusable
from evalkit.weights import Weights, expand, resolve, suffix

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from evalkit.scorers.shared import SharedClip

OFFICIAL = "openai/clip-vit-large-patch14"
FILES = ("*.json", "*.txt", "model.safetensors")


@dataclass(frozen=True)
class _Pair:
    pixels: NDArray[np.float32]
    text: str
    detail: Mapping[str, Any]


class ClipScore:
    """Score pictures with 100 x the cosine of CLIP's picture and text vectors.

    This is what papers print for ViT-L/14 (about 20-35). Not clamped: a picture against its text's
    sense is below zero, where torchmetrics clamps the mean; ``clip_conventions`` has the other
    two conventions of the field. ``weights`` is a hub id or folder of a
    ``transformers.CLIPModel``, or ``"miniature"``. Texts are cut at what the model reads (77
    tokens for OpenAI's); ``detail`` holds ``tokens`` and ``truncated``.
    """

    version = 1
    official = OFFICIAL

    def __init__(
        self,
        weights: str | os.PathLike[str] | None = None,
        *,
        device: str | None = None,
        batch_size: int = 16,
    ) -> None:
        self._weights = expand(weights or self.official, "clip")
        self._device = device
        self._batch_size = batch_size

    @cached_property
    def _files(self) -> Weights:
        return resolve(self._weights, files=FILES)

    @property
    def card(self) -> ScorerCard:
        """What the numbers mean and which files they come from."""
        return ScorerCard(
            name="clip-score" + suffix(self._files.info, self.official),
            version=self.version,
            title="CLIPScore",
            unit="100 x cosine",
            low=-100,
            high=100,
            weights=(self._files.info,),
        )

    def load(self) -> None:
        """Bring the model into memory."""
        _ = self._clip

    @cached_property
    def _clip(self) -> SharedClip:
        with needs_models("The scorer clip-score"):
            from evalkit.scorers.pretrained import require_openais_activation
            from evalkit.scorers.shared import shared_clip
        require_openais_activation(self._files)
        device = pick_device(self._device)
        return shared_clip(self._files.path, self._files.info.digest, str(device))

    def score(
        self, prompts: Sequence[Prompt | str], images: Sequence[Image.Image]
    ) -> list[Verdict]:
        """Judge ``images[i]`` against ``prompts[i]``."""
        return judge_in_batches(
            prompts, images, prepare=self._prepare, judge=self._judge, size=self._batch_size
        )

    def _prepare(self, prompt: Prompt | str, image: Image.Image) -> _Pair | Verdict:
        text = text_of(prompt)
        if reason := unusable(image) or unreadable(text):
            return Verdict(None, reason)
        text = self._words(text)
        count = self._clip.count(text)
        detail = {"tokens": count, "truncated": count > self._clip.max_tokens}
        return _Pair(self._clip.pixels(image.convert("RGB")), text, detail)

    def _judge(self, pairs: list[_Pair]) -> list[Verdict]:
        pictures = self._clip.see(np.stack([pair.pixels for pair in pairs]))
        texts = self._clip.read([pair.text for pair in pairs])
        cosines = (pictures * texts).sum(axis=1)
        return [
            verdict(self._value(float(c)), pair.detail)
            for c, pair in zip(cosines, pairs, strict=True)
        ]

    def _words(self, text: str) -> str:
        """Return what is read for a prompt."""
        return text

    def _value(self, cosine: float) -> float:
        return 100 * cosine
