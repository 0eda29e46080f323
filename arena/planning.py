"""How many votes: before a study, and how many more to settle two models during it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import special

from arena.comparisons import quantile
from arena.design import Clustering
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
    raters: int | None = None
    """None where the votes of a rater were not said."""
    hours: float | None = None
    """All raters' time; None where the seconds of a vote were not said."""
    cost: float | None = None
    """In the currency of the pay; None where no pay was said."""

    def lines(self) -> list[str]:
        """Say it in words."""
        lines = [
            (
                f"{self.votes} votes in all, {self.votes_per_pair} for each pair of {self.models} "
                f"models, tell {self.gap:g} Elo points ({self.win_share:.0%} of decisive votes) "
                f"from zero with {self.power:.0%} power, given {self.tie_rate:.0%} ties and a "
                f"design effect of {self.design_effect:.3g}."
            )
        ]
        if self.raters is not None:
            lines.append(f"Raters: {self.raters}.")
        if self.hours is not None:
            lines.append(f"Time: {self.hours:.1f} hours of all raters together.")
        if self.cost is not None:
            lines.append(f"Pay: {self.cost:.2f}, before the panel's fees.")
        return lines


@dataclass(frozen=True)
class Pay:
    """What a vote takes and earns; None where it is not known."""

    seconds_per_vote: float | None = None
    per_hour: float | None = None
    per_vote: float | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not 0 < value < math.inf:
                raise EvalkitError(f"{name} must be a number above 0, not {value}.")
        if self.per_hour and self.per_vote:
            raise EvalkitError("Pay is by the hour or by the vote, not both. Say one.")
        if self.per_hour and not self.seconds_per_vote:
            raise EvalkitError("Pay by the hour needs the seconds of a vote. Say those too.")

    def hours(self, votes: int) -> float | None:
        """Return the time of so many votes."""
        return None if self.seconds_per_vote is None else votes * self.seconds_per_vote / 3600

    def cost(self, votes: int) -> float | None:
        """Return the pay of so many votes."""
        if self.per_vote is not None:
            return votes * self.per_vote
        hours = self.hours(votes)
        return None if self.per_hour is None or hours is None else hours * self.per_hour


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
    clustering: Clustering | None = None,
    pay: Pay | None = None,
) -> Plan:
    """Plan a study in which every pair of models meets equally often.

    With K nearly equal models and n decisive votes the standard error of a difference is
    2 sqrt((K - 1) / n) in log-odds, 347 sqrt((K - 1) / n) in Elo points: the inverse of the
    Laplacian of the complete graph with p (1 - p) = 1/4. Up to about 100 points that is at most
    8 % too few votes. ``tie_rate`` is the share of votes without a winner; ``design_effect`` how
    much raters' tastes and prompts inflate the variance (1.6 was seen with raters' tastes of
    standard deviation 0.5 and 50 votes a rater; a pilot's ratings report their own), or computed
    from ``clustering``, which says how many votes of one rater and on one prompt there will be.

    Raises:
        EvalkitError: an option is impossible, or so few prompts cannot tell the gap at all.
    """
    _check(models, gap, power, alpha, tie_rate, design_effect)
    reach = _reach(alpha, power, math.inf)
    plain = 4 * POINTS**2 * (models - 1) / (1 - tie_rate) * (reach / gap) ** 2
    needed = plain * design_effect if clustering is None else _clustered(plain, models, clustering)
    votes = math.ceil(needed)
    if clustering is not None:
        design_effect = clustering.effect(models, votes)
    each = clustering.votes_per_rater if clustering else None
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
        error=gap / reach * math.sqrt(needed / votes),
        win_share=float(special.expit(gap / POINTS)),
        raters=None if each is None else math.ceil(votes / each),
        hours=pay.hours(votes) if pay else None,
        cost=pay.cost(votes) if pay else None,
    )


def _clustered(plain: float, models: int, clustering: Clustering) -> float:
    """Return the votes n that solve n = plain * effect(n): the effect grows with n on few prompts.

    Beyond one vote a prompt it is linear in n, and where its slope is too steep no number of votes
    on these prompts would do.
    """
    low = clustering.effect(models, 0.0)
    if plain * low <= (clustering.prompts or math.inf):
        return plain * low
    per_prompt = clustering.prompt_correlation / (models - 1)
    slope = per_prompt / float(clustering.prompts or 1)
    if plain * slope >= 1:
        raise EvalkitError(
            f"No number of votes on {clustering.prompts} prompts tells this gap: the prompts "
            f"differ too much. Take {math.floor(plain * per_prompt) + 1} prompts at the very "
            "least, better twice as many, or a larger gap."
        )
    return plain * (low - per_prompt) / (1 - plain * slope)


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


def enough(ratings: Ratings, gap: float, *, power: float = 0.8) -> int:
    """Return the votes that tell a gap, given the ties and the design effect of these ratings."""
    facts = ratings.diagnostics
    effect = facts.get("intervals", {}).get("design_effect")
    if not effect:
        raise VotesError("No two models can be told apart yet, so these votes can plan nothing.")
    ties = facts["outcomes"]["tie"] + facts["outcomes"]["both_bad"]
    rate = min(ties / facts["votes"], 0.95)
    return plan(len(ratings.cov), gap, power=power, tie_rate=rate, design_effect=effect).votes


def neighbours(ratings: Ratings, *, power: float = 0.8) -> list[Settlement]:
    """Settle each rated model against the next one down, best first."""
    names = list(ratings.table["model"][: len(ratings.cov)])
    return [settle(ratings, one, other, power=power) for one, other in pairwise(names)]


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
