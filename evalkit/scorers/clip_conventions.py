"""CLIPScore's other two conventions, under names of their own."""

from __future__ import annotations

import math

from evalkit.records import ScorerCard
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
    official = HESSEL_OFFICIAL

    @property
    def card(self) -> ScorerCard:
        """What the numbers mean and which files they come from."""
        return ScorerCard(
            name="clip-score-hessel" + suffix(self._files.info, self.official),
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
            name="clip-cosine" + suffix(self._files.info, self.official),
            version=self.version,
            title="CLIP cosine",
            unit="cosine",
            low=-1,
            high=1,
            weights=(self._files.info,),
        )

    def _value(self, cosine: float) -> float:
        return cosine
