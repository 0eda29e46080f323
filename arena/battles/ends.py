"""How raters come to an end, and which of their submissions is paid."""

from __future__ import annotations

from typing import Any

from arena import phases
from arena.battles.held import Held
from arena.facts import Facts
from arena.records import Ending, PhaseKind, Purpose, Rater, Study


class Ends(Held):
    """The ends of ways through a study being held."""

    def _ending(self, study: Study, rater: Rater, way: phases.Way, kind: PhaseKind) -> Ending:
        with self._store.reading() as facts:
            key, _ = facts.study(self._name)
            checks = facts.answers(key, rater, Purpose.GOLD)
        passed = phases.passed_checks(study.protocol, ((b.expected, v.outcome) for b, v in checks))
        limit = phases.quota(study.protocol, self.pairs)
        return phases.ending(kind, way, limit=limit, pairs=self.pairs, passed=passed)

    def _complete(self, rater: Rater, end: Ending, done: int, submission: str | None) -> bool:
        """Record once how a rater came to an end; say whether this submission is the one to pay.

        It is the one with which a rater who had answered something first came to any end.
        """
        with self._store.reading() as facts:
            key, _ = facts.study(self._name)
            place = facts.visits.place(key, rater, submission)
            ends = ends_of(facts, key, rater)
        if end not in [e["ending"] for e in ends]:
            with self._store.writing() as facts:
                key, _ = facts.study(self._name, lock=True)
                ends = ends_of(facts, key, rater)
                if end not in [e["ending"] for e in ends]:
                    ends.append({"ending": end.value, "visit": place, "answered": done})
                    at = self._clock()
                    facts.add_event(key, phases.COMPLETE, at=at, by=rater, detail=ends[-1])
        paid = [e.get("visit") for e in ends if e.get("answered")]
        return not paid or paid[0] == place


def ends_of(facts: Facts, key: int, rater: Rater) -> list[dict[str, Any]]:
    """Return how a rater came to an end, oldest first: with which visit, having answered what."""
    return [e.detail for e in facts.path(key, rater, phases.COMPLETE)]
