"""Can one trust the raters: a card for each, from nothing but the votes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from arena.agreement import VALUES, Agreement, Answers, agreement, answers
from arena.codes import factorise
from arena.estimate import POINTS
from arena.ratings import Ratings, fit
from arena.tally import BOTH_BAD, LEFT, MIRRORED, OUTCOMES, RIGHT, TIE, Floats, Ints
from arena.votes import rated
from evalkit.clusters import holm
from evalkit.errors import VotesError

SURE = 0.05
"""A side is called preferred when Holm's p, over all raters, is below this."""


@dataclass(frozen=True)
class Card:
    """What one rater's votes say of the rater; None where they say nothing."""

    rater: str
    votes: int
    median_seconds: float | None
    fastest_seconds: float | None
    decisive: int
    """Votes with a winner."""
    left_share: float | None
    """Of the decisive votes."""
    left_p: float | None
    """Exact two-sided binomial test against one half: the server draws the sides by chance."""
    tie_share: float
    both_bad_share: float
    compared: int
    """Votes on pictures on which the other raters have one most frequent answer."""
    agreed: float | None
    """Share of these in which this rater gave that answer."""
    agreed_by_chance: float | None
    """The same if this rater gave as many of each answer blindly (Cohen 1960)."""
    weighed: int
    """Decisive votes between models that the ratings tell apart."""
    for_stronger: float | None
    """Share of these that went to the model rated higher."""
    for_stronger_expected: float | None
    """The same as the ratings have it."""
    repeats: int
    """Times the rater was shown two pictures again, sides swapped or not."""
    repeated_alike: float | None
    """Share of these with the same answer as the time before."""
    gold: int
    """Votes on pairs whose answer is known."""
    gold_passed: float | None


