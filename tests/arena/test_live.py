"""The counts kept beside the votes are theirs, whatever happens; the live board rates by them."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from alembic import command

from arena import database as databases
from arena import importing, live, studies, tables, votes
from arena.audit import audit
from arena.battles import Arena
from arena.boards import Asked, by_level
from arena.ratings import fit
from arena.records import Outcome
from arena.store import Store
from evalkit.errors import StoreError, UnknownNameError, VotesError
from tests.arena.test_arena_cli import Terminal
from tests.arena.test_battles import token
from tests.arena.test_concurrency import at_once
from tests.arena.test_database import GOLDEN


def kept(store: Store, study: str = "s") -> Counter[tuple[str, ...]]:
    """Return the kept counts that are not zero."""
    with store.reading() as facts:
        key, _ = facts.study(study)
    with store._engine.connect() as connection:
        rows = connection.execute(sa.select(tables.tally).where(tables.tally.c.study_id == key))
        return Counter({tuple(row[1:-1]): row[-1] for row in rows if row[-1]})


def standing(store: Store, study: str = "s") -> Counter[tuple[str, ...]]:
    """Count the votes that stand one by one."""
    rows = studies.standing_votes(store, study)
    return Counter((v.criterion, v.category, v.left, v.right, v.winner) for v in rows)


def many(number: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    left = rng.integers(0, 4, number)
    return pd.DataFrame(
        {
            "left": np.array(list("abcd"))[left],
            "right": np.array(list("abcd"))[(left + rng.integers(1, 4, number)) % 4],
            "winner": rng.choice(["left", "left", "right", "tie", "both_bad"], number),
            "rater": [f"r{i}" for i in rng.integers(0, 20, number)],
            "category": rng.choice(["counting", "colour", ""], number),
        }
    )


@pytest.fixture
def imported(store: Store) -> Store:
    importing.import_votes(store, studies.describe("s"), many(3000), "0" * 64)
    return store


@pytest.fixture
def terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Terminal:
    return Terminal(monkeypatch, capsys, tmp_path)


def test_counts_follow_votes_skips_and_undoes(arena: Arena, store: Store) -> None:
    rater = arena.enter("secret")
    for outcome in Outcome:
        arena.cast(token(arena.open(rater)), rater, outcome)
        assert kept(store) == standing(store)
    arena.undo(rater)
    assert sum(kept(store).values()) == 3
    arena.skip(token(arena.open(rater)), rater)
    arena.undo(rater)
    assert kept(store) == standing(store)
    arena.cast(token(arena.open(rater)), rater, Outcome.TIE)
    assert sum(kept(store).values()) == 4
    assert kept(store) == standing(store)
    assert live.check(store, "s") == []


def test_a_change_that_is_not_kept_is_not_counted(arena: Arena, store: Store) -> None:
    rater = arena.enter("secret")
    arena.cast(token(arena.open(rater)), rater, Outcome.LEFT)
    before = kept(store)
    with store.reading() as facts:
        key, _ = facts.study("s")
        last = facts.last_answered(key, rater)
    with pytest.raises(StoreError), store.writing() as facts:
        [facts.add_event(key, "undo", at="now", of=last) for _ in range(2)]
    assert kept(store) == before == standing(store)


def test_an_import_is_counted(imported: Store) -> None:
    assert kept(imported) == standing(imported)
    assert sum(kept(imported).values()) == 3000


def test_raters_at_once_lose_no_count(arena: Arena, store: Store) -> None:
    def take_part(i: int) -> None:
        rater = arena.enter(f"secret {i}")
        for n in range(6):
            # Few cells, so that the raters wait for each other's counts.
            arena.cast(token(arena.open(rater)), rater, Outcome.LEFT)
            if (i + n) % 3 == 0:
                arena.undo(rater)

    assert at_once(20, take_part) == [None] * 20
    assert sum(kept(store).values()) > 20 * 3
    assert kept(store) == standing(store)


def test_counting_anew_while_raters_vote_loses_no_count(arena: Arena, store: Store) -> None:
    def act(i: int) -> None:
        if i % 4 == 0:
            for _ in range(3):
                live.recount(store, "s")
                assert live.check(store, "s") == []
            return
        rater = arena.enter(f"secret {i}")
        for _ in range(6):
            arena.cast(token(arena.open(rater)), rater, Outcome.LEFT)

    assert at_once(12, act) == [None] * 12
    assert kept(store) == standing(store)
    assert sum(kept(store).values()) == 9 * 6


def old(name: str, folder: Path) -> None:
    """Put the first release's golden study into a fresh database of that release."""
    url = databases.parse(name)
    if url.get_backend_name() == "sqlite":
        shutil.copy(GOLDEN / "arena-v1.sqlite", str(url.database))
        return
    engine = databases._engine(url, durable=False)
    with databases.writing(engine) as connection, sqlite3.connect(folder / "v1") as source:
        config = databases._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        source.row_factory = sqlite3.Row
        for table in ("study", "entry", "rater", "battle", "vote", "event"):
            released = sa.Table(table, sa.MetaData(), autoload_with=connection)
            columns = released.c
            booleans = [c.name for c in columns if isinstance(c.type, sa.Boolean)]
            rows = [dict(row) for row in source.execute(f"SELECT * FROM {table} ORDER BY 1")]
            rows = [row | {name: bool(row[name]) for name in booleans} for row in rows]
            connection.execute(sa.insert(sa.table(table, *map(sa.column, rows[0]))), rows)
            if "id" in columns:
                move = f"SELECT setval('{table}_id_seq', (SELECT max(id) FROM {table}))"
                connection.exec_driver_sql(move)
    source.close()
    engine.dispose()


