"""Scores to means, with intervals that treat the prompt, not the picture, as the unit.

Pictures of one prompt are alike, so the prompt is the cluster: a mean's standard error comes from
the spread of the prompts' own sums. For GenEval the headline is the unweighted mean of the task
means, and its variance the sum of the tasks' variances (a bootstrap stratified by task gives the
same figure at many times the cost).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from evalkit.errors import RunError
from evalkit.records import Generation, Prompt, Score, ScorerCard

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval and coverage: ``value`` is None when nothing was scored."""

    value: float | None
    low: float | None
    high: float | None
    scored: int
    """Pictures with a value."""
    total: int
    """Pictures that should have one."""
    prompts: int
    """Prompts with a value: the number of independent units."""


@dataclass(frozen=True)
class Summary:
    """One model under one scorer."""

    model: str
    scorer: str
    headline: Estimate
    categories: dict[str, Estimate]
    image_mean: float | None
    """Mean over all pictures (GenEval: the share of correct images)."""
    prompt_best: float | None
    """Mean over prompts of the best of their pictures (GenEval: the share of prompts, pass@n)."""
    reasons: dict[str, int]
    """Why pictures have no value, and how many each."""


@dataclass(frozen=True)
class Comparison:
    """Model ``a`` minus model ``b`` on the prompts and seeds that both have."""

    a: str
    b: str
    scorer: str
    difference: Estimate
    better: int
    """Prompts on which ``a`` is ahead."""
    worse: int
    equal: int
    p_value: float | None
    """Two-sided sign-flip permutation test over prompts; None when there is nothing to compare."""


@dataclass(frozen=True)
class _Part:
    """A stratum's mean with its variance and degrees of freedom."""

    mean: float
    variance: float
    freedom: float


def summarise(
    card: ScorerCard,
    prompts: Mapping[str, Prompt],
    generations: Iterable[Generation],
    scores: Iterable[Score],
) -> list[Summary]:
    """Summarise one scorer's scores for each model, in the order the models appear."""
    by_id = {s.generation_id: s for s in scores}
    of_model: dict[str, list[tuple[Generation, Score | None]]] = defaultdict(list)
    for generation in generations:
        of_model[generation.model].append((generation, by_id.get(generation.id)))
    return [_summary(card, prompts, model, rows) for model, rows in of_model.items()]


def _summary(
    card: ScorerCard,
    prompts: Mapping[str, Prompt],
    model: str,
    rows: Sequence[tuple[Generation, Score | None]],
) -> Summary:
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    totals: dict[str, int] = defaultdict(int)
    reasons: dict[str, int] = defaultdict(int)
    for generation, score in rows:
        category = prompts[generation.prompt_id].category
        totals[category] += 1
        if score is not None and score.value is not None:
            values[category][generation.prompt_id].append(score.value)
        else:
            reasons[(score and score.reason) or "not scored yet"] += 1
    bounds = _bounds(card)
    categories = {
        c: _estimate([_part(list(values[c].values()), bounds)], values[c], totals[c], bounds)
        for c in totals
    }
    every = {p: v for of_prompt in values.values() for p, v in of_prompt.items()}
    strata = list(values.values()) if card.headline == "mean of category means" else [every]
    parts = [_part(list(s.values()), bounds) for s in strata if s]
    whole = card.headline == "mean" or all(values[c] for c in totals)
    headline = _estimate(parts if whole else [], every, sum(totals.values()), bounds)
    flat = [x for v in every.values() for x in v]
    return Summary(
        model=model,
        scorer=card.name,
        headline=headline,
        categories=categories,
        image_mean=_mean(flat),
        prompt_best=_mean([max(v) for v in every.values()]),
        reasons=dict(reasons),
    )


def _bounds(card: ScorerCard) -> tuple[float, float] | None:
    return None if card.low is None or card.high is None else (card.low, card.high)


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _part(clusters: Sequence[Sequence[float]], bounds: tuple[float, float] | None) -> _Part | None:
    """Estimate a mean over clusters of pictures, as the ratio of sums to counts.

    For a bounded score two pseudo-prompts, one at each bound, enter the variance alone (after
    Agresti and Caffo, The American Statistician 54(4), 2000): twenty prompts all right do not
    prove that the model is never wrong.
    """
    if not clusters:
        return None
    count = math.fsum(len(c) for c in clusters)
    mean = math.fsum(x for c in clusters for x in c) / count
    size = count / len(clusters)
    sums = [(math.fsum(c), float(len(c))) for c in clusters]
    if bounds:
        sums += [(bound * size, size) for bound in bounds]
    n = len(sums)
    if n < 2:
        return _Part(mean, math.nan, math.nan)
    weight = math.fsum(k for _, k in sums)
    center = math.fsum(s for s, _ in sums) / weight
    spread = math.fsum((s - center * k) ** 2 for s, k in sums)
    return _Part(mean, spread * n / (n - 1) / weight**2, n - 1.0)


