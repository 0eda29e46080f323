"""What a comparison of scores with votes found, as records and in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from arena.ceiling import People
from arena.orders import Order
from arena.shares import Gap, Share

SCHEMA = 1
MEANINGS = {
    "accuracy": "share of the votes for one picture in which that picture has the higher score; "
    "equal scores count half",
    "within": "of two votes on the same two models, one for each, the chance that the score's "
    "difference favours each model more where people preferred it; equal differences count half. "
    "A score that knows the models but does not see the pictures has 50 %",
    "with_ties": "share of all votes whose answer (one, the other, neither) the score gives, where "
    "scores no further apart than a threshold count as neither; it is fitted on other prompts",
    "two": "chance that another rater prefers the same picture",
    "best": "bounds on what the best possible scorer would reach, as raters differ",
    "order": "rank correlation of the models' mean scores with their ratings",
}


@dataclass(frozen=True)
class Agreement:
    """How one scorer agrees with raters."""

    scorer: str
    accuracy: Share
    equal: float | None
    """Share of these votes in which both pictures have the same score."""
    within: Share
    with_ties: Share
    threshold: float | None
    """Scores no further apart than this count as equal, if fitted on all votes."""
    to_people: Gap
    """Its accuracy less that of another rater, on the pairs that two raters decided."""
    order: Order
    groups: dict[str, dict[str, Share]]
    """``category`` and ``steps``, to each group's accuracy."""


@dataclass(frozen=True)
class Versus:
    """Which of two scorers agrees better with raters, on the votes that both can judge."""

    first: str
    second: str
    gap: Gap
    p_holm: float | None
    """Adjusted for all pairs of scorers."""


@dataclass(frozen=True)
class Concordance:
    """What the votes say of the scores."""

    votes: int
    decisive: int
    """Votes for one of the pictures."""
    unknown_pictures: int
    """Decisive votes that do not name both pictures."""
    scorers: tuple[Agreement, ...]
    """The one that agrees best first; those of which nothing is known last."""
    people: People
    people_by: dict[str, dict[str, Share]]
    """``category`` and ``steps``, to each group's chance that another rater agrees."""
    versus: tuple[Versus, ...]
    level: float
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, None where nothing is known."""
        found = asdict(self)
        for one in found["scorers"]:
            one["order"]["means"] = dict(one["order"]["means"])
        found["people"]["majorities"] = {str(k): v for k, v in found["people"]["majorities"]}
        return {"schema": SCHEMA, **found, "meanings": MEANINGS}

    def lines(self, by: str | None = None) -> list[str]:
        """Say it in words, a reader's sentence first; ``by`` adds a table of its groups."""
        return [
            *(_headline(one, self.people) for one in self.scorers),
            "",
            *_people(self.people),
            *(line for one in self.scorers for line in _details(one)),
            *(f"{_versus(one)}." for one in self.versus),
            *(_table(self, by) if by else ()),
            *(f"Note: {note}." for note in self.notes),
        ]


def percent(one: Share) -> str:
    """Write a share with its interval in words, or why there is none."""
    if one.value is None:
        return one.status
    if one.low is None or one.high is None:
        return f"{one.value:.0%} ({one.status})".replace("%", " %", 1)
    return f"{100 * one.value:.0f} % [{100 * one.low:.0f}, {100 * one.high:.0f}]"


def points(one: Gap) -> str:
    """Write a difference of shares in percentage points."""
    if one.value is None or one.low is None or one.high is None:
        return one.status
    return f"{100 * one.value:+.0f} points [{100 * one.low:+.0f}, {100 * one.high:+.0f}]"


def _headline(one: Agreement, people: People) -> str:
    if one.accuracy.value is None:
        return f"{one.scorer}: {one.accuracy.status}."
    coverage = f"{one.accuracy.votes} decisive votes"
    if one.accuracy.votes < one.accuracy.total:
        coverage = f"the {one.accuracy.votes} of {one.accuracy.total} decisive votes it can judge"
    ceiling = ""
    if people.two.value is not None:
        ceiling = f"; two raters agree with each other in {percent(people.two)}"
    return f"{one.scorer} agrees with raters in {percent(one.accuracy)} of {coverage}{ceiling}."


def _people(people: People) -> Iterator[str]:
    if people.two.value is None:
        yield f"Agreement of raters with each other is {people.two.status}."
    else:
        yield (
            f"Raters: two agree in {percent(people.two)} on {people.pairs} pairs of pictures that "
            f"two or more decided; ties counted as an answer, in {percent(people.with_ties)}."
        )
        for size, one in people.majorities:
            yield f"Raters: the majority of {size} others agrees with one in {percent(one)}."
    if people.best:
        low, high = (f"{100 * bound:.0f}" for bound in people.best)
        yield f"Raters differ, so the best possible scorer would agree in {low} to {high} %."
    if people.oneself.value is not None:
        yield f"Raters: asked again, one agrees with oneself in {percent(people.oneself)}."


def _details(one: Agreement) -> Iterator[str]:
    if one.accuracy.value is None:
        return
    name = one.scorer
    if one.equal:
        yield f"{name}: equal scores, counted half, in {100 * one.equal:.0f} % of these votes."
    if one.to_people.value is not None:
        yield f"{name} less another rater, on the same pictures: {points(one.to_people)}."
    yield f"{name}, the two models held fixed: {percent(one.within)} (50 % sees models alone)."
    yield f"{name}, ties as a third answer: {percent(one.with_ties)}."
    yield f"{name}, the order of {one.order.models} models: {_order(one.order)}."


def _order(one: Order) -> str:
    if one.tau is None or one.rho is None or one.p is None:
        return one.status
    few = "" if "few" not in one.status else one.status.partition("but ")[2]
    tau = f"Kendall's tau {one.tau:.2f} [{one.tau_low:.2f}, {one.tau_high:.2f}]"
    rho = f"Spearman's rho {one.rho:.2f} [{one.rho_low:.2f}, {one.rho_high:.2f}]"
    by_chance = few or f"a random order comes as near with a chance of {one.p:.2g}"
    return f"{tau}, {rho}; {by_chance}"


def _versus(one: Versus) -> str:
    names = f"{one.first} less {one.second}"
    if one.gap.value is None or one.p_holm is None:
        return f"{names}: {one.gap.status}"
    return f"{names}: {points(one.gap)}, p = {one.p_holm:.2g} (Holm)"


def _table(found: Concordance, by: str) -> Iterator[str]:
    groups = found.people_by.get(by)
    if groups is None:
        yield f"By {by}: the votes name none."
        return
    names = [one.scorer for one in found.scorers]
    yield f"\nBy {by}, agreement with raters (of so many decisive votes that it can judge):"
    rows = [["", *names, "another rater"]]
    for label, people in groups.items():
        cells = [one.groups[by][label] for one in found.scorers]
        rows.append([label, *map(_cell, cells), _cell(people)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()


def _cell(one: Share) -> str:
    return "-" if one.value is None else f"{percent(one)} ({one.votes} of {one.total})"
