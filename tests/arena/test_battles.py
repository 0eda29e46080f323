"""The rules of a study, on SQLite and on PostgreSQL."""

from __future__ import annotations

import itertools

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arena import studies, tables
from arena.battles import Arena
from arena.records import Battle, Outcome, Progress, Rater, Vote
from arena.store import Store
from evalkit.errors import StoreError, StudyError, UnknownNameError
from evalkit.runs import Run
from tests.arena.conftest import MODELS


def token(battle: Battle | None) -> str:
    assert battle is not None
    assert battle.token is not None
    return battle.token


def rows(store: Store, table: sa.Table) -> int:
    with store._engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


@pytest.fixture
def rater(arena: Arena) -> Rater:
    return arena.enter("a secret of twenty letters")


def test_a_rater_is_recognised_by_the_secret_alone(arena: Arena, store: Store) -> None:
    one = arena.enter("secret one")
    assert arena.enter("secret one") == one
    assert arena.enter("secret two") != one
    assert arena.known("secret one") == one
    assert arena.known("nobody's") is None
    with store._engine.connect() as connection:
        kept = connection.execute(sa.select(tables.rater)).all()
    assert "secret one" not in repr(kept)
    assert "secret" not in one.label


def test_open_returns_the_same_battle_until_it_is_answered(arena: Arena, rater: Rater) -> None:
    first = arena.open(rater)
    assert arena.open(rater) == first
    arena.cast(token(first), rater, Outcome.LEFT)
    second = arena.open(rater)
    assert second is not None
    assert second.token != token(first)


def test_a_battle_names_what_was_drawn(arena: Arena, rater: Rater) -> None:
    battle = arena.open(rater)
    assert battle is not None
    assert battle.study == "s"
    assert battle.criterion == "overall"
    assert battle.rater == rater
    assert battle.ordinal == 0
    assert {battle.left.model, battle.right.model} < set(MODELS)
    assert battle.left.prompt_id == battle.right.prompt_id == battle.prompt_id
    # 3 pairs of models, 4 prompts, 2 sides: nothing compared yet, so all are equally likely.
    assert battle.draw_probability == pytest.approx(1 / 24)


def test_the_same_answer_twice_is_one_vote(arena: Arena, rater: Rater, store: Store) -> None:
    name = token(arena.open(rater))
    first = arena.cast(name, rater, Outcome.TIE, seconds=0.0)
    assert arena.cast(name, rater, Outcome.TIE, seconds=9.0) == first
    assert rows(store, tables.vote) == 1


def test_a_different_second_answer_is_refused(arena: Arena, rater: Rater, store: Store) -> None:
    name = token(arena.open(rater))
    arena.cast(name, rater, Outcome.LEFT)
    with pytest.raises(StudyError, match="already answered: left, not right"):
        arena.cast(name, rater, Outcome.RIGHT)
    assert rows(store, tables.vote) == 1


def test_a_battle_the_server_never_opened_is_refused(arena: Arena, rater: Rater) -> None:
    with pytest.raises(StudyError, match="opened no such battle"):
        arena.cast("x" * 24, rater, Outcome.LEFT)
    with pytest.raises(StudyError, match="opened no such battle"):
        arena.skip("", rater)


def test_a_battle_of_another_rater_is_refused(arena: Arena, rater: Rater, store: Store) -> None:
    name = token(arena.open(rater))
    other = arena.enter("another secret")
    for attempt in (
        lambda: arena.cast(name, other, Outcome.LEFT),
        lambda: arena.skip(name, other),
        lambda: arena.find(name, other),
    ):
        with pytest.raises(StudyError, match="another rater"):
            attempt()
    assert rows(store, tables.vote) == 0


def test_a_battle_of_another_study_is_refused(
    arena: Arena, rater: Rater, store: Store, run: Run
) -> None:
    studies.load(store, run, studies.describe("other"))
    name = token(Arena(store, "other").open(rater))
    with pytest.raises(StudyError, match="no such battle"):
        arena.cast(name, rater, Outcome.LEFT)


