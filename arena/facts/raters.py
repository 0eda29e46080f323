"""Raters: their secrets, of which a digest is kept, and their public names."""

from __future__ import annotations

import hashlib

import sqlalchemy as sa

from arena.clock import now
from arena.facts.clauses import ASKED, UNANSWERED
from arena.facts.connected import Connected
from arena.records import Rater
from arena.tables import battle, rater, vote

_RATER = sa.select(rater).where(rater.c.key_digest == sa.bindparam("digest"))


def key_digest(key: str) -> str:
    """Return what the database keeps of a rater's secret."""
    return hashlib.sha256(key.encode()).hexdigest()


class Raters(Connected):
    """The raters of a database."""

    def rater(self, key: str) -> Rater | None:
        """Find the rater behind a secret."""
        row = self._one(_RATER, digest=key_digest(key))
        return Rater(id=row["id"], label=row["label"]) if row else None

    def rater_labelled(self, label: str) -> Rater | None:
        """Find a rater by the public name."""
        row = self._one(sa.select(rater).where(rater.c.label == label))
        return Rater(id=row["id"], label=row["label"]) if row else None

    def add_rater(self, label: str, key: str | None = None) -> Rater:
        """Record a new rater."""
        secret = key_digest(key) if key is not None else None
        new = {"label": label, "key_digest": secret, "created_at": now()}
        return Rater(id=self._insert(rater, new), label=label)

    def rater_labels(self, study_id: int) -> dict[int, str]:
        """Map the raters of a study to their public names."""
        here = sa.select(battle.c.rater_id).where(battle.c.study_id == study_id)
        query = sa.select(rater.c.id, rater.c.label).where(rater.c.id.in_(here))
        return {row.id: row.label for row in self._connection.execute(query)}

    def idle_since(self, study_id: int, before: str) -> list[Rater]:
        """Return the raters who left battles open and did nothing since a time."""
        query = (
            sa.select(rater.c.id, rater.c.label)
            .select_from(battle)
            .join(rater, rater.c.id == battle.c.rater_id)
            .outerjoin(vote, vote.c.battle_id == battle.c.id)
            .where(battle.c.study_id == study_id, battle.c.token.is_not(None), ASKED)
            .group_by(rater.c.id, rater.c.label)
            .having(sa.func.max(sa.func.coalesce(vote.c.cast_at, battle.c.opened_at)) < before)
            .having(sa.func.sum(sa.case((sa.and_(*UNANSWERED), 1), else_=0)) > 0)
            .order_by(rater.c.id)
        )
        return [Rater(id=key, label=label) for key, label in self._connection.execute(query)]