def _estimate(
    parts: Sequence[_Part | None],
    clusters: Mapping[str, Sequence[float]],
    total: int,
    bounds: tuple[float, float] | None,
) -> Estimate:
    known = [p for p in parts if p is not None]
    scored = sum(len(c) for c in clusters.values())
    prompts = sum(1 for c in clusters.values() if c)
    if not known:
        return Estimate(None, None, None, scored, total, prompts)
    value = math.fsum(p.mean for p in known) / len(known)
    variance = math.fsum(p.variance for p in known) / len(known) ** 2
    if math.isnan(variance):
        return Estimate(value, None, None, scored, total, prompts)
    half = math.sqrt(variance) * _quantile(_freedom(known))
    low, high = value - half, value + half
    if bounds:
        low, high = max(low, bounds[0]), min(high, bounds[1])
    return Estimate(value, low, high, scored, total, prompts)


def _freedom(parts: Sequence[_Part]) -> float:
    """Combine degrees of freedom over strata (Welch and Satterthwaite)."""
    total = math.fsum(p.variance for p in parts)
    squares = math.fsum(p.variance**2 / p.freedom for p in parts)
    return total**2 / squares if squares > 0 else min(p.freedom for p in parts)


@cache
def _quantile(freedom: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + LEVEL / 2))


def compare(
    card: ScorerCard,
    prompts: Mapping[str, Prompt],
    generations: Iterable[Generation],
    scores: Iterable[Score],
    a: str,
    b: str,
) -> Comparison:
    """Compare two models on equal prompts and seeds, by the same headline as the summary."""
    by_id = {s.generation_id: s.value for s in scores}
    value: dict[tuple[str, str, int], float | None] = {
        (g.model, g.prompt_id, g.seed): by_id.get(g.id) for g in generations
    }
    shared = sorted({k[1:] for k in value if k[0] == a} & {k[1:] for k in value if k[0] == b})
    if not shared:
        raise RunError(
            f"{a!r} and {b!r} share no prompt and seed in this run. Generate both in one run."
        )
    of_category: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for prompt, seed in shared:
        x, y = value[a, prompt, seed], value[b, prompt, seed]
        if x is not None and y is not None:
            category = prompts[prompt].category if card.headline != "mean" else ""
            of_category[category][prompt].append(x - y)
    return _comparison(card, a, b, of_category, len(shared))


def _comparison(
    card: ScorerCard,
    a: str,
    b: str,
    of_category: Mapping[str, Mapping[str, Sequence[float]]],
    total: int,
) -> Comparison:
    bounds = _bounds(card)
    reach = (bounds[0] - bounds[1], bounds[1] - bounds[0]) if bounds else None
    parts = [_part(list(v.values()), None) for v in of_category.values()]
    every = {p: d for of_prompt in of_category.values() for p, d in of_prompt.items()}
    means = [math.fsum(d) / len(d) for d in every.values()]
    return Comparison(
        a=a,
        b=b,
        scorer=card.name,
        difference=_estimate(parts, every, total, reach),
        better=sum(m > 0 for m in means),
        worse=sum(m < 0 for m in means),
        equal=sum(m == 0 for m in means),
        p_value=_sign_flip(of_category),
    )


def _sign_flip(
    of_category: Mapping[str, Mapping[str, Sequence[float]]], rounds: int = 9_999
) -> float | None:
    """Test a mean difference of zero by flipping each prompt's sign at random, seeded."""
    import numpy as np

    if not any(of_category.values()):
        return None
    rng = np.random.default_rng(0)
    observed, flipped = 0.0, np.zeros(rounds)
    for of_prompt in of_category.values():
        sums = np.array([math.fsum(d) for d in of_prompt.values()])
        weight = sum(len(d) for d in of_prompt.values()) * len(of_category)
        observed += sums.sum() / weight
        signs = rng.integers(0, 2, size=(rounds, len(sums)), dtype=np.int8) * 2 - 1
        flipped += signs @ sums / weight
    # A hair of slack keeps ties, which rounding splits, on the side of no effect.
    extreme = int((np.abs(flipped) >= abs(observed) - 1e-12).sum())
    return (extreme + 1) / (rounds + 1)
