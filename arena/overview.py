"""How a study stands while it is held: progress, raters, pace, reports, and what gives alarm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from arena import conditions, phases
from arena import votes as voting
from arena.clock import before
from arena.exclusion import RULES, exclude
from arena.facts.survey import Report, Step
from arena.quality import quality
from arena.records import PhaseKind

if TYPE_CHECKING:
    import pandas as pd

    from arena.battles import Arena
    from arena.facts import Facts
    from arena.facts.counts import Count
    from arena.protocol import Protocol
    from arena.store import Store

RETURNED = "returned"
"""Where a rater is who gave the task back."""

AT_WORK_MINUTES = 5
HOURS = 24
REPORTS = 20
"""As many as are shown, the newest."""

GOLD = 0.8
"""Below this share of right answers to questions with a known answer: a look at both."""

_JUDGE_SECONDS = 60


@dataclass(frozen=True)
class Criterion:
    """How far the votes on one question are."""

    id: str
    votes: int
    planned: int | None
    """Votes of the whole plan; None where the study has no number a pair."""
    begun: int
    """Pairs of pictures with a vote."""
    complete: int
    """Pairs of pictures with all votes that are planned."""
    models: tuple[str, ...]
    met: Mapping[tuple[str, str], int]
    """Votes of each two models, both ways round."""

    @property
    def share(self) -> float | None:
        """Which part of the plan is done."""
        return min(1.0, self.votes / self.planned) if self.planned else None

    @property
    def range(self) -> tuple[int, int]:
        """The fewest and the most votes of two models."""
        counts = [self.met.get((a, b), 0) for a in self.models for b in self.models if a < b]
        return (min(counts), max(counts)) if counts else (0, 0)


@dataclass(frozen=True)
class Overview:
    """A study as its keeper sees it."""

    study: str
    at: str
    closed: bool
    pairs: int
    """Pairs of pictures that can be asked about."""
    criteria: tuple[Criterion, ...]
    raters: Mapping[str, int]
    """By where they are on their way."""
    at_work: int
    hours: tuple[tuple[str, int], ...]
    """Votes of each of the last hours, oldest first."""
    last_hour: int
    """Votes of the last 60 minutes."""
    reported: int
    battles: int
    reports: tuple[Report, ...]

    @property
    def votes(self) -> int:
        """Votes on all questions, without checks."""
        return sum(c.votes for c in self.criteria)

    @property
    def planned(self) -> int | None:
        """Votes of the whole plan."""
        wanted = [c.planned for c in self.criteria]
        return None if None in wanted else sum(w for w in wanted if w is not None)

    @property
    def hours_left(self) -> float | None:
        """Hours to the plan's end at the pace of the last hour; None where neither is known."""
        if self.planned is None or not self.last_hour:
            return None
        return max(0, self.planned - self.votes) / self.last_hour


def overview(store: Store, arena: Arena, at: str) -> Overview:
    """Look at a study as of a time."""
    pairs = arena.pairs
    with store.snapshot() as facts:
        key, study = facts.study(arena.study.name)
        return Overview(
            study=study.name,
            at=at,
            closed=conditions.is_closed(facts, key),
            pairs=pairs,
            criteria=tuple(_criteria(facts, key, study.protocol, pairs)),
            raters=_raters(facts, key, study.protocol, pairs),
            at_work=facts.survey.at_work(key, before(at, minutes=AT_WORK_MINUTES)),
            hours=_hours(facts, key, at),
            last_hour=facts.survey.cast_since(key, before(at, hours=1)),
            reported=facts.survey.reported(key),
            battles=facts.fates(key)[0],
            reports=tuple(facts.survey.reports(key, REPORTS)),
        )


def _criteria(facts: Facts, key: int, rules: Protocol, pairs: int) -> Iterable[Criterion]:
    each = rules.draws.votes_per_pair
    models = tuple(sorted({e.model for e in facts.entries(key) if e.generation_id is not None}))
    found = facts.survey.pairs(key, each or 1)
    for question in rules.criteria:
        counts = facts.counts(key, criterion=question.id)
        begun, complete = found.get(question.id, (0, 0))
        yield Criterion(
            id=question.id,
            votes=sum(c.votes for c in counts),
            planned=each * pairs if each else None,
            begun=begun,
            complete=complete,
            models=models or tuple(sorted({m for c in counts for m in (c.left, c.right)})),
            met=_met(counts),
        )


