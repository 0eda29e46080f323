"""How many votes: before a study, and how many more to settle two models during it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from arena.comparisons import quantile
from arena.estimate import POINTS
from arena.likelihood import Pairs, chances, information
from arena.ratings import Ratings
from evalkit.errors import EvalkitError, VotesError


@dataclass(frozen=True)
class Plan:
    """The votes that a study needs, with everything that was assumed."""

    models: int
    gap: float
    """Elo points between the two models to tell apart."""
    power: float
    alpha: float
    tie_rate: float
    design_effect: float
    votes: int
    votes_per_pair: int
    error: float
    """Standard error of a difference with so many votes, in Elo points."""
    win_share: float
    """What the gap means: the better model's share of decisive votes."""


@dataclass(frozen=True)
class Settlement:
    """How many more votes would settle which of two models is better, the gap as estimated."""

    first: str
    second: str
    difference: float
    error: float
    settled: bool
    """The difference is significant already."""
    more_votes: int | None
    """More votes spread as they are now; None if the estimates are equal."""
    more_votes_between: int | None
    """More votes between these two models alone."""


def plan(
    models: int,
    gap: float,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    tie_rate: float = 0.2,
    design_effect: float = 1.6,
) -> Plan:
    """Plan a study in which every pair of models meets equally often.

    With K nearly equal models and n decisive votes the standard error of a difference is
    2 sqrt((K - 1) / n) in log-odds, 347 sqrt((K - 1) / n) in Elo points: the inverse of the
    Laplacian of the complete graph with p (1 - p) = 1/4. Up to about 100 points that is at most
    8 % too few votes. ``tie_rate`` is the share of votes without a winner; ``design_effect`` how
    much raters' tastes and prompts inflate the variance (1.6 was seen with raters' tastes of
    standard deviation 0.5 and 50 votes a rater; a pilot's ratings report their own).
    """
    _check(models, gap, power, alpha, tie_rate, design_effect)
    one_vote = 2 * POINTS * math.sqrt((models - 1) * design_effect / (1 - tie_rate))
    votes = math.ceil((one_vote * _reach(alpha, power, math.inf) / gap) ** 2)
    per_pair = math.ceil(votes / (models * (models - 1) / 2))
    return Plan(
        models=models,
        gap=gap,
        power=power,
        alpha=alpha,
        tie_rate=tie_rate,
        design_effect=design_effect,
        votes=votes,
        votes_per_pair=per_pair,
        error=one_vote / math.sqrt(votes),
        win_share=float(special.expit(gap / POINTS)),
    )


def votes_needed(
    models: int,
    gap: float,
    power: float = 0.8,
    alpha: float = 0.05,
    tie_rate: float = 0.2,
    design_effect: float = 1.6,
) -> int:
    """Return the number of votes of ``plan``."""
    return plan(
        models,
        gap,
        power=power,
        alpha=alpha,
        tie_rate=tie_rate,
        design_effect=design_effect,
    ).votes


def settle(ratings: Ratings, first: str, second: str, *, power: float = 0.8) -> Settlement:
    """Say how many more votes are likely to settle two models, taking the estimate as the truth.

    Variance falls as votes grow, new raters and prompts coming in as they did so far; votes
    between the two alone add their information to the inverse of the variance.
    """
    if not 0.5 <= power < 1:
        raise EvalkitError(f"A power lies between 0.5 and 1, not at {power}.")
    if ratings.model == "elo":
        raise VotesError("Paper-style Elo has no standard errors to plan with; rate by davidson.")
    difference, error = ratings.difference(first, second)
    alpha = 1 - ratings.level
    settled = abs(difference) > quantile(ratings.level, ratings.freedom) * error
    more, between = None, None
    if difference:
        target = abs(difference) / _reach(alpha, power, ratings.freedom)
        missing = 1 / target**2 - 1 / error**2
        used = int(ratings.diagnostics["votes_used"])
        more = 0 if settled else math.ceil(used * missing * error**2)
        between = 0 if settled else math.ceil(missing / _one_vote(ratings, first, second))
    return Settlement(first, second, difference, error, settled, more, between)


def _one_vote(ratings: Ratings, first: str, second: str) -> float:
    """Return what one vote between two models adds to the inverse variance, in 1 / Elo^2."""
    pair = Pairs(np.array([0]), np.array([1]))
    theta, shape = ratings.law([first, second])
    expected = np.stack(chances(pair, theta[None], shape)[: shape.outcomes], axis=-1)
    one = information(pair, expected, theta[None], shape)[0]
    difference = (one[0, 0] - 2 * one[0, 1] + one[1, 1]) / 4
    effect = float(ratings.diagnostics["intervals"]["design_effect"])
    return float(difference / (effect * POINTS**2))


def _reach(alpha: float, power: float, freedom: float) -> float:
    """Return how many standard errors a true difference must measure."""
    return quantile(1 - alpha, freedom) + float(special.ndtri(power))


def _check(
    models: int, gap: float, power: float, alpha: float, tie_rate: float, design_effect: float
) -> None:
    wrong = {
        f"Models to compare must be 2 or more, not {models}.": models >= 2,
        f"A gap must be a number of Elo points above 0, not {gap}.": 0 < gap < math.inf,
        f"An error level alpha lies between 0 and 1, not at {alpha}.": 0 < alpha < 1,
        f"A power lies between 0.5 and 1, not at {power}.": 0.5 <= power < 1,
        f"A tie rate is at least 0 and below 1, not {tie_rate}.": 0 <= tie_rate < 1,
        f"A design effect is a number above 0, not {design_effect}.": 0 < design_effect < math.inf,
    }
    for message, right in wrong.items():
        if not right:
            raise EvalkitError(message)
