"""HPSv2 and HPSv2.1 (Wu et al. 2023, arXiv 2306.09341): CLIP-H tuned on ranked pictures."""

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
from evalkit.scorers.pictures import normalised, padded, unusable
from evalkit.weights import Weights, resolve, suffix

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from evalkit.scorers.clip_models import OpenClip

OFFICIAL = "xswu/HPSv2"
ARCHITECTURE = "ViT-H-14"
"""LAION's, with plain GELU."""


@dataclass(frozen=True)
class _Pair:
    pixels: NDArray[np.float32]
    text: str
    detail: Mapping[str, Any]


class HpsV2:
    """Score pictures with 100 x the cosine of HPSv2's picture and text vectors, about 25-34.

    The longest side is resized to the network's and the rest padded with black, so that nothing
    of a picture that is not square is cut off. ``weights`` is the checkpoint's file, or a hub id
    or folder that holds it under the authors' name. 2.0 and 2.1 are not comparable.
    """

    version = 1
    name = "hps-v2"
    title = "HPSv2"
    file = "HPS_v2_compressed.pt"

    def __init__(
        self,
        weights: str | os.PathLike[str] = OFFICIAL,
        *,
        architecture: str = ARCHITECTURE,
        device: str | None = None,
        batch_size: int = 16,
    ) -> None:
        self._weights = os.fspath(weights)
        self._architecture = architecture
        self._device = device
        self._batch_size = batch_size

    @cached_property
    def _files(self) -> Weights:
        found = resolve(self._weights, files=[self.file])
        if found.path.is_file():
            return found
        one = resolve(found.path / self.file)  # the digest of this file alone, whatever lies by it
        return Weights(one.path, found.info.model_copy(update={"digest": one.info.digest}))

    @property
    def card(self) -> ScorerCard:
        """What the numbers mean and which files they come from."""
        info = self._files.info
        ending = suffix(info, OFFICIAL) and suffix(info, self.file.removesuffix(".pt"))
        return ScorerCard(
            name=self.name + ending,
            version=self.version,
            title=self.title,
            unit="100 x cosine",
            low=-100,
            high=100,
            weights=(info,),
        )

    def load(self) -> None:
        """Bring the model into memory."""
        _ = self._clip

    @cached_property
    def _clip(self) -> OpenClip:
        with needs_models(f"The scorer {self.name}"):
            from evalkit.scorers.clip_models import OpenClip
        device = pick_device(self._device)
        return OpenClip(self._files.path, device, self._architecture, quick_gelu=False)

    def score(
        self, prompts: Sequence[Prompt | str], images: Sequence[Image.Image]
    ) -> list[Verdict]:
        """Judge ``images[i]`` against ``prompts[i]``."""
        return judge_in_batches(
            prompts, images, prepare=self._prepare, judge=self._judge, size=self._batch_size
        )

    def _prepare(self, prompt: Prompt | str, image: Image.Image) -> _Pair | Verdict:
        text, clip = text_of(prompt), self._clip
        if reason := unusable(image) or unreadable(text):
            return Verdict(None, reason)
        count = clip.count(text)
        detail = {"tokens": count, "truncated": count > clip.max_tokens}
        return _Pair(normalised(padded(image, clip.size), clip.mean, clip.std), text, detail)

    def _judge(self, pairs: list[_Pair]) -> list[Verdict]:
        pictures = self._clip.see(np.stack([pair.pixels for pair in pairs]))
        texts = self._clip.read([pair.text for pair in pairs])
        cosines = (pictures * texts).sum(axis=1)
        return [
            verdict(float(100 * c), pair.detail) for c, pair in zip(cosines, pairs, strict=True)
        ]


class HpsV21(HpsV2):
    """HPSv2.1: the same network, trained again on cleaner data."""

    name = "hps-v2.1"
    title = "HPSv2.1"
    file = "HPS_v2.1_compressed.pt"
