"""Battles are answered, passed over, reported, undone or given back, each once."""

from __future__ import annotations

from arena import conditions, phases, refusals, releasing
from arena.battles.ends import ends_of
from arena.battles.held import Held
from arena.battles.people import is_made_up
from arena.dealing import again
from arena.facts import Facts
from arena.records import COUNTED, Battle, Objection, Outcome, Progress, Rater, Study, Vote
from arena.refusals import Reason, Refusal


class Answers(Held):
    """What raters do with the battles of a study being held."""

    def cast(
        self,
        token: str,
        rater: Rater,
        outcome: Outcome,
        *,
        seconds: float | None = None,
        simulated: bool = False,
        language: str | None = None,
    ) -> Vote:
        """Record the answer to an open battle of this rater.

        The same answer again is the same vote and is returned; another answer is refused. The
        vote is on disk when this returns.
        """
        with self._store.writing() as facts:
            battle = self._own(facts, token, rater)
            if battle.purpose not in COUNTED:
                raise Refusal(Reason.NOT_NOW, "This battle takes no vote. Reload the page.")
            if (earlier := facts.vote(battle.id)) is not None:
                return conditions.same(facts, battle, earlier, outcome)
            key, study = conditions.still_open(facts, battle)
            conditions.allowed(study.protocol, outcome)
            at = self._clock()
            if not simulated:  # who is made up looks at nothing
                conditions.unhurried(facts, key, study, battle, at)
            vote = Vote(
                battle_id=battle.id,
                outcome=outcome,
                cast_at=at,
                seconds=conditions.plausible(seconds, battle.opened_at, at),
                simulated=simulated or is_made_up(facts, key, rater),
                language=language,
            )
            facts.add_vote(vote)
        return vote

    def skip(self, token: str, rater: Rater) -> None:
        """Pass over an open battle of this rater; twice is once."""
        with self._store.writing() as facts:
            self._pass_over(facts, self._own(facts, token, rater), rater)

    def report(
        self, token: str, rater: Rater, side: str, reason: str = Objection.OTHER, note: str = ""
    ) -> None:
        """Record that something is wrong with a picture, and pass over its battle.

        The reason is an :class:`Objection`; the note is the rater's own, and leaves with no export.
        """
        if side not in ("left", "right", "both"):
            raise Refusal(Reason.NOT_ALLOWED, "Say which picture: left, right or both.")
        if reason not in set(Objection):
            raise Refusal(Reason.NOT_ALLOWED, f"Say what is wrong: {', '.join(Objection)}.")
        with self._store.writing() as facts:
            battle = self._own(facts, token, rater)
            if facts.happened("report", battle):
                return
            key = self._pass_over(facts, battle, rater)
            said = {"side": side, "reason": str(reason), "note": note.strip()[:500]}
            facts.add_event(key, "report", at=self._clock(), of=battle, by=rater, detail=said)

    def undo(self, rater: Rater, *, shown: str | None = None) -> Battle | None:
        """Void the rater's last answer and ask the same again, as a new battle in the same sides.

        The void vote stays in the database beside the event that voids it. Nothing is undone when
        the battle to answer is not the one ``shown`` ("" for none): the request came twice.
        """
        with self._store.writing() as facts:
            key, study = facts.study(self._name, lock=True)
            if conditions.is_closed(facts, key):
                raise refusals.closed()
            self._refuse_undo_of_paid(facts, key, study, rater)
            waiting = next(iter(facts.open_battles(key, rater)), None)
            if shown is not None and (waiting.token if waiting else "") != shown:
                return None
            last = facts.last_answered(key, rater)
            if last is None:
                raise Refusal(Reason.NOTHING_TO_UNDO, "There is no answer to undo.")
            facts.add_event(key, "undo", at=self._clock(), of=last, by=rater)
            return self._record(facts, key, rater, again(last))

    def release(self, rater: Rater) -> int:
        """Give back what a rater left open, who returned the task; say how many battles.

        A vote that comes later on one of them is refused, for somebody else is asked.
        """
        with self._store.writing() as facts:
            key, _ = facts.study(self._name, lock=True)
            held = facts.open_battles(key, rater)
            at = self._clock()
            given_back = sum(releasing.give_back(facts, key, battle, at) for battle in held)
            facts.add_event(key, phases.RETURN, at=at, by=rater)
        return given_back

    def find(self, token: str, rater: Rater) -> Battle:
        """Return a battle of this rater by the name the browser knows."""
        with self._store.reading() as facts:
            return conditions.own(facts, self._name, token, rater, lock=False)

    def progress(self, rater: Rater) -> Progress:
        """Count what a rater has answered, and of how many."""
        with self._store.reading() as facts:
            key, study = facts.study(self._name)
            done, closed = facts.count_votes(key, rater), conditions.is_closed(facts, key)
        return self._progress(study, done, closed=closed)

    def _pass_over(self, facts: Facts, battle: Battle, rater: Rater) -> int:
        key, _ = facts.study(self._name)
        if facts.happened("skip", battle):
            return key
        if battle.purpose not in COUNTED:
            raise Refusal(Reason.NOT_NOW, "This battle cannot be passed over.")
        if (earlier := facts.vote(battle.id)) is not None:
            raise refusals.answered(earlier.outcome)
        conditions.still_open(facts, battle)
        facts.add_event(key, "skip", at=self._clock(), of=battle, by=rater)
        return key

    def _refuse_undo_of_paid(self, facts: Facts, key: int, study: Study, rater: Rater) -> None:
        if study.protocol.panel and any(e.get("answered") for e in ends_of(facts, key, rater)):
            raise Refusal(Reason.NOT_NOW, "You have finished, and your answers stand.")