@dataclass(frozen=True)
class Quality:
    """The cards of all raters, most votes first, and what they say together."""

    cards: tuple[Card, ...]
    agreement: Agreement
    unnamed: int
    """Votes that name no rater, which no card counts."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def total(self, number: str, share: str) -> tuple[int, float | None]:
        """Return a count over all raters and the share that goes with it."""
        counts = [(getattr(c, number), getattr(c, share)) for c in self.cards]
        whole = sum(n for n, _ in counts)
        hits = sum(n * s for n, s in counts if s is not None)
        return whole, hits / whole if whole else None

    def lines(self) -> list[str]:
        """Say it in words."""
        lines = [*self.agreement.lines(), self._sides()]
        for number, share, words in (
            ("compared", "agreed", "votes gave the answer that the others gave most"),
            ("weighed", "for_stronger", "decisive votes went to the model rated higher"),
            ("repeats", "repeated_alike", "repeated questions had the same answer again"),
            ("gold", "gold_passed", "answers to questions with a known answer were right"),
        ):
            whole, part = self.total(number, share)
            if part is not None:
                lines.append(f"Checks: {part:.0%} of {whole} {words}.")
        if self.unnamed:
            lines.append(f"Checks: {self.unnamed} votes name no rater and cannot be judged.")
        return lines

    def table(self) -> list[str]:
        """Show the cards as lines of a table."""
        width = max([5, *(len(c.rater) for c in self.cards)])
        head = f"{'rater':<{width}}  votes  median s  left  ties  both bad"
        lines = [f"{head}  with others  for stronger  repeats  known answers"]
        for c in self.cards:
            pace = "-" if c.median_seconds is None else f"{c.median_seconds:.1f}"
            lines.append(
                f"{c.rater:<{width}}  {c.votes:>5}  {pace:>8}  {_percent(c.left_share):>4}  "
                f"{_percent(c.tie_share):>4}  {_percent(c.both_bad_share):>8}  "
                f"{_of(c.agreed, c.compared):>11}  {_of(c.for_stronger, c.weighed):>12}  "
                f"{_of(c.repeated_alike, c.repeats):>7}  {_of(c.gold_passed, c.gold):>13}"
            )
        return lines

    def _sides(self) -> str:
        known = [c for c in self.cards if c.left_p is not None]
        adjusted = holm(np.array([c.left_p for c in known], dtype=float))
        sure = [c.rater for c, p in zip(known, adjusted, strict=True) if p < SURE]
        if not sure:
            return f"Sides: no one of {len(self.cards)} raters prefers a side beyond chance."
        return (
            f"Sides: {len(sure)} of {len(self.cards)} raters prefer a side beyond chance: "
            f"{', '.join(sure[:5])}{' ...' if len(sure) > 5 else ''}."
        )


def quality(
    votes: pd.DataFrame, ratings: Ratings | None = None, *, replicates: int = 1000, seed: int = 0
) -> Quality:
    """Judge the raters of a frame shaped like votes.csv; a column ``gold`` holds known winners.

    Every rater is compared with all the others, the careless ones among them; ``ratings`` (else
    Davidson's are fitted) include the rater's own votes, which flatters nobody by more than their
    share.
    """
    found = answers(votes)
    columns = _columns(votes, found, ratings or fit(rated(votes), cluster=()))
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    cards = [Card(**{k: _plain(v) for k, v in row.items()}) for row in rows]
    order = sorted(cards, key=lambda c: (-c.votes, c.rater))
    return Quality(
        tuple(order),
        agreement(found, replicates=replicates, seed=seed),
        int((found.rater < 0).sum()),
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _of(share: float | None, number: int) -> str:
    return "-" if share is None else f"{share:.0%} of {number}"


def _plain(value: Any) -> Any:
    """Return a Python value, None for NaN."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and np.isnan(value) else value


@dataclass(frozen=True, eq=False)
class _PerRater:
    """Sums and shares over each rater's votes."""

    rater: Ints
    number: int

    def sum(self, chosen: NDArray[np.bool_], of: Floats | NDArray[np.bool_] | None = None) -> Any:
        """Add up ``of`` (else count) the chosen votes of each rater."""
        chosen = chosen & (self.rater >= 0)
        weights = None if of is None else np.asarray(of, dtype=float)[chosen]
        return np.bincount(self.rater[chosen], weights, minlength=self.number)

    def share(self, part: NDArray[np.bool_] | Floats, whole: NDArray[np.bool_]) -> Floats:
        """Return the mean of ``part`` over the votes of ``whole``; NaN where there are none."""
        return _over(self.sum(whole, part), self.sum(whole))


def _over(part: Floats, whole: Floats | Ints) -> Floats:
    share: Floats = np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
    return share


def _columns(votes: pd.DataFrame, found: Answers, ratings: Ratings) -> dict[str, Any]:
    per = _PerRater(found.rater, len(found.raters))
    every, decisive = np.ones(len(votes), dtype=bool), found.shown <= RIGHT
    left = per.sum(found.shown == LEFT)
    clear = per.sum(decisive)
    return {
        "rater": found.raters,
        "votes": per.sum(every),
        **_seconds(votes, found),
        "decisive": clear,
        "left_share": _over(left, clear),
        "left_p": _coin(left, clear),
        "tie_share": per.share(found.shown == TIE, every),
        "both_bad_share": per.share(found.shown == BOTH_BAD, every),
        **_with_others(found, per),
        **_with_ratings(found, per, ratings),
        **_with_oneself(found, per),
        **_gold(votes, found, per),
    }


def _coin(heads: Ints, tosses: Ints) -> Floats:
    """Return the exact two-sided p of so many heads of a fair coin; NaN without a toss."""
    fewer = np.minimum(heads, tosses - heads)
    p: Floats = np.minimum(1, 2 * special.bdtr(fewer.astype(float), tosses, 0.5))
    return np.where(tosses > 0, p, np.nan)


def _seconds(votes: pd.DataFrame, found: Answers) -> dict[str, Floats]:
    size = len(found.raters)
    nothing = np.full(size, np.nan)
    if "seconds" not in votes:
        return {"median_seconds": nothing, "fastest_seconds": nothing}
    seconds = pd.to_numeric(votes["seconds"], errors="coerce").to_numpy(dtype=float)
    known = (found.rater >= 0) & np.isfinite(seconds)
    grouped = pd.Series(seconds[known]).groupby(found.rater[known])
    return {
        "median_seconds": grouped.median().reindex(range(size)).to_numpy(dtype=float),
        "fastest_seconds": grouped.min().reindex(range(size)).to_numpy(dtype=float),
    }


def _with_others(found: Answers, per: _PerRater) -> dict[str, Any]:
    """Compare first answers with the others' single most frequent one on the same pictures."""
    judged = np.flatnonzero(found.first_judged)
    own = found.answer[judged]
    others = found.counts()[found.item[judged]]
    others[np.arange(len(judged)), own] -= 1
    ranked = np.sort(others, axis=1)
    clear = ranked[:, -1] > ranked[:, -2]
    judged, own, theirs = judged[clear], own[clear], others[clear].argmax(axis=1)
    cell = (found.rater[judged] * VALUES + own) * VALUES + theirs
    table = np.bincount(cell, minlength=per.number * VALUES**2).reshape(-1, VALUES, VALUES)
    compared = table.sum(axis=(1, 2))
    blindly = (table.sum(axis=1) * table.sum(axis=2)).sum(axis=1)
    return {
        "compared": compared,
        "agreed": _over(np.trace(table, axis1=1, axis2=2), compared),
        "agreed_by_chance": _over(_over(blindly, compared), compared),
    }


def _with_ratings(found: Answers, per: _PerRater, ratings: Ratings) -> dict[str, Any]:
    """Compare decisive votes with the ratings; equal or unrated models say nothing."""
    tally, pair = found.tally, found.tally.cell // 4
    value = ratings.table.set_index("model")["rating"].reindex(list(tally.models))
    gap = value.to_numpy(dtype=float)[tally.left] - value.to_numpy(dtype=float)[tally.right]
    gap = gap[pair] / POINTS
    told = (found.shown <= RIGHT) & np.isfinite(gap) & (gap != 0)
    stronger = (found.shown == LEFT) == (gap > 0)
    return {
        "weighed": per.sum(told),
        "for_stronger": per.share(stronger, told),
        "for_stronger_expected": per.share(special.expit(np.abs(gap)), told),
    }


def _with_oneself(found: Answers, per: _PerRater) -> dict[str, Any]:
    """Compare a rater's answer with the one before it on the same two pictures."""
    known = np.flatnonzero((found.item >= 0) & (found.rater >= 0))
    key = found.rater[known] * np.int64(max(found.items, 1)) + found.item[known]
    order = known[np.argsort(key, kind="stable")]
    same = (found.rater[order[1:]] == found.rater[order[:-1]]) & (
        found.item[order[1:]] == found.item[order[:-1]]
    )
    again, alike = np.zeros(len(found.item), dtype=bool), np.zeros(len(found.item), dtype=bool)
    again[order[1:]] = same
    alike[order[1:]] = same & (found.answer[order[1:]] == found.answer[order[:-1]])
    return {"repeats": per.sum(again), "repeated_alike": per.share(alike, again)}


def _gold(votes: pd.DataFrame, found: Answers, per: _PerRater) -> dict[str, Any]:
    """Compare votes with the known winners, given in the sides of the row, as the winner is."""
    if "gold" not in votes:
        return {"gold": np.zeros(per.number, dtype=int), "gold_passed": np.full(per.number, np.nan)}
    codes, values = factorise(votes["gold"])
    strange = [str(v) for v in values if v not in OUTCOMES]
    if strange:
        raise VotesError(
            f"The column gold holds {strange[0]!r}. It must hold a known winner: "
            f"{', '.join(OUTCOMES)}, or nothing."
        )
    place = np.array([*(OUTCOMES.index(v) for v in values), -1])
    right = place[codes]
    right = np.where(found.swapped & (right >= 0), np.array(MIRRORED)[right], right)
    return {"gold": per.sum(right >= 0), "gold_passed": per.share(right == found.shown, right >= 0)}
