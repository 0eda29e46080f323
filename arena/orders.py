"""Whether a score puts the models into the order in which people put them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from arena.comparisons import quantile
from arena.judged import Judged, texts
from arena.ratings import Ratings
from arena.shares import ESTIMATED
from arena.tally import Floats

DRAWS = 4000
FEW_MODELS = 5
"""Any order of four fits a given one with a chance of 1 in 24: two-sided, never below 5 %."""


@dataclass(frozen=True)
class Order:
    """Rank correlations of the models' mean scores with their ratings."""

    models: int
    """Rated models whose pictures are scored."""
    tau: float | None = None
    """Kendall's tau-b."""
    tau_low: float | None = None
    tau_high: float | None = None
    rho: float | None = None
    """Spearman's rho."""
    rho_low: float | None = None
    rho_high: float | None = None
    p: float | None = None
    """Chance that a random order of so many models has a tau at least as far from zero."""
    means: tuple[tuple[str, float], ...] = ()
    """The mean score of each model over its pictures that were judged, higher being better."""
    status: str = ESTIMATED


def compare(
    judged: Judged, values: Mapping[str, float], ratings: Ratings, *, level: float, seed: int
) -> Order:
    """Correlate the mean scores of the judged pictures with the ratings from their votes.

    The intervals draw raters and prompts anew, in the normal approximation: ratings from their
    covariance clustered by both, means from theirs clustered by prompt. They hold for these
    models; how the score would order others is another question.
    """
    models, table = _means(judged, values)
    rated = [name for name in ratings.cov.index if name in models]
    if len(rated) < 2:
        return Order(len(rated), status=_too_few(len(rated), len(ratings.cov)))
    where = [models.index(name) for name in rated]
    means, spread = table[0][where], table[1][np.ix_(where, where)]
    by_name = ratings.table.set_index("model")["rating"]
    rating = by_name[rated].to_numpy(dtype=float)
    listed = tuple(zip(rated, means.tolist(), strict=True))
    tau, rho = float(_tau(means, rating)), float(_rho(means, rating))
    if np.isnan(tau):
        words = "unknown: all models have the same mean score, or the same rating"
        return Order(len(rated), means=listed, status=words)
    if len(rated) == 2:
        return Order(2, means=listed, status="two models have but one order: see the shares")
    rng = np.random.default_rng(seed)
    cov = ratings.cov.loc[rated, rated].to_numpy(dtype=float)
    drawn = [_draws(m, c, rng) for m, c in ((means, spread), (rating, cov))]
    reach = quantile(level, ratings.freedom)
    tau_low, tau_high = _interval(_tau(*drawn), tau, reach)
    rho_low, rho_high = _interval(_rho(*drawn), rho, reach)
    return Order(
        models=len(rated),
        tau=tau,
        tau_low=tau_low,
        tau_high=tau_high,
        rho=rho,
        rho_low=rho_low,
        rho_high=rho_high,
        p=_by_chance(means, rating),
        means=listed,
        status=_words(len(rated)),
    )


def _too_few(scored: int, rated: int) -> str:
    return f"unknown: {scored} of the {rated} rated models have scored pictures; an order takes two"


def _words(models: int) -> str:
    if models >= FEW_MODELS:
        return ESTIMATED
    return (
        f"{ESTIMATED}, but {models} models are too few for a rank correlation to show anything: "
        f"a random order fits perfectly once in {int(np.prod(np.arange(1, models + 1)))}"
    )


def _means(judged: Judged, values: Mapping[str, float]) -> tuple[list[str], tuple[Floats, Floats]]:
    """Return the models with scored pictures, their means, and the means' covariance."""
    left, right = judged.models
    prompt = texts(judged.votes["prompt"]) if "prompt" in judged.votes else judged.left
    shown = pd.DataFrame(
        {
            "picture": np.concatenate([judged.left, judged.right]),
            "model": np.concatenate([left, right]),
            "prompt": np.tile(prompt, 2),
        }
    )
    shown = shown[shown["picture"] >= 0].drop_duplicates("picture")
    names = np.array(judged.pictures, dtype=object)[shown["picture"]]
    value = np.array([values.get(name, np.nan) for name in names], dtype=float)
    scored = np.isfinite(value)
    shown, value = shown[scored], value[scored]
    codes, models = pd.factorize(shown["model"], sort=True)
    count = np.bincount(codes)
    mean = np.bincount(codes, weights=value) / count
    prompts, found = pd.factorize(shown["prompt"], use_na_sentinel=False)
    pull = np.zeros((len(found), len(models)))
    np.add.at(pull, (prompts, codes), (value - mean[codes]) / count[codes])
    spread = pull.T @ pull * len(found) / max(1, len(found) - 1)
    return [judged.tally.models[m] for m in models], (mean, spread)


def _draws(mean: Floats, covariance: Floats, rng: np.random.Generator) -> Floats:
    values, vectors = np.linalg.eigh(np.nan_to_num(covariance))
    noise = rng.standard_normal((DRAWS, len(mean)))
    drawn: Floats = mean + noise @ (vectors * np.sqrt(np.maximum(values, 0))).T
    return drawn


def _interval(drawn: Floats, estimate: float, reach: float) -> tuple[float, float]:
    """Return the bias-corrected percentile interval (Efron 1987, JASA 82(397):171-185, section 2).

    Noise can only disturb an order, so that draws lie nearer to zero than the estimate.
    """
    known = drawn[np.isfinite(drawn)]
    below = (known < estimate - 1e-9).mean() + (np.abs(known - estimate) <= 1e-9).mean() / 2
    shift = 2 * special.ndtri(np.clip(below, 0.5 / len(known), 1 - 0.5 / len(known)))
    low, high = np.quantile(known, special.ndtr([shift - reach, shift + reach]), method="nearest")
    return min(float(low), estimate), max(float(high), estimate)


def _tau(one: Floats, other: Floats) -> Floats:
    """Kendall's tau-b (1945, Biometrika 33(3):239-251) of each row; NaN where all are equal."""
    first, second = np.triu_indices(one.shape[-1], 1)
    x = np.sign(one[..., first] - one[..., second])
    y = np.sign(other[..., first] - other[..., second])
    return _ratio((x * y).sum(axis=-1), (x**2).sum(axis=-1), (y**2).sum(axis=-1))


def _rho(one: Floats, other: Floats) -> Floats:
    """Spearman's rho of each row: Pearson's correlation of the ranks."""
    from scipy.stats import rankdata

    x, y = rankdata(one, axis=-1), rankdata(other, axis=-1)
    middle = (one.shape[-1] + 1) / 2
    x, y = x - middle, y - middle
    return _ratio((x * y).sum(axis=-1), (x**2).sum(axis=-1), (y**2).sum(axis=-1))


def _ratio(joint: Floats, one: Floats, other: Floats) -> Floats:
    size = np.sqrt(one * other)
    return np.where(size > 0, joint / np.where(size > 0, size, 1), np.nan)


def _by_chance(one: Floats, other: Floats) -> float:
    from scipy.stats import kendalltau

    return float(kendalltau(one, other).pvalue)
