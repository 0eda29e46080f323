"""PickScore (Kirstain et al. 2023, arXiv 2305.01569): CLIP-H tuned on people's choices."""

from __future__ import annotations

from evalkit.records import ScorerCard
from evalkit.scorers.clip_score import ClipScore
from evalkit.weights import suffix

OFFICIAL = "yuvalkirstain/PickScore_v1"


class PickScore(ClipScore):
    """Score pictures with PickScore: the checkpoint's own scale x cosine, about 19-24.

    Some print the bare cosine, a hundredth of it. ``weights`` is a hub id or folder of a
    ``transformers.CLIPModel``, prepared and cut as in CLIPScore.
    """

    version = 1
    official = OFFICIAL

    @property
    def card(self) -> ScorerCard:
        """What the numbers mean and which files they come from."""
        return ScorerCard(
            name="pick-score" + suffix(self._files.info, self.official),
            version=self.version,
            title="PickScore",
            unit="logit scale x cosine",
            weights=(self._files.info,),
        )

    def _value(self, cosine: float) -> float:
        return self._clip.scale * cosine
