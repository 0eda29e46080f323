"""How often the miniature's ImageReward prefers the faithful picture, by the other's fault.

The rewards come from the adapter that the real ImageReward is used by. Weak spots: another thing in
the place of the one asked for (a quarter overlooked), what the VAE does to a picture (a third), and
things in a colour that they never had in training: it sees that the colour is right, but not which
thing it is, so that places and things are then told no better than by chance.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from evalkit.miniature.pairs import CONTENT, KINDS, Contest, pictures_of, plan
from evalkit.miniature.rows import Row, row
from evalkit.miniature.scenes import Pairs, text_for
from evalkit.weights import MINIATURE_ROOT

JUDGE = "ImageReward"


@dataclass(frozen=True)
class Condition:
    """What pictures are drawn for a part of the report."""

    name: str
    kinds: tuple[str, ...]
    pairs: Pairs = "train"
    vae: float = 0.0


CONDITIONS = (
    Condition("clean", KINDS),
    Condition("through the VAE", CONTENT, vae=1.0),
    Condition("new pairs", CONTENT, pairs="held-out"),
)


def evaluate(
    folder: Path = MINIATURE_ROOT / "image-reward", *, count: int = 400, seed: int = 0
) -> list[Row]:
    """Return rows of shares of pairs; ``count`` pairs for each fault and condition."""
    rows = []
    for condition in CONDITIONS:
        won = {k: preferred(folder, condition, k, count, seed) for k in condition.kinds}
        every = [outcome for outcomes in won.values() for outcome in outcomes]
        rows.append(row(JUDGE, condition.name, "faithful preferred: all faults", every))
        rows += [
            row(JUDGE, condition.name, f"faithful preferred: {kind}", outcomes)
            for kind, outcomes in won.items()
        ]
    return rows


def preferred(folder: Path, condition: Condition, kind: str, count: int, seed: int) -> list[bool]:
    """Draw pairs with one kind of fault; say where the faithful picture has the higher reward."""
    rng = random.Random(f"test/{condition.name}/{kind}/{seed}")
    contests = [plan(kind, rng, condition.pairs) for _ in range(count)]
    images = pictures_of(contests, rng, vae=condition.vae)[1]
    good, bad = (rewards(folder, contests, [pair[k] for pair in images]) for k in (0, 1))
    return [g > b for g, b in zip(good, bad, strict=True)]


def rewards(
    folder: Path, contests: Sequence[Contest], images: Sequence[Image.Image]
) -> list[float]:
    """Return the rewards of pictures for the prompts of their contests."""
    from evalkit.scorers.image_reward import ImageReward

    scorer = ImageReward(folder, batch_size=64)
    verdicts = scorer.score([text_for(c.sentences[0].requirements) for c in contests], images)
    return [v.value for v in verdicts if v.value is not None]
