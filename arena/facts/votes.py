"""Votes, one by one and as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.sql.operators import custom_op

from arena.facts.clauses import ASKED, RATING, has_event, of_rater
from arena.facts.connected import Connected
from arena.records import Outcome, Rater, Vote
from arena.tables import battle, entry, protocol, rater, vote


class Ballot(NamedTuple):
    """One vote that stands, with the pictures and the rater behind it."""

    left_id: int
    right_id: int
    left: str
    right: str
    outcome: Outcome
    rater: int | None
    seconds: float | None
    simulated: bool
    shown: bool
    """Whether there were pictures here, and not only an import's names."""


class VoteRow(NamedTuple):
    """One vote that stands, in the words of votes.csv."""

    left: str
    right: str
    winner: str
    rater: str | None
    prompt: str
    criterion: str
    seconds: float | None
    simulated: bool
    category: str = ""
    left_generation: str | None = None
    """The pictures' generations, by which their scores are found; None where votes came alone."""
    right_generation: str | None = None
    purpose: str = "rating"
    """Or gold, or repeat: checks on the rater, which rate no model."""
    gold: str | None = None
    """The answer that a gold pair should get, in the sides shown."""
    protocol: str | None = None
    """The digest of the study's rules under which the pair was shown."""
    language: str | None = None


class Votes(Connected):
    """The votes of a database; one stands until it is undone."""

    def vote(self, battle_id: int) -> Vote | None:
        """Return the vote on a battle, undone or not."""
        row = self._one(sa.select(vote).where(vote.c.battle_id == battle_id))
        return Vote.model_validate(dict(row)) if row else None

    def add_vote(self, new: Vote) -> None:
        """Record a vote; the schema refuses a second one on the same battle."""
        self._connection.execute(sa.insert(vote), new.model_dump(mode="json"))

    def add_votes(self, new: Sequence[Vote]) -> None:
        """Record many votes at once."""
        if new:
            # Returning makes statements of many rows, each of which is counted once.
            many = sa.insert(vote).returning(vote.c.battle_id)
            self._connection.execute(many, [v.model_dump(mode="json") for v in new])

    def count_votes(self, study_id: int, of: Rater) -> int:
        """Count a rater's votes that stand."""
        query = sa.select(sa.func.count()).select_from(vote).join(battle)
        query = query.where(of_rater(study_id, of), ASKED, ~has_event("undo"))
        return self._connection.scalar(query) or 0

    def last_answer_at(self, study_id: int, of: Rater | None) -> str | None:
        """Return when a rater last answered anything, undone or not."""
        if of is None:
            return None
        query = sa.select(sa.func.max(vote.c.cast_at)).select_from(vote).join(battle)
        found: str | None = self._connection.scalar(query.where(of_rater(study_id, of)))
        return found

    def votes(self, study_id: int, *, checks: bool = False) -> Iterator[VoteRow]:
        """Yield the ratings of a study that stand, in the order of their battles.

        ``checks`` adds the answers to gold pairs and repetitions, which rate no model.
        """
        left, right = entry.alias("l"), entry.alias("r")
        query = (
            sa.select(left.c.model, right.c.model, vote.c.outcome, rater.c.label)
            .add_columns(left.c.prompt_id, battle.c.criterion, vote.c.seconds, vote.c.simulated)
            .add_columns(left.c.category, left.c.generation_id, right.c.generation_id)
            .add_columns(battle.c.purpose, battle.c.expected, protocol.c.digest, vote.c.language)
            .select_from(vote)
            .join(battle, battle.c.id == vote.c.battle_id)
            .join(left, left.c.id == battle.c.left_id)
            .join(right, right.c.id == battle.c.right_id)
            .outerjoin(rater, rater.c.id == battle.c.rater_id)
            .outerjoin(protocol, protocol.c.id == battle.c.protocol_id)
            .where(battle.c.study_id == study_id, ~has_event("undo"))
            .where(ASKED if checks else RATING)
            .order_by(battle.c.id)
        )
        return (VoteRow(*row) for row in self._connection.execute(query))

    def vote_keys(
        self, study_id: int, rows: int, *, checks: bool = False
    ) -> Iterator[dict[str, Sequence[Any]]]:
        """Yield the votes of ``votes`` as columns of so many rows, keys in the place of names."""
        columns = {
            "left": battle.c.left_id,
            "right": battle.c.right_id,
            "winner": vote.c.outcome,
            "rater": battle.c.rater_id,
            "criterion": battle.c.criterion,
            "seconds": vote.c.seconds,
            "simulated": vote.c.simulated,
            "purpose": battle.c.purpose,
            "gold": battle.c.expected,
            "protocol": battle.c.protocol_id,
            "language": vote.c.language,
        }
        query = (
            sa.select(*columns.values())
            .select_from(vote)
            .join(battle, battle.c.id == vote.c.battle_id)
            .where(self._scanned(battle.c.study_id) == study_id, ~has_event("undo"))
            .where(ASKED if checks else RATING)
            .order_by(battle.c.id)
        )
        for part in self._connection.execute(query).partitions(rows):
            yield dict(zip(columns, zip(*part, strict=True), strict=True))

    def cast_times(self, study_id: int, *, checks: bool = False) -> Iterator[str]:
        """Yield when the votes that stand were cast, in the order of ``votes``."""
        query = (
            sa.select(vote.c.cast_at)
            .join(battle, battle.c.id == vote.c.battle_id)
            .where(battle.c.study_id == study_id, ~has_event("undo"))
            .where(ASKED if checks else RATING)
            .order_by(battle.c.id)
        )
        return iter(self._connection.scalars(query))

    def ballots(self, study_id: int) -> Iterator[Ballot]:
        """Yield the votes that stand with the pictures and the raters behind them."""
        left, right = entry.alias("l"), entry.alias("r")
        query = (
            sa.select(battle.c.left_id, battle.c.right_id, left.c.model, right.c.model)
            .add_columns(vote.c.outcome, battle.c.rater_id, vote.c.seconds, vote.c.simulated)
            .add_columns(left.c.image.is_not(None))
            .select_from(vote)
            .join(battle, battle.c.id == vote.c.battle_id)
            .join(left, left.c.id == battle.c.left_id)
            .join(right, right.c.id == battle.c.right_id)
            .where(battle.c.study_id == study_id, ~has_event("undo"))
            .where(RATING)
            .order_by(battle.c.id)
        )
        rows = self._connection.execute(query)
        return (Ballot(*row)._replace(outcome=Outcome(row[4])) for row in rows)

    def _scanned(self, column: sa.Column[int]) -> sa.ColumnElement[int]:
        """Keep SQLite from an index: to read all in their order is three times as fast."""
        if self._connection.dialect.name != "sqlite":
            return column
        return sa.UnaryExpression(column, operator=custom_op("+"), type_=column.type)
