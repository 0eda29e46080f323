"""The line of "good enough" on the Elo scale, and which models stand above or below it."""

from __future__ import annotations

from typing import Any

import numpy as np

from arena import comparisons
from arena.estimate import POINTS, Estimate, Options
from arena.tally import Floats
from evalkit.clusters import holm

MEANING = (
    "a model on the line is preferred as often as both are called bad, whatever it meets; each "
    "400 points above it make that 10 times as often"
)
WORDS = ("below", "not told apart", "above")


def facts(result: Estimate, origin: Floats, zero: float, options: Options) -> dict[str, Any]:
    """Return the line's rating, on a scale where ``origin`` of the strengths is at ``zero``."""
    rating = zero - POINTS * float(origin @ result.strengths)
    error = POINTS * float(np.sqrt(origin @ result.covariance @ origin))
    reach = comparisons.quantile(options.level, result.freedom) * error
    return {
        "rating": rating,
        "low": rating - reach,
        "high": rating + reach,
        "meaning": MEANING,
        "words": "above and below hold together for all models, by Holm's tests",
    }


def columns(result: Estimate, options: Options) -> dict[str, Any]:
    """Return how far each model stands over the line, with its interval and in a word."""
    over = POINTS * result.strengths
    error = POINTS * comparisons.standard_errors(result.covariance)
    reach = comparisons.quantile(options.level, result.freedom) * error
    p = holm(comparisons.two_sided(over / error, result.freedom))
    side = np.where(p <= 1 - options.level, np.sign(over), 0).astype(int)
    words = np.array(WORDS, dtype=object)[1 + side]
    return {"over_line": over, "over_low": over - reach, "over_high": over + reach, "line": words}
