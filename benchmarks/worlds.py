"""A drawn study with scores: what raters see, what scorers see, and how they would agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from arena.judged import Picture, Scored

WINNERS = np.array(["left", "right", "tie"], dtype=object)


@dataclass(frozen=True)
class World:
    """Sizes and standard deviations of a study; utilities are in log-odds."""

    models: int = 6
    prompts: int = 50
    seeds: int = 2
    raters: int = 30
    votes: int = 1500
    gap: float = 1.2
    """From the weakest model to the strongest."""
    taste: float = 0.5
    prompt: float = 0.4
    picture: float = 0.8
    blur: float = 1.0
    """Of the good score's error."""
    ties: float = 0.5
    twice: float = 1 / 3
    """Share of votes on a pair that another rater judges too."""

    @property
    def true(self) -> np.ndarray:
        return np.linspace(-self.gap / 2, self.gap / 2, self.models)

    @property
    def names(self) -> np.ndarray:
        return np.array([f"m{k}" for k in range(self.models)], dtype=object)


USUAL = World()


def chances(x: np.ndarray, ties: float) -> np.ndarray:
    """Return the chances of left, right and tie by Davidson's model."""
    weight = np.stack([np.exp(x / 2), np.exp(-x / 2), np.full_like(x, ties)], axis=-1)
    return weight / weight.sum(axis=-1, keepdims=True)


def choose(rng: np.random.Generator, x: np.ndarray, ties: float) -> np.ndarray:
    chance = chances(x, ties).cumsum(axis=-1)
    return (rng.random(x.shape)[..., None] > chance[..., :2]).sum(axis=-1)


def generation(model: int, prompt: int, seed: int) -> str:
    return f"g{model}-{prompt}-{seed}"


def generations(*parts: np.ndarray) -> np.ndarray:
    return np.array([generation(*row) for row in zip(*parts, strict=True)], dtype=object)


def study(rng: np.random.Generator, world: World = USUAL) -> tuple[pd.DataFrame, np.ndarray]:
    """Draw the votes of one study, and the quality of its pictures: models x prompts x seeds."""
    size = (world.models, world.prompts, world.seeds)
    quality = world.true[:, None, None] + rng.normal(0, world.prompt, (*size[:2], 1))
    quality = quality + rng.normal(0, world.picture, size)
    liking = rng.normal(0, world.taste, (world.raters, world.models))
    again = int(world.votes * world.twice)
    fresh = world.votes - again
    left = rng.integers(0, world.models, fresh)
    right = (left + 1 + rng.integers(0, world.models - 1, fresh)) % world.models
    prompt = rng.integers(0, world.prompts, fresh)
    seed = rng.integers(0, world.seeds, fresh)
    rater = rng.integers(0, world.raters, fresh)
    other = (rater[:again] + 1 + rng.integers(0, world.raters - 1, again)) % world.raters
    # The second rater sees the pair the other way round.
    left, right = np.append(left, right[:again]), np.append(right, left[:again])
    prompt, seed = np.append(prompt, prompt[:again]), np.append(seed, seed[:again])
    rater = np.append(rater, other)
    x = quality[left, prompt, seed] - quality[right, prompt, seed]
    x = x + liking[rater, left] - liking[rater, right]
    votes = pd.DataFrame(
        {
            "left": world.names[left],
            "right": world.names[right],
            "winner": WINNERS[choose(rng, x, world.ties)],
            "rater": rater.astype(str),
            "prompt": prompt.astype(str),
            "category": np.array(["colour", "count"], dtype=object)[prompt % 2],
            "left_generation": generations(left, prompt, seed),
            "right_generation": generations(right, prompt, seed),
        }
    )
    return votes, quality


def by_generation(values: np.ndarray) -> dict[str, float]:
    """Map generations to values."""
    return {generation(*place): float(value) for place, value in np.ndenumerate(values)}


def scores(
    rng: np.random.Generator, quality: np.ndarray, blur: float = 1.0
) -> dict[str, dict[str, float]]:
    """A score that sees the quality through a blur, and one that sees nothing."""
    return {
        "good": by_generation(quality + rng.normal(0, blur, quality.shape)),
        "useless": by_generation(rng.normal(0, 1, quality.shape)),
    }


def scored(quality: np.ndarray, found: dict[str, dict[str, float]]) -> Scored:
    """Return a run of these pictures with these scores."""
    pictures = {
        generation(*place): Picture(f"m{place[0]}", str(place[1]), place[2])
        for place in np.ndindex(quality.shape)
    }
    return Scored(pictures, found, {})


def mirrored(votes: pd.DataFrame) -> pd.DataFrame:
    """Exchange the sides of all votes."""
    sides = {"left": "right", "right": "left"}
    pictures = {f"{side}_generation": f"{other}_generation" for side, other in sides.items()}
    return votes.rename(columns=sides | pictures).replace({"winner": sides})
