"""The facts of studies, in and out of the database: no rules here, and nothing derived is kept."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from arena import database
from arena.erasure import Erasure
from arena.ledger import Ledger, Row
from arena.protocol import Protocol
from arena.records import COUNTED, Battle, Entry, Outcome, Purpose, Rater, Study, Vote
from arena.survey import Survey
from arena.visits import Visits
from evalkit.errors import ImageError, StoreError, UnknownNameError
from evalkit.images import ImageStore

from sqlalchemy.sql.operators import custom_op  # isort: skip
import sqlalchemy as sa  # isort: skip - after arena.database, which says what to install
from arena.tables import battle, entry, event, protocol, rater, study, tally, vote  # isort: skip

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, RowMapping


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


class Event(NamedTuple):
    """Something that happened in a study and is no vote."""

    kind: str
    at: str
    detail: dict[str, Any]


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


def now() -> str:
    """Return the time in UTC, ISO 8601 with microseconds, so that text sorts as time."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def key_digest(key: str) -> str:
    """Return what the database keeps of a rater's secret."""
    return hashlib.sha256(key.encode()).hexdigest()


class Store:
    """A database of studies: every change is one transaction, durable when it returns."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, name: str, *, create: bool = False, durable: bool = True) -> Store:
        """Open a database by path or URL; see :func:`arena.database.connect`."""
        return cls(database.connect(name, create=create, durable=durable))

    @classmethod
    def of_facts(
        cls, file: Path, version: str, name: str, tables: Mapping[str, Iterable[Row]]
    ) -> Store:
        """Make a new database of a study's facts; those of an older version are brought up."""
        engine = database.make(str(file), version)
        try:
            with _in_words(), database.writing(engine) as connection:
                Ledger.of(connection).restore(name, tables)
        finally:
            engine.dispose()
        database.upgrade(str(file))
        return cls.open(str(file), durable=False)

    @property
    def folder(self) -> Path | None:
        """The folder of a database that is a file; paths to pictures are relative to it."""
        return database.folder(self._engine.url)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Facts]:
        """Look at one consistent state."""
        with _in_words(), self._engine.connect() as connection, connection.begin():
            yield Facts(connection)

    @contextmanager
    def snapshot(self) -> Iterator[Facts]:
        """Look at one state for as long as it takes, while others go on voting."""
        with _in_words(), self._engine.connect() as connection:
            if connection.dialect.name == "postgresql":  # SQLite does so anyway
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield Facts(connection)

    @contextmanager
    def writing(self) -> Iterator[Facts]:
        """Change the database: all of the block, or nothing if it raises."""
        with _in_words(), database.writing(self._engine) as connection:
            yield Facts(connection)

    def images(self, of: Study) -> ImageStore:
        """Return the image store of a study; raise ImageError when it is no longer there."""
        if of.images is None:
            raise ImageError(
                f"The study {of.name!r} has votes but no pictures. Load them with: arena load "
                f"--study {of.name} --run DIR"
            )
        root = (self.folder or Path()) / of.images
        if not root.is_dir():
            raise ImageError(
                f"The pictures of study {of.name!r} should be in {root}, which does not exist. "
                "Move the folder back, or run the same arena load again with its new place."
            )
        return ImageStore(root)

    def place(self, images: ImageStore) -> str:
        """Return how a study should name an image store: relative to the database if it can."""
        root = images.root.resolve()
        if self.folder is None:
            return str(root)
        return os.path.relpath(root, self.folder)