def test_the_schema_itself_refuses_a_second_vote(arena: Arena, rater: Rater, store: Store) -> None:
    name = token(arena.open(rater))
    vote = arena.cast(name, rater, Outcome.LEFT)
    with pytest.raises(StoreError, match="refused"), store.writing() as facts:
        facts.add_vote(vote.model_copy(update={"outcome": Outcome.RIGHT}))
    assert rows(store, tables.vote) == 1


@pytest.mark.parametrize("outcome", ["", "LEFT", "both bad", "draw"])
def test_the_schema_itself_refuses_another_outcome(
    arena: Arena, rater: Rater, store: Store, outcome: str
) -> None:
    battle = arena.open(rater)
    assert battle is not None
    row = {"battle_id": battle.id, "outcome": outcome, "cast_at": "", "simulated": False}
    with pytest.raises(sa.exc.IntegrityError), store._engine.begin() as connection:
        connection.execute(sa.insert(tables.vote), row)


def test_a_skipped_battle_takes_no_vote_and_does_not_return(
    arena: Arena, rater: Rater, store: Store
) -> None:
    battle = arena.open(rater)
    assert battle is not None
    arena.skip(token(battle), rater)
    arena.skip(token(battle), rater)
    with pytest.raises(StudyError, match="was skipped"):
        arena.cast(token(battle), rater, Outcome.LEFT)
    pictures = {battle.left.id, battle.right.id}
    for _ in range(arena.pairs - 1):
        other = arena.open(rater)
        assert other is not None
        assert {other.left.id, other.right.id} != pictures
        arena.cast(token(other), rater, Outcome.TIE)
    assert arena.open(rater) is None
    assert rows(store, tables.event) == 1


def test_an_answered_battle_cannot_be_skipped(arena: Arena, rater: Rater) -> None:
    name = token(arena.open(rater))
    arena.cast(name, rater, Outcome.LEFT)
    with pytest.raises(StudyError, match="already answered: left"):
        arena.skip(name, rater)


def test_undo_voids_the_vote_and_asks_the_same_again(
    arena: Arena, rater: Rater, store: Store
) -> None:
    first = arena.open(rater)
    assert first is not None
    arena.cast(token(first), rater, Outcome.LEFT)
    waiting = arena.open(rater)
    again = arena.undo(rater)
    assert (again.left, again.right) == (first.left, first.right)
    assert again.redo_of == first.id
    assert again.draw_probability == first.draw_probability
    assert again.token != first.token
    assert arena.open(rater) == again
    assert arena.progress(rater).done == 0
    arena.cast(token(again), rater, Outcome.RIGHT)
    assert arena.open(rater) == waiting
    assert [v.winner for v in studies.standing_votes(store, "s")] == ["right"]
    assert rows(store, tables.vote) == 2, "the void vote stays a fact"
    with store.reading() as facts:
        key, _ = facts.study("s")
        assert [e.kind for e in facts.events(key, "undo", "skip")] == ["undo"]


def test_undo_steps_back_again_and_again(arena: Arena, rater: Rater, store: Store) -> None:
    battles = []
    for _ in range(3):
        battle = arena.open(rater)
        assert battle is not None
        battles.append(battle)
        arena.cast(token(battle), rater, Outcome.LEFT)
    undone = [arena.undo(rater) for _ in range(3)]
    assert [b.redo_of for b in undone] == [b.id for b in reversed(battles)]
    for redo in reversed(undone):
        assert arena.open(rater) == redo
        arena.cast(token(redo), rater, Outcome.BOTH_BAD)
    assert [v.winner for v in studies.standing_votes(store, "s")] == ["both_bad"] * 3
    with_redo_undone = arena.undo(rater)
    assert with_redo_undone.redo_of == undone[0].id


