"""Means over clusters: prompts are the units, whatever the number of their pictures.

A mean's variance comes from the spread of the prompts' own sums (the linearised variance of a
ratio of sums); a mean of task means has the sum of the tasks' variances. ``bootstrap`` draws
prompts again within each task: the same figure at many times the cost, too narrow for few prompts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEVEL = 0.95
ROUNDS = 9_999
_AT_ONCE = 4_000_000
"""Numbers that a resampling holds in memory at a time."""

Pseudo = Sequence[tuple[float, float]]
"""Values and weights of prompts that enter the variance alone."""


@dataclass(frozen=True, eq=False)
class Stratum:
    """One task's prompts: the sum of each one's values, and how many there are of it."""

    sums: Floats
    counts: Floats

    @classmethod
    def of(cls, clusters: Sequence[Sequence[float]]) -> Stratum:
        """Make a stratum of each prompt's values; a prompt without any is left out."""
        kept = [c for c in clusters if len(c)]
        sums = np.array([math.fsum(c) for c in kept])
        return cls(sums, np.array([float(len(c)) for c in kept]))

    def __len__(self) -> int:
        return len(self.sums)

    @property
    def mean(self) -> float:
        """Mean over the pictures."""
        return math.fsum(self.sums) / math.fsum(self.counts)


@dataclass(frozen=True)
class Mean:
    """A mean with its variance and degrees of freedom; NaN where one prompt cannot tell."""

    value: float
    variance: float
    freedom: float

    @property
    def error(self) -> float:
        """Standard error."""
        return math.sqrt(self.variance)

    def interval(self, level: float = LEVEL) -> tuple[float, float] | None:
        """Return the two-sided t interval."""
        if math.isnan(self.variance):
            return None
        half = self.error * quantile(0.5 + level / 2, self.freedom)
        return self.value - half, self.value + half


def at_bounds(low: float, high: float) -> Pseudo:
    """Return a pseudo-prompt at each bound of a score.

    After Agresti and Caffo (The American Statistician 54(4), 2000): twenty prompts all right do
    not prove that the model is never wrong.
    """
    return ((low, 1.0), (high, 1.0))


def at_extremes(low: float, high: float) -> Pseudo:
    """Return pseudo-prompts for two bounded scores that differ on no prompt.

    After Agresti and Min (Statistics in Medicine 24, 2005, "Simple improved confidence intervals
    for comparing matched proportions"): half a prompt for each way in which two can be right or
    wrong, so that they differ fully either way in half a one, and agree in a whole one. Where
    prompts do differ these would make intervals too wide (``benchmarks/score_coverage.py``).
    """
    return ((low - high, 0.5), (high - low, 0.5), (0.0, 1.0))


def mean(stratum: Stratum, pseudo: Pseudo = ()) -> Mean:
    """Estimate one task's mean over its pictures; the pseudo-prompts move its variance only."""
    size = math.fsum(stratum.counts) / len(stratum)
    sums = np.append(stratum.sums, [value * size for value, _ in pseudo])
    counts = np.append(stratum.counts, [size for _ in pseudo])
    weights = np.append(np.ones(len(stratum)), [weight for _, weight in pseudo])
    n = math.fsum(weights)
    if n < 2:
        return Mean(stratum.mean, math.nan, math.nan)
    total = math.fsum(weights * counts)
    center = math.fsum(weights * sums) / total
    spread = math.fsum(weights * (sums - center * counts) ** 2)
    return Mean(stratum.mean, spread * n / (n - 1) / total**2, n - 1)


def mean_of_means(parts: Sequence[Mean]) -> Mean:
    """Average tasks, each counting the same; degrees of freedom by Welch and Satterthwaite."""
    total = math.fsum(p.variance for p in parts)
    squares = math.fsum(p.variance**2 / p.freedom for p in parts)
    freedom = total**2 / squares if squares > 0 else min(p.freedom for p in parts)
    value = math.fsum(p.value for p in parts) / len(parts)
    return Mean(value, total / len(parts) ** 2, freedom)


