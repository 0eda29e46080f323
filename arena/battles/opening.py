"""Battles are opened: those that a rater holds, then new ones, as many as are asked for."""

from __future__ import annotations

from arena import phases, releasing
from arena.battles.way import Way
from arena.clock import passed
from arena.facts import Facts
from arena.records import Battle, PhaseKind, Rater, Study

SWEEP_SECONDS = 60
"""How often battles that nobody came back to are looked for."""


class Openings(Way):
    """What a study being held asks next."""

    def open(self, rater: Rater) -> Battle | None:
        """Return the battle to answer now, left open or new; None when nothing is left to ask."""
        return next(iter(self.deal(rater)), None)

    def deal(self, rater: Rater, ahead: int = 0) -> tuple[Battle, ...]:
        """Return the battle to answer now and so many of the next, to be fetched beforehand.

        None of them before consent, instructions and training, or in a pause.
        """
        with self._store.reading() as facts:
            key, study = facts.study(self._name)
            if self._where(facts, key, study, rater)[1] is not PhaseKind.BATTLE:
                return ()
            held = facts.open_battles(key, rater)
        return self._enough(rater, held, ahead)

    def _enough(self, rater: Rater, held: list[Battle], ahead: int) -> tuple[Battle, ...]:
        """Return what a rater holds, or draw what is missing."""
        if len(held) > ahead:
            return tuple(held[: 1 + ahead])
        with self._drawing:
            try:
                with self._store.writing() as facts:
                    return self._top_up(facts, rater, 1 + ahead)
            except BaseException:
                self._dealer.forget()  # it may count what was undone
                raise

    def _top_up(self, facts: Facts, rater: Rater, wanted: int) -> tuple[Battle, ...]:
        key, study = facts.study(self._name, lock=True)
        self._sweep(facts, key, study, rater)
        held = facts.open_battles(key, rater)
        room, limit = wanted - len(held), phases.quota(study.protocol, self.pairs)
        if limit is not None:
            room = min(room, limit - facts.count_votes(key, rater) - len(held))
        for _ in range(room):
            drawn = self._dealer.draw(facts, key, study, rater)
            if drawn is None:
                break
            held.append(self._record(facts, key, rater, drawn))
        return tuple(held[:wanted])

    def _sweep(self, facts: Facts, key: int, study: Study, rater: Rater) -> None:
        at = self._clock() if releasing.expires(study.protocol) else ""
        if at and (not self._swept or passed(self._swept, at) >= SWEEP_SECONDS):
            releasing.sweep(facts, key, study.protocol, rater, at)
            self._swept = at
