"""Ratings whose intervals scores have narrowed, without a bias whatever the scores are worth.

Prediction-powered inference (Angelopoulos, Bates, Fannjiang, Jordan and Zrnic 2023, Science 382:
669-674; tuned, "PPI++", Angelopoulos, Duchi and Zrnic 2023, arXiv 2311.01453): scores foretell the
votes on every pair of a run's pictures; the votes there are say how far the predictions are off.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from arena import comparisons
from arena.estimate import CENTRE, POINTS
from arena.judged import Scored
from arena.newton import Fit
from arena.powered import Powered, best_weight, power
from arena.ratings import Ratings
from arena.ratings import fit as rate
from arena.tally import Floats
from evalkit.errors import EvalkitError, UnknownNameError, VotesError

SCHEMA = 1
MODELS = ("davidson", "bradley-terry")


@dataclass(frozen=True, eq=False)
class Assisted:
    """Ratings with the help of scores, beside the plain ones."""

    plain: Ratings
    ratings: Ratings
    """Shaped like the plain ones: of the same models, on the same scale."""
    weight: float
    """How far the predictions were trusted, 0 to 1: PPI++'s lambda."""
    gain: float
    """Mean variance of the plain ratings over that of the assisted ones: so many times as many
    votes would have narrowed the intervals as much."""
    votes: int
    """Votes between rated models."""
    judged: int
    """Those among them whose pictures are a pair of the run."""
    pairs: int
    """Pairs of pictures of the run whose models met."""
    coverage: dict[str, int]
    """Of these, the pairs of which each scorer has both scores."""
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "schema": SCHEMA,
            "assisted": self.ratings.to_dict(),
            "plain": self.plain.to_dict(),
            "weight": self.weight,
            "gain": self.gain,
            "votes": self.votes,
            "judged": self.judged,
            "pairs": self.pairs,
            "coverage": self.coverage,
            "warnings": list(self.warnings),
        }

    def lines(self) -> list[str]:
        """Say it in words, the assisted ratings beside the plain ones."""
        plain = {row["model"]: row for row in self.plain.to_dict()["ratings"]}
        width = max(5, *map(len, plain))
        lines = [f"{'model':<{width}}  assisted  95 % interval  plain  95 % interval".rstrip()]
        lines[0] = lines[0].replace("95", f"{100 * self.plain.level:g}")
        for row in self.ratings.to_dict()["ratings"]:
            one = plain[row["model"]]
            cells = f"{_cell(row):>8}  {_cell(one)}" if row["rating"] is not None else row["status"]
            lines.append(f"{row['model']:<{width}}  {cells}".rstrip())
        trust = f"{self.votes} votes, and scores of {self.pairs} pairs of pictures"
        return [
            *lines,
            "",
            f"{trust}; the predictions count for {self.weight:.2f}.",
            f"{_worth(self.gain)}.",
            *(f"{n}: {k} of {self.pairs} pairs have both scores." for n, k in self._short()),
            *(f"Note: {warning}." for warning in self.warnings),
        ]

    def _short(self) -> list[tuple[str, int]]:
        return [(name, n) for name, n in self.coverage.items() if n < self.pairs]


def _cell(row: dict[str, Any]) -> str:
    interval = f"[{row['low']:.0f}, {row['high']:.0f}]"
    return f"{row['rating']:8.0f}  {interval:<13}"


def _worth(gain: float) -> str:
    if gain < 0.98:
        return "The scores do not narrow the intervals: take the plain ratings"
    if gain < 1.02:
        return "The scores narrow the intervals by nothing worth naming"
    narrower, more = 100 * (1 - gain**-0.5), 100 * (gain - 1)
    return f"The scores narrow the intervals by {narrower:.0f} %, as {more:.0f} % more votes would"


