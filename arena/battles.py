"""The rules of a study: the server opens battles, each is answered once, the last can be undone."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from threading import Lock
from typing import Any

from arena import sampling
from arena.records import Battle, Outcome, Progress, Rater, Study, Vote
from arena.store import Facts, Store, now
from evalkit.errors import StudyError

TOKEN_BYTES = 18
"""144 random bits: nobody guesses the name of another's battle."""


class Arena:
    """One study being held: open, cast, skip, undo. Safe for threads and for several processes."""

    def __init__(self, store: Store, name: str, *, clock: Callable[[], str] = now) -> None:
        self._store = store
        self._name = name
        self._clock = clock
        with store.reading() as facts:
            key, self.study = facts.study(name)
            self._field = sampling.Field(facts.entries(key))
        self._history = sampling.History()
        self._last = 0
        self._drawing = Lock()

    @property
    def pairs(self) -> int:
        """How many pairs of pictures the study can ask about."""
        return len(self._field)

    def enter(self, key: str) -> Rater:
        """Return the rater behind a secret, on the first visit a new one."""
        return self._enter(lambda facts: facts.rater(key), _new_label(), key)

    def known(self, key: str) -> Rater | None:
        """Return the rater behind a secret, if there is one."""
        with self._store.reading() as facts:
            return facts.rater(key)

    def enter_as(self, label: str) -> Rater:
        """Return the rater of a public name that no secret opens: a program, or an import."""
        return self._enter(lambda facts: facts.rater_labelled(label), label, None)

    def open(self, rater: Rater) -> Battle | None:
        """Return the battle to answer now, left open or new; None when nothing is left to ask."""
        return next(iter(self.deal(rater)), None)

    def deal(self, rater: Rater, ahead: int = 0) -> tuple[Battle, ...]:
        """Return the battle to answer now and so many of the next, to be fetched beforehand."""
        with self._store.reading() as facts:
            key, _ = facts.study(self._name)
            if _closed(facts, key):
                return ()
            held = facts.open_battles(key, rater)
        if len(held) > ahead:
            return tuple(held[: 1 + ahead])
        with self._drawing:
            try:
                with self._store.writing() as facts:
                    return self._top_up(facts, rater, 1 + ahead)
            except BaseException:
                self._history, self._last = sampling.History(), 0  # it may count what was undone
                raise

    def cast(
        self,
        token: str,
        rater: Rater,
        outcome: Outcome,
        *,
        seconds: float | None = None,
        simulated: bool = False,
    ) -> Vote:
        """Record the answer to an open battle of this rater.

        The same answer again is the same vote and is returned; another answer is refused. The
        vote is on disk when this returns.
        """
        with self._store.writing() as facts:
            battle = self._own(facts, token, rater)
            if (earlier := facts.vote(battle.id)) is not None:
                return _same(facts, battle, earlier, outcome)
            self._refuse_if_over(facts, battle)
            at = self._clock()
            vote = Vote(
                battle_id=battle.id,
                outcome=outcome,
                cast_at=at,
                seconds=_plausible(seconds, battle.opened_at, at),
                simulated=simulated,
            )
            facts.add_vote(vote)
        return vote

    def skip(self, token: str, rater: Rater) -> None:
        """Pass over an open battle of this rater; twice is once."""
        with self._store.writing() as facts:
            battle = self._own(facts, token, rater)
            if facts.happened("skip", battle):
                return
            if (earlier := facts.vote(battle.id)) is not None:
                raise StudyError(f"This battle is already answered: {earlier.outcome.value}.")
            key = self._refuse_if_over(facts, battle)
            facts.add_event(key, "skip", at=self._clock(), of=battle, by=rater)

    def undo(self, rater: Rater) -> Battle:
        """Void the rater's last answer and ask the same again, as a new battle in the same sides.

        The void vote stays in the database beside the event that voids it.
        """
        with self._store.writing() as facts:
            key, _ = facts.study(self._name, lock=True)
            if _closed(facts, key):
                raise StudyError(_CLOSED)
            last = facts.last_answered(key, rater)
            if last is None:
                raise StudyError("There is no answer to undo.")
            facts.add_event(key, "undo", at=self._clock(), of=last, by=rater)
            again = sampling.Draw(last.left, last.right, last.draw_probability or 1)
            return self._record(facts, key, rater, again, redo_of=last.id)

    def find(self, token: str, rater: Rater) -> Battle:
        """Return a battle of this rater by the name the browser knows."""
        with self._store.reading() as facts:
            return self._own(facts, token, rater)

    def progress(self, rater: Rater) -> Progress:
        """Count what a rater has answered, and of how many."""
        with self._store.reading() as facts:
            key, study = facts.study(self._name)
            done, closed = facts.count_votes(key, rater), _closed(facts, key)
        return Progress(done=done, total=study.quota or self.pairs, closed=closed)

    def close(self) -> None:
        """Take no more answers, until the study is opened again."""
        self._mark("close")

    def reopen(self) -> None:
        """Take answers again."""
        self._mark("reopen")

    def note(self, kind: str, detail: Mapping[str, Any]) -> None:
        """Write something about the whole study into it; the same again is written once."""
        with self._store.writing() as facts:
            key, _ = facts.study(self._name, lock=True)
            if detail not in [e.detail for e in facts.events(key, kind)]:
                facts.add_event(key, kind, at=self._clock(), detail=detail)

    def noted(self, kind: str) -> list[dict[str, Any]]:
        """Return what was noted about the study, oldest first."""
        with self._store.reading() as facts:
            key, _ = facts.study(self._name)
            return [e.detail for e in facts.events(key, kind)]

    def _mark(self, kind: str) -> None:
        with self._store.writing() as facts:
            key, _ = facts.study(self._name, lock=True)
            facts.add_event(key, kind, at=self._clock())

    def _enter(self, find: Callable[[Facts], Rater | None], label: str, key: str | None) -> Rater:
        with self._store.reading() as facts:
            known = find(facts)
        if known is not None:
            return known
        with self._store.writing() as facts:
            facts.study(self._name, lock=True)  # two first requests of one browser make one rater
            return find(facts) or facts.add_rater(label, key)

    def _top_up(self, facts: Facts, rater: Rater, wanted: int) -> tuple[Battle, ...]:
        key, study = facts.study(self._name, lock=True)
        held = facts.open_battles(key, rater)
        room = wanted - len(held)
        if study.quota is not None:
            room = min(room, study.quota - facts.count_votes(key, rater) - len(held))
        for _ in range(room):
            drawn = self._draw(facts, key, study, rater)
            if drawn is None:
                break
            held.append(self._record(facts, key, rater, drawn))
        return tuple(held[:wanted])

    def _draw(self, facts: Facts, key: int, study: Study, rater: Rater) -> sampling.Draw | None:
        for shown in facts.battles_after(key, self._last):
            self._last = shown.id
            pair = self._field.by_key.get(sampling.key(shown.left_id, shown.right_id))
            if pair is not None:
                self._history.add(pair, first_is_left=shown.left_id == pair.first.id)
        seen = {sampling.key(s.left_id, s.right_id) for s in facts.given(key, rater)}
        rng = sampling.generator(study.seed, self._history.drawn)
        return sampling.draw(self._field, self._history, seen, rng)

    def _record(
        self,
        facts: Facts,
        key: int,
        rater: Rater,
        drawn: sampling.Draw,
        redo_of: int | None = None,
    ) -> Battle:
        token = secrets.token_urlsafe(TOKEN_BYTES)
        row = {
            "left_id": drawn.left.id,
            "right_id": drawn.right.id,
            "rater_id": rater.id,
            "ordinal": len(facts.given(key, rater)),
            "opened_at": self._clock(),
            "draw_probability": drawn.probability,
            "token": token,
            "redo_of": redo_of,
        }
        facts.add_battles(key, [row])
        return self._own(facts, token, rater)

    def _own(self, facts: Facts, token: str, rater: Rater) -> Battle:
        battle = facts.battle(token, lock=True)
        if battle is None or battle.study != self._name:
            raise StudyError("The server opened no such battle. Reload the page.")
        if battle.rater != rater:
            raise StudyError("This battle was opened for another rater. Reload the page.")
        return battle

    def _refuse_if_over(self, facts: Facts, battle: Battle) -> int:
        key, _ = facts.study(self._name)
        if _closed(facts, key):
            raise StudyError(_CLOSED)
        if facts.happened("skip", battle):
            raise StudyError("This battle was skipped. Undo the skip to answer it.")
        return key


_CLOSED = "This study is closed and takes no more answers."


def _closed(facts: Facts, study_key: int) -> bool:
    marks = facts.events(study_key, "close", "reopen")
    return bool(marks) and marks[-1].kind == "close"


def _same(facts: Facts, battle: Battle, earlier: Vote, outcome: Outcome) -> Vote:
    if facts.happened("undo", battle):
        raise StudyError("This answer was undone; the battle is asked again under another name.")
    if earlier.outcome is not outcome:
        raise StudyError(
            f"This battle is already answered: {earlier.outcome.value}, not {outcome.value}. "
            "Undo the answer to give another."
        )
    return earlier


def _plausible(seconds: float | None, opened_at: str, cast_at: str) -> float | None:
    """Keep a browser's claim of time only within what the server saw pass."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return None
    passed = datetime.fromisoformat(cast_at) - datetime.fromisoformat(opened_at)
    return min(seconds, max(passed.total_seconds(), 0.0))


def _new_label() -> str:
    """Make up a public name that says nothing of the person or of the order of arrival."""
    return f"rater-{secrets.token_hex(5)}"
