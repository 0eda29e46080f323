"""Counts of the votes that stand, which triggers keep beside them."""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa

from arena.facts.clauses import RATING, has_event
from arena.facts.connected import Connected
from arena.tables import battle, entry, tally, vote

_KEY = [c for c in tally.c if c.name != "votes"]


class Count(NamedTuple):
    """How many votes that stand gave one answer about two models."""

    left: str
    right: str
    outcome: str
    votes: int


class Miscount(NamedTuple):
    """A count kept beside the votes that is not theirs."""

    criterion: str
    category: str
    left: str
    right: str
    outcome: str
    kept: int
    votes: int


class Counts(Connected):
    """The kept counts of a database."""

    def counts(
        self, study_id: int, category: str | None = None, criterion: str | None = None
    ) -> list[Count]:
        """Return the kept counts of a study, of one category and criterion or of all."""
        key = (tally.c.left_model, tally.c.right_model, tally.c.outcome)
        number = sa.cast(sa.func.sum(tally.c.votes), sa.Integer)  # a sum is a Decimal in some
        query = sa.select(*key, number).where(tally.c.study_id == study_id)
        if category is not None:
            query = query.where(tally.c.category == category)
        if criterion is not None:
            query = query.where(tally.c.criterion == criterion)
        return [Count(*row) for row in self._connection.execute(query.group_by(*key))]

    def categories(self, study_id: int) -> list[str]:
        """Return the categories that have counts."""
        query = sa.select(tally.c.category).where(tally.c.study_id == study_id).distinct()
        return sorted(self._connection.scalars(query))

    def miscounts(self, study_id: int) -> list[Miscount]:
        """Count the votes anew and return where the kept counts differ: one look at one state."""
        kept = sa.select(*_KEY, tally.c.votes.label("kept"), sa.literal(0).label("votes"))
        counted = _standing_counts(study_id).subquery()
        anew = sa.select(*(counted.c[c.name] for c in _KEY), sa.literal(0), counted.c.votes)
        both = sa.union_all(kept.where(tally.c.study_id == study_id), anew).subquery()
        key = [both.c[c.name] for c in _KEY[1:]]
        sums = [sa.cast(sa.func.sum(both.c[name]), sa.Integer) for name in ("kept", "votes")]
        query = sa.select(*key, *sums).group_by(*key).order_by(*key)
        rows = self._connection.execute(query.having(sums[0] != sums[1]))
        return [Miscount(*row) for row in rows]

    def recount(self, study_id: int) -> None:
        """Make the counts anew from the votes that stand."""
        if self._connection.dialect.name == "postgresql":
            # Whoever has voted, but not yet committed, comes before; who votes from now on, after.
            self._connection.exec_driver_sql("LOCK TABLE tally IN EXCLUSIVE MODE")
        self._connection.execute(sa.delete(tally).where(tally.c.study_id == study_id))
        columns = [*_KEY, tally.c.votes]
        anew = sa.insert(tally).from_select(columns, _standing_counts(study_id))
        self._connection.execute(anew)


def _standing_counts(study_id: int) -> sa.Select[Any]:
    """Select what the triggers should have kept."""
    left, right = entry.alias("l"), entry.alias("r")
    key = (
        *(battle.c.study_id, battle.c.criterion, left.c.category),
        *(left.c.model.label("left_model"), right.c.model.label("right_model"), vote.c.outcome),
    )
    return (
        sa.select(*key, sa.func.count().label("votes"))
        .select_from(vote)
        .join(battle, battle.c.id == vote.c.battle_id)
        .join(left, left.c.id == battle.c.left_id)
        .join(right, right.c.id == battle.c.right_id)
        .where(battle.c.study_id == study_id, ~has_event("undo"))
        .where(RATING)
        .group_by(*key)
    )