class Facts:
    """The queries of one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.visits = Visits(connection)
        self.survey = Survey(connection)

    # Studies and entries

    def study(self, name: str, *, lock: bool = False) -> tuple[int, Study]:
        """Return a study and its key; ``lock`` makes others who lock it wait."""
        # Two queries: who waited for the lock must see the protocol that came meanwhile.
        row = self._one(_STUDY_LOCKED if lock else _STUDY, name=name)
        if row is None:
            raise UnknownNameError("study", name, self.studies())
        _, in_force = self.protocol(row["id"])
        fields = {k: v for k, v in row.items() if k not in ("id", "secret_check")}
        return row["id"], Study.model_validate(fields | {"protocol": in_force})

    def studies(self) -> list[str]:
        """Return the names of all studies."""
        return list(self._connection.scalars(sa.select(study.c.name).order_by(study.c.name)))

    def add_study(self, new: Study) -> int:
        """Record a new study with its protocol and return its key."""
        key = self._insert(study, new.model_dump(mode="json", exclude={"protocol"}))
        self.add_protocol(key, new.protocol, at=new.created_at)
        return key

    def protocol(self, study_id: int) -> tuple[int, Protocol]:
        """Return the protocol in force and its key."""
        key, document = self._connection.execute(_PROTOCOL, {"study_id": study_id}).one()
        return key, _protocol(document)

    def add_protocol(self, study_id: int, new: Protocol, *, at: str) -> int:
        """Put a protocol into force; earlier ones stay for the votes given under them."""
        row = {"study_id": study_id, "digest": new.digest, "document": new.text, "at": at}
        return self._insert(protocol, row)

    def protocols(self, study_id: int) -> list[tuple[str, str]]:
        """Return the digests of all protocols of a study with their times, oldest first."""
        query = sa.select(protocol.c.digest, protocol.c.at).order_by(protocol.c.id)
        rows = self._connection.execute(query.where(protocol.c.study_id == study_id))
        return [(found, at) for found, at in rows]

    def place_study(self, study_id: int, images: str, size: tuple[int, int], suite: str) -> None:
        """Record where a study's pictures are now and the size they are shown in."""
        new = {"images": images, "width": size[0], "height": size[1], "suite": suite}
        self._connection.execute(sa.update(study).where(study.c.id == study_id).values(new))

    def entries(self, study_id: int) -> list[Entry]:
        """Return a study's entries, in the order they were loaded."""
        query = sa.select(entry).where(entry.c.study_id == study_id).order_by(entry.c.id)
        return [_entry(row) for row in self._connection.execute(query).mappings()]

    def add_entries(self, study_id: int, new: Sequence[Mapping[str, Any]]) -> list[int]:
        """Record entries (the fields of Entry without its id) and return their ids, in order."""
        return self._insert_all(entry, [{**row, "study_id": study_id} for row in new])

    # Raters

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

    # Battles

    def battle(self, token: str, *, lock: bool = False) -> Battle | None:
        """Find a battle by the name the browser knows; ``lock`` makes others wait."""
        if lock and self._connection.dialect.name != "sqlite":  # there, writers wait for writers
            self._connection.execute(_BATTLE_LOCKED, {"token": token})
        return next(iter(self._battles(battle.c.token == token)), None)

    def open_battles(self, study_id: int, of: Rater) -> list[Battle]:
        """Return a rater's battles without an answer: the undone first, then in their order."""
        found = self._battles(_of(study_id, of), _COUNTED, *_UNANSWERED)
        return sorted(found, key=lambda b: -b.ordinal if b.redo_of else b.ordinal)

    def last_answered(self, study_id: int, of: Rater) -> Battle | None:
        """Return the battle that a rater answered or skipped last, of those not undone."""
        skip = event.alias("skip")
        answered_at = sa.func.coalesce(vote.c.cast_at, skip.c.at)
        query = (
            sa.select(battle.c.id)
            .outerjoin(vote, vote.c.battle_id == battle.c.id)
            .outerjoin(skip, sa.and_(skip.c.battle_id == battle.c.id, skip.c.kind == "skip"))
            .where(_of(study_id, of), _COUNTED, answered_at.is_not(None), ~_has_event("undo"))
            .order_by(answered_at.desc(), battle.c.ordinal.desc())
            .limit(1)
        )
        found = self._connection.scalar(query)
        return next(iter(self._battles(battle.c.id == found)), None)

    def last_answer_at(self, study_id: int, of: Rater | None) -> str | None:
        """Return when a rater last answered anything, undone or not."""
        if of is None:
            return None
        query = sa.select(sa.func.max(vote.c.cast_at)).select_from(vote).join(battle)
        found: str | None = self._connection.scalar(query.where(_of(study_id, of)))
        return found

    def add_battles(self, study_id: int, new: Sequence[Mapping[str, Any]]) -> list[int]:
        """Record that pictures were put before raters and return the battles' ids, in order."""
        return self._insert_all(battle, [{**row, "study_id": study_id} for row in new])

    def count_given(self, study_id: int, to: Rater) -> int:
        """Count the battles that a rater was ever given."""
        query = sa.select(sa.func.count()).select_from(battle).where(_of(study_id, to))
        return self._connection.scalar(query) or 0

    def next_ordinals(self, study_id: int) -> dict[int, int]:
        """Map each rater's id to the number of battles given in this study."""
        query = sa.select(battle.c.rater_id, sa.func.count()).group_by(battle.c.rater_id)
        rows = self._connection.execute(query.where(battle.c.study_id == study_id))
        return {rater_id: count for rater_id, count in rows if rater_id is not None}

    def given(self, study_id: int, to: Rater) -> list[Shown]:
        """Return every battle that a rater was ever given."""
        query = sa.select(*_SHOWN).where(_of(study_id, to)).order_by(battle.c.id)
        return [_shown(row) for row in self._connection.execute(query)]

    def battles_after(self, study_id: int, last: int) -> list[Shown]:
        """Return the ratings drawn since one; those asked again after an undo are no new draws."""
        query = (
            sa.select(*_SHOWN)
            .where(battle.c.study_id == study_id, battle.c.id > last)
            .where(battle.c.redo_of.is_(None), _RATING)
            .order_by(battle.c.id)
        )
        return [_shown(row) for row in self._connection.execute(query)]

    def released_after(self, study_id: int, last: int) -> list[tuple[int, Shown]]:
        """Return the ratings that were given back since one event, with the events' ids."""
        query = (
            sa.select(event.c.id, *_SHOWN)
            .join(battle, battle.c.id == event.c.battle_id)
            .where(event.c.study_id == study_id, event.c.kind == "release", event.c.id > last)
            .where(_RATING)
            .order_by(event.c.id)
        )
        return [(key, _shown(row)) for key, *row in self._connection.execute(query)]

    def stale(self, study_id: int, before: str) -> list[Battle]:
        """Return the battles that were opened before a time and never answered."""
        old = sa.and_(battle.c.study_id == study_id, battle.c.opened_at < before)
        return self._battles(old, battle.c.token.is_not(None), _COUNTED, *_UNANSWERED)

    def answers(self, study_id: int, of: Rater, *purposes: Purpose) -> list[tuple[Battle, Vote]]:
        """Return a rater's votes that stand on battles of some purposes, in their order."""
        wanted = battle.c.purpose.in_([p.value for p in purposes])
        found = self._battles(
            _of(study_id, of), wanted, vote.c.battle_id.is_not(None), ~_has_event("undo")
        )
        query = sa.select(vote).where(vote.c.battle_id.in_([b.id for b in found]))
        rows = self._connection.execute(query).mappings()
        votes = {row["battle_id"]: Vote.model_validate(dict(row)) for row in rows}
        return [(b, votes[b.id]) for b in found]

    def shown_for(self, study_id: int, to: Rater, purpose: Purpose) -> list[Battle]:
        """Return the battles of one purpose that a rater was given, in their order."""
        return self._battles(_of(study_id, to), battle.c.purpose == purpose.value)

    def draws(self, study_id: int) -> tuple[int, float | None, float | None]:
        """Count the battles that were drawn here, with the least and the greatest chance."""
        chance = battle.c.draw_probability
        query = sa.select(sa.func.count(chance), sa.func.min(chance), sa.func.max(chance))
        query = query.where(battle.c.study_id == study_id, _RATING)
        row = self._connection.execute(query).one()
        return row[0], row[1], row[2]

    def idle_since(self, study_id: int, before: str) -> list[Rater]:
        """Return the raters who left battles open and did nothing since a time."""
        query = (
            sa.select(rater.c.id, rater.c.label)
            .select_from(battle)
            .join(rater, rater.c.id == battle.c.rater_id)
            .outerjoin(vote, vote.c.battle_id == battle.c.id)
            .where(battle.c.study_id == study_id, battle.c.token.is_not(None), _COUNTED)
            .group_by(rater.c.id, rater.c.label)
            .having(sa.func.max(sa.func.coalesce(vote.c.cast_at, battle.c.opened_at)) < before)
            .having(sa.func.sum(sa.case((sa.and_(*_UNANSWERED), 1), else_=0)) > 0)
            .order_by(rater.c.id)
        )
        return [Rater(id=key, label=label) for key, label in self._connection.execute(query)]

    # Votes and events

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
        query = query.where(_of(study_id, of), _COUNTED, ~_has_event("undo"))
        return self._connection.scalar(query) or 0

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
            .where(battle.c.study_id == study_id, ~_has_event("undo"))
            .where(_COUNTED if checks else _RATING)
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
            .where(self._scanned(battle.c.study_id) == study_id, ~_has_event("undo"))
            .where(_COUNTED if checks else _RATING)
            .order_by(battle.c.id)
        )
        for part in self._connection.execute(query).partitions(rows):
            yield dict(zip(columns, zip(*part, strict=True), strict=True))

    def entry_names(self, study_id: int) -> dict[int, tuple[str, str, str, str | None]]:
        """Map a study's entries to their model, prompt, category and generation."""
        key, *names = entry.c.id, entry.c.model, entry.c.prompt_id, entry.c.category
        query = sa.select(key, *names, entry.c.generation_id)
        rows = self._connection.execute(query.where(entry.c.study_id == study_id).order_by(key))
        return {found: tuple(row) for found, *row in rows}

    def rater_labels(self, study_id: int) -> dict[int, str]:
        """Map the raters of a study to their public names."""
        here = sa.select(battle.c.rater_id).where(battle.c.study_id == study_id)
        query = sa.select(rater.c.id, rater.c.label).where(rater.c.id.in_(here))
        return {row.id: row.label for row in self._connection.execute(query)}

    def digests(self, study_id: int) -> dict[int, str]:
        """Map the protocols of a study to their digests."""
        query = sa.select(protocol.c.id, protocol.c.digest)
        rows = self._connection.execute(query.where(protocol.c.study_id == study_id))
        return {row.id: row.digest for row in rows}

    def cast_times(self, study_id: int, *, checks: bool = False) -> Iterator[str]:
        """Yield when the votes that stand were cast, in the order of ``votes``."""
        query = (
            sa.select(vote.c.cast_at)
            .join(battle, battle.c.id == vote.c.battle_id)
            .where(battle.c.study_id == study_id, ~_has_event("undo"))
            .where(_COUNTED if checks else _RATING)
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
            .where(battle.c.study_id == study_id, ~_has_event("undo"))
            .where(_RATING)
            .order_by(battle.c.id)
        )
        rows = self._connection.execute(query)
        return (Ballot(*row)._replace(outcome=Outcome(row[4])) for row in rows)

    def fates(self, study_id: int) -> tuple[int, int, int, int]:
        """Count a study's battles: all, skipped, undone, and open or abandoned."""
        undone, skipped = _has_event("undo"), _has_event("skip")
        unanswered = sa.and_(*_UNANSWERED)
        counts = [sa.func.count().filter(c) for c in (sa.true(), skipped, undone, unanswered)]
        query = sa.select(*counts).select_from(battle).outerjoin(vote)
        row = self._connection.execute(query.where(battle.c.study_id == study_id, _COUNTED)).one()
        return row[0], row[1], row[2], row[3]

    # Counts, which triggers keep beside the votes

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

    # Whole studies

    def dump(self, study_id: int) -> dict[str, Iterator[Row]]:
        """Return every fact of a study, table by table; see :mod:`arena.ledger`."""
        return Ledger(self._connection).dump(study_id)

    def restore(self, name: str, tables: Mapping[str, Iterable[Row]]) -> int:
        """Make a study of such facts and return its key."""
        return Ledger(self._connection).restore(name, tables)

    def erasure(self, of: Rater) -> Erasure:
        """Return the way to erase a rater; see :mod:`arena.forgetting`."""
        return Erasure(self._connection, of)

    # Inside

    def _scanned(self, column: sa.Column[int]) -> sa.ColumnElement[int]:
        """Keep SQLite from an index: to read all in their order is three times as fast."""
        if self._connection.dialect.name != "sqlite":
            return column
        return sa.UnaryExpression(column, operator=custom_op("+"), type_=column.type)

    def _one(self, query: sa.Select[Any], **values: Any) -> RowMapping | None:
        return self._connection.execute(query, values).mappings().one_or_none()

    def _insert(self, table: sa.Table, row: Mapping[str, Any]) -> int:
        result = self._connection.execute(sa.insert(table).returning(table.c.id), dict(row))
        return int(result.scalar_one())

    def _insert_all(self, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> list[int]:
        if not rows:
            return []
        insert = sa.insert(table).returning(table.c.id, sort_by_parameter_order=True)
        return list(self._connection.scalars(insert, [dict(row) for row in rows]))

    def _battles(self, *conditions: sa.ColumnElement[bool]) -> list[Battle]:
        rows = self._connection.execute(_BATTLES.where(*conditions)).mappings()
        return [_battle(row) for row in rows]


_RATING = battle.c.purpose == Purpose.RATING.value
_COUNTED = battle.c.purpose.in_([p.value for p in COUNTED])
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
_STUDY = sa.select(study).where(study.c.name == sa.bindparam("name"))
_STUDY_LOCKED = _STUDY.with_for_update()
_PROTOCOL = (
    sa.select(protocol.c.id, protocol.c.document)
    .where(protocol.c.study_id == sa.bindparam("study_id"))
    .order_by(protocol.c.id.desc())
    .limit(1)
)
_RATER = sa.select(rater).where(rater.c.key_digest == sa.bindparam("digest"))
_FATE = sa.select(event.c.kind).where(event.c.battle_id == sa.bindparam("battle_id"))
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


def _shown(row: Sequence[Any]) -> Shown:
    return Shown(*row)._replace(purpose=Purpose(row[4]))


@lru_cache(maxsize=64)
def _protocol(document: str) -> Protocol:
    """Read a document once: it is read with every answer, and never changes."""
    return Protocol.model_validate_json(document)


def _of(study_id: int, who: Rater) -> sa.ColumnElement[bool]:
    return sa.and_(battle.c.study_id == study_id, battle.c.rater_id == who.id)


def _has_event(kind: str) -> sa.ColumnElement[bool]:
    return sa.exists().where(event.c.battle_id == battle.c.id, event.c.kind == kind)


_KEY = [c for c in tally.c if c.name != "votes"]


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
        .where(battle.c.study_id == study_id, ~_has_event("undo"))
        .where(_RATING)
        .group_by(*key)
    )


_UNANSWERED = (vote.c.battle_id.is_(None), ~_has_event("skip"), ~_has_event("release"))


def _entry(row: RowMapping) -> Entry:
    return Entry.model_validate({k: v for k, v in row.items() if k != "study_id"})


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


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except sa.exc.IntegrityError as error:
        raise StoreError(f"The database refused a change: {error.orig}.") from error
    except sa.exc.TimeoutError as error:
        raise StoreError(
            "All connections to the database stayed in use for too long. Ask again, or start more "
            "processes."
        ) from error
    except sa.exc.DBAPIError as error:
        raise StoreError(
            f"The database could not do its work: {str(error.orig).strip()}. Nothing of this "
            "change was kept; check the disk, the server and the permissions, and try again."
        ) from error
