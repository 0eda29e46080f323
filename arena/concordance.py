"""Do the scores agree with people? Every scorer against the votes on the same pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from arena import accuracy, ceiling, orders, shares, votes
from arena.accuracy import Bench
from arena.clusters import Clusters, clusters
from arena.findings import Agreement, Concordance, Versus
from arena.judged import Judged, Scores, join, texts
from arena.orders import Order
from arena.ratings import Ratings, fit
from arena.shares import Gap, Share, subset
from arena.tally import Floats
from evalkit.clusters import holm
from evalkit.errors import EvalkitError, VotesError

GROUPS = ("category", "steps")


def measure(
    frame: pd.DataFrame,
    scores: Scores,
    *,
    steps: Mapping[str, int | None] | None = None,
    ratings: Ratings | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> Concordance:
    """Hold scores against the votes (shaped like votes.csv, with their generations).

    ``scores`` are turned so that higher is better, as ``arena.judged.read(run).scores`` are;
    what has no score is left out and counted. ``steps`` maps models to their number of steps.
    Intervals are clustered by rater and prompt. ``ratings`` saves rating the votes again. Of the
    checks on raters, repeated questions tell how a rater agrees with oneself, and nothing else.

    Raises:
        VotesError: no vote prefers a picture, or none names its pictures, or they answer several
            questions.
        EvalkitError: there are no scores.
    """
    if not 0 < level < 1:
        raise EvalkitError(f"An interval's level lies between 0 and 1, not at {level}.")
    if not scores:
        raise EvalkitError("There are no scores to hold against the votes. Name a scored run.")
    votes.only_criterion(frame)
    asked = frame[frame["purpose"] != "gold"] if "purpose" in frame else frame
    frame = votes.rated(frame)
    judged = join(frame)
    if not judged.decisive.any():
        raise VotesError(
            f"None of the {len(frame)} votes prefers a picture, so there is nothing that a score "
            "could agree with. Collect votes first."
        )
    by, notes = clusters(frame, np.ones(len(frame), dtype=bool), ("rater", "prompt"))
    bench = Bench(judged, by, level, _groups(judged, steps), ceiling.agreement_with_others(judged))
    table = ratings or _ratings(frame)
    found = [_agreement(name, bench, scores[name], table, seed) for name in scores]
    found.sort(key=lambda one: (one.accuracy.value is None, -(one.accuracy.value or 0), one.scorer))
    return Concordance(
        votes=len(frame),
        decisive=int(judged.decisive.sum()),
        unknown_pictures=int((judged.decisive & (judged.pair < 0)).sum()),
        scorers=tuple(found),
        people=_people(asked.reset_index(drop=True), judged, by, level),
        people_by=_people_by(bench),
        versus=tuple(_versus([one.scorer for one in found], bench, scores)),
        level=level,
        notes=(*_simulated(frame), *notes),
    )


def _people(
    asked: pd.DataFrame, judged: Judged, by: Sequence[Clusters], level: float
) -> ceiling.People:
    found = ceiling.people(judged, by, level=level)
    if len(asked) == len(judged.outcome):
        return found
    every, _ = clusters(asked, np.ones(len(asked), dtype=bool), ("rater", "prompt"))
    return replace(found, oneself=ceiling.oneself(join(asked), every, level=level))


def _simulated(frame: pd.DataFrame) -> list[str]:
    made_up = int(frame["simulated"].sum()) if "simulated" in frame else 0
    if not made_up:
        return []
    words = f"{made_up} of {len(frame)} votes are of simulated raters, who agree with what they"
    return [f"{words} were made to follow; that says nothing about people"]


def _ratings(frame: pd.DataFrame) -> Ratings | str:
    try:
        return fit(frame)
    except VotesError as error:
        return f"unknown: {error}"


def _groups(
    judged: Judged, steps: Mapping[str, int | None] | None
) -> dict[str, NDArray[np.object_]]:
    """Return the label of each vote in each grouping; None leaves a vote out."""
    found = {}
    if "category" in judged.votes and judged.votes["category"].notna().any():
        found["category"] = texts(judged.votes["category"])
    tally = judged.tally
    if steps and any(steps.get(model) for model in tally.models):
        labels = [
            _matched(steps.get(tally.models[one]), steps.get(tally.models[other]))
            for one, other in zip(tally.left, tally.right, strict=True)
        ]
        found["steps"] = np.array(labels, dtype=object)[tally.cell // 4]
    return found


def _matched(one: int | None, other: int | None) -> str | None:
    """Name the steps of a battle's two models."""
    if one is None or other is None:
        return None
    low, high = sorted((one, other))
    if low != high:
        return f"{low} against {high} steps"
    return "1 step" if low == 1 else f"{low} steps"


