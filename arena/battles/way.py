"""The way of a rater: where it is, and the steps that are taken on it."""

from __future__ import annotations

from arena import conditions, phases
from arena.battles.held import Held
from arena.facts import Facts
from arena.records import PhaseKind, Rater, Study


class Way(Held):
    """The ways of raters through a study being held."""

    def consent(self, rater: Rater) -> None:
        """Record that a rater agrees to take part; twice is once."""
        self._step(rater, phases.CONSENT, PhaseKind.CONSENT, PhaseKind.DECLINED)

    def decline(self, rater: Rater) -> None:
        """Record that a rater does not agree, which a later consent takes back."""
        self._step(rater, phases.DECLINE, PhaseKind.CONSENT)

    def finish_instructions(self, rater: Rater) -> None:
        """Record that a rater has read the instructions."""
        self._step(rater, phases.INSTRUCTED, PhaseKind.INSTRUCTIONS)

    def end_break(self, rater: Rater) -> None:
        """Go on after a pause."""
        self._step(rater, phases.REST, PhaseKind.BREAK)

    def _step(self, rater: Rater, step: str, *at: PhaseKind) -> None:
        """Take a step of the way where it is due; elsewhere it was taken, or never asked for."""
        with self._store.writing() as facts:
            key, study = facts.study(self._name, lock=True)
            way, kind = self._where(facts, key, study, rater)
            if kind in at:
                detail = {"done": way.done, "protocol": study.protocol.digest}
                facts.add_event(key, step, at=self._clock(), by=rater, detail=detail)

    def _where_now(self, rater: Rater) -> PhaseKind:
        with self._store.reading() as facts:
            key, study = facts.study(self._name)
            return self._where(facts, key, study, rater)[1]

    def _where(
        self, facts: Facts, key: int, study: Study, rater: Rater
    ) -> tuple[phases.Way, PhaseKind]:
        steps = facts.path(key, rater, *phases.STEPS)
        rested = [e.detail.get("done", 0) for e in steps if e.kind == phases.REST]
        done = facts.count_votes(key, rater)
        way = phases.Way(tuple(e.kind for e in steps), done, rested[-1] if rested else 0)
        limit = phases.quota(study.protocol, self.pairs)
        return way, phases.kind(
            study.protocol, way, limit=limit, closed=conditions.is_closed(facts, key)
        )

    def _is_full(self, facts: Facts, key: int, study: Study) -> bool:
        """Say whether every pair certainly has its votes: they stand, and are not only asked."""
        each = study.protocol.draws.votes_per_pair
        if each is None or not self.pairs:
            return False
        for criterion in study.criteria:  # the kept counts are at hand: most studies end here
            if sum(c.votes for c in facts.counts(key, None, criterion)) < each * self.pairs:
                return False
        found = facts.survey.pairs(key, each)
        return all(found.get(c, (0, 0))[1] >= self.pairs for c in study.criteria)
