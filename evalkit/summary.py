"""Scores to means, with intervals that treat the prompt, not the picture, as the unit.

Pictures of one prompt are alike, so the prompt is the cluster. For GenEval the headline is the
unweighted mean of the task means, and its variance the sum of the tasks' variances.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from evalkit import clusters
from evalkit.clusters import Mean, Stratum
from evalkit.records import Generation, Prompt, Score, ScorerCard

OfPrompt = Mapping[str, Sequence[float]]
"""A task's prompts: the values of each one's pictures."""


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
    return _summed(card, model, values, totals, dict(reasons))


def _summed(
    card: ScorerCard,
    model: str,
    values: Mapping[str, OfPrompt],
    totals: Mapping[str, int],
    reasons: dict[str, int],
) -> Summary:
    of_task = [values.get(c, {}) for c in totals]
    flat = [x for v in values.values() for xs in v.values() for x in xs]
    best = [max(xs) for v in values.values() for xs in v.values()]
    return Summary(
        model=model,
        scorer=card.name,
        headline=_headline(card, of_task, sum(totals.values())),
        categories={
            c: _estimate(card, [task], totals[c]) for c, task in zip(totals, of_task, strict=True)
        },
        image_mean=_mean(flat),
        prompt_best=_mean(best),
        reasons=reasons,
    )


def of_values(card: ScorerCard, model: str, rows: Iterable[tuple[str, str, float]]) -> Summary:
    """Summarise (category, prompt, value) of pictures that have no run of ours."""
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for category, prompt, value in rows:
        values[category][prompt].append(value)
    totals = {c: sum(map(len, of_prompt.values())) for c, of_prompt in values.items()}
    return _summed(card, model, values, totals, {})


def newest(cards: Iterable[ScorerCard]) -> list[ScorerCard]:
    """Keep one version of each score, the newest, by name."""
    kept = {c.name: c for c in sorted(cards, key=lambda c: c.version)}
    return [kept[name] for name in sorted(kept)]


def bounds(card: ScorerCard) -> tuple[float, float] | None:
    """Return the least and the most that a score can be, if both are stated."""
    return None if card.low is None or card.high is None else (card.low, card.high)


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _headline(card: ScorerCard, of_task: Sequence[OfPrompt], total: int) -> Estimate:
    """Estimate a model's one figure; a task without a score leaves a mean of tasks open."""
    if card.headline == "mean":
        return _estimate(card, [{p: v for task in of_task for p, v in task.items()}], total)
    return _estimate(card, of_task, total)


def _estimate(card: ScorerCard, of_task: Sequence[OfPrompt], total: int) -> Estimate:
    limits = bounds(card)
    pseudo = clusters.at_bounds(*limits) if limits else ()
    strata = [Stratum.of(list(task.values())) for task in of_task]
    found = None
    if strata and all(map(len, strata)):
        found = clusters.mean_of_means([clusters.mean(s, pseudo) for s in strata])
    return estimate(found, strata, total, limits)


def estimate(
    found: Mean | None,
    strata: Sequence[Stratum],
    total: int,
    limits: tuple[float, float] | None,
) -> Estimate:
    """Put a mean together with its interval, kept to what is possible, and its coverage."""
    scored = int(sum(s.counts.sum() for s in strata))
    prompts = sum(map(len, strata))
    if found is None:
        return Estimate(None, None, None, scored, total, prompts)
    low, high = found.interval() or (None, None)
    if limits and low is not None and high is not None:
        low, high = max(low, limits[0]), min(high, limits[1])
    return Estimate(found.value, low, high, scored, total, prompts)