def _agreement(
    name: str, bench: Bench, values: Mapping[str, float], ratings: Ratings | str, seed: int
) -> Agreement:
    judged = bench.judged
    difference = judged.difference(values)
    right = accuracy.right(difference, judged.prefers_left)
    scored = judged.decisive & np.isfinite(difference)
    with_ties, threshold = accuracy.with_ties(difference, bench)
    return Agreement(
        scorer=name,
        accuracy=bench.share(right, judged.decisive),
        equal=float((difference[scored] == 0).mean()) if scored.any() else None,
        within=accuracy.within(difference, bench),
        with_ties=with_ties,
        threshold=threshold,
        to_people=_to_people(right, bench),
        order=Order(0, status=ratings)
        if isinstance(ratings, str)
        else orders.compare(judged, values, ratings, level=bench.level, seed=seed),
        groups=_by_group(right, bench),
    )


def _by_group(values: Floats, bench: Bench, of_rater: float = 1.0) -> dict[str, dict[str, Share]]:
    return {
        kind: {
            label: bench.share(values, bench.judged.decisive & (labels == label), of_rater)
            for label in sorted({label for label in labels if label is not None}, key=_natural)
        }
        for kind, labels in bench.groups.items()
    }


def _natural(label: str) -> list[tuple[bool, Any]]:
    """Sort numbers in a name as numbers: 4 steps before 28."""
    return [(not w.isdecimal(), int(w) if w.isdecimal() else w) for w in label.split()]


def _people_by(bench: Bench) -> dict[str, dict[str, Share]]:
    found = _by_group(bench.others, bench, ceiling.COUPLED)
    return {
        kind: {
            label: one if one.votes else shares.unknown(one.total, ceiling.NO_REPEATS)
            for label, one in of_group.items()
        }
        for kind, of_group in found.items()
    }


def _to_people(right: Floats, bench: Bench) -> Gap:
    """Compare a scorer with another rater, on the votes of which both can be told."""
    use = np.flatnonzero(np.isfinite(right) & np.isfinite(bench.others))
    if not len(use):
        return Gap(None, None, None, None, 0, ceiling.NO_REPEATS)
    one, other = right[use], bench.others[use]
    doubled = one - one.mean() - ceiling.COUPLED * (other - other.mean())
    by = subset(bench.by, use)
    return shares.gap(one - other, by, level=bench.level, of_rater=doubled)


def _versus(names: Sequence[str], bench: Bench, scores: Scores) -> Iterator[Versus]:
    judged = bench.judged
    right = {
        name: accuracy.right(judged.difference(scores[name]), judged.prefers_left) for name in names
    }
    pairs = list(combinations(names, 2))
    gaps = [_gap(right[one] - right[other], bench) for one, other in pairs]
    adjusted = holm(np.array([np.nan if gap.p is None else gap.p for gap in gaps]))
    for (one, other), gap, p in zip(pairs, gaps, adjusted.tolist(), strict=True):
        yield Versus(one, other, gap, None if np.isnan(p) else p)


def _gap(values: Floats, bench: Bench) -> Gap:
    use = np.flatnonzero(bench.judged.decisive & np.isfinite(values))
    if not len(use):
        return Gap(None, None, None, None, 0, "unknown: no decisive vote can be judged by both")
    return shares.gap(values[use], subset(bench.by, use), level=bench.level)
