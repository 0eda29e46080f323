"""A copy of a database while it is in use, checked before it is given its name."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from arena import database
from evalkit.errors import StoreError


@dataclass(frozen=True)
class Backup:
    """What a copy holds."""

    version: str
    studies: int
    votes: int
    bytes: int


def backup(name: str, out: Path) -> Backup:
    """Copy an SQLite database to a new file, as of one moment, without stopping who votes.

    It is made by SQLite's online backup (https://sqlite.org/backup.html): a plain copy of the file
    would lack what is still in the write-ahead log.
    """
    url = database.parse(name)
    if url.get_backend_name() != "sqlite":
        raise StoreError(
            f"{database.name(url)} is no file. PostgreSQL is copied by its own tool, also while in "
            f"use: pg_dump --format=custom --file={out} NAME; and back: pg_restore --dbname=NEW"
        )
    source = Path(str(url.database))
    if not source.is_file():
        raise StoreError(f"There is no database at {source}. Check the path.")
    if out.exists():
        raise StoreError(f"{out} exists. A backup replaces nothing: name a new file.")
    part = out.with_name(f"{out.name}.part")
    with _in_words(out):
        try:
            _copy(source, part)
            found = _check(part)
            os.link(part, out)  # refuses where a file came meanwhile, as renaming would not
        finally:
            part.unlink(missing_ok=True)
    return found


def _copy(source: Path, part: Path) -> None:
    part.touch(mode=0o600)
    with (
        closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as live,
        closing(sqlite3.connect(part)) as copy,
    ):
        live.execute(f"PRAGMA busy_timeout={database.BUSY_SECONDS * 1000}")
        live.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, whole by itself
    with part.open("rb") as stream:
        os.fsync(stream.fileno())


def _check(part: Path) -> Backup:
    """Read the whole copy back; raise StoreError if a page or a reference of it is wrong."""
    with closing(sqlite3.connect(f"{part.resolve().as_uri()}?mode=ro", uri=True)) as copy:

        def one(query: str) -> object:
            return copy.execute(query).fetchone()[0]

        verdict = one("PRAGMA integrity_check")
        if verdict != "ok" or copy.execute("PRAGMA foreign_key_check").fetchone():
            raise StoreError(f"The database is damaged ({verdict}), and so would be its copy.")
        version = str(one("SELECT version_num FROM alembic_version"))
        counts = (int(str(one(f"SELECT count(*) FROM {t}"))) for t in ("study", "vote"))  # noqa: S608
        studies, votes = counts
    return Backup(version, studies, votes, part.stat().st_size)


@contextmanager
def _in_words(out: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"The backup {out} cannot be made: {error}. Nothing was left.") from error
