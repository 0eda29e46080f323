"""Many at once: threads, and two processes, on both kinds of database."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
import sqlalchemy as sa

from arena import studies, tables
from arena.battles import Arena
from arena.records import Outcome, Vote
from arena.store import Store
from evalkit.errors import StudyError
from evalkit.runs import Run
from tests.arena.conftest import make_run
from tests.arena.test_battles import rows, token

THREADS = 50


def at_once(count: int, work: object) -> list[object]:
    """Run work(i) in so many threads that all start together; return results and errors."""
    barrier = Barrier(count)

    def one(i: int) -> object:
        barrier.wait()
        try:
            return work(i)
        except StudyError as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_fifty_clicks_on_one_battle_are_one_vote(arena: Arena, store: Store) -> None:
    rater = arena.enter("secret")
    name = token(arena.open(rater))
    results = at_once(THREADS, lambda _: arena.cast(name, rater, Outcome.LEFT))
    assert len({r.model_dump_json() for r in results if isinstance(r, Vote)}) == 1
    assert all(isinstance(r, Vote) for r in results)
    assert rows(store, tables.vote) == 1


def test_fifty_different_answers_to_one_battle_are_one_vote(arena: Arena, store: Store) -> None:
    rater = arena.enter("secret")
    name = token(arena.open(rater))
    outcomes = list(Outcome)
    results = at_once(THREADS, lambda i: arena.cast(name, rater, outcomes[i % 4]))
    votes = {r.outcome for r in results if isinstance(r, Vote)}
    refused = [r for r in results if isinstance(r, StudyError)]
    assert len(votes) == 1
    assert rows(store, tables.vote) == 1
    assert len(refused) == sum(outcomes[i % 4] not in votes for i in range(THREADS))


def test_a_vote_and_a_skip_at_once_leave_one_of_them(arena: Arena, store: Store) -> None:
    for i in range(5):
        rater = arena.enter(f"secret {i}")
        name = token(arena.open(rater))
        at_once(
            4,
            lambda k, name=name, rater=rater: (
                arena.skip(name, rater) if k % 2 else arena.cast(name, rater, Outcome.TIE)
            ),
        )
    assert rows(store, tables.vote) + rows(store, tables.event) == 5


def test_undo_at_once_undoes_once(arena: Arena, store: Store) -> None:
    rater = arena.enter("secret")
    arena.cast(token(arena.open(rater)), rater, Outcome.LEFT)
    results = at_once(8, lambda _: arena.undo(rater))
    assert sum(not isinstance(r, StudyError) for r in results) == 1
    assert rows(store, tables.event) == 1


def test_one_rater_in_many_tabs_is_given_one_battle(arena: Arena, store: Store) -> None:
    opened = at_once(12, lambda _: token(arena.open(arena.enter("one browser, first visit"))))
    assert len(set(opened)) == 1
    assert rows(store, tables.rater) == 1
    assert rows(store, tables.battle) == 1


def test_two_tabs_of_a_panel_s_rater_at_once_are_one_rater_with_one_battle(
    arena: Arena, store: Store
) -> None:
    person = "a keyed hash of a person"

    def come(i: int) -> str:
        rater = arena.arrive(person, f"submission {i % 3}")
        return token(arena.open(rater))

    assert len(set(at_once(12, come))) == 1
    assert rows(store, tables.rater) == 1
    assert rows(store, tables.visit) == 3
    assert rows(store, tables.battle) == 1


def test_raters_at_once_get_battles_of_their_own_in_balance(arena: Arena, store: Store) -> None:
    def take_part(i: int) -> None:
        rater = arena.enter(f"secret {i}")
        for _ in range(6):
            arena.cast(token(arena.open(rater)), rater, Outcome.LEFT)

    assert at_once(10, take_part) == [None] * 10
    votes = studies.standing_votes(store, "s")
    assert len(votes) == 60
    pairs = [tuple(sorted((v.left, v.right))) for v in votes]
    assert {pairs.count(p) for p in pairs} == {20}


RATER = """
import sys
from arena.battles import Arena
from arena.records import Outcome
from arena.store import Store
arena = Arena(Store.open(sys.argv[1]), "s")
rater = arena.enter(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
while (battle := arena.open(rater)) is not None:
    arena.cast(battle.token, rater, Outcome.TIE)
"""


def processes(database: str, secrets: tuple[str, str]) -> None:
    """Run two raters to the end in two processes that begin together."""
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", RATER, database, secret],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for secret in secrets
    ]
    for process in running:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in running:
        process.communicate("go\n", timeout=120)
        assert process.returncode == 0


@pytest.fixture
def larger(store: Store, tmp_path: Path) -> Run:
    run = make_run(tmp_path / "runs" / "larger", prompts=10)
    studies.load(store, run, studies.describe("s", seed=1))
    return run


def test_two_processes_hold_one_study(store: Store, database: str, larger: Run) -> None:
    processes(database, ("secret one", "secret two"))
    votes = studies.standing_votes(store, "s")
    assert len(votes) == 2 * 30
    pairs = [tuple(sorted((v.left, v.right))) for v in votes]
    assert {pairs.count(p) for p in pairs} == {20}
    with store._engine.connect() as connection:
        same = sa.select(tables.battle.c.token).distinct()
        assert len(connection.execute(same).all()) == 60


MAKER = """
import sys
from arena.store import Store
print("ready", flush=True)
sys.stdin.readline()
Store.open(sys.argv[1], create=True).close()
"""


def test_two_processes_make_one_fresh_database(database: str) -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", MAKER, database],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in running:
        assert process.stdout
        process.stdout.readline()
    for process in running:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        process.communicate(timeout=120)
        assert process.returncode == 0
    Store.open(database).close()
