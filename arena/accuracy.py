"""How often a score prefers what raters prefer: over all pictures, and the models held fixed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arena import shares
from arena.clusters import Clusters
from arena.judged import Judged
from arena.shares import Share, subset
from arena.tally import TIE, Floats

FOLDS = 5


@dataclass(frozen=True, eq=False)
class Bench:
    """What every scorer is measured on."""

    judged: Judged
    by: Sequence[Clusters]
    level: float
    groups: Mapping[str, NDArray[np.object_]]
    others: Floats
    """For each vote, the share of other raters that agree with it."""

    def share(self, values: Floats, rows: NDArray[np.bool_], of_rater: float = 1.0) -> Share:
        """Return the mean of some rows' values, those that are not missing."""
        use = np.flatnonzero(rows & np.isfinite(values))
        total = int(rows.sum())
        if not len(use):
            return shares.unknown(total, "unknown: none of these votes can be judged by it")
        by = subset(self.by, use)
        return shares.share(values[use], by, total=total, level=self.level, of_rater=of_rater)


def right(difference: Floats, prefers_left: NDArray[np.bool_]) -> Floats:
    """Return 1 where the preferred picture has the higher score, a half for equal scores."""
    towards = np.where(prefers_left, difference, -difference)
    return np.where(np.isnan(towards), np.nan, (np.sign(towards) + 1) / 2)


def within(difference: Floats, bench: Bench) -> Share:
    """Return the area under the curve of the score's difference, the two models held fixed.

    Couples of votes within a pair of models, one for each, are weighted by n1 n0 / (n1 + n0), as
    van Elteren's test is; the variance is that of the votes' influences, summed over clusters
    (Obuchowski 1997, Biometrics 53(2):567-578).
    """
    judged = bench.judged
    left, right = judged.models
    turned = left > right
    toward = np.where(turned, -difference, difference)
    first = judged.prefers_left != turned
    match = np.minimum(left, right).astype(np.int64) * len(judged.tally.models)
    match += np.maximum(left, right)
    rows = np.flatnonzero(judged.decisive & np.isfinite(difference))
    return _area(toward, first, match, rows, bench)


def _area(
    toward: Floats,
    first: NDArray[np.bool_],
    match: NDArray[np.int64],
    rows: NDArray[np.int64],
    bench: Bench,
) -> Share:
    total = int(bench.judged.decisive.sum())
    parts = [p for p in _split(match, rows) if 0 < first[p].sum() < len(p)]
    if not parts:
        words = "unknown: no two models whose votes went both ways have scored pictures"
        return shares.unknown(total, words)
    placed = [_placed(toward[p], first[p]) for p in parts]
    if all((one == 0.5).all() for one in placed):
        words = "it tells no two pictures of a model apart"
        return Share(0.5, None, None, sum(map(len, parts)), total, words)
    weight = np.array([first[p].sum() * (~first[p]).sum() / len(p) for p in parts])
    area = np.array([one[first[p]].mean() for one, p in zip(placed, parts, strict=True)])
    value = float(weight @ area / weight.sum())
    influence = [
        np.where(first[p], (~first[p]).sum(), first[p].sum()) * (one - value) / len(p)
        - w * (a - value) / len(p)
        for p, one, w, a in zip(parts, placed, weight, area, strict=True)
    ]
    use = np.concatenate(parts)
    pull = np.concatenate(influence) / weight.sum()
    found = shares.variance(pull, subset(bench.by, use))
    return shares.interval(
        value, found, subset(bench.by, use), len(use), total=total, level=bench.level
    )


def _split(match: NDArray[np.int64], rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    order = rows[np.argsort(match[rows], kind="stable")]
    cuts = np.flatnonzero(np.diff(match[order])) + 1
    return np.split(order, cuts)


def _placed(toward: Floats, first: NDArray[np.bool_]) -> Floats:
    """Return for each vote the share of the opposite votes that it is on the right side of."""
    from scipy.stats import rankdata

    ranks = rankdata(toward)
    placed = np.empty(len(toward))
    for side, sign in ((first, 1.0), (~first, -1.0)):
        below = ranks[side] - rankdata(toward[side])
        others = len(toward) - side.sum()
        placed[side] = below / others if sign > 0 else 1 - below / others
    return placed


def with_ties(difference: Floats, bench: Bench) -> tuple[Share, float | None]:
    """Return the accuracy over all three answers, with ties calibrated on other prompts.

    Deutsch, Foster and Freitag (2023, EMNLP, arXiv 2305.14324, sections 4 and 5) choose the
    threshold below which scores tie on the votes that they then count; here each fold of prompts
    is counted with the threshold of the others.
    """
    judged = bench.judged
    scored = np.isfinite(difference)
    prompt = next((one.codes for one in bench.by if one.name == "prompt"), None)
    if prompt is None or not scored.any():
        words = "unknown: fitting the threshold takes votes on two scored prompts at least"
        return shares.unknown(len(difference), words), None
    tied = judged.outcome >= TIE
    correct = np.where(tied, 0.0, right(difference, judged.prefers_left) == 1)
    fold = np.random.default_rng(0).permutation(int(prompt.max()) + 1)[prompt] % FOLDS
    values = np.full(len(difference), np.nan)
    for one in range(FOLDS):
        here, rest = scored & (fold == one), scored & (fold != one)
        if not here.any() or not rest.any():
            continue
        limit = _threshold(np.abs(difference[rest]), correct[rest], tied[rest])
        values[here] = np.where(np.abs(difference[here]) <= limit, tied[here], correct[here])
    every = np.ones(len(difference), dtype=bool)
    limit = _threshold(np.abs(difference[scored]), correct[scored], tied[scored])
    return bench.share(values, every), limit


def _threshold(size: Floats, correct: Floats, tied: NDArray[np.bool_]) -> float:
    """Return the difference up to which calling scores equal gives the most right answers.

    Equal scores are equal whatever the votes say, so it is zero at least.
    """
    size, correct = np.append(0.0, size), np.append(0.0, correct)
    tied = np.append(False, tied)
    order = np.argsort(size, kind="stable")
    gain = np.cumsum(np.where(tied, 1.0, -correct)[order])
    ends = np.append(np.diff(size[order]) > 0, True)
    return float(size[order][np.argmax(np.where(ends, gain, -np.inf))])
