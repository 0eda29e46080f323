"""Connections and versions: from a URL or a path to a database that this program may use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

from evalkit.errors import MissingPackageError, StoreError

try:
    import sqlalchemy as sa
except ImportError as error:  # pragma: no cover - needs an environment without the extra
    raise MissingPackageError(error.name or "sqlalchemy", "arena", "A study's database") from None

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import URL, Connection, Engine

VERSION = "0004"
"""The newest of ``versions()``: a database that has it is opened without Alembic (0.1 s)."""
BUSY_SECONDS = 30
"""How long a writer waits for the others before it gives up."""

_CREATION_LOCK = 0x617265_6E61
"""Any constant will do: PostgreSQL's advisory lock while a fresh database gets its tables."""


def parse(database: str) -> URL:
    """Turn a SQLAlchemy URL, or the path of an SQLite file, into a URL."""
    text = database if "://" in database else f"sqlite:///{database}"
    try:
        url = sa.make_url(text)
    except sa.exc.ArgumentError:
        raise StoreError(
            f"{database!r} is neither a path nor a database URL. "
            "Write arena.sqlite, or postgresql+psycopg://user@host/name."
        ) from None
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise StoreError("A database in memory would lose its votes. Name a file.")
    return url


def folder(url: URL) -> Path | None:
    """Return the folder of a database that is a file."""
    if url.get_backend_name() != "sqlite" or url.database is None:
        return None
    return Path(url.database).resolve().parent


def connect(database: str, *, create: bool = False, durable: bool = True) -> Engine:
    """Open a database of this version; ``create`` makes one where there is none.

    Without ``durable`` a commit may be lost with the machine's power (never with the process).
    Raises StoreError for a database that is missing, older, newer or not ours.
    """
    url = parse(database)
    _check_file(url, create=create)
    engine = _engine(url, durable=durable)
    try:
        with _in_words(url), writing(engine) as connection:
            _prepare(connection, url, create=create)
    except BaseException:
        engine.dispose()
        raise
    return engine


def make(database: str, version: str) -> Engine:
    """Make a new database of a version that this program knows; it is to be upgraded."""
    engine = _engine(parse(database), durable=False)
    with writing(engine) as connection:
        _migrate(connection, version)
    return engine


def upgrade(database: str) -> str:
    """Bring an older database to this version and return the version's name."""
    url = parse(database)
    _check_file(url, create=False)
    engine = _engine(url, durable=True)
    try:
        with _in_words(url), writing(engine) as connection:
            _lock_creation(connection)
            check(_version(connection), versions(), name(url), older_is_error=False)
            _migrate(connection)
    finally:
        engine.dispose()
    return versions()[-1]


def name(url: URL) -> str:
    """Return what to call a database in a message: its path, or its URL without the password."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.render_as_string(hide_password=True)


def versions() -> list[str]:
    """Return the versions this program knows, oldest first."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_config())
    return [s.revision for s in scripts.walk_revisions()][::-1]


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Begin a transaction that may write; on SQLite it waits for other writers now, not later."""
    with (
        _turn(engine),
        engine.connect().execution_options(arena_write=True) as connection,
        connection.begin(),
    ):
        yield connection


def _turn(engine: Engine) -> AbstractContextManager[Any]:
    """Return what the writers of this process queue up at: SQLite has no queue, but asks again."""
    turn: Lock | None = engine.get_execution_options().get("arena_turn")
    return turn or nullcontext()


def check(
    found: str | None, known: Sequence[str], database: str, *, older_is_error: bool = True
) -> Literal["current", "older"]:
    """Compare a database's version with those this program knows, oldest first."""
    if found == known[-1]:
        return "current"
    if found not in known:
        raise StoreError(
            f"{database} has version {found!r}, which is newer than this program "
            f"(it knows up to {known[-1]}). Update the program: pip install -U 'evalkit[arena]'"
        )
    if older_is_error:
        raise StoreError(
            f"{database} has version {found}; this program needs {known[-1]}. "
            f"Copy the database, then run: arena upgrade --database {database}"
        )
    return "older"


def _prepare(connection: Connection, url: URL, *, create: bool) -> None:
    _lock_creation(connection)
    if _verdict(connection, url) == "fresh":
        if not create:
            raise StoreError(
                f"{name(url)} is empty. Fill it with: arena load --database {name(url)} "
                "--study NAME --run DIR"
            )
        _migrate(connection)


def _verdict(connection: Connection, url: URL) -> Literal["fresh", "current", "older"]:
    tables = sa.inspect(connection).get_table_names()
    if not tables:
        return "fresh"
    if "alembic_version" not in tables:
        raise StoreError(
            f"{name(url)} holds something else (tables {', '.join(sorted(tables)[:5])}). "
            "Name a new or an empty database."
        )
    found = _version(connection)
    return "current" if found == VERSION else check(found, versions(), name(url))


def _check_file(url: URL, *, create: bool) -> None:
    parent = folder(url)
    if parent is None or url.database is None:
        return
    if not parent.is_dir():
        raise StoreError(f"The folder {parent} does not exist. Make it, or name another database.")
    if not create and not Path(url.database).is_file():
        raise StoreError(
            f"There is no database at {url.database}. Check the path, or make one with: "
            f"arena load --database {url.database} --study NAME --run DIR"
        )


def _engine(url: URL, *, durable: bool) -> Engine:
    try:
        # A rater's own words are among the parameters: they belong in no traceback, and no log.
        engine = sa.create_engine(url, hide_parameters=True)
    except sa.exc.NoSuchModuleError:
        raise StoreError(f"No database of the kind {url.drivername!r} is known.") from None
    except ModuleNotFoundError as error:
        extra = "postgres" if url.get_backend_name() == "postgresql" else "arena"
        raise MissingPackageError(error.name or "?", extra, url.drivername) from None
    if url.get_backend_name() == "sqlite":
        _prepare_sqlite(engine, synchronous="FULL" if durable else "NORMAL")
    return engine


def _prepare_sqlite(engine: Engine, *, synchronous: str) -> None:
    engine.update_execution_options(arena_turn=Lock())

    @sa.event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver's own BEGIN would come too late
        # busy_timeout first: the change to WAL itself may have to wait.
        connection.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("PRAGMA foreign_keys=ON")

    @sa.event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("arena_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _lock_creation(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_CREATION_LOCK)))


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def _version(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return found


def _migrate(connection: Connection, version: str = "head") -> None:
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, version)


@contextmanager
def _in_words(url: URL) -> Iterator[None]:
    try:
        yield
    except sa.exc.DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise StoreError(
            f"The database {name(url)} cannot be opened: {reason}. "
            "Check the path or URL, the password, and that you may write there."
        ) from error
