"""What one more vote between two models would tell, from counts alone and finite for any counts.

The fit is Davidson's (``likelihood``) with a few votes of a prior added, so that models that never
met, never lost or only tied have estimates too: vague ones, good enough to choose what to ask
next. They are never shown as ratings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy import special

from arena.likelihood import Pairs, Shape, chances, information, invert
from arena.newton import Fit, newton
from arena.tally import Floats, Ints

Match = tuple[str, str]
"""A pair of models whatever their sides, in the order of their names."""

PRIOR = 2.0
"""Votes that each model is given beforehand, over all its rivals and outcomes alike.

Without any real vote the error of a difference is then 2.4 in log-odds, about 430 Elo points.
"""

EQUAL = 1e-9
"""Log-odds apart that the fit itself cannot tell."""


class Answers(NamedTuple):
    """How often a match's first model was preferred, its second, and neither."""

    first: int = 0
    second: int = 0
    neither: int = 0


NONE = Answers()


@dataclass(frozen=True, eq=False)
class Belief:
    """What is known of the models' strengths, in log-odds, and what a vote on each pair adds."""

    matches: tuple[Match, ...]
    first: Ints
    second: Ints
    """Every pair of models by name, and as places in ``strengths``."""
    strengths: Floats
    covariance: Floats
    """Of the strengths, once every battle that is out has come back."""
    one_vote: Floats
    """Information of one vote on each pair of models, about their difference."""

    @property
    def difference(self) -> Floats:
        """The difference of each pair of models."""
        gap: Floats = self.strengths[self.first] - self.strengths[self.second]
        return gap

    @property
    def variance(self) -> Floats:
        """The variance of each difference."""
        return _of_differences(self.covariance, self.first, self.second)

    def gains(self, weight: Floats) -> Floats:
        """Return how much a vote on each pair lowers the weighted sum of all variances.

        A vote of information w on the contrast d changes the covariance S by
        -w S d d'S / (1 + w d'S d) (Sherman and Morrison), so the variances of the contrasts c,
        weighted by u, by w d'S (sum of u c c') S d over the same denominator.
        """
        size = len(self.strengths)
        between = np.zeros((size, size))
        between[self.first, self.second] = weight
        both = between + between.T
        wanted = np.diag(both.sum(axis=1)) - both
        told = self.covariance @ wanted @ self.covariance
        saved = _of_differences(told, self.first, self.second)
        gain: Floats = self.one_vote * saved / (1 + self.one_vote * self.variance)
        return np.maximum(gain, 0)


def believe(
    models: Sequence[str], drawn: Mapping[Match, int], answers: Mapping[Match, Answers]
) -> Belief | None:
    """Fit what was answered; count as known what is out; None if that cannot be told apart.

    A battle that was drawn and not yet answered counts as information: else a hundred raters at
    once would all be sent to the same pair of models.
    """
    names = tuple(sorted(models))
    matches = tuple(combinations(names, 2))
    answered = tuple(answers.get(m, NONE) for m in matches)
    fit = _fit(len(names), answered)
    if not fit.converged[0]:
        return None
    pairs = Pairs(*np.triu_indices(len(names), 1))
    out = np.array([max(drawn.get(m, 0), sum(a)) for m, a in zip(matches, answered, strict=True)])
    votes = np.stack(_chances(pairs, fit), axis=-1) * (out + _prior(len(names)))[:, None]
    known = information(pairs, votes[None], fit.theta, fit.shape)[0]
    return Belief(
        matches=matches,
        first=pairs.left,
        second=pairs.right,
        strengths=fit.strengths[0],
        covariance=invert(known, len(names))[: len(names), : len(names)],
        one_vote=_one_vote(pairs, fit),
    )


@lru_cache(maxsize=16)
def _fit(size: int, answered: tuple[Answers, ...]) -> Fit:
    """Fit once for the same answers: most of a draw's time."""
    counts = np.array(answered, dtype=float).reshape(-1, 3) + _prior(size) / 3
    pairs = Pairs(*np.triu_indices(size, 1))
    return newton(pairs, counts[None], Shape(size, side=False, ties=True))


def _prior(size: int) -> float:
    """Return the votes that each pair of models is given beforehand."""
    return PRIOR / max(1, size - 1)


def _chances(pairs: Pairs, fit: Fit) -> tuple[Floats, Floats, Floats]:
    found = chances(pairs, fit.theta, fit.shape)
    return found.left[0], found.right[0], found.tie[0]


def _one_vote(pairs: Pairs, fit: Fit) -> Floats:
    left, right, tie = _chances(pairs, fit)
    curve: Floats = left * right + tie * (left + right) / 4
    return curve


def _of_differences(square: Floats, first: Ints, second: Ints) -> Floats:
    """Return (e_i - e_j)' M (e_i - e_j) of each pair, for a symmetric M."""
    diagonal = np.diagonal(square)
    value: Floats = diagonal[first] + diagonal[second] - 2 * square[first, second]
    return value


def unresolved(belief: Belief) -> Floats:
    """Weigh each difference by how open its sign is: the two-sided p of a test against zero."""
    p: Floats = 2 * special.ndtr(-np.abs(belief.difference) / np.sqrt(belief.variance))
    return p


def contested(belief: Belief) -> Floats:
    """Weigh differences from the best model by the chance that the rival is better; others not.

    Models that are equally good to the last digit, as all are at first, share the lead.
    """
    leads = belief.strengths >= belief.strengths.max() - EQUAL
    of_leaders: Floats = leads[belief.first].astype(float) + leads[belief.second]
    weight: Floats = of_leaders * unresolved(belief)
    return weight
