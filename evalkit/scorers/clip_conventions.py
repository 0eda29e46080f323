"""CLIPScore's other two conventions, under names of their own."""

from __future__ import annotations

import math
import os

from evalkit.records import ScorerCard
from evalkit.scorers import clip_score
from evalkit.scorers.clip_score import ClipScore
from evalkit.weights import suffix

HESSEL_OFFICIAL = "openai/clip-vit-base-patch32"
PREFIX = "A photo depicts "
WEIGHT = 2.5


class HesselClipScore(ClipScore):
    """CLIPScore as first defined: 2.5 x max(cosine, 0), "A photo depicts" before the text.

    Hessel et al. 2021 (arXiv 2104.08718); ViT-B/32.
    """

    version = 1

    def __init__(
        self,
        weights: str | os.PathLike[str] = HESSEL_OFFICIAL,
        *,
        device: str | None = None,
        batch_size: int = 16,
    ) -> None:
        super().__init__(weights, device=device, batch_size=batch_size)

    @property
    def card(self) -> ScorerCard:
        """What the numbers mean and which files they come from."""
        return ScorerCard(
            name="clip-score-hessel" + suffix(self._files.info, HESSEL_OFFICIAL),
            version=self.version,
            title="CLIPScore (Hessel et al.)",
            unit="2.5 x cosine, not below 0",
            low=0,
            high=WEIGHT,
            weights=(self._files.info,),
        )

    def _words(self, text: str) -> str:
        return PREFIX + text

    def _value(self, cosine: float) -> float:
        return WEIGHT * max(cosine, 0.0) if math.isfinite(cosine) else cosine


class ClipCosine(ClipScore):
    """The bare cosine, as in the tables of ImageReward (ViT-L/14) and T2I-CompBench (ViT-B/32)."""

    version = 1

    @property
    def card(self) -> ScorerCard:
        """What the numbers mean and which files they come from."""
        return ScorerCard(
            name="clip-cosine" + suffix(self._files.info, clip_score.OFFICIAL),
            version=self.version,
            title="CLIP cosine",
            unit="cosine",
            low=-1,
            high=1,
            weights=(self._files.info,),
        )

    def _value(self, cosine: float) -> float:
        return cosine
