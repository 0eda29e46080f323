"""Opening databases: new, old, newer, foreign, broken and missing."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from arena import audit, database, studies, tables, votes
from arena import database as databases
from arena.battles import Arena
from arena.database import VERSION, upgrade, versions
from arena.records import Outcome
from arena.store import Store
from evalkit.errors import EvalkitError, ImageError, MissingPackageError, StoreError
from tests.arena.conftest import fresh_postgres

GOLDEN = Path(__file__).parent.parent / "golden"


def test_the_migrations_make_the_tables_that_the_code_uses(database: str) -> None:
    store = Store.open(database, create=True)
    with store._engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.METADATA) == []
        names = set(sa.inspect(connection).get_table_names())
    assert names == {"alembic_version", *tables.METADATA.tables}
    store.close()


def test_a_database_of_this_version_is_opened_without_alembic(tmp_path: Path) -> None:
    assert versions()[-1] == VERSION
    Store.open(str(tmp_path / "a.sqlite"), create=True).close()
    code = (
        "import sys; from arena.store import Store; Store.open('a.sqlite').close(); "
        "sys.exit('alembic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_a_fresh_database_opens_again(database: str) -> None:
    Store.open(database, create=True).close()
    Store.open(database).close()
    Store.open(database, create=True).close()


def test_sqlite_is_set_up_for_many_writers(tmp_path: Path) -> None:
    for durable, synchronous in ((True, 2), (False, 1)):
        store = Store.open(str(tmp_path / "a.sqlite"), create=True, durable=durable)
        with store._engine.connect() as connection:
            found = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "busy_timeout", "foreign_keys", "synchronous")
            }
        assert found == {
            "journal_mode": "wal",
            "busy_timeout": 30000,
            "foreign_keys": 1,
            "synchronous": synchronous,
        }
        store.close()


@pytest.mark.parametrize("name", ["a.sqlite", "sqlite:///{}/a.sqlite", "{}/sub dir é/a.sqlite"])
def test_a_path_and_a_url_are_both_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub dir é").mkdir()
    Store.open(name.format(tmp_path), create=True).close()
    assert len(list(tmp_path.rglob("a.sqlite"))) == 1


def test_plain_postgres_urls_use_the_driver_that_is_installed() -> None:
    for scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        url = database.parse(f"{scheme}://somebody:secret@host/name")
        assert url.drivername == "postgresql+psycopg"
        assert "secret" not in database.name(url)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("http//nothing://", "neither a path nor a database URL"),
        ("oracle9://host/name", "No database of the kind"),
        ("sqlite://", "in memory"),
        (":memory:", "in memory"),
        ("", "in memory"),
        ("/no/such/folder/a.sqlite", "The folder /no/such/folder does not exist"),
        ("postgresql://nobody@127.0.0.1:1/none", "cannot be opened"),
    ],
)
def test_a_database_that_cannot_be_is_refused_in_words(name: str, words: str) -> None:
    with pytest.raises(StoreError, match=words):
        Store.open(name, create=True)


def test_a_missing_driver_says_what_to_install() -> None:
    with pytest.raises(MissingPackageError, match="pip install"):
        Store.open("mysql+pymysql://host/name", create=True)


def test_a_missing_file_is_not_made_by_looking(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="arena load --database"):
        Store.open(str(tmp_path / "a.sqlite"))
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_has_no_studies(tmp_path: Path) -> None:
    (tmp_path / "a.sqlite").touch()
    with pytest.raises(StoreError, match="is empty"):
        Store.open(str(tmp_path / "a.sqlite"))
    Store.open(str(tmp_path / "a.sqlite"), create=True).close()


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    text = "left,right,winner\n" * 100
    (tmp_path / "votes.csv").write_text(text)
    with pytest.raises(StoreError, match="cannot be opened: file is not a database"):
        Store.open(str(tmp_path / "votes.csv"), create=True)
    assert (tmp_path / "votes.csv").read_text() == text


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        Store.open(str(tmp_path), create=True)


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.sqlite") as connection:
        connection.execute("CREATE TABLE recipe (id INTEGER)")
    connection.close()
    with pytest.raises(StoreError, match="holds something else \\(tables recipe\\)"):
        Store.open(str(tmp_path / "a.sqlite"), create=True)


@pytest.mark.postgres
def test_a_wrong_password_is_not_repeated(postgres: str) -> None:
    url = fresh_postgres(postgres).replace("arena@", "stranger:hunter2@")
    with pytest.raises(StoreError) as caught:
        Store.open(url, create=True)
    assert "hunter2" not in str(caught.value)


def test_a_newer_database_is_refused(database: str) -> None:
    store = Store.open(database, create=True)
    with store._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0999'")
    store.close()
    with pytest.raises(StoreError, match=r"'0999', which is newer .* pip install -U"):
        Store.open(database)


def test_an_older_database_names_the_command_that_upgrades_it() -> None:
    with pytest.raises(StoreError, match=r"arena upgrade --database a\.sqlite"):
        database.check("0001", ["0001", "0002"], "a.sqlite")
    assert database.check("0002", ["0001", "0002"], "a.sqlite") == "current"
    older = database.check("0001", ["0001", "0002"], "a.sqlite", older_is_error=False)
    assert older == "older"


def test_upgrading_what_is_current_changes_nothing(database: str) -> None:
    Store.open(database, create=True).close()
    assert upgrade(database) == databases.versions()[-1]
    Store.open(database).close()


@pytest.fixture
def golden(tmp_path: Path) -> Store:
    """Copy the first release's database, for an upgrade in place would change it."""
    shutil.copy(GOLDEN / "arena-v1.sqlite", tmp_path / "arena.sqlite")
    upgrade(str(tmp_path / "arena.sqlite"))
    store = Store.open(str(tmp_path / "arena.sqlite"))
    yield store
    store.close()