def test_undo_brings_a_skipped_battle_back(arena: Arena, rater: Rater) -> None:
    first = arena.open(rater)
    assert first is not None
    arena.skip(token(first), rater)
    again = arena.undo(rater)
    assert (again.left, again.right) == (first.left, first.right)
    arena.cast(token(again), rater, Outcome.LEFT)
    assert arena.progress(rater).done == 1


def test_undo_without_an_answer_is_refused(arena: Arena, rater: Rater) -> None:
    arena.open(rater)
    with pytest.raises(StudyError, match="no answer to undo"):
        arena.undo(rater)


def test_undo_concerns_the_own_answers_only(arena: Arena, rater: Rater) -> None:
    arena.cast(token(arena.open(rater)), rater, Outcome.LEFT)
    with pytest.raises(StudyError, match="no answer to undo"):
        arena.undo(arena.enter("somebody else"))


def test_a_click_on_an_undone_battle_is_refused(arena: Arena, rater: Rater) -> None:
    name = token(arena.open(rater))
    arena.cast(name, rater, Outcome.LEFT)
    arena.undo(rater)
    with pytest.raises(StudyError, match="was undone"):
        arena.cast(name, rater, Outcome.LEFT)


def test_dealing_ahead_opens_the_next_battle_beforehand(arena: Arena, rater: Rater) -> None:
    now, following = arena.deal(rater, ahead=1)
    assert arena.deal(rater, ahead=1) == (now, following)
    assert arena.open(rater) == now
    arena.cast(token(now), rater, Outcome.LEFT)
    assert arena.deal(rater, ahead=1)[0] == following


def test_a_closed_study_takes_nothing(arena: Arena, rater: Rater) -> None:
    done = token(arena.open(rater))
    arena.cast(done, rater, Outcome.LEFT)
    name = token(arena.open(rater))
    arena.close()
    assert arena.open(rater) is None
    assert arena.progress(rater).closed
    for attempt in (
        lambda: arena.cast(name, rater, Outcome.LEFT),
        lambda: arena.skip(name, rater),
        lambda: arena.undo(rater),
    ):
        with pytest.raises(StudyError, match="closed"):
            attempt()
    assert arena.cast(done, rater, Outcome.LEFT).outcome is Outcome.LEFT, "known answers stay known"
    arena.reopen()
    assert token(arena.open(rater)) == name


def test_a_quota_ends_the_battles(store: Store, run: Run) -> None:
    studies.load(store, run, studies.describe("s", quota=2))
    arena = Arena(store, "s")
    rater = arena.enter("secret")
    assert len(arena.deal(rater, ahead=5)) == 2
    for _ in range(2):
        arena.cast(token(arena.open(rater)), rater, Outcome.TIE)
    assert arena.open(rater) is None
    assert arena.progress(rater) == Progress(done=2, total=2, counted=True)
    arena.undo(rater)
    assert arena.open(rater) is not None


def test_seconds_are_kept_within_what_the_server_saw(store: Store, run: Run) -> None:
    studies.load(store, run, studies.describe("s"))
    ticks = (f"2026-01-01T00:00:{n:02d}.000000+00:00" for n in itertools.count())
    arena = Arena(store, "s", clock=lambda: next(ticks))
    rater = arena.enter("secret")

    def claimed(seconds: float | None) -> float | None:
        return arena.cast(token(arena.open(rater)), rater, Outcome.TIE, seconds=seconds).seconds

    assert claimed(0.25) == 0.25
    assert claimed(1e9) == 1.0
    for nonsense in (None, -1.0, float("nan"), float("inf")):
        assert claimed(nonsense) is None


def test_every_battle_has_a_name_of_its_own(arena: Arena) -> None:
    names = set()
    for i in range(10):
        rater = arena.enter(f"secret {i}")
        while (battle := arena.open(rater)) is not None:
            names.add(battle.token)
            arena.cast(token(battle), rater, Outcome.TIE)
    assert len(names) == 10 * arena.pairs
    assert min(map(len, (n for n in names if n))) >= 24