def bootstrap(strata: Sequence[Stratum], *, rounds: int = ROUNDS, seed: int = 0) -> Floats:
    """Return means of task means with each task's prompts drawn again, seeded."""
    (found,) = bootstraps([strata], rounds=rounds, seed=seed)
    return found


def bootstraps(
    many: Sequence[Sequence[Stratum]], *, rounds: int = ROUNDS, seed: int = 0
) -> list[Floats]:
    """Return ``bootstrap`` of each; those with as many prompts in each task share the draws."""
    alike: dict[tuple[int, ...], list[int]] = {}
    for i, strata in enumerate(many):
        alike.setdefault(tuple(map(len, strata)), []).append(i)
    found = [np.zeros(0)] * len(many)
    step = max(1, _AT_ONCE // rounds)
    for places in alike.values():
        for start in range(0, len(places), step):
            some = places[start : start + step]
            means = _together([many[i] for i in some], rounds, seed)
            for i, column in zip(some, means.T, strict=True):
                found[i] = column
    return found


def _together(many: Sequence[Sequence[Stratum]], rounds: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    total = np.zeros((rounds, len(many)))
    for strata in zip(*many, strict=True):
        total += _redrawn(strata, rounds, rng) / len(many[0])
    return total


def _redrawn(strata: Sequence[Stratum], rounds: int, rng: np.random.Generator) -> Floats:
    """Return the mean of each on the same draws: (rounds, strata)."""
    n = len(strata[0])
    sums = np.stack([s.sums for s in strata], axis=1)
    counts = np.stack([s.counts for s in strata], axis=1)
    means = np.empty((rounds, len(strata)))
    step = max(1, _AT_ONCE // n)
    for start in range(0, rounds, step):
        some = min(step, rounds - start)
        drawn = rng.multinomial(n, np.full(n, 1 / n), size=some).astype(np.float64)
        means[start : start + some] = (drawn @ sums) / (drawn @ counts)
    return means


def percentiles(means: Floats, level: float = LEVEL) -> tuple[float, float]:
    """Return the interval that holds the middle of resampled means."""
    low, high = np.quantile(means, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def sign_flips(weighted: Floats, *, rounds: int = ROUNDS, seed: int = 0) -> Floats:
    """Test columns of prompts' differences for a sum of zero, by flipping signs at random.

    One p-value a column, two-sided; all columns see the same flips. With one added above and below
    it never is zero (Phipson and Smyth, arXiv 1603.05766).
    """
    rng = np.random.default_rng(seed)
    observed = np.abs(weighted.sum(axis=0))
    # A hair of slack keeps ties, which rounding splits, on the side of no effect.
    slack = 1e-9 * np.abs(weighted).sum(axis=0)
    extreme = np.zeros(weighted.shape[1])
    step = max(1, _AT_ONCE // max(1, sum(weighted.shape)))
    for start in range(0, rounds, step):
        shape = (min(step, rounds - start), len(weighted))
        signs = rng.integers(0, 2, size=shape, dtype=np.int8).astype(np.float64) * 2 - 1
        extreme += (np.abs(signs @ weighted) >= observed - slack).sum(axis=0)
    p: Floats = (extreme + 1) / (rounds + 1)
    return p


def holm(p: Floats) -> Floats:
    """Adjust p-values so that any false rejection is as rare as stated (Holm 1979).

    Missing tests (NaN) stay missing and cost nothing.
    """
    adjusted = np.full(len(p), np.nan)
    order = np.argsort(p)[: int((~np.isnan(p)).sum())]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1)
    return adjusted


@cache
def quantile(level: float, freedom: float = math.inf) -> float:
    """Return the t quantile (the normal one for infinite degrees of freedom)."""
    from scipy.special import ndtri, stdtrit

    return float(ndtri(level) if math.isinf(freedom) else stdtrit(freedom, level))


def upper_tail(statistic: float, freedom: float) -> float:
    """Return the chance of a larger t statistic."""
    from scipy.special import stdtr

    return float(stdtr(freedom, -statistic))
