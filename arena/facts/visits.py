"""Who came from a panel to a study, and with which submissions: keyed hashes, in and out."""

from __future__ import annotations

import sqlalchemy as sa

from arena.facts.connected import Connected
from arena.records import Rater
from arena.tables import study, visit


class Visits(Connected):
    """The visits of one transaction."""

    def add(self, study_id: int, by: Rater, submission: str, *, at: str) -> None:
        """Record that a rater came with a submission; again is once."""
        if self.place(study_id, by, submission) is None:
            new = {"study_id": study_id, "rater_id": by.id, "submission": submission, "at": at}
            self._connection.execute(sa.insert(visit), new)

    def place(self, study_id: int, by: Rater, submission: str | None) -> int | None:
        """Return which of a rater's submissions this is, from 1; None if none of them."""
        query = sa.select(visit.c.submission).order_by(visit.c.id)
        query = query.where(visit.c.study_id == study_id, visit.c.rater_id == by.id)
        known = list(self._connection.scalars(query))
        return known.index(submission) + 1 if submission in known else None

    def timed_out(self, study_id: int, before: str) -> set[int]:
        """Return the ids of raters whose last submission began before a time."""
        query = sa.select(visit.c.rater_id).where(visit.c.study_id == study_id)
        query = query.group_by(visit.c.rater_id).having(sa.func.max(visit.c.at) < before)
        return set(self._connection.scalars(query))

    def secret(self, study_id: int) -> str | None:
        """Return what tells the secret under which a study's people are kept."""
        query = sa.select(study.c.secret_check).where(study.c.id == study_id)
        found: str | None = self._connection.scalar(query)
        return found

    def keep_secret(self, study_id: int, check: str) -> None:
        """Record under which secret a study's people are kept."""
        change = sa.update(study).where(study.c.id == study_id)
        self._connection.execute(change.values(secret_check=check))