def test_sides_models_and_prompts_are_balanced(arena: Arena, store: Store) -> None:
    for i in range(10):
        rater = arena.enter(f"secret {i}")
        for _ in range(6):
            arena.cast(token(arena.open(rater)), rater, Outcome.TIE)
    votes = studies.standing_votes(store, "s")
    pairs = [tuple(sorted((v.left, v.right))) for v in votes]
    assert {pairs.count(p) for p in pairs} == {20}
    assert {[v.prompt for v in votes].count(f"{i:05d}") for i in range(4)} == {15}
    for model in MODELS:
        left, right = sum(v.left == model for v in votes), sum(v.right == model for v in votes)
        assert abs(left - right) <= 12


def test_the_same_seed_draws_the_same_study(store: Store, run: Run) -> None:
    def shown(name: str) -> list[tuple[str, str, str]]:
        studies.load(store, run, studies.describe(name, seed=3))
        arena = Arena(store, name)
        rater = arena.enter("secret")
        found = []
        while (battle := arena.open(rater)) is not None:
            found.append((battle.left.model, battle.right.model, battle.prompt_id))
            arena.cast(token(battle), rater, Outcome.TIE)
        return found

    assert shown("one") == shown("two")


def test_another_process_sees_and_continues_the_same_study(
    arena: Arena, rater: Rater, store: Store
) -> None:
    arena.cast(token(arena.open(rater)), rater, Outcome.LEFT)
    other = Arena(store, "s")
    battle = other.open(rater)
    assert arena.open(rater) == battle
    assert other.cast(token(battle), rater, Outcome.TIE) == arena.cast(
        token(battle), rater, Outcome.TIE
    )


def test_a_failed_draw_leaves_no_trace_in_the_balance(
    arena: Arena, rater: Rater, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no")

    with monkeypatch.context() as patch:
        patch.setattr(arena, "_own", fail)
        with pytest.raises(RuntimeError):
            arena.open(rater)
    battle = arena.open(rater)
    assert battle is not None
    assert battle.ordinal == 0
    assert battle.draw_probability == pytest.approx(1 / 24)


def test_an_unknown_study_is_named_with_the_known_ones(store: Store, arena: Arena) -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown study 'S'\..*Known: s\."):
        Arena(store, "S")


CLICKS = ("left", "right", "tie", "both_bad", "skip", "undo")


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(CLICKS), max_size=25))
def test_whatever_is_clicked_the_facts_add_up(
    arena: Arena, store: Store, clicks: list[str]
) -> None:
    rater = arena.enter(f"{len(clicks)} {clicks}")
    standing: list[str] = []
    for click in clicks:
        battle = arena.open(rater)
        if click == "undo":
            if standing:
                arena.undo(rater)
                standing.pop()
        elif battle is None:
            break
        elif click == "skip":
            arena.skip(token(battle), rater)
            standing.append("skip")
        else:
            arena.cast(token(battle), rater, Outcome(click))
            standing.append(click)
    mine = [v.winner for v in studies.standing_votes(store, "s") if v.rater == rater.label]
    assert sorted(mine) == sorted(c for c in standing if c != "skip")
    assert arena.progress(rater).done == len(mine)


def test_a_vote_survives_the_end_of_the_process_that_took_it(database: str, run: Run) -> None:
    with_durability = Store.open(database, create=True)
    studies.load(with_durability, run, studies.describe("s"))
    arena = Arena(with_durability, "s")
    rater = arena.enter("secret")
    vote = arena.cast(token(arena.open(rater)), rater, Outcome.BOTH_BAD)
    with_durability.close()
    reopened = Store.open(database)
    with reopened.reading() as facts:
        assert facts.vote(vote.battle_id) == Vote.model_validate(vote.model_dump())
    reopened.close()
