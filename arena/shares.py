"""Shares of votes and their differences, with intervals that know votes are related."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from arena.clusters import Clusters
from arena.codes import Codes
from arena.comparisons import quantile, two_sided
from arena.tally import Floats, Ints
from arena.uncertainty import FLOOR

ESTIMATED = "estimated"


@dataclass(frozen=True)
class Share:
    """A share, 0 to 1, with its interval and coverage: None where ``status`` says why."""

    value: float | None
    low: float | None
    high: float | None
    votes: int
    """Votes that it rests on."""
    total: int
    """Votes that it should rest on."""
    status: str = ESTIMATED


@dataclass(frozen=True)
class Gap:
    """The difference of two shares of the same votes, with its interval and test against zero."""

    value: float | None
    low: float | None
    high: float | None
    p: float | None
    votes: int
    status: str = ESTIMATED


def unknown(total: int, status: str, votes: int = 0) -> Share:
    """Return the share that cannot be told."""
    return Share(None, None, None, votes, total, status)


def share(
    values: Floats, by: Sequence[Clusters], *, total: int, level: float, of_rater: float = 1.0
) -> Share:
    """Return the mean of values in [0, 1], one a vote, with ``interval``."""
    number, mean = len(values), float(values.mean())
    found = variance((values - mean) / number, by, of_rater)
    return interval(mean, found, by, number, total=total, level=level)


def interval(
    value: float,
    variance: float,
    by: Sequence[Clusters],
    number: int,
    *,
    total: int,
    level: float,
) -> Share:
    """Return a share of so many votes with Wilson's interval.

    The interval's number of votes is the effective one, p (1 - p) / variance, with t quantiles
    (Dean and Pagano 2015, J. Surv. Stat. Methodol. 3(4):484-503). Where all votes are alike there
    is no spread to go by: then each cluster counts as one vote.
    """
    freedom = _freedom(by, number)
    if freedom < 1:
        return Share(value, None, None, number, total, "one vote tells no interval")
    fewest = min((one.effective for one in by), default=float(number))
    effective = value * (1 - value) / variance if variance > 0 else fewest
    low, high = wilson(value, effective, quantile(level, freedom))
    return Share(value, low, high, number, total)


def wilson(mean: float, number: float, reach: float) -> tuple[float, float]:
    """Return Wilson's interval of a proportion (1927, JASA 22(158):209-212)."""
    square = reach**2 / number
    centre = (mean + square / 2) / (1 + square)
    half = reach * np.sqrt(mean * (1 - mean) / number + square / (4 * number)) / (1 + square)
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))


def gap(
    values: Floats,
    by: Sequence[Clusters],
    *,
    level: float,
    of_rater: Floats | None = None,
) -> Gap:
    """Return the mean of the votes' differences in [-1, 1], with its t interval and test.

    ``of_rater`` holds each vote's deviation as it counts for its rater, where that is not the
    deviation from the mean.
    """
    number = len(values)
    mean = float(values.mean())
    deviation = (values - mean) / number
    found = variance(deviation, by, 1.0 if of_rater is None else of_rater / number)
    freedom = _freedom(by, number)
    if not found > 0 or freedom < 1:
        words = "no vote tells them apart" if not values.any() else "all votes say the same"
        return Gap(mean, None, None, None, number, words)
    error = float(np.sqrt(found))
    reach = quantile(level, freedom) * error
    p = float(two_sided(np.array(mean / error), freedom))
    return Gap(mean, max(-1.0, mean - reach), min(1.0, mean + reach), p, number)


def variance(deviation: Floats, by: Sequence[Clusters], of_rater: float | Floats = 1.0) -> float:
    """Return the variance of the sum of deviations of votes of which some are related.

    One way: the sum of the clusters' squared sums with the factor G / (G - 1), G being the
    effective number of clusters. Two ways: V_1 + V_2 - V_12 (Cameron, Gelbach and Miller 2011),
    which is no less than either but for noise, and so is held to that. It is no less than a
    quarter of what independent votes would have, as for ratings.

    What votes say of others' votes counts for both raters of a couple (Aronow, Samii and Assenova
    2015, Political Analysis 23(4):564-577): ``of_rater`` = 2, or the deviations as they count for
    the rater.
    """
    number = len(deviation)
    alone = float((deviation**2).sum()) * number / max(1, number - 1)
    ways = [_squares(deviation, one.codes, one.effective) for one in by]
    if len(by) < 2:
        return max([alone, *ways]) if not by else max(FLOOR * alone, *ways)
    one, other = by
    both = Clusters("both", np.unique(_crossed(one, other), return_inverse=True)[1], number)
    doubled = of_rater * deviation if isinstance(of_rater, float) else of_rater
    joint = sum(
        _squares(doubled if way.name == "rater" else deviation, way.codes, way.effective)
        for way in by
    )
    joint -= _squares(doubled, both.codes, both.effective)
    return max(FLOOR * alone, joint, *ways)


def _crossed(one: Clusters, other: Clusters) -> Codes:
    return one.codes.astype(np.int64) * other.number + other.codes


def subset(by: Sequence[Clusters], rows: Ints) -> list[Clusters]:
    """Keep the clusters of some votes; a way with fewer than two of them says nothing."""
    kept = []
    for one in by:
        codes, values = pd.factorize(one.codes[rows])
        if len(values) > 1:
            kept.append(Clusters(one.name, codes, len(values)))
    return kept


def _squares(values: Floats, codes: Codes, effective: float) -> float:
    sums = np.bincount(codes, weights=values)
    return float((sums**2).sum()) * effective / (effective - 1)


def _freedom(by: Sequence[Clusters], number: int) -> float:
    return min((one.effective - 1 for one in by), default=number - 1.0)
