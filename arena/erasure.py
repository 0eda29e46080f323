"""What is erased of a rater: the row, the visits, the way, and every tie to the votes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import sqlalchemy as sa

from arena.records import Rater
from arena.tables import battle, event, rater, visit, vote

if TYPE_CHECKING:
    from sqlalchemy import Connection

_MIDNIGHT = "T00:00:00.000000+00:00"


class Erasure:
    """The erasing of one rater in one transaction, over all studies of a database."""

    def __init__(self, connection: Connection, who: Rater) -> None:
        self._connection = connection
        self._who = who
        self._theirs = sa.select(battle.c.id).where(battle.c.rater_id == who.id)

    def studies(self) -> list[int]:
        """Return the keys of the studies that know the rater."""
        known = (sa.select(t.c.study_id).where(t.c.rater_id == self._who.id) for t in _KNOWING)
        return sorted(self._connection.scalars(sa.union(*known)))

    def standing(self) -> list[tuple[int, int]]:
        """Return the battles with a vote that stands, each with its study's key."""
        undone = sa.exists().where(event.c.battle_id == battle.c.id, event.c.kind == "undo")
        query = sa.select(battle.c.id, battle.c.study_id).join(vote)
        rows = self._connection.execute(query.where(battle.c.rater_id == self._who.id, ~undone))
        return [(key, study) for key, study in rows]

    def remove_votes(self, at: str) -> int:
        """Remove the rater's votes; their pairs can be asked of others."""
        for key, study in self.standing():
            new = {"study_id": study, "battle_id": key, "kind": "release", "at": at, "detail": "{}"}
            self._connection.execute(sa.insert(event), new)
        gone = self._connection.execute(sa.delete(vote).where(vote.c.battle_id.in_(self._theirs)))
        return gone.rowcount

    def untie(self) -> int:
        """Erase who the rater is; return how many votes are left that are nobody's now."""
        self._untie_events()
        theirs = vote.c.battle_id.in_(self._theirs)
        kept = self._connection.execute(
            sa.update(vote).where(theirs).values(cast_at=_day(vote.c.cast_at))
        ).rowcount
        nobody = {"rater_id": None, "token": None, "opened_at": _day(battle.c.opened_at)}
        mine = battle.c.rater_id == self._who.id
        self._connection.execute(sa.update(battle).where(mine).values(nobody))
        for table, column in ((visit, visit.c.rater_id), (rater, rater.c.id)):
            self._connection.execute(sa.delete(table).where(column == self._who.id))
        return kept

    def _untie_events(self) -> None:
        """Erase the rater's way and words; what happened to a battle stays, on its day."""
        mine = event.c.rater_id == self._who.id
        self._connection.execute(sa.delete(event).where(mine, event.c.battle_id.is_(None)))
        of_battles = event.c.battle_id.in_(self._theirs)
        found = self._connection.execute(sa.select(event.c.id, event.c.detail).where(of_battles))
        for key, detail in found.all():
            told = {k: v for k, v in json.loads(detail).items() if k not in _WORDS}
            change = sa.update(event).where(event.c.id == key)
            new = {"rater_id": None, "at": _day(event.c.at), "detail": json.dumps(told)}
            self._connection.execute(change.values(new))


_KNOWING = (battle, event, visit)
_WORDS = ("reason", "note")
"""What a report holds of the rater: what was objected to may tell as much as the words."""


def _day(column: sa.Column[str]) -> sa.ColumnElement[str]:
    """Keep the day of a time: the minutes could tell who sat there."""
    return sa.func.substr(column, 1, 10) + _MIDNIGHT
