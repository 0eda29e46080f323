"""The table of ratings: estimates on the Elo scale beside what was counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from arena import comparisons, line
from arena.estimate import CENTRE, POINTS, Estimate, Options
from arena.identify import RATED, Identified
from arena.tally import BOTH_BAD, TIE, Floats, Tally


def table(
    everything: Tally, part: Tally, found: Identified, result: Estimate | None, options: Options
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one row a model, best first, and the covariance of the rated ones.

    ``everything`` holds all votes, ``part`` those that were fitted; ``result`` is None where no
    model can be rated.
    """
    wins, ties, bad = everything.wins(), everything.draws([TIE]), everything.draws([BOTH_BAD])
    group, size = list(found.group), len(everything.models)
    values: dict[str, Any] = {}
    cov = pd.DataFrame(np.zeros((0, 0)))
    status = np.array(found.status, dtype=object)
    if result:
        rating, matrix = _on_scale(result, part, options)
        values = _columns(rating, matrix, result, options)
        cov = pd.DataFrame(matrix, index=part.models, columns=part.models)
        status[group] = _statuses(part, values.get("low", np.full(len(group), np.nan)), options)
    columns: dict[str, Any] = {"model": everything.models}
    for name in ("rating", "low", "high", "rank_low", "rank_high", "p_best"):
        columns[name] = _spread(values.get(name, np.nan), group, size)
    for name in ("rank_low", "rank_high"):
        columns[name] = pd.array(columns[name], dtype="Int64")
    columns["battles"] = (wins + wins.T + ties + bad).sum(axis=1)
    columns |= {"wins": wins.sum(axis=1), "losses": wins.sum(axis=0)}
    columns |= {"ties": ties.sum(axis=1), "both_bad": bad.sum(axis=1), "status": status}
    if result and options.ground:
        for name, value in line.columns(result, options).items():
            columns[name] = _spread(value, group, size)
    table = pd.DataFrame(columns).sort_values(
        ["rating", "model"], ascending=[False, True], na_position="last", ignore_index=True
    )
    best = list(table["model"][: len(cov)])
    return table, cov.loc[best, best]


def origin(part: Tally, options: Options) -> tuple[Floats, float]:
    """Return the average of strengths that the scale holds fixed, and at what rating."""
    size = len(part.models)
    if options.anchor:
        return np.eye(size)[part.models.index(options.anchor[0])], options.anchor[1]
    return np.full(size, 1 / size), CENTRE


def _spread(values: Any, group: list[int], size: int) -> Any:
    """Put the values of the rated models in their places among all."""
    words = np.asarray(values).dtype == object
    column = np.full(size, None if words else np.nan, dtype=object if words else float)
    column[group] = values
    return column


def _on_scale(result: Estimate, part: Tally, options: Options) -> tuple[Floats, Floats]:
    """Put log-strengths on the Elo scale, relative to their mean or to the anchor."""
    fixed, zero = origin(part, options)
    shift = np.eye(len(part.models)) - fixed
    return zero + POINTS * (shift @ result.strengths), (
        POINTS**2 * (shift @ result.covariance @ shift.T)
    )


def _columns(values: Floats, matrix: Floats, result: Estimate, options: Options) -> dict[str, Any]:
    if options.model == "elo":
        return {"rating": values}
    reach = comparisons.quantile(options.level, result.freedom) * (
        comparisons.standard_errors(matrix)
    )
    tests = comparisons.differences(values, matrix, result.freedom)
    best, worst = comparisons.ranks(len(values), tests, 1 - options.level)
    columns = {
        "rating": values,
        "low": values - reach,
        "high": values + reach,
        "rank_low": best,
        "rank_high": worst,
    }
    if np.isfinite(matrix).all():
        columns["p_best"] = comparisons.chance_of_best(values, matrix, options.seed)
    return columns


def _statuses(part: Tally, lows: Floats, options: Options) -> list[str]:
    """Say of each rated model why it has no interval, where it has none."""
    words = []
    for name, low in zip(part.models, lows, strict=True):
        if options.anchor and name == options.anchor[0]:
            words.append(f"{RATED}: the anchor, fixed by choice, so it has no interval")
        elif options.model == "elo":
            words.append(f"{RATED}: paper-style Elo, which has no interval")
        elif np.isnan(low):
            words.append(f"{RATED}: equal, as every vote was a tie, so there is no interval")
        else:
            words.append(RATED)
    return words
