"""The live board over stored votes, on SQLite and PostgreSQL, and what it costs each vote.

Run: python -m benchmarks.live_board [--votes 1000000] [--repeats 20]
PostgreSQL is a private server of Debian's packages, with fsync off, as the tests start it. Studies
are not durable in either (a commit does not wait for the disk), so that the triggers' cost shows.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from arena import columns, live, studies, tables
from arena.clock import now
from arena.ratings import fit
from arena.records import Outcome, Vote
from arena.store import Store
from benchmarks.ratings import MODELS, PROMPTS, RATERS
from benchmarks.ratings import votes as drawn
from tests.arena.conftest import fresh_postgres, server

CATEGORIES = 6
SINGLE = 2000


def fill(store: Store, number: int) -> None:
    """Store votes of 20 models on 500 prompts of 6 categories, in batches, past the rules."""
    frame = drawn(number)
    with store.writing() as facts:
        key = facts.add_study(studies.describe("s", seed=1))
        names = [f"model-{m:02d}" for m in range(MODELS)]
        ids = facts.add_entries(key, [_entry(n, p) for p in range(PROMPTS) for n in names])
    entries = np.array(ids).reshape(PROMPTS, MODELS)
    with store._engine.begin() as connection:
        _copy(connection, tables.rater, ((i + 1, f"rater-{i}", None, now()) for i in range(RATERS)))
        prompt = frame["prompt"].str.removeprefix("prompt-").astype(int).to_numpy()
        left, right = (frame[s].str[-2:].astype(int).to_numpy() for s in ("left", "right"))
        rater = frame["rater"].str.removeprefix("rater-").astype(int).to_numpy() + 1
        sides = np.stack([entries[prompt, left], entries[prompt, right], rater], axis=1).tolist()
        _copy(connection, tables.battle, _battles(key, sides))
        at = now()
        cast = ((i + 1, w, at, 4.2, False) for i, w in enumerate(frame["winner"]))
        _copy(connection, tables.vote, cast)
        if connection.dialect.name == "postgresql":
            for table in ("rater", "battle"):
                last = f"(SELECT max(id) FROM {table})"
                connection.exec_driver_sql(f"SELECT setval('{table}_id_seq', {last})")


def _entry(model: str, prompt: int) -> dict[str, Any]:
    names = {"model": model, "prompt_id": f"prompt-{prompt}", "prompt": f"a photo of {prompt}"}
    blank = {"generation_id": None, "fingerprint": None, "seed": None, "image": None}
    return names | blank | {"category": f"category-{prompt % CATEGORIES}"}


def _battles(key: int, sides: list[list[int]]) -> Iterator[tuple[Any, ...]]:
    at = now()
    for i, (left, right, rater) in enumerate(sides):
        yield i + 1, key, left, right, rater, i, at, 0.01, f"token-{i}", "overall"


def _copy(connection: sa.Connection, table: sa.Table, rows: Iterator[tuple[Any, ...]]) -> None:
    names = _columns(table)
    if connection.dialect.name != "postgresql":
        marks = ", ".join("?" * len(names))
        insert = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})"
        connection.connection.driver_connection.executemany(insert, rows)
        return
    into = f"COPY {table.name} ({', '.join(names)}) FROM STDIN"
    with connection.connection.driver_connection.cursor() as cursor, cursor.copy(into) as copy:
        for row in rows:
            copy.write_row(row)


def _columns(table: sa.Table) -> list[str]:
    """Return the columns that this benchmark fills; later ones have defaults."""
    known = {
        "rater": ["id", "label", "key_digest", "created_at"],
        "battle": [
            *("id", "study_id", "left_id", "right_id", "rater_id", "ordinal", "opened_at"),
            *("draw_probability", "token", "criterion"),
        ],
        "vote": ["battle_id", "outcome", "cast_at", "seconds", "simulated"],
    }
    return known[table.name]


def clock(task: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Return the median milliseconds, and those of this process's CPU."""
    times, busy = [], []
    for _ in range(repeats):
        start, before = time.perf_counter(), time.process_time()
        task()
        busy.append((time.process_time() - before) * 1000)
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times), statistics.median(busy)


def single_votes(store: Store) -> tuple[float, float]:
    """Return the median milliseconds of a vote in a transaction of its own."""
    with store.writing() as facts:
        key, _ = facts.study("s")
        shown = facts.battles_after(key, 0)[:SINGLE]
        row = {"draw_probability": 0.01, "rater_id": None, "opened_at": now(), "redo_of": None}
        row["criterion"] = "overall"
        new = [
            row | {"left_id": b.left_id, "right_id": b.right_id, "ordinal": 0, "token": None}
            for b in shown
        ]
        ids = iter(facts.add_battles(key, new))

    def cast() -> None:
        with store.writing() as facts:
            facts.add_vote(Vote(battle_id=next(ids), outcome=Outcome.LEFT, cast_at=now()))

    return clock(cast, SINGLE)


def without_triggers(store: Store) -> None:
    with store._engine.begin() as connection:
        for table in ("vote", "event"):
            on = f" ON {table}" if connection.dialect.name == "postgresql" else ""
            connection.exec_driver_sql(f"DROP TRIGGER tally_{table}{on}")


def report(database: str, number: int, repeats: int) -> None:
    store = Store.open(database, create=True, durable=False)

    def say(what: str, task: Callable[[], object], times: int = repeats) -> None:
        show(what, clock(task, times))

    say(f"fill {number:,} votes, with the triggers", lambda: fill(store, number), 1)
    say("live.board: counts to ratings", lambda: live.board(store, "s"))
    say("  of one category", lambda: live.board(store, "s", category="category-1"))
    command = [sys.executable, "-m", "arena.cli", "rate", "--live", "--database", database]
    say("arena rate --live, the whole command", lambda: _run(command), 3)
    say("recount: the votes counted anew and compared", lambda: live.check(store, "s"), 3)
    say("recount --mend: the counts made anew", lambda: live.recount(store, "s"), 1)
    say("stored votes to a table", lambda: columns.standing(store, "s"), 1)
    frame = columns.standing(store, "s")
    say("  the table to ratings, by rater and prompt", lambda: fit(frame), 3)
    show("one vote in a transaction of its own, with the triggers", single_votes(store))
    without_triggers(store)
    show("  without them", single_votes(store))
    store.close()


def show(what: str, found: tuple[float, float]) -> None:
    print(f"  {what:58}{found[0]:11.2f}{found[1]:11.2f}", flush=True)


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--votes", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=20, help="median of so many")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        print(f"{'SQLite':60}{'ms':>11}{'CPU ms':>11}")
        report(str(Path(folder) / "arena.sqlite"), options.votes, options.repeats)
        if not sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")):
            print("PostgreSQL: left out, for it is not installed (Debian's package postgresql)")
            return
        print(f"{'PostgreSQL':60}{'ms':>11}{'CPU ms':>11}")
        url = fresh_postgres(stack.enter_context(server()))
        report(url, options.votes, options.repeats)


if __name__ == "__main__":
    main()