def _met(counts: Sequence[Count]) -> Mapping[tuple[str, str], int]:
    met: Counter[tuple[str, str]] = Counter()
    for count in counts:
        met[count.left, count.right] += count.votes
        met[count.right, count.left] += count.votes
    return met


def _raters(facts: Facts, key: int, rules: Protocol, pairs: int) -> Mapping[str, int]:
    """Count raters by phase, each by the same pure function that leads them."""
    steps: dict[int, list[Step]] = {who: [] for who in facts.survey.raters(key)}
    for step in facts.survey.steps(key, *phases.STEPS):
        steps[step.rater].append(step)
    done, limit = facts.survey.answered(key), phases.quota(rules, pairs)
    found = Counter(_where(rules, taken, done.get(who, 0), limit) for who, taken in steps.items())
    return {at: found[at] for at in (*PhaseKind, RETURNED) if found[at]}


def _where(rules: Protocol, taken: Sequence[Step], done: int, limit: int | None) -> str:
    kinds = tuple(step.kind for step in taken)
    rested = [step.detail.get("done", 0) for step in taken if step.kind == phases.REST]
    way = phases.Way(kinds, done, rested[-1] if rested else 0)
    kind = phases.kind(rules, way, limit=limit, closed=False)
    if kind is not PhaseKind.DONE and kinds and kinds[-1] == phases.RETURN:
        return RETURNED
    ended = kind is PhaseKind.BATTLE and phases.COMPLETE in kinds  # nothing was left to ask
    return PhaseKind.DONE if ended else kind


def _hours(facts: Facts, key: int, at: str) -> tuple[tuple[str, int], ...]:
    starts = [before(at, hours=h)[: len("2026-01-01T00")] for h in reversed(range(HOURS))]
    found = facts.survey.hours(key, starts[0])
    return tuple((hour, found.get(hour, 0)) for hour in starts)


# What gives alarm


@dataclass(frozen=True)
class Verdict:
    """What the votes say of the raters: sentences, and those that want a look."""

    alarms: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


class Judge:
    """Judges the raters of one study, no more than once a minute: it takes all votes to do so."""

    def __init__(self, store: Store, study: str, clock: Callable[[], float]) -> None:
        self._store, self._study, self._clock = store, study, clock
        self._lock = Lock()
        self._kept: tuple[float, Verdict] | None = None

    def verdict(self) -> Verdict:
        """Return the last verdict, or a new one where that is old."""
        with self._lock:
            now = self._clock()
            if self._kept is None or now - self._kept[0] >= _JUDGE_SECONDS:
                self._kept = now, judge(self._store, self._study)
            return self._kept[1]


def judge(store: Store, study: str) -> Verdict:
    """Judge raters by question: every rule at its usual value but ``too-few``."""
    with store.reading() as facts:
        key, found = facts.study(study)
        rows = list(facts.votes(key, checks=True))
        miscounts = len(facts.miscounts(key))
    wrong = f"{miscounts} kept counts are not those of the votes: arena recount --mend."
    alarms, said = [wrong] if miscounts else [], list[str]()
    for question in found.protocol.criteria:
        of = voting.table([row for row in rows if row.criterion == question.id])
        if len(of):
            more = _judged(of)
            alarms += [f"{question.id}: {text}" for text in more.alarms]
            said += [f"{question.id}: {text}" for text in more.said]
    return Verdict(tuple(alarms), tuple(said))


def _judged(frame: pd.DataFrame) -> Verdict:
    cards = quality(frame, replicates=200)
    left = exclude(frame, [rule() for name, rule in RULES.items() if name != "too-few"], cards)
    alarms = [f"{name}: {_named(who)}." for name, who in left.excluded.items() if who]
    if left.alarm:
        lost = f"{left.share_of_votes:.0%} of votes and {left.share_of_raters:.0%} of raters"
        alarms.insert(0, f"{lost} break a rule: look at the cards, and at the page.")
    checked, right = cards.total("gold", "gold_passed")
    if right is not None and right < GOLD:
        alarms.insert(0, f"only {right:.0%} of {checked} questions with a known answer were right.")
    return Verdict(tuple(alarms), tuple(cards.lines()))


def _named(who: Mapping[str, str], most: int = 3) -> str:
    first = "; ".join(f"{rater}, {reason}" for rater, reason in list(who.items())[:most])
    return f"{first}; and {len(who) - most} more" if len(who) > most else first
