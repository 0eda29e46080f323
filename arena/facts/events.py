"""What happened in a study and is no vote: a skip, an undo, a step of a rater's way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa

from arena.facts.connected import Connected
from arena.records import Battle, Rater
from arena.tables import event

_FATE = sa.select(event.c.kind).where(event.c.battle_id == sa.bindparam("battle_id"))


class Event(NamedTuple):
    """Something that happened in a study and is no vote."""

    kind: str
    at: str
    detail: dict[str, Any]


class Events(Connected):
    """The events of a database."""

    def add_event(
        self,
        study_id: int,
        kind: str,
        *,
        at: str,
        of: Battle | None = None,
        by: Rater | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Record that something happened; a battle is skipped, or undone, no more than once."""
        new = {"study_id": study_id, "kind": kind, "at": at, "detail": json.dumps(detail or {})}
        new |= {"battle_id": of.id if of else None, "rater_id": by.id if by else None}
        self._insert(event, new)

    def events(self, study_id: int, *kinds: str) -> list[Event]:
        """Return a study's events of these kinds, oldest first."""
        query = sa.select(event.c.kind, event.c.at, event.c.detail).order_by(event.c.id)
        query = query.where(event.c.study_id == study_id, event.c.kind.in_(kinds))
        return [Event(k, at, json.loads(d)) for k, at, d in self._connection.execute(query)]

    def path(self, study_id: int, of: Rater, *kinds: str) -> list[Event]:
        """Return what is recorded of a rater's way through a study, oldest first."""
        query = sa.select(event.c.kind, event.c.at, event.c.detail).order_by(event.c.id)
        query = query.where(event.c.rater_id == of.id, event.c.study_id == study_id)
        rows = self._connection.execute(query.where(event.c.kind.in_(kinds)))
        return [Event(kind, at, json.loads(detail)) for kind, at, detail in rows]

    def happened(self, kind: str, of: Battle) -> bool:
        """Say whether a battle was skipped, or undone."""
        return kind in self.fate(of)

    def fate(self, of: Battle) -> set[str]:
        """Return what happened to a battle: skip, undo, release, report."""
        return set(self._connection.scalars(_FATE, {"battle_id": of.id}))
