"""Slopes of covariates: which of them the votes can tell from the models, and what they come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from arena.comparisons import quantile, two_sided
from arena.likelihood import Pairs, Shape, confounded
from arena.newton import Fit, newton
from arena.tally import Floats, Tally
from arena.uncertainty import Covariance

ENDLESS = (
    "not estimated: the picture with more of it always wins, or always loses, whichever models "
    "meet, so that it has no finite estimate"
)


@dataclass(frozen=True, eq=False)
class Told:
    """The covariates that the votes can tell from the models and from the sides."""

    pairs: Pairs
    names: tuple[str, ...]
    scale: Floats
    """The covariates in ``pairs`` are divided by it, so that their slopes are near 1."""
    refused: dict[str, str]
    """Why the others cannot be told."""

    def without(self, place: int, why: str) -> Told:
        """Leave one out."""
        names, rest = list(self.names), np.delete(np.arange(len(self.names)), place)
        return replace(
            self,
            pairs=self.pairs._replace(covariates=_columns(self.pairs)[:, rest]),
            names=tuple(name for name in names if name != names[place]),
            scale=self.scale[rest],
            refused=self.refused | {names[place]: why},
        )


def fit(tally: Tally, counts: Floats, shape: Shape, names: Sequence[str]) -> tuple[Fit, Told]:
    """Fit with those of the covariates whose slopes have finite estimates."""
    told = _tell(tally, counts, shape, names)
    while True:
        found = newton(told.pairs, counts, shape._replace(covariates=len(told.names)))
        if found.converged.all() or not told.names:
            return found, told
        slopes = found.theta[0, shape.size : shape.size + len(told.names)]
        told = told.without(int(np.argmax(np.abs(np.nan_to_num(slopes)))), ENDLESS)


def facts(
    fit: Fit, spread: Covariance, told: Told, names: Sequence[str], points: float, level: float
) -> list[dict[str, Any]]:
    """Return each covariate's slope in Elo points for one unit more, or why it has none."""
    rows = []
    for name in names:
        row: dict[str, Any] = {"name": name, "estimate": None, "status": told.refused.get(name)}
        if name in told.names:
            k = told.names.index(name)
            place, unit = fit.shape.size + fit.shape.side + k, points / float(told.scale[k])
            value = float(fit.theta[0, place]) * unit
            error = float(np.sqrt(spread.matrix[place, place])) * unit
            reach = quantile(level, spread.freedom) * error
            row |= {"estimate": value, "low": value - reach, "high": value + reach}
            row |= {"p": float(two_sided(np.array(value / error), spread.freedom))}
            row |= {"unit": "Elo points for 1 more", "status": "estimated"}
        rows.append(row)
    return rows


def _columns(pairs: Pairs) -> Floats:
    return np.zeros((len(pairs.left), 0)) if pairs.covariates is None else pairs.covariates


def _tell(tally: Tally, counts: Floats, shape: Shape, names: Sequence[str]) -> Told:
    """Keep the covariates that neither the models nor the sides nor earlier ones can mimic."""
    if tally.covariates is None or not names:
        return Told(Pairs(tally.left, tally.right), (), np.ones(0), {})
    weight = tally.counts.sum(axis=1) / max(1, tally.votes)
    size = np.sqrt(weight @ tally.covariates**2)
    scale = np.where(size > 0, size, 1.0)
    told = Told(Pairs(tally.left, tally.right, tally.covariates / scale), tuple(names), scale, {})
    # Of preferences alone: both-bad votes would tell a model's own covariate from its strength only
    # by what its opponents had of it. The side effect comes first, as 0; it is not asked for here.
    sided, counts = shape._replace(side=True, ground=False, covariates=len(names)), counts[..., :3]
    mimicked = [place - 1 for place in confounded(told.pairs, counts, sided) if place > 0]
    alone = sided._replace(covariates=1)
    for place in reversed(mimicked):
        gaps = tally.covariates[:, place]
        one = told.pairs._replace(covariates=gaps[:, None])
        told = told.without(place, _why(gaps, by_models=1 in confounded(one, counts, alone)))
    refused = {name: told.refused[name] for name in names if name in told.refused}
    return replace(told, refused=refused)


def _why(gaps: Floats, *, by_models: bool) -> str:
    if not gaps.any():
        return "not estimated: it is the same for both pictures in every vote"
    if (gaps == gaps[0]).all():
        return (
            f"not estimated: the left picture has {gaps[0]:+g} in every vote, which cannot be told "
            "from an advantage of its side"
        )
    if by_models:
        return (
            "not estimated: it follows from the models, so that their ratings hold it already; "
            "it takes models that were shown with more than one value of it"
        )
    return "not estimated: it follows from the models and the covariates named before it"
