"""Who asks to be forgotten is: nothing names them, the counts stay true, the trail says it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from arena import live, studies, tables
from arena.audit import audit
from arena.battles import Arena
from arena.facts.raters import key_digest
from arena.forgetting import forget
from arena.protocol import Outcome
from arena.records import Rater
from arena.refusals import Refusal
from arena.store import Store
from evalkit.errors import StudyError
from evalkit.runs import Run
from tests.arena.test_battles import rows, token
from tests.arena.test_ledger import dumped
from tests.arena.test_phases import hold

PERSON = "a keyed hash of ann"


def everything(store: Store) -> str:
    with store._engine.connect() as connection:
        return repr([connection.execute(sa.select(t)).all() for t in tables.METADATA.sorted_tables])


def took_part(arena: Arena) -> tuple[Rater, Rater]:
    """Let two people answer, undo, skip, report and leave something open."""
    ann, bob = arena.arrive(PERSON, "a submission of ann"), arena.arrive("of bob", "b")
    for who in (ann, bob):
        arena.consent(who)
        for outcome in (Outcome.LEFT, Outcome.TIE, Outcome.RIGHT):
            arena.cast(token(arena.open(who)), who, outcome)
        arena.undo(who)
        arena.cast(token(arena.open(who)), who, Outcome.BOTH_BAD)
        arena.skip(token(arena.open(who)), who)
        arena.report(token(arena.open(who)), who, "left", "private", f"{who.label} was there")
        arena.open(who)
    return ann, bob


def counts_are_true(store: Store) -> bool:
    return live.check(store, "s") == []


@pytest.mark.parametrize("votes", [False, True])
def test_nothing_names_a_forgotten_rater(store: Store, run: Run, votes: bool) -> None:
    arena = hold(store, run, consent="Agreed?")
    ann, bob = took_part(arena)
    done = forget(store, ann.label, votes=votes)
    assert done.studies == ("s",)
    assert (done.kept, done.removed) == ((0, 4) if votes else (4, 0))
    left = everything(store)
    for name in (ann.label, key_digest(PERSON), "a submission of ann", f"{ann.label} was there"):
        assert name not in left
    assert left.count("was there") == 1, "only bob's words"
    assert bob.label in left
    assert f"'votes': '{'removed' if votes else 'kept'}'" in repr(dumped(store)["event"])
    assert ann.label not in repr(dumped(store))
    with store._engine.connect() as connection:
        of_nobody = sa.select(tables.battle).where(tables.battle.c.rater_id.is_(None))
        battles = connection.execute(of_nobody).mappings().all()
        events = connection.execute(sa.select(tables.event)).mappings().all()
    assert battles
    assert {b["token"] for b in battles} == {None}
    assert all(b["opened_at"].endswith("T00:00:00.000000+00:00") for b in battles)
    assert sum(e["kind"] == "consent" for e in events) == 1


def test_votes_that_are_kept_still_count(store: Store, run: Run) -> None:
    arena = hold(store, run)
    ann, bob = took_part(arena)
    before = sorted(v.winner for v in studies.standing_votes(store, "s"))
    forget(store, ann.label)
    found = studies.standing_votes(store, "s")
    assert sorted(v.winner for v in found) == before
    assert {v.rater for v in found} == {None, bob.label}
    assert counts_are_true(store)


def test_votes_that_are_removed_leave_the_counts_true_and_the_pairs_to_others(
    store: Store, run: Run
) -> None:
    arena = hold(store, run, draws={"votes_per_pair": 1}, raters={"quota": 50})
    ann, bob = took_part(arena)
    forget(store, ann.label, votes=True)
    assert {v.rater for v in studies.standing_votes(store, "s")} == {bob.label}
    assert counts_are_true(store)
    with store.reading() as facts:
        key, _ = facts.study("s")
        assert sum(c.votes for c in facts.counts(key)) == 3
    while (battle := arena.open(bob)) is not None:
        arena.cast(token(battle), bob, Outcome.LEFT)
    fresh = Arena(store, "s")
    carl = fresh.enter("carl")
    while (battle := fresh.open(carl)) is not None:
        fresh.cast(token(battle), carl, Outcome.LEFT)
    # 12 pairs, each with one vote but for the two that bob passed over and the two of ann's that
    # were passed over: a skip is an answer of a kind.
    assert len(studies.standing_votes(store, "s")) == 8
    assert counts_are_true(store)


def test_a_forgotten_rater_s_page_is_nobody_s_and_a_new_visit_is_somebody_new(
    store: Store, run: Run
) -> None:
    arena = hold(store, run)
    ann, _ = took_part(arena)
    name = token(arena.open(ann))
    forget(store, ann.label)
    assert arena.known(PERSON) is None
    with pytest.raises(Refusal):
        arena.cast(name, ann, Outcome.LEFT)
    again = arena.arrive(PERSON, "c")
    assert again.label != ann.label
    assert arena.progress(again).done == 0


def test_a_rater_is_forgotten_in_all_studies(store: Store, run: Run) -> None:
    first = hold(store, run)
    studies.load(store, run, studies.describe("t", seed=2))
    second = Arena(store, "t")
    ann = first.enter("ann")
    for arena in (first, second):
        arena.cast(token(arena.open(ann)), ann, Outcome.LEFT)
    assert forget(store, ann.label, votes=True).studies == ("s", "t")
    assert rows(store, tables.vote) == rows(store, tables.rater) == 0
    assert live.check(store, "t") == []


def test_who_is_not_known_cannot_be_forgotten(store: Store, run: Run) -> None:
    arena = hold(store, run)
    with pytest.raises(StudyError, match="No rater is called 'nobody'"):
        forget(store, "nobody")
    idle = arena.enter("idle")
    assert forget(store, idle.label).studies == ()
    with pytest.raises(StudyError):
        forget(store, idle.label)


def test_a_study_with_somebody_forgotten_is_audited_copied_and_taken_in(
    store: Store, run: Run
) -> None:
    arena = hold(store, run)
    ann, _ = took_part(arena)
    forget(store, ann.label, votes=True)
    assert audit(store, "s").votes == 3
    facts = dumped(store)
    with store.writing() as others:
        others.restore("copy", facts)
    assert len(studies.standing_votes(store, "copy")) == 3
    assert live.check(store, "copy") == []