def test_the_first_release_s_database_opens(golden: Store) -> None:
    with golden.reading() as facts:
        assert facts.studies() == ["golden", "imported"]
        key, study = facts.study("golden")
        assert study.criteria == ("quality",)
        assert len(facts.entries(key)) == 12
    standing = studies.standing_votes(golden, "golden")
    assert [v.winner for v in standing] == ["left", "right", "tie", "both_bad", "right", "tie"]
    assert [v.simulated for v in standing] == [False] * 5 + [True]
    assert [v.rater for v in studies.standing_votes(golden, "imported")] == ["zoë"]


def test_the_first_release_s_study_goes_on(golden: Store) -> None:
    arena = Arena(golden, "golden")
    rater = arena.enter("the secret of a golden rater")
    assert arena.progress(rater).closed
    arena.reopen()
    battle = arena.open(rater)
    assert battle is not None
    assert battle.token is not None
    arena.cast(battle.token, rater, Outcome.LEFT)
    assert arena.progress(rater).done == 6
    found = audit.audit(golden, "golden")
    assert (found.votes, found.skipped, found.undone, found.simulated) == (7, 1, 1, 1)
    assert votes.to_csv(studies.standing_votes(golden, "golden")).count("\n") == 8


def test_pictures_that_were_moved_are_named(golden: Store) -> None:
    with golden.reading() as facts:
        _, study = facts.study("golden")
        _, imported = facts.study("imported")
    with pytest.raises(ImageError, match=r"should be in .*images, which does not exist"):
        golden.images(study)
    with pytest.raises(ImageError, match="votes but no pictures"):
        golden.images(imported)


def test_a_change_that_fails_midway_is_not_kept(database: str) -> None:
    store = Store.open(database, create=True)
    half = studies.describe("half")
    with pytest.raises(EvalkitError), store.writing() as facts:
        [facts.add_study(half) for _ in range(2)]
    with store.reading() as facts:
        assert facts.studies() == []
    store.close()


def test_a_database_that_became_read_only_says_so(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path / "a.sqlite"), create=True)
    with store._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only=ON")
    with pytest.raises(StoreError, match=r"could not .* readonly"), store.writing() as f:
        f.add_study(studies.describe("s"))
    store.close()
