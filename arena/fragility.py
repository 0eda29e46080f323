"""How little it would take to change the ratings: one card, in plain sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from arena.exclusion import ALARM, RULES, Rule, exclude
from arena.goodness import Cycles, Goodness, cycles, goodness
from arena.influence import Base, base
from arena.leaving import LeaveOut, leave_one_out
from arena.quality import Quality, quality
from arena.ratings import Ratings, fit
from arena.removal import Removal, of_answers, of_members, of_votes
from arena.votes import rated as without_checks
from evalkit.errors import VotesError


@dataclass(frozen=True)
class Without:
    """The ratings without the raters who break one rule, beside those of all."""

    rule: str
    votes_excluded: int
    raters_excluded: int
    share_of_votes: float
    first: str | None
    """The model that is #1 then; None where nobody is rated."""
    ratings: dict[str, float | None]

    def line(self, first: str) -> str:
        """Say it in words."""
        gone = f"{self.votes_excluded} votes ({self.share_of_votes:.1%})"
        who = f"#1 is still {first}" if self.first == first else f"#1 is {self.first or 'nobody'}"
        alarm = "; alarm, too much is left out" if self.share_of_votes > ALARM else ""
        return f"Without raters by the rule {self.rule}, {gone} fewer: {who}{alarm}."


@dataclass(frozen=True)
class Fragility:
    """What would change the ratings, and how well they describe the votes."""

    model: str
    votes: int
    first: str
    second: str
    lead: float
    """Elo points between them."""
    tied: tuple[str, ...]
    """Models not told apart from the first, by Holm's tests of all pairs."""
    removals: tuple[Removal, ...]
    left_out: tuple[LeaveOut, ...]
    ratings: dict[str, float]
    without: tuple[Without, ...]
    """Rules that leave nobody out are not listed."""
    rules: tuple[str, ...]
    """All rules tried."""
    cycles: Cycles
    goodness: Goodness

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Say it in words."""
        tied = ", ".join(self.tied)
        lead = f"#1 is {self.first}, {self.lead:.0f} Elo above {self.second}"
        return [
            f"{lead}; statistically tied with {tied}." if tied else f"{lead}, surely the best.",
            *(one.line() for one in self.removals),
            *(one.line() for one in self.left_out),
            *(one.line(self.first) for one in self.without),
            *self._quiet(),
            *self.cycles.lines(),
            *self.goodness.lines(),
        ]

    def _quiet(self) -> list[str]:
        quiet = [name for name in self.rules if name not in {one.rule for one in self.without}]
        return [f"Nobody is left out by the rules {', '.join(quiet)}."] if quiet else []


def fragility(
    votes: pd.DataFrame,
    model: str = "davidson",
    *,
    both_bad: str = "tie",
    rules: Sequence[Rule] | None = None,
    judged: Quality | None = None,
) -> Fragility:
    """Say how little would change the ratings of a frame shaped like votes.csv.

    Checks on raters among the votes judge the raters, and rate no model, as in ``arena rate``.
    ``rules`` are tried one by one, all of them with their usual values if none are given;
    ``judged`` saves judging the raters again. Sets are searched greedily by first-order influence
    and then refitted exactly, so that their sizes are upper bounds (Broderick, Giordano and Meager
    2020, arXiv:2011.14999; for arenas Huang, Shen, Wei and Broderick 2025, arXiv:2508.11847).

    Raises:
        VotesError: no two models have ratings that differ.
    """
    answers = without_checks(votes)
    counted = base(answers, model, both_bad)
    rated = fit(answers, model, both_bad=both_bad)  # type: ignore[arg-type]
    table = rated.table.head(len(rated.cov))
    first, second = table["model"].iloc[0], table["model"].iloc[1]
    tried = [one() for one in RULES.values()] if rules is None else list(rules)
    return Fragility(
        model=model,
        votes=int(counted.counts.sum()),
        first=first,
        second=second,
        lead=float(table["rating"].iloc[0] - table["rating"].iloc[1]),
        tied=_tied(rated, first),
        removals=_removals(counted),
        left_out=tuple(leave_one_out(counted, one, rated) for one in counted.members),
        ratings=_ratings(rated),
        without=tuple(_without(votes, model, both_bad, tried, judged)),
        rules=tuple(one.name for one in tried),
        cycles=cycles(counted),
        goodness=goodness(counted),
    )


def _removals(counted: Base) -> tuple[Removal, ...]:
    groups = (of_members(counted, one) for one in counted.members)
    return (of_votes(counted), of_answers(counted), *groups)


def _tied(rated: Ratings, first: str) -> tuple[str, ...]:
    tests = rated.pairwise()
    open_ = tests[(tests["first"] == first) & ~(tests["p_holm"] <= 1 - rated.level)]
    return tuple(open_["second"])


def _ratings(rated: Ratings) -> dict[str, float]:
    table = rated.table.head(len(rated.cov))
    return dict(zip(table["model"], table["rating"].astype(float).tolist(), strict=True))


def _without(
    votes: pd.DataFrame,
    model: str,
    both_bad: str,
    tried: Sequence[Rule],
    judged: Quality | None,
) -> list[Without]:
    """Rate again without those whom each rule leaves out."""
    found = judged or quality(votes)
    rows = []
    for one in tried:
        left = exclude(votes, [one], found)
        if not left.raters_excluded:
            continue
        ratings: dict[str, float | None] = {}
        try:
            kept = without_checks(left.kept)
            ratings |= _ratings(fit(kept, model, cluster=(), both_bad=both_bad))  # type: ignore[arg-type]
        except VotesError:
            ratings = {}
        rows.append(
            Without(
                one.name,
                left.votes_excluded,
                left.raters_excluded,
                left.share_of_votes,
                next(iter(ratings), None),
                ratings,
            )
        )
    return rows