def fit(
    votes: pd.DataFrame,
    scored: Scored,
    model: str = "davidson",
    *,
    level: float = 0.95,
    seed: int = 0,
) -> Assisted:
    """Rate the models that the votes compare, with the help of a run's scores.

    For every two models, each vote's outcome y counts as

        y + w (mean prediction over all pairs of their pictures - prediction for the pair judged)

    in the likelihood. The bracket's mean is zero whatever the predictions, if the pairs judged are
    a random sample of the two models' pairs, as the arena's balanced draws make them; that is
    tested. So no weight makes a bias, and the w that is taken makes the variance smallest. Each
    prediction is by a model that saw no vote on its prompt (cross-fitting), so that no vote
    foretells itself. Strata are the pairs of models, which may be drawn as unevenly as one likes.

    The covariance is clustered by rater and prompt; a prompt's share of the predictions for pairs
    that nobody judged is part of what its cluster adds.

    Raises:
        VotesError: the votes identify no ratings, name no pictures of the run, or judge too few
            prompts.
    """
    if model not in MODELS:
        raise UnknownNameError("rating model that scores can assist", model, MODELS)
    plain = rate(votes, model=model, level=level, seed=seed)  # type: ignore[arg-type]
    rated = sorted(plain.cov.index)
    if not rated or not np.isfinite(plain.cov.to_numpy(dtype=float)).all():
        raise VotesError(
            "The votes identify no ratings with intervals, so there is nothing that scores could "
            "narrow. See: arena rate, without --assisted."
        )
    if not scored.scores:
        raise EvalkitError("There are no scores to rate with. Name a scored run.")
    group = [plain.tally.models.index(name) for name in rated]
    keep = plain.tally.where(plain.tally.among(group))
    kept = votes[keep].reset_index(drop=True)
    powered = power(kept, scored, split=model == "bradley-terry")
    weight = best_weight(powered)
    final = powered.fitted(weight)
    warnings = [*powered.notes]
    if not final.converged.all():
        weight, final = 0.0, powered.plain
        warnings.append("the predictions have no finite fit, so they do not count")
    matrix = powered.covariance(final, weight)
    before = powered.covariance(powered.plain, 0.0)
    size = len(rated)
    return Assisted(
        plain=plain,
        ratings=_ratings(plain, powered, final, matrix, seed),
        weight=weight,
        gain=float(np.trace(before[:size, :size]) / np.trace(matrix[:size, :size])),
        votes=len(kept),
        judged=int((powered.pool.place >= 0).sum()),
        pairs=len(powered.pool.one),
        coverage=dict(
            zip(scored.scores, np.isfinite(powered.pool.gaps).sum(axis=0).tolist(), strict=True)
        ),
        warnings=tuple(warnings),
    )


def _ratings(plain: Ratings, powered: Powered, final: Fit, matrix: Floats, seed: int) -> Ratings:
    """Put the estimates into the shape of the plain ratings."""
    names, size = list(powered.tally.models), len(powered.tally.models)
    values = CENTRE + POINTS * final.strengths[0]
    cov = POINTS**2 * matrix[:size, :size]
    freedom = min(one.effective - 1 for one in powered.by)
    reach = comparisons.quantile(plain.level, freedom) * comparisons.standard_errors(cov)
    tests = comparisons.differences(values, cov, freedom)
    best, worst = comparisons.ranks(size, tests, 1 - plain.level)
    found = pd.DataFrame(
        {
            "rating": values,
            "low": values - reach,
            "high": values + reach,
            "rank_low": pd.array(best, dtype="Int64"),
            "rank_high": pd.array(worst, dtype="Int64"),
            "p_best": comparisons.chance_of_best(values, cov, seed),
        },
        index=names,
    )
    table = plain.table.set_index("model")
    for column in found:
        table.loc[names, column] = found[column]
    table = table.reset_index().sort_values(
        ["rating", "model"], ascending=[False, True], na_position="last", ignore_index=True
    )
    order = list(table["model"][:size])
    frame = pd.DataFrame(cov, index=names, columns=names).loc[order, order]
    return replace(plain, table=table[plain.table.columns], cov=frame, freedom=freedom)
