"""Models compared on the same prompts and seeds: differences, tests, margins, and how many prompts.

Each prompt gives one difference, summed over the seeds that both models have; everything here is
about the mean of those, by the same headline as the summary (for GenEval the mean of task means).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from evalkit import clusters
from evalkit.clusters import ROUNDS, Floats, Mean, Stratum
from evalkit.errors import RunError
from evalkit.records import Generation, Prompt, Score, ScorerCard
from evalkit.summary import Estimate, bounds, estimate

ALPHA = 0.05
POWER = 0.8
FLIPS_PER_TEST = 100
"""So many flips more for each test, or no p-value could be small enough for Holm's first step."""

Scored = Sequence[tuple[ScorerCard, Sequence[Score]]]
Pair = tuple[str, str]
K = TypeVar("K")


@dataclass(frozen=True)
class Margin:
    """Is ``a`` no worse than ``b`` by more than a margin, and are the two equivalent within it?

    One-sided t tests at 5 %; equivalent is what passes both ways (Schuirmann 1987).
    """

    margin: float
    p_no_worse: float | None
    p_equivalent: float | None
    worse_by_at_most: float | None
    """The smallest margin that would pass: how much worse ``a`` may be, with 95 % confidence."""
    prompts: int | None
    """How many prompts would show it 4 times in 5, were the two equal."""

    @property
    def no_worse(self) -> bool:
        """Whether it was shown."""
        return self.p_no_worse is not None and self.p_no_worse <= ALPHA


@dataclass(frozen=True)
class Reach:
    """What so many prompts can settle, at two-sided 5 % and with a power of 80 %."""

    detectable: float
    """The smallest true difference that these prompts would find 4 times in 5."""
    prompts: int | None
    """How many would find one as large as was seen; None where none was seen."""


@dataclass(frozen=True)
class Comparison:
    """Model ``a`` minus model ``b`` on the prompts and seeds that both have."""

    a: str
    b: str
    scorer: str
    difference: Estimate
    bootstrap: tuple[float, float] | None
    """The middle 95 % of the difference with each task's prompts drawn again."""
    better: int
    """Prompts on which ``a`` is ahead, in the scorer's own direction."""
    worse: int
    equal: int
    p_sign: float | None
    """Exact sign test: is ``a`` ahead on as many prompts as behind?"""
    p_value: float | None
    """Two-sided sign-flip permutation test of the mean; None when there is nothing to compare."""
    p_adjusted: float | None
    """``p_value`` by Holm's method over all comparisons made together."""
    reach: Reach | None
    margin: Margin | None = None


@dataclass(frozen=True, eq=False)
class _Grid:
    """One scorer's values: models x prompts x seeds, NaN where there is none."""

    card: ScorerCard
    models: Mapping[str, int]
    task: NDArray[np.int64]
    """Per prompt, which task's mean it is part of."""
    values: Floats
    drawn: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Paired:
    """Two models' differences: per prompt the sum over seeds and the number of them."""

    card: ScorerCard
    pair: Pair
    task: NDArray[np.int64]
    sums: Floats
    counts: Floats
    total: int
    strata: tuple[Stratum, ...]
    """The tasks that both have pictures of."""

    @property
    def known(self) -> bool:
        """Whether every task has a pair of scores, so that there is a headline to compare."""
        return bool(self.strata) and all(map(len, self.strata))

    @property
    def weighted(self) -> Floats:
        """What each prompt adds to the difference of headlines."""
        found = np.zeros(len(self.sums))
        if self.known:
            for task in np.unique(self.task[self.counts > 0]):
                here = self.task == task
                found[here] = self.sums[here] / self.counts[here].sum() / len(self.strata)
        return found


def compare(
    card: ScorerCard,
    prompts: Mapping[str, Prompt],
    generations: Iterable[Generation],
    scores: Iterable[Score],
    a: str,
    b: str,
    *,
    margin: float | None = None,
) -> Comparison:
    """Compare two models on equal prompts and seeds, under one scorer."""
    margins = {} if margin is None else {card.name: margin}
    (found,) = compare_all(
        [(card, list(scores))], prompts, list(generations), [(a, b)], margins=margins
    )
    return found


def compare_all(
    scored: Scored,
    prompts: Mapping[str, Prompt],
    generations: Sequence[Generation],
    pairs: Sequence[Pair],
    *,
    margins: Mapping[str, float] | None = None,
) -> list[Comparison]:
    """Compare pairs of models under each scorer; p-values are adjusted over all that is returned.

    ``margins`` maps scorers' names to how much worse a model may be and still pass as no worse.
    """
    tests = len(scored) * len(pairs)
    found = [
        one
        for card, scores in scored
        for one in _under(_grid(card, prompts, generations, scores), pairs, margins or {}, tests)
    ]
    adjusted = clusters.holm(np.array([c.p_value for c in found], dtype=np.float64))
    return [
        replace(c, p_adjusted=None if c.p_value is None else float(p))
        for c, p in zip(found, adjusted, strict=True)
    ]


def _grid(
    card: ScorerCard,
    prompts: Mapping[str, Prompt],
    generations: Sequence[Generation],
    scores: Sequence[Score],
) -> _Grid:
    by_id = {s.generation_id: s.value for s in scores}
    models = _numbered(g.model for g in generations)
    ids = _numbered(g.prompt_id for g in generations)
    seeds = _numbered(g.seed for g in generations)
    names = [prompts[p].category if card.headline != "mean" else "" for p in ids]
    tasks = _numbered(names)
    shape = (len(models), len(ids), len(seeds))
    values, drawn = np.full(shape, np.nan), np.zeros(shape, dtype=bool)
    for g in generations:
        at = models[g.model], ids[g.prompt_id], seeds[g.seed]
        value = by_id.get(g.id)
        values[at], drawn[at] = np.nan if value is None else value, True
    return _Grid(card, models, np.array([tasks[n] for n in names], np.int64), values, drawn)