def test_an_upgrade_counts_the_votes_that_are_there(database: str, tmp_path: Path) -> None:
    shutil.copy(GOLDEN / "arena-v1.sqlite", tmp_path / "v1")
    old(database, tmp_path)
    with pytest.raises(StoreError, match=r"version 0001; .* arena upgrade --database"):
        Store.open(database)
    databases.upgrade(database)
    store = Store.open(database)
    assert kept(store, "golden") == standing(store, "golden")
    assert sum(kept(store, "golden").values()) == 6
    assert kept(store, "imported") == {("overall", "", "x", "y", "both_bad"): 1}
    arena = Arena(store, "golden")
    arena.reopen()
    rater = arena.enter("the secret of a golden rater")
    arena.undo(rater)
    assert sum(kept(store, "golden").values()) == 5
    assert live.check(store, "golden") == []
    store.close()


def test_what_is_wrong_is_found_said_and_mended(
    imported: Store, database: str, terminal: Terminal
) -> None:
    where = ("--database", database, "--study", "s")
    assert "the counts are right" in terminal("recount", *where)
    assert "Kept counts: those of the votes" in terminal("audit", *where)
    with imported._engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE tally SET votes = votes + 2 WHERE category = 'colour' AND outcome = 'tie' "
            "AND left_model = 'a' AND right_model = 'b'"
        )
        connection.exec_driver_sql("DELETE FROM tally WHERE category = 'counting'")
    (wrong,) = [one for one in live.check(imported, "s") if one.kept]
    assert wrong[:5] == ("overall", "colour", "a", "b", "tie")
    assert wrong.kept == wrong.votes + 2
    message = terminal.fails("recount", *where)
    assert "The votes are right" in message
    assert "arena recount --mend" in message
    assert audit(imported, "s").miscounts == len(live.check(imported, "s"))
    assert "arena recount --mend" in terminal("audit", *where)
    assert "counts mended" in terminal("recount", *where, "--mend")
    assert live.check(imported, "s") == []
    assert kept(imported) == standing(imported)


def test_votes_deleted_by_hand_are_noticed(imported: Store) -> None:
    with imported._engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM vote WHERE battle_id <= 30")
    assert sum(one.kept - one.votes for one in live.check(imported, "s")) == 30


def test_counts_of_other_studies_are_left_alone(imported: Store) -> None:
    importing.import_votes(imported, studies.describe("t"), many(50, seed=1), "1" * 64)
    live.recount(imported, "s")
    assert kept(imported, "t") == standing(imported, "t")
    assert live.board(imported, "t").diagnostics["votes"] == 50


def test_the_live_board_is_that_of_the_votes(imported: Store) -> None:
    frame = votes.table(studies.standing_votes(imported, "s"))
    board, whole = live.board(imported, "s"), fit(frame, cluster=None)
    pd.testing.assert_frame_equal(board.table, whole.table)
    pd.testing.assert_frame_equal(board.cov, whole.cov)
    assert board.diagnostics["intervals"]["method"] == "independent votes, sandwich"
    assert any("too narrow where raters differ" in w for w in board.diagnostics["warnings"])


def test_the_live_board_of_one_category(imported: Store) -> None:
    frame = votes.table(studies.standing_votes(imported, "s"))
    counting = fit(frame[frame["category"] == "counting"], cluster=None)
    board = live.board(imported, "s", category="counting", model="bradley-terry")
    assert board.diagnostics["votes"] == counting.diagnostics["votes"]
    with pytest.raises(UnknownNameError, match="Did you mean 'counting'"):
        live.board(imported, "s", category="countin")


def test_a_study_without_votes_has_no_board(arena: Arena, store: Store) -> None:
    with pytest.raises(VotesError, match="There are no votes"):
        live.board(store, "s")
    rater = arena.enter("secret")
    arena.cast(token(arena.open(rater)), rater, Outcome.LEFT)
    arena.undo(rater)
    with pytest.raises(VotesError, match="There are no votes"):
        live.board(store, "s")


def test_the_command_rates_from_counts(imported: Store, database: str, terminal: Terminal) -> None:
    where = ("--database", database, "--study", "s")
    assert "take votes as independent" in terminal("rate", *where, "--live")
    assert terminal.json("rate", *where, "--live")["diagnostics"]["votes"] == 3000
    assert "--live reads the counts of a database" in terminal.fails("rate", "--live")


def test_boards_by_category_are_those_of_the_votes(imported: Store) -> None:
    held = {"anchor": ("a", 1100.0)}
    made = live.boards(imported, "s", "category", Asked(held, paper_style=True))
    frame = votes.table(studies.standing_votes(imported, "s"))
    slow = by_level(frame, "category", Asked(held))
    assert [one.level for one in made.boards] == ["colour", "counting"]
    assert (made.votes, made.without) == (slow.votes, slow.without)
    assert made.without > 0
    for one, other in zip(made.boards, slow.boards, strict=True):
        assert one.ratings is not None
        assert other.ratings is not None
        left, right = (x.ratings.table.set_index("model")["rating"] for x in (one, other))
        pd.testing.assert_series_equal(left, right)
        assert one.paper is not None
    by = live.boards(imported, "s", "criterion", Asked())
    assert [one.votes for one in by.boards] == [3000]
    assert live.models(imported, "s") == ("a", "b", "c", "d")


def test_boards_that_counts_cannot_tell_apart_are_refused(imported: Store, arena: Arena) -> None:
    for by in ("language", "budget"):
        with pytest.raises(VotesError, match=f"not by {by}"):
            live.boards(imported, "s", by, Asked())
    with pytest.raises(UnknownNameError, match="anchor model"):
        live.boards(imported, "s", "category", Asked({"anchor": ("nobody", 1000.0)}))
