"""What queries of several kinds of facts ask of a battle."""

from __future__ import annotations

import sqlalchemy as sa

from arena.records import COUNTED, Purpose, Rater
from arena.tables import battle, event, vote

RATING = battle.c.purpose == Purpose.RATING.value
"""It rates models: neither a check on the rater nor training."""
ASKED = battle.c.purpose.in_([p.value for p in COUNTED])
"""It is one of those that raters are asked to answer, checks among them."""


def of_rater(study_id: int, who: Rater) -> sa.ColumnElement[bool]:
    """It was given to this rater."""
    return sa.and_(battle.c.study_id == study_id, battle.c.rater_id == who.id)


def has_event(kind: str) -> sa.ColumnElement[bool]:
    """Something happened to it: a skip, an undo, a release, a report."""
    return sa.exists().where(event.c.battle_id == battle.c.id, event.c.kind == kind)


def standing(study_id: int, *purposes: Purpose) -> tuple[sa.ColumnElement[bool], ...]:
    """Its vote stands: it is of this study and these purposes, all asked if none, not undone."""
    wanted = battle.c.purpose.in_([p.value for p in purposes or COUNTED])
    return battle.c.study_id == study_id, wanted, ~has_event("undo")


UNANSWERED = (vote.c.battle_id.is_(None), ~has_event("skip"), ~has_event("release"))
"""Nobody answered it, passed over it or gave it back."""
