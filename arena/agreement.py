"""Do raters agree: answers on the same two pictures side by side, and Krippendorff's alpha."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from arena.codes import factorise
from arena.tally import LEFT, OUTCOMES, RIGHT, Floats, Ints, Tally, count

VALUES = len(OUTCOMES)
"""First, second, tie, both bad: two pictures come in one order, whichever side they were on."""
BY_PICTURES, BY_PROMPT = "pictures", "prompt and models"
UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class Answers:
    """Votes turned so that the same two pictures always come in the same order."""

    tally: Tally
    answer: Ints
    """Of each vote: 0 the first picture, 1 the second, 2 tie, 3 both bad."""
    shown: Ints
    """The same as on the screen: 0 left, 1 right."""
    item: Ints
    """The two pictures (and the criterion) judged; -1 where the votes do not say."""
    items: int
    turned: NDArray[np.bool_]
    """Whether the first picture was on the right."""
    swapped: NDArray[np.bool_]
    """Whether the row of the frame was marked as shown the other way round."""
    rater: Ints
    """Place in ``raters``; -1 where the votes name none."""
    raters: tuple[str, ...]
    by: str | None
    """How the same pictures were recognised; None where nothing tells them."""

    @property
    def first_judged(self) -> NDArray[np.bool_]:
        """Which votes are a known rater's first on two known pictures."""
        known = (self.item >= 0) & (self.rater >= 0)
        fresh = ~pd.Series(self.rater * np.int64(max(self.items, 1)) + self.item).duplicated()
        return known & fresh.to_numpy()

    def counts(self) -> Ints:
        """Count the first votes of all raters: items x answers."""
        first = self.first_judged
        places = self.item[first] * VALUES + self.answer[first]
        return np.bincount(places, minlength=self.items * VALUES).reshape(-1, VALUES)


