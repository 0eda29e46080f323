"""What clusters cost a study: the design effect from assumptions, or as a pilot measured it."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from arena.ratings import Ratings, fit
from arena.tally import BOTH_BAD, TIE, count
from evalkit.errors import EvalkitError, VotesError

CORRELATION = 0.09
"""Intraclass correlation of votes on one pair of models by one rater (or on one prompt).

2 t^2 / (5 + 2 t^2) with tastes of standard deviation t = 0.5 in log-odds, 5 being the variance of
one vote between equal models with a fifth of ties. ``arena plan`` takes a pilot's own instead.
"""


@dataclass(frozen=True)
class Clustering:
    """How alike votes are, and in what groups they will come; no groups: no effect."""

    votes_per_rater: float | None = None
    prompts: int | None = None
    rater_correlation: float = CORRELATION
    prompt_correlation: float = CORRELATION

    def __post_init__(self) -> None:
        if self.votes_per_rater is not None and not self.votes_per_rater >= 1:
            raise EvalkitError(f"A rater casts 1 vote or more, not {self.votes_per_rater}.")
        if self.prompts is not None and self.prompts < 1:
            raise EvalkitError(f"A study has 1 prompt or more, not {self.prompts}.")
        for name in ("rater", "prompt"):
            value = getattr(self, f"{name}_correlation")
            if not 0 <= value < 1:
                raise EvalkitError(f"The {name}s' correlation is 0 to below 1, not {value}.")

    def effect(self, models: int, votes: float) -> float:
        """Return by how much the variance of a difference exceeds that of independent votes.

        1 + ((m - 1) r + (v / P - 1) q) / (K - 1) for m votes a rater and v on P prompts: two votes
        of a rater share the taste for a model only where both judge it, which among K models
        divides the correlations by K - 1 (K = 2 is Kish 1965, Survey Sampling, 5.4).
        """
        effect = 1.0
        if self.votes_per_rater is not None:
            effect += (self.votes_per_rater - 1) * self.rater_correlation / (models - 1)
        if self.prompts is not None:
            share = max(votes / self.prompts - 1, 0)
            effect += share * self.prompt_correlation / (models - 1)
        return effect


@dataclass(frozen=True)
class Pilot:
    """What a pilot's votes say of the votes to come."""

    models: int
    votes: int
    tie_rate: float
    votes_per_rater: float | None
    """On average; None where no raters are named."""
    rater_correlation: float | None
    """None where the pilot cannot tell: no raters named, or one vote each."""
    prompt_correlation: float | None

    def clustering(self, votes_per_rater: float | None, prompts: int | None) -> Clustering:
        """Return what the pilot expects of groups of this size, else of its own raters' size."""
        return Clustering(
            self.votes_per_rater if votes_per_rater is None else votes_per_rater,
            prompts,
            CORRELATION if self.rater_correlation is None else self.rater_correlation,
            CORRELATION if self.prompt_correlation is None else self.prompt_correlation,
        )


def learn(votes: pd.DataFrame) -> Pilot:
    """Measure a pilot: its ties, and how alike the votes of one rater, and on one prompt, are.

    The correlation that makes ``Clustering.effect`` the design effect of the pilot's own ratings,
    clustered by one thing at a time; uneven clusters count by the mean of their squares.

    Raises:
        VotesError: no two models can be rated.
    """
    tally = count(votes)
    tied = tally.counts[:, [TIE, BOTH_BAD]].sum()
    rated = fit(votes, cluster=())
    if len(rated.cov) < 2 or not _has_errors(rated):
        raise VotesError(
            "The pilot tells no two models apart, so it cannot say what a study would need. "
            "Collect more votes, or plan with assumptions: --models K --gap ELO."
        )
    named = int(votes["rater"].nunique()) if "rater" in votes.columns else 0
    return Pilot(
        models=len(rated.cov),
        votes=tally.votes,
        tie_rate=float(tied / tally.votes),
        votes_per_rater=float(votes["rater"].notna().sum() / named) if named else None,
        rater_correlation=_correlation(votes, "rater"),
        prompt_correlation=_correlation(votes, "prompt"),
    )


def _has_errors(rated: Ratings) -> bool:
    return bool(rated.diagnostics.get("intervals", {}).get("design_effect"))


def _correlation(votes: pd.DataFrame, name: str) -> float | None:
    """Return the correlation that the ratings' design effect implies; not below zero."""
    if name not in votes.columns:
        return None
    rated = fit(votes, cluster=(name,))
    intervals = rated.diagnostics.get("intervals", {})
    effective = intervals.get("effective_clusters", {}).get(name)
    effect = intervals.get("design_effect")
    if not effective or effect is None:
        return None
    size = rated.diagnostics["votes_used"] / effective
    if size <= 1:
        return None
    return float(min(max((effect - 1) * (len(rated.cov) - 1) / (size - 1), 0.0), 0.99))
