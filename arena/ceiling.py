"""How far people agree with each other on the same two pictures, and what that allows a scorer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from arena import shares
from arena.clusters import Clusters
from arena.codes import Codes
from arena.judged import Judged, mirrored
from arena.shares import Share, subset
from arena.tally import BOTH_BAD, TIE, Floats

NO_REPEATS = (
    "unknown: no two raters decided on the same two pictures; give some pairs to several raters "
    "to learn how far people agree"
)
NO_REPEATS_BY_ONE = (
    "unknown: no rater decided twice on the same two pictures; ask some pairs again to learn it"
)
COUPLED = 2.0
"""A couple of votes belongs to two raters, so it counts for both of them."""
MAJORITIES = (3, 5, 7, 9)
FEWEST = 10
"""Pairs of pictures below which a majority's agreement is not worth a line."""


@dataclass(frozen=True)
class People:
    """How far raters agree, among decisive votes unless said otherwise."""

    two: Share
    """Chance that another rater prefers the same picture."""
    with_ties: Share
    """The same among all votes, where preferring neither is an answer too."""
    oneself: Share
    """Chance that a rater prefers the same picture when asked again."""
    majorities: tuple[tuple[int, Share], ...]
    """Chance that the majority of so many other raters prefers the same picture."""
    best: tuple[float, float] | None
    """Between which shares the best scorer there can be would agree with a rater."""
    pairs: int
    """Pairs of pictures on which two raters decided."""


def people(judged: Judged, by: Sequence[Clusters], *, level: float) -> People:
    """Measure agreement on the pairs of pictures that were judged more than once.

    ``by`` are the clusters of all votes. Every vote counts once, whatever the number of votes on
    its pair, so that the shares compare with a scorer's.
    """
    answers = _answers(judged)
    decided = answers["answer"] != TIE
    two, pairs = _others(answers[decided], by, level)
    return People(
        two=two,
        with_ties=_others(answers, by, level)[0],
        oneself=_oneself(answers[decided], by, level),
        majorities=tuple(_majorities(answers[decided], by, level)),
        best=_best(two),
        pairs=pairs,
    )


def oneself(judged: Judged, by: Sequence[Clusters], *, level: float) -> Share:
    """Measure how often a rater who is asked again prefers the same picture."""
    answers = _answers(judged)
    return _oneself(answers[answers["answer"] != TIE], by, level)


def agreement_with_others(judged: Judged) -> Floats:
    """Return for each vote the share of other raters' decisive votes on its pair that agree.

    NaN for votes that are not decisive, and where no other rater decided on the pair.
    """
    found = np.full(len(judged.outcome), np.nan)
    answers = _answers(judged)
    answers = answers[answers["answer"] != TIE]
    same, others = _counts(answers)
    some = others > 0
    found[answers.index.to_numpy()[some]] = same[some] / others[some]
    return found


def bounds(agree: float) -> tuple[float, float] | None:
    """Return between which shares the best possible scorer agrees with one rater.

    If a share q of raters prefers one picture of a pair, two raters agree with probability
    q^2 + (1 - q)^2 and the best scorer, which always takes the majority's side, agrees with
    max(q, 1 - q). With v = |2 q - 1| these are (1 + v^2) / 2 and (1 + v) / 2, so Jensen's
    inequality bounds the mean of one by the mean of the other, whatever the distribution of q.
    """
    return None if agree < 0.5 else (agree, (1 + math.sqrt(2 * agree - 1)) / 2)


def _best(two: Share) -> tuple[float, float] | None:
    return None if two.value is None else bounds(two.value)


def _answers(judged: Judged) -> pd.DataFrame:
    """Return votes of known raters on known pictures, as seen from the pair's first picture."""
    turned: NDArray[np.bool_] = judged.left > judged.right
    outcome = mirrored(judged.outcome, turned)
    rater = _codes(judged)
    answers = pd.DataFrame(
        {
            "pair": judged.pair,
            "rater": rater,
            "answer": np.where(outcome == BOTH_BAD, TIE, outcome),
        }
    )
    return answers[(answers["pair"] >= 0) & (rater >= 0)]


def _codes(judged: Judged) -> Codes:
    if "rater" not in judged.votes.columns:
        return np.full(len(judged.outcome), -1)
    return pd.factorize(judged.votes["rater"])[0]


def _counts(answers: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count for each vote the other raters' votes on its pair: those that agree, and all."""
    keys = ["pair", "answer"]
    same = _size(answers, keys) - _size(answers, [*keys, "rater"])
    return same, _size(answers, ["pair"]) - _size(answers, ["pair", "rater"])


def _size(answers: pd.DataFrame, keys: list[str]) -> NDArray[np.int64]:
    sizes = answers.groupby(keys, sort=False)["answer"].transform("size")
    return sizes.to_numpy(dtype=np.int64)


def _others(answers: pd.DataFrame, by: Sequence[Clusters], level: float) -> tuple[Share, int]:
    same, others = _counts(answers)
    some = others > 0
    if not some.any():
        return shares.unknown(len(answers), NO_REPEATS), 0
    rows = answers.index.to_numpy()[some]
    found = shares.share(
        same[some] / others[some],
        subset(by, rows),
        total=len(answers),
        level=level,
        of_rater=COUPLED,
    )
    return found, int(answers.loc[rows, "pair"].nunique())


def _oneself(answers: pd.DataFrame, by: Sequence[Clusters], level: float) -> Share:
    same = _size(answers, ["pair", "rater", "answer"]) - 1
    again = _size(answers, ["pair", "rater"]) - 1
    some = again > 0
    if not some.any():
        return shares.unknown(len(answers), NO_REPEATS_BY_ONE)
    rows = answers.index.to_numpy()[some]
    values = same[some] / again[some]
    return shares.share(values, subset(by, rows), total=len(answers), level=level)


def _majorities(
    answers: pd.DataFrame, by: Sequence[Clusters], level: float
) -> list[tuple[int, Share]]:
    """Hold each vote against the majority of k others of its pair, over all choices of the k."""
    from scipy.stats import hypergeom

    same, others = _counts(answers)
    found = []
    for size in MAJORITIES:
        some = others >= size
        rows = answers.index.to_numpy()[some]
        if answers.loc[rows, "pair"].nunique() < FEWEST:
            break
        chance = np.asarray(hypergeom.sf(size // 2, others[some], same[some], size), dtype=float)
        kept = subset(by, rows)
        one = shares.share(chance, kept, total=len(answers), level=level, of_rater=COUPLED)
        found.append((size, one))
    return found
