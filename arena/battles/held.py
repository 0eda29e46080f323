"""What every part of a study being held stands on: its facts, its draws, its clock."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from threading import Lock

from arena import conditions, phases
from arena.clock import now
from arena.dealing import Dealer
from arena.examples import Opening
from arena.facts import Facts
from arena.records import Battle, Progress, Rater, Study
from arena.store import Store

TOKEN_BYTES = 18
"""144 random bits: nobody guesses the name of another's battle."""


class Held:
    """One study being held, safe for threads and several processes."""

    def __init__(self, store: Store, name: str, *, clock: Callable[[], str] = now) -> None:
        self._store = store
        self._name = name
        self._clock = clock
        with store.reading() as facts:
            key, self.study = facts.study(name)
            self._dealer = Dealer(facts.entries(key))
        self._swept = ""
        self._drawing = Lock()

    @property
    def pairs(self) -> int:
        """How many pairs of pictures the study can ask about."""
        return len(self._dealer.field)

    def _own(self, facts: Facts, token: str, rater: Rater) -> Battle:
        return conditions.own(facts, self._name, token, rater)

    def _record(self, facts: Facts, key: int, rater: Rater, opening: Opening) -> Battle:
        token = secrets.token_urlsafe(TOKEN_BYTES)
        row = {
            "left_id": opening.drawn.left.id,
            "right_id": opening.drawn.right.id,
            "rater_id": rater.id,
            "ordinal": facts.count_given(key, rater),
            "opened_at": self._clock(),
            "draw_probability": opening.drawn.probability,
            "token": token,
            "redo_of": opening.redo_of,
            "criterion": opening.criterion,
            "purpose": opening.purpose.value,
            "expected": opening.expected.value if opening.expected else None,
            "repeat_of": opening.repeat_of,
            "example": opening.example,
            "protocol_id": facts.protocol(key)[0],
        }
        facts.add_battles(key, [row])
        return self._own(facts, token, rater)

    def _progress(self, study: Study, done: int, *, closed: bool = False) -> Progress:
        limit = phases.quota(study.protocol, self.pairs)
        total = self.pairs if limit is None else limit
        return Progress(done=done, total=total, closed=closed, counted=limit is not None)