def _numbered(keys: Iterable[K]) -> dict[K, int]:
    return {key: i for i, key in enumerate(dict.fromkeys(keys))}


def _under(
    grid: _Grid, pairs: Sequence[Pair], margins: Mapping[str, float], tests: int
) -> list[Comparison]:
    """Compare all pairs under one scorer; they share the flips and the redraws of prompts."""
    paired = [_paired(grid, pair) for pair in pairs]
    if not paired:
        return []
    rounds = max(ROUNDS, FLIPS_PER_TEST * tests - 1)
    p = clusters.sign_flips(np.stack([one.weighted for one in paired], axis=1), rounds=rounds)
    margin = margins.get(grid.card.name)
    drawn = iter(clusters.bootstraps([one.strata for one in paired if one.known]))
    return [
        _comparison(one, float(value), clusters.percentiles(next(drawn)), margin)
        if one.known
        else _comparison(one, None, None, margin)
        for one, value in zip(paired, p, strict=True)
    ]


def _paired(grid: _Grid, pair: Pair) -> _Paired:
    a, b = (grid.models.get(name) for name in pair)
    both = grid.drawn[a] & grid.drawn[b] if a is not None and b is not None else np.zeros(1, bool)
    if a is None or b is None or not both.any():
        raise RunError(
            f"{pair[0]!r} and {pair[1]!r} share no prompt and seed in this run. "
            "Generate both in one run."
        )
    gaps = np.where(both, grid.values[a] - grid.values[b], np.nan)
    counts = np.isfinite(gaps).sum(axis=1).astype(np.float64)
    sums = np.nansum(gaps, axis=1)
    there = both.any(axis=1)
    strata = [
        Stratum(sums[here], counts[here])
        for task in np.unique(grid.task[there])
        for here in [(grid.task == task) & (counts > 0)]
    ]
    return _Paired(grid.card, pair, grid.task, sums, counts, int(both.sum()), tuple(strata))


def _comparison(
    paired: _Paired,
    p_value: float | None,
    bootstrap: tuple[float, float] | None,
    margin: float | None,
) -> Comparison:
    card, limits = paired.card, bounds(paired.card)
    width = limits and (limits[0] - limits[1], limits[1] - limits[0])
    mean = _mean(paired, limits) if paired.known else None
    sign = 1 if card.higher_is_better else -1
    ahead = sign * np.sign(paired.sums[paired.counts > 0])
    better, worse, equal = (int((ahead == side).sum()) for side in (1, -1, 0))
    return Comparison(
        a=paired.pair[0],
        b=paired.pair[1],
        scorer=card.name,
        difference=estimate(mean, paired.strata, paired.total, width),
        bootstrap=bootstrap,
        better=better,
        worse=worse,
        equal=equal,
        p_sign=sign_test(better, worse) if mean else None,
        p_value=p_value,
        p_adjusted=None,
        reach=_reach(mean, paired) if mean else None,
        margin=None if margin is None else _margin(mean, sign, margin, paired),
    )


def _mean(paired: _Paired, limits: tuple[float, float] | None) -> Mean:
    """Estimate the difference; that no prompt tells two models apart does not prove them equal."""
    found = clusters.mean_of_means([clusters.mean(s) for s in paired.strata])
    if found.variance == 0 and limits:
        pseudo = clusters.at_extremes(*limits)
        return clusters.mean_of_means([clusters.mean(s, pseudo) for s in paired.strata])
    return found


def sign_test(better: int, worse: int) -> float:
    """Return the two-sided exact p-value of so many prompts either way; ties say nothing."""
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(better, worse), better + worse, 0.5)))


def _reach(mean: Mean, paired: _Paired) -> Reach | None:
    if not mean.error > 0:  # NaN: one prompt shows no spread
        return None
    both = clusters.quantile(1 - ALPHA / 2) + clusters.quantile(POWER)
    prompts = None if mean.value == 0 else _prompts(paired, mean.error * both / mean.value)
    return Reach(detectable=mean.error * both, prompts=prompts)


def _prompts(paired: _Paired, ratio: float) -> int:
    """Scale the number of prompts, the mix of tasks kept, so that errors shrink by a ratio."""
    return max(2, math.ceil(sum(map(len, paired.strata)) * ratio**2))


def _margin(mean: Mean | None, sign: int, margin: float, paired: _Paired) -> Margin:
    """Test a difference, ``a`` ahead being positive, against the margin on both sides."""
    if mean is None or math.isnan(mean.variance):
        return Margin(margin, None, None, None, None)
    ahead = sign * mean.value
    below, above = (_one_sided(d, mean) for d in (ahead + margin, margin - ahead))
    one_sided = clusters.quantile(1 - ALPHA) + clusters.quantile(POWER)
    return Margin(
        margin=margin,
        p_no_worse=below,
        p_equivalent=max(below, above),
        worse_by_at_most=mean.error * clusters.quantile(1 - ALPHA, mean.freedom) - ahead,
        prompts=_prompts(paired, mean.error * one_sided / margin) if margin > 0 else None,
    )


def _one_sided(distance: float, mean: Mean) -> float:
    """Return the p-value against a distance of zero or less."""
    if mean.error == 0:
        return 0.0 if distance > 0 else 1.0
    return clusters.upper_tail(distance / mean.error, mean.freedom)
