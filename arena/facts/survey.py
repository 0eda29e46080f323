"""What a keeper asks of a study that is being held: counts over many raters at once."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import sqlalchemy as sa

from arena.facts.clauses import standing
from arena.facts.connected import Connected
from arena.records import Purpose
from arena.tables import battle, entry, event, rater, study, visit, vote


class Step(NamedTuple):
    """A step of one rater's way."""

    rater: int
    kind: str
    detail: dict[str, Any]


class Report(NamedTuple):
    """What a rater reported of the two pictures of a battle."""

    at: str
    rater: str | None
    criterion: str
    prompt: str
    left: str
    right: str
    left_image: str | None
    right_image: str | None
    detail: dict[str, Any]


class Survey(Connected):
    """The counts of one transaction."""

    def alive(self) -> None:
        """Ask the database for anything; it raises where it cannot answer."""
        self._connection.execute(sa.select(study.c.id).limit(1))

    def raters(self, study_id: int) -> list[int]:
        """Return the ids of all whom a study knows."""
        known = (
            sa.select(t.c.rater_id).where(t.c.study_id == study_id, t.c.rater_id.is_not(None))
            for t in (battle, event, visit)
        )
        return sorted(self._connection.scalars(sa.union(*known)))

    def steps(self, study_id: int, *kinds: str) -> list[Step]:
        """Return all raters' steps of some kinds, oldest first."""
        query = sa.select(event.c.rater_id, event.c.kind, event.c.detail).order_by(event.c.id)
        query = query.where(event.c.study_id == study_id, event.c.kind.in_(kinds))
        rows = self._connection.execute(query.where(event.c.rater_id.is_not(None)))
        return [Step(who, kind, json.loads(detail)) for who, kind, detail in rows]

    def answered(self, study_id: int) -> dict[int, int]:
        """Map each rater to the number of votes that stand, checks among them."""
        query = sa.select(battle.c.rater_id, sa.func.count()).join(vote)
        query = query.where(*standing(study_id), battle.c.rater_id.is_not(None))
        return {
            row[0]: row[1] for row in self._connection.execute(query.group_by(battle.c.rater_id))
        }

    def at_work(self, study_id: int, since: str) -> int:
        """Count the raters who answered, or were shown, something since a time."""
        of = (battle.c.study_id == study_id, battle.c.rater_id.is_not(None))
        shown = sa.select(battle.c.rater_id).where(*of, battle.c.opened_at >= since)
        said = sa.select(battle.c.rater_id).join(vote).where(*of, vote.c.cast_at >= since)
        both = sa.union(shown, said).subquery()
        return self._connection.scalar(sa.select(sa.func.count()).select_from(both)) or 0

    def hours(self, study_id: int, since: str) -> dict[str, int]:
        """Count the votes that stand by the hour (UTC) in which they were cast."""
        hour = sa.func.substr(vote.c.cast_at, 1, len("2026-01-01T00"))
        query = sa.select(hour, sa.func.count()).select_from(vote).join(battle)
        query = query.where(*standing(study_id), vote.c.cast_at >= since).group_by(hour)
        return {row[0]: row[1] for row in self._connection.execute(query)}

    def cast_since(self, study_id: int, since: str) -> int:
        """Count the votes that stand and were cast since a time."""
        query = sa.select(sa.func.count()).select_from(vote).join(battle)
        query = query.where(*standing(study_id), vote.c.cast_at >= since)
        return self._connection.scalar(query) or 0

    def pairs(self, study_id: int, full: int) -> dict[str, tuple[int, int]]:
        """Count, by criterion, pairs of pictures that have a vote, and those with ``full``.

        Pictures of which an import knows the model alone are not among them.
        """
        turned = battle.c.left_id > battle.c.right_id
        low = sa.case((turned, battle.c.right_id), else_=battle.c.left_id)
        high = sa.case((turned, battle.c.left_id), else_=battle.c.right_id)
        number = sa.func.count().label("votes")
        each = sa.select(battle.c.criterion.label("criterion"), number).select_from(vote)
        each = each.join(battle).join(entry, entry.c.id == battle.c.left_id)
        each = each.where(*standing(study_id, Purpose.RATING), entry.c.generation_id.is_not(None))
        found = each.group_by(battle.c.criterion, low, high).subquery()
        done = sa.func.count().filter(found.c.votes >= full)
        query = sa.select(found.c.criterion, sa.func.count(), done).group_by(found.c.criterion)
        return {name: (begun, whole) for name, begun, whole in self._connection.execute(query)}

    def reported(self, study_id: int) -> int:
        """Count the reports of pictures."""
        query = sa.select(sa.func.count()).select_from(event)
        query = query.where(event.c.study_id == study_id, event.c.kind == "report")
        return self._connection.scalar(query) or 0

    def reports(self, study_id: int, most: int) -> list[Report]:
        """Return the latest reports of pictures, the newest first."""
        left, right = entry.alias("l"), entry.alias("r")
        query = (
            sa.select(event.c.at, rater.c.label, battle.c.criterion, left.c.prompt)
            .add_columns(left.c.model, right.c.model, left.c.image, right.c.image, event.c.detail)
            .select_from(event)
            .join(battle, battle.c.id == event.c.battle_id)
            .join(left, left.c.id == battle.c.left_id)
            .join(right, right.c.id == battle.c.right_id)
            .outerjoin(rater, rater.c.id == event.c.rater_id)
            .where(event.c.study_id == study_id, event.c.kind == "report")
            .order_by(event.c.id.desc())
            .limit(most)
        )
        rows = self._connection.execute(query)
        return [Report(*row)._replace(detail=json.loads(row[-1])) for row in rows]

    def is_picture(self, study_id: int, digest: str) -> bool:
        """Say whether a study has a picture."""
        query = sa.select(entry.c.id).where(entry.c.study_id == study_id, entry.c.image == digest)
        return self._connection.scalar(query.limit(1)) is not None
