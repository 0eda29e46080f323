"""Drawn studies whose truth is known: raters of different taste, prompts that suit some models."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from arena.clusters import Clusters
from arena.likelihood import Pairs, Shape
from arena.newton import Fit, newton
from arena.tally import Tally
from arena.uncertainty import outcome_counts

TIES = {"davidson": np.log(0.5), "rao-kupper": 0.4, "bradley-terry": np.log(0.5), "line": -0.7}
"""The tie parameter by model; votes that Bradley-Terry rates are drawn by Davidson's law."""


@dataclass(frozen=True)
class World:
    """What a study is drawn from; utilities are in log-odds."""

    model: str = "davidson"
    """davidson, rao-kupper, bradley-terry, or line: both-bad as an outcome of its own."""
    models: int = 8
    raters: int = 40
    each: int = 50
    """Votes of a rater, on average."""
    prompts: int = 60
    taste: float = 0.0
    """Standard deviation of what a rater thinks of a model."""
    suits: float = 0.0
    """Standard deviation of what a prompt does to a model."""
    uneven: float = 0.0
    """Votes of the nth rater fall as n to the minus this."""
    gap: float = 1.2
    """From the weakest model to the strongest, evenly spaced; on the line lies the third."""

    @cached_property
    def pairs(self) -> Pairs:
        return Pairs(*np.nonzero(~np.eye(self.models, dtype=bool)))

    @cached_property
    def strengths(self) -> np.ndarray:
        even = np.linspace(-self.gap / 2, self.gap / 2, self.models)
        return even - even[2] if self.model == "line" else even

    @property
    def ground(self) -> bool:
        return self.model == "line"

    @property
    def split_ties(self) -> bool:
        return self.model == "bradley-terry"

    def shape(self, *, ties: bool) -> Shape:
        threshold = self.model == "rao-kupper"
        return Shape(self.models, False, ties, ground=self.ground, threshold=threshold)

    def chances(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Return the chances of every outcome at these utilities, outcomes first."""
        law = self.shape(ties=True).law
        return np.exp(law.log_chances(left[None], right[None], np.array([[TIES[self.model]]])))[
            :, 0
        ]

    def fit(self, counts: np.ndarray) -> Fit:
        """Fit this world's model to counts (pairs x 4), or to many of them at once."""
        folded = outcome_counts(
            np.atleast_3d(counts.T).T, split_ties=self.split_ties, ground=self.ground
        )
        return newton(self.pairs, folded, self.shape(ties=not self.split_ties))

    @cached_property
    def truth(self) -> np.ndarray:
        """The strengths that votes without end would give, each of its own rater and prompt."""
        found: np.ndarray = self.limit.strengths[0]
        return found

    @cached_property
    def limit(self) -> Fit:
        """What votes without end would give."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(30)
        one, other = (grid.ravel() for grid in np.meshgrid(nodes, nodes))
        weight = np.outer(weights, weights).ravel() / weights.sum() ** 2
        sd = np.hypot(self.taste, self.suits)
        left = self.strengths[self.pairs.left][:, None] + sd * one
        right = self.strengths[self.pairs.right][:, None] + sd * other
        chance = self.chances(left.ravel(), right.ravel()).reshape(-1, *left.shape) @ weight
        counts = np.zeros((len(left), 4))
        counts[:, : len(chance)] = 1000 * chance.T
        return self.fit(counts)


def draw(world: World, rng: np.random.Generator) -> tuple[Tally, list[Clusters]]:
    """Draw the votes of one study, and who cast them on which prompts."""
    number = world.raters * world.each
    rater = np.repeat(np.arange(world.raters), world.each)
    if world.uneven:
        share = np.arange(1, world.raters + 1) ** -world.uneven
        rater = rng.choice(world.raters, number, p=share / share.sum())
    prompt = rng.integers(0, world.prompts, number)
    pair = rng.integers(0, len(world.pairs.left), number)
    liking = rng.normal(0, 1, (world.raters, world.models)) * world.taste
    suits = rng.normal(0, 1, (world.prompts, world.models)) * world.suits
    left, right = world.pairs.left[pair], world.pairs.right[pair]
    utility = [world.strengths[m] + liking[rater, m] + suits[prompt, m] for m in (left, right)]
    chance = world.chances(*utility).cumsum(axis=0)
    cell = 4 * pair + (rng.random(number) > chance[:-1]).sum(axis=0)
    counts = np.bincount(cell, minlength=4 * len(world.pairs.left)).reshape(-1, 4)
    names = tuple(f"m{k}" for k in range(world.models))
    tally = Tally(names, world.pairs.left, world.pairs.right, counts, cell)
    by = [("rater", rater, world.raters), ("prompt", prompt, world.prompts)]
    return tally, [Clusters(*one) for one in by]
