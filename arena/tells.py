"""Whether a number that comes with each picture says which model made it, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from arena.tally import Floats

SHARE = 0.05
"""Of the greatest differences, this share is cut to the next: one slow answer proves nothing."""

POWER = 0.8

_CUT_SPREAD = 0.956
"""Of a normal variable that is cut so (at 1.96): its deviation, of what it was."""
_LARGEST = 1e4


@dataclass(frozen=True)
class Tell:
    """What the differences within battles say of the models behind them."""

    battles: int
    p: float
    """Chance of differences as telling as these, had they nothing to do with the models."""
    most: float
    """The greatest mean of one model's differences from its rivals, without its sign."""
    model: str
    """Whose that is."""
    visible: float | None
    """How far one model would have to be from the others to be noticed 4 times in 5."""


def tell(
    differences: Sequence[float],
    left: Sequence[str],
    right: Sequence[str],
    *,
    alpha: float,
    flips: int = 4999,
    seed: int = 0,
) -> Tell:
    """Test left-minus-right differences against the models, by flipping their signs.

    Sides are drawn by the server without a look at the models, so that if a number is independent
    of them every sign is as likely as its opposite: the test is exact (Fisher, The Design of
    Experiments, 1935, section 21). The statistic is what a least-squares fit of one number a model
    explains.
    """
    models = sorted({*left, *right})
    design = _design(left, right, models)
    measured = _cut(np.asarray(differences, dtype=float))
    inverse = np.linalg.pinv(design.T @ design)

    def explained(values: Floats) -> Floats:
        moments = values @ design
        return np.asarray(np.einsum("...i,ij,...j->...", moments, inverse, moments))

    signs = np.random.default_rng(seed).choice((-1.0, 1.0), (flips, len(measured)))
    found = explained(measured)
    beaten = int((explained(signs * measured) >= found * (1 - 1e-9)).sum())
    p = (beaten + 1) / (flips + 1) if found > 0 else 1.0
    shown = np.abs(design).sum(axis=0)
    means = np.abs(measured @ design) / np.maximum(shown, 1)
    most = int(means.argmax()) if models else 0
    return Tell(
        battles=len(measured),
        p=p,
        most=float(means[most]) if models else 0.0,
        model=models[most] if models else "",
        visible=_visible(measured, design, alpha),
    )


def _design(left: Sequence[str], right: Sequence[str], models: Sequence[str]) -> Floats:
    place = {name: i for i, name in enumerate(models)}
    design = np.zeros((len(left), len(models)))
    rows = np.arange(len(left))
    design[rows, [place[m] for m in left]] += 1
    design[rows, [place[m] for m in right]] -= 1
    return design


def _cut(values: Floats) -> Floats:
    if not len(values):
        return values
    limit = float(np.quantile(np.abs(values), 1 - SHARE))
    return np.clip(values, -limit, limit)


def _visible(values: Floats, design: Floats, alpha: float) -> float | None:
    """Return what an F test of the same fit would see at this power, for normal differences."""
    rank = int(np.linalg.matrix_rank(design)) if design.size else 0
    spread = float(np.sqrt(np.mean(values**2))) / _CUT_SPREAD if len(values) else 0.0
    rest = len(values) - rank
    if not rank or rest <= 0 or not spread:
        return None
    limit = stats.f.ppf(1 - alpha, rank, rest)

    def lacking(noncentral: float) -> float:
        return float(stats.ncf.sf(limit, rank, rest, noncentral)) - POWER

    if lacking(_LARGEST) < 0:
        return None
    needed = optimize.brentq(lacking, 1e-6, _LARGEST)
    least = float((design**2).sum(axis=0).min())
    return spread / (1 - SHARE) * float(np.sqrt(needed / least))
