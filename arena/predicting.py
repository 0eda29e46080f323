"""Votes foretold from scores, each by a fit that saw no vote on the same prompt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arena.tally import Floats, Ints

FOLDS = 5
RIDGE = 1.0
"""Weight of the squares of slopes and strengths, against one vote's log-likelihood."""
FAR = 4.0
"""Differences of scores are cut off at so many standard deviations: one outlier rules no fit."""


@dataclass(frozen=True, eq=False)
class Contests:
    """Pairs of pictures: their two models, the differences of their scores, and their fold."""

    one: Ints
    other: Ints
    gaps: Floats
    """Contests x scorers, the first picture's less the other's, standardised; 0 where missing."""
    fold: Ints

    def __getitem__(self, rows: NDArray[np.generic]) -> Contests:
        """Return some of them."""
        return Contests(self.one[rows], self.other[rows], self.gaps[rows], self.fold[rows])


def standardise(gaps: Floats) -> Floats:
    """Bring differences of scores to one scale; what is missing tells nothing, so it is 0.

    Predictions need not be right for the ratings to be, so this invents no score.
    """
    known = np.isfinite(gaps)
    squares = np.where(known, gaps, 0.0) ** 2
    scale = np.sqrt(squares.sum(axis=0) / np.maximum(known.sum(axis=0), 1))
    scaled = np.where(known, gaps, 0.0) / np.where(scale > 0, scale, 1)
    return np.clip(scaled, -FAR, FAR)


def foretell(judged: Contests, answer: Ints, every: Contests, models: int) -> Floats:
    """Return the chances of (first, other, neither) of every contest, from the other folds' votes.

    ``answer`` is 0, 1 or 2 for each judged contest. The model is Davidson's with the differences
    of scores beside those of strengths. Swapping a contest's pictures swaps its chances.
    """
    found = np.empty((len(every.one), 3))
    for fold in range(FOLDS):
        here = np.flatnonzero(every.fold == fold)
        if len(here):
            rest = np.flatnonzero(judged.fold != fold)
            theta = _fit(judged[rest], answer[rest], models)
            found[here] = _chances(theta, every[here], models)
    return found


def _fit(contests: Contests, answer: Ints, models: int) -> Floats:
    """Maximise the likelihood with a ridge: strengths, slopes of the scores, log nu."""
    from scipy.optimize import minimize

    start = np.zeros(models + contests.gaps.shape[1] + 1)

    def loss(theta: Floats) -> tuple[float, Floats]:
        chance = _chances(theta, contests, models)
        taken = chance[np.arange(len(answer)), answer]
        value = -np.log(taken).sum() + RIDGE / 2 * (theta**2).sum()
        pull = ((answer == 0) - chance[:, 0] - (answer == 1) + chance[:, 1]) / 2
        to_strength = np.bincount(contests.one, pull, models)
        to_strength -= np.bincount(contests.other, pull, models)
        to_nu = ((answer == 2) - chance[:, 2]).sum()
        slope = np.concatenate([to_strength, contests.gaps.T @ pull, [to_nu]])
        return float(value), RIDGE * theta - slope

    found: Floats = minimize(loss, start, jac=True, method="L-BFGS-B").x
    return found


def _chances(theta: Floats, contests: Contests, models: int) -> Floats:
    half = theta[contests.one] - theta[contests.other] + contests.gaps @ theta[models:-1]
    weight = np.stack([half / 2, -half / 2, np.full(len(half), theta[-1])], axis=1)
    weight = np.exp(weight - weight.max(axis=1, keepdims=True))
    chance: Floats = weight / weight.sum(axis=1, keepdims=True)
    return np.maximum(chance, 1e-300)
