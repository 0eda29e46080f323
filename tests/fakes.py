"""A generator and scorers that cost nothing, for tests of the stages around them."""

from __future__ import annotations

import numpy as np
from PIL import Image

from evalkit.board import HumanCell, Row
from evalkit.generators import Picture
from evalkit.records import Prompt, ScorerCard, WeightsInfo, digest
from evalkit.scorers import Verdict, text_of


class Noise:
    """Draw coloured noise that depends on the prompt, the seed and an option; fail on demand."""

    def __init__(self, spec):
        self.spec = spec

    def load(self):
        pass

    def draw(self, prompts, seeds):
        return [self._one(p, s) for p, s in zip(prompts, seeds, strict=True)]

    def _one(self, prompt: Prompt, seed: int) -> Picture:
        if prompt.text in self.spec.options.get("fails", ()):
            return Picture(None, error="the model refused")
        key = digest([self.spec.options.get("flavour", 0), prompt.text, seed])
        rng = np.random.default_rng(int(key[:8], 16))
        pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        return Picture(Image.fromarray(pixels), seconds=0.25, peak_memory_mb=10.0)

    def realised(self):
        return {"noise": True}

    def truth(self, prompt, seed):
        return ("noise",) * self.spec.options.get("flavour", 0)


class Redness:
    """Score a picture's mean red, from 0 to 1."""

    version = 1

    def __init__(self, weights="none", bad=()):
        self.weights, self.bad, self.calls = weights, bad, 0

    @property
    def card(self):
        return ScorerCard(
            name="redness",
            version=self.version,
            title="Redness",
            low=0,
            high=1,
            weights=(WeightsInfo(id=self.weights),),
        )

    def load(self):
        pass

    def score(self, prompts, images):
        self.calls += len(images)
        return [self._one(text_of(p), i) for p, i in zip(prompts, images, strict=True)]

    def _one(self, text, image):
        if text in self.bad:
            return Verdict(None, reason="not a number")
        return Verdict(float(np.asarray(image)[..., 0].mean()) / 255)


def row_of(model: str, human: HumanCell | None, **more) -> Row:
    """Make a leaderboard's row of which nothing is known but what is said."""
    blank = {"generator": "g", "steps": None, "guidance": None, "size": None, "metrics": {}}
    blank |= {"categories": {}, "pictures": 1, "failures": 0}
    return Row(model=model, human=human, **(blank | more))