@dataclass(frozen=True)
class Agreement:
    """Krippendorff's alpha over the pairs of pictures that two raters or more judged."""

    alpha: float | None
    low: float | None
    high: float | None
    pairs: int
    votes: int
    """Votes on these pairs, one a rater and pair."""
    by: str | None
    level: float
    status: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Say it in words."""
        if self.alpha is None:
            return [f"Agreement of raters: {self.status}."]
        interval = "" if self.low is None else f" [{self.low:.2f}, {self.high:.2f}]"
        note = "" if self.by == BY_PICTURES else f" (told apart by {self.by} alone)"
        return [
            (
                f"Agreement of raters: Krippendorff's alpha {self.alpha:.2f}{interval} over "
                f"{self.pairs} pairs of pictures{note} that two raters or more judged; "
                "1 is full agreement, 0 what chance gives."
            )
        ]


def answers(votes: pd.DataFrame) -> Answers:
    """Find the votes on the same two pictures in a frame shaped like votes.csv.

    Pictures are known by ``left_generation`` and ``right_generation``; where the votes have
    neither, two models on one prompt stand for them, which merges seeds.
    """
    tally = count(votes)
    shown = tally.cell.astype(np.int64) % 4
    swapped = _swapped(votes, tally)
    left, right, by = _sides(votes, tally, swapped)
    item, items = _items(left, right, votes, by)
    turned = left > right
    rater, raters = _raters(votes)
    decisive = shown <= RIGHT
    answer = np.where(decisive & turned, LEFT + RIGHT - shown, shown)
    return Answers(tally, answer, shown, item, items, turned, swapped, rater, raters, by)


def agreement(
    found: Answers, *, level: float = 0.95, replicates: int = 1000, seed: int = 0
) -> Agreement:
    """Return alpha with a percentile interval from a bootstrap of the pairs of pictures."""
    counts = found.counts()
    shared = counts[counts.sum(axis=1) > 1]
    status = _why_not(found, shared)
    value, low, high = None, None, None
    if status == "estimated":
        value = float(alpha(coincidences(shared).sum(axis=0)[None])[0])
        if len(shared) > 1:
            low, high = _interval(shared, level, replicates, seed)
    return Agreement(value, low, high, len(shared), int(shared.sum()), found.by, level, status)


def coincidences(counts: Ints) -> Floats:
    """Return each unit's coincidences of values (units x V x V); units have two values or more.

    A unit with m values holds m (m - 1) ordered couples, each weighted by 1 / (m - 1).
    """
    number = counts.astype(float)
    couples = number[:, :, None] * number[:, None, :]
    couples[:, np.arange(counts.shape[1]), np.arange(counts.shape[1])] -= number
    weighted: Floats = couples / (number.sum(axis=1) - 1)[:, None, None]
    return weighted


def alpha(tables: Floats) -> Floats:
    """Return nominal alpha of coincidence tables (B x V x V); NaN where all values are one.

    1 - observed / expected disagreement: Krippendorff (2019), Content Analysis, 4th ed., 12.3.
    """
    total = tables.sum(axis=(1, 2))
    margin = tables.sum(axis=2)
    observed = total - np.trace(tables, axis1=1, axis2=2)
    expected = (total**2 - (margin**2).sum(axis=1)) / np.maximum(total - 1, 1)
    value: Floats = 1 - observed / np.where(expected > 0, expected, np.nan)
    return value


def _interval(shared: Ints, level: float, replicates: int, seed: int) -> tuple[float, float]:
    """Resample pairs; alike ones are drawn together, so that any number costs the same."""
    kinds, number = np.unique(shared, axis=0, return_counts=True)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(shared), number / len(shared), replicates).astype(float)
    tables = drawn @ coincidences(kinds).reshape(len(kinds), -1)
    values = alpha(tables.reshape(replicates, VALUES, VALUES))
    low, high = np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _why_not(found: Answers, shared: Ints) -> str:
    if found.by is None:
        return "unknown, for the votes name neither pictures nor prompts"
    if not found.raters:
        return "unknown, for the votes name no raters"
    if not len(shared):
        return "unknown, for no two raters judged the same pictures"
    if (shared.sum(axis=0) > 0).sum() < 2:
        return "not defined, for every answer is the same"
    return "estimated"


def _swapped(votes: pd.DataFrame, tally: Tally) -> NDArray[np.bool_]:
    if "side_swapped" not in votes:
        return np.zeros(len(votes), dtype=bool)
    on_the_left = np.array(tally.models, dtype=object)[tally.left[tally.cell // 4]]
    swapped: NDArray[np.bool_] = votes["left"].astype(str).to_numpy(dtype=object) != on_the_left
    return swapped


def _sides(
    votes: pd.DataFrame, tally: Tally, swapped: NDArray[np.bool_]
) -> tuple[Ints, Ints, str | None]:
    """Number what was on each side: the pictures if they are named, else the models."""
    pair = tally.cell // 4
    left, right = tally.left[pair].astype(np.int64), tally.right[pair].astype(np.int64)
    names = ("left_generation", "right_generation")
    if all(name in votes and votes[name].notna().any() for name in names):
        both = pd.concat([votes[name] for name in names], ignore_index=True)
        codes = factorise(both)[0].astype(np.int64)
        one, other = codes[: len(votes)], codes[len(votes) :]
        return np.where(swapped, other, one), np.where(swapped, one, other), BY_PICTURES
    known = "prompt" in votes and bool(votes["prompt"].notna().any())
    return left, right, BY_PROMPT if known else None


def _items(left: Ints, right: Ints, votes: pd.DataFrame, by: str | None) -> tuple[Ints, int]:
    """Number the pairs that were judged; -1 where a part is missing."""
    if by is None:
        return np.full(len(left), UNKNOWN), 0
    size = int(max(left.max(), right.max())) + 1
    code = np.minimum(left, right) * size + np.maximum(left, right)
    known = (left >= 0) & (right >= 0)
    if by == BY_PROMPT:
        prompt = factorise(votes["prompt"])[0].astype(np.int64)
        code, known = _within(code, prompt), known & (prompt >= 0)
    if "criterion" in votes:
        # No criterion is a question like another, so that its votes still count.
        code = _within(code, factorise(votes["criterion"])[0].astype(np.int64) + 1)
    item = np.full(len(left), UNKNOWN)
    item[known], values = pd.factorize(code[known])
    return item, len(values)


def _within(code: Ints, part: Ints) -> Ints:
    numbered: Ints = pd.factorize(code)[0] * (part.max() + 2) + part
    return numbered


def _raters(votes: pd.DataFrame) -> tuple[Ints, tuple[str, ...]]:
    if "rater" not in votes:
        return np.full(len(votes), UNKNOWN), ()
    codes, values = factorise(votes["rater"])
    used = np.unique(codes[codes >= 0])
    place = np.full(len(values) + 1, UNKNOWN)
    place[used] = np.arange(len(used))
    return place[codes].astype(np.int64), tuple(str(values[code]) for code in used)
