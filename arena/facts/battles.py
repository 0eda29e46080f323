"""Battles: which pictures were put before which rater, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from arena.facts.clauses import ASKED, RATING, UNANSWERED, has_event, of_rater
from arena.facts.connected import Connected
from arena.records import Battle, Entry, Purpose, Rater, Vote
from arena.tables import battle, entry, event, protocol, rater, study, vote

if TYPE_CHECKING:
    from sqlalchemy import RowMapping

_SHOWN = (
    *(battle.c.id, battle.c.left_id, battle.c.right_id, battle.c.criterion, battle.c.purpose),
    *(battle.c.ordinal, battle.c.repeat_of, battle.c.example),
)
_LEFT, _RIGHT = entry.alias("left_entry"), entry.alias("right_entry")
_SIDES = {
    side: {name: f"{side}_entry_{name}" for name in Entry.model_fields}
    for side in ("left", "right")
}
"""The columns of both pictures beside those of their battle."""

# Written once: to write a query takes longer than SQLite takes to answer it.
_BATTLE_LOCKED = (
    sa.select(battle.c.id).where(battle.c.token == sa.bindparam("token")).with_for_update()
)
_BATTLES = (
    sa.select(battle, study.c.name, protocol.c.digest, rater.c.label.label("rater_label"))
    .add_columns(*(_LEFT.c[name].label(label) for name, label in _SIDES["left"].items()))
    .add_columns(*(_RIGHT.c[name].label(label) for name, label in _SIDES["right"].items()))
    .join(study, study.c.id == battle.c.study_id)
    .join(_LEFT, _LEFT.c.id == battle.c.left_id)
    .join(_RIGHT, _RIGHT.c.id == battle.c.right_id)
    .outerjoin(protocol, protocol.c.id == battle.c.protocol_id)
    .outerjoin(rater, rater.c.id == battle.c.rater_id)
    .outerjoin(vote, vote.c.battle_id == battle.c.id)
    .order_by(battle.c.id)
)


class Shown(NamedTuple):
    """One battle as the sampling sees it."""

    id: int
    left_id: int
    right_id: int
    criterion: str
    purpose: Purpose = Purpose.RATING
    ordinal: int = 0
    repeat_of: int | None = None
    example: int | None = None


class Battles(Connected):
    """The battles of a database."""

    def battle(self, token: str, *, lock: bool = False) -> Battle | None:
        """Find a battle by the name the browser knows; ``lock`` makes others wait."""
        if lock and self._connection.dialect.name != "sqlite":  # there, writers wait for writers
            self._connection.execute(_BATTLE_LOCKED, {"token": token})
        return next(iter(self._battles(battle.c.token == token)), None)

    def open_battles(self, study_id: int, of: Rater) -> list[Battle]:
        """Return a rater's battles without an answer: the undone first, then in their order."""
        found = self._battles(of_rater(study_id, of), ASKED, *UNANSWERED)
        return sorted(found, key=lambda b: -b.ordinal if b.redo_of else b.ordinal)

    def last_answered(self, study_id: int, of: Rater) -> Battle | None:
        """Return the battle that a rater answered or skipped last, of those not undone."""
        skip = event.alias("skip")
        answered_at = sa.func.coalesce(vote.c.cast_at, skip.c.at)
        query = (
            sa.select(battle.c.id)
            .outerjoin(vote, vote.c.battle_id == battle.c.id)
            .outerjoin(skip, sa.and_(skip.c.battle_id == battle.c.id, skip.c.kind == "skip"))
            .where(of_rater(study_id, of), ASKED, answered_at.is_not(None), ~has_event("undo"))
            .order_by(answered_at.desc(), battle.c.ordinal.desc())
            .limit(1)
        )
        found = self._connection.scalar(query)
        return next(iter(self._battles(battle.c.id == found)), None)

    def add_battles(self, study_id: int, new: Sequence[Mapping[str, Any]]) -> list[int]:
        """Record that pictures were put before raters and return the battles' ids, in order."""
        return self._insert_all(battle, [{**row, "study_id": study_id} for row in new])

    def given(self, study_id: int, to: Rater) -> list[Shown]:
        """Return every battle that a rater was ever given."""
        query = sa.select(*_SHOWN).where(of_rater(study_id, to)).order_by(battle.c.id)
        return [_shown(row) for row in self._connection.execute(query)]

    def count_given(self, study_id: int, to: Rater) -> int:
        """Count the battles that a rater was ever given."""
        query = sa.select(sa.func.count()).select_from(battle).where(of_rater(study_id, to))
        return self._connection.scalar(query) or 0

    def next_ordinals(self, study_id: int) -> dict[int, int]:
        """Map each rater's id to the number of battles given in this study."""
        query = sa.select(battle.c.rater_id, sa.func.count()).group_by(battle.c.rater_id)
        rows = self._connection.execute(query.where(battle.c.study_id == study_id))
        return {rater_id: count for rater_id, count in rows if rater_id is not None}

    def shown_for(self, study_id: int, to: Rater, purpose: Purpose) -> list[Battle]:
        """Return the battles of one purpose that a rater was given, in their order."""
        return self._battles(of_rater(study_id, to), battle.c.purpose == purpose.value)

    def answers(self, study_id: int, of: Rater, *purposes: Purpose) -> list[tuple[Battle, Vote]]:
        """Return a rater's votes that stand on battles of some purposes, in their order."""
        wanted = battle.c.purpose.in_([p.value for p in purposes])
        found = self._battles(
            of_rater(study_id, of), wanted, vote.c.battle_id.is_not(None), ~has_event("undo")
        )
        query = sa.select(vote).where(vote.c.battle_id.in_([b.id for b in found]))
        rows = self._connection.execute(query).mappings()
        votes = {row["battle_id"]: Vote.model_validate(dict(row)) for row in rows}
        return [(b, votes[b.id]) for b in found]

    def battles_after(self, study_id: int, last: int) -> list[Shown]:
        """Return the ratings drawn since one; those asked again after an undo are no new draws."""
        query = (
            sa.select(*_SHOWN)
            .where(battle.c.study_id == study_id, battle.c.id > last)
            .where(battle.c.redo_of.is_(None), RATING)
            .order_by(battle.c.id)
        )
        return [_shown(row) for row in self._connection.execute(query)]

    def released_after(self, study_id: int, last: int) -> list[tuple[int, Shown]]:
        """Return the ratings that were given back since one event, with the events' ids."""
        query = (
            sa.select(event.c.id, *_SHOWN)
            .join(battle, battle.c.id == event.c.battle_id)
            .where(event.c.study_id == study_id, event.c.kind == "release", event.c.id > last)
            .where(RATING)
            .order_by(event.c.id)
        )
        return [(key, _shown(row)) for key, *row in self._connection.execute(query)]

    def stale(self, study_id: int, before: str) -> list[Battle]:
        """Return the battles that were opened before a time and never answered."""
        old = sa.and_(battle.c.study_id == study_id, battle.c.opened_at < before)
        return self._battles(old, battle.c.token.is_not(None), ASKED, *UNANSWERED)

    def draws(self, study_id: int) -> tuple[int, float | None, float | None]:
        """Count the battles that were drawn here, with the least and the greatest chance."""
        chance = battle.c.draw_probability
        query = sa.select(sa.func.count(chance), sa.func.min(chance), sa.func.max(chance))
        query = query.where(battle.c.study_id == study_id, RATING)
        row = self._connection.execute(query).one()
        return row[0], row[1], row[2]

    def fates(self, study_id: int) -> tuple[int, int, int, int]:
        """Count a study's battles: all, skipped, undone, and open or abandoned."""
        undone, skipped = has_event("undo"), has_event("skip")
        unanswered = sa.and_(*UNANSWERED)
        counts = [sa.func.count().filter(c) for c in (sa.true(), skipped, undone, unanswered)]
        query = sa.select(*counts).select_from(battle).outerjoin(vote)
        row = self._connection.execute(query.where(battle.c.study_id == study_id, ASKED)).one()
        return row[0], row[1], row[2], row[3]

    def _battles(self, *conditions: sa.ColumnElement[bool]) -> list[Battle]:
        rows = self._connection.execute(_BATTLES.where(*conditions)).mappings()
        return [_battle(row) for row in rows]


def _shown(row: Sequence[Any]) -> Shown:
    return Shown(*row)._replace(purpose=Purpose(row[4]))


def _battle(row: RowMapping) -> Battle:
    same = (
        *("id", "criterion", "ordinal", "opened_at", "draw_probability", "token", "redo_of"),
        *("purpose", "expected", "repeat_of", "example"),
    )
    left, right = (
        Entry.model_validate({name: row[label] for name, label in _SIDES[side].items()})
        for side in ("left", "right")
    )
    known = row["rater_id"] is not None
    who = Rater(id=row["rater_id"], label=row["rater_label"]) if known else None
    return Battle.model_validate(
        {k: row[k] for k in same}
        | {"study": row["name"], "prompt_id": left.prompt_id, "rater": who}
        | {"protocol": row["digest"]}
        | {"left": left, "right": right}
    )
