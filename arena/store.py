"""A database of studies: opened, and read or changed in transactions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from arena import database
from arena.facts import Facts
from arena.ledger import Ledger, Row
from arena.records import Study
from evalkit.errors import ImageError, StoreError
from evalkit.images import ImageStore
from evalkit.mirror import Distant, is_url

import sqlalchemy as sa  # isort: skip - after arena.database, which says what to install

if TYPE_CHECKING:
    from sqlalchemy import Engine


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
        if is_url(of.images):
            return Distant(of.images)
        root = (self.folder or Path()) / of.images
        if not root.is_dir():
            raise ImageError(
                f"The pictures of study {of.name!r} should be in {root}, which does not exist. "
                "Move the folder back, or run the same arena load again with its new place."
            )
        return ImageStore(root)

    def place(self, images: ImageStore) -> str:
        """Return how a study should name an image store: relative to the database if it can."""
        if isinstance(images, Distant):
            return images.url
        root = images.root.resolve()
        if self.folder is None:
            return str(root)
        return os.path.relpath(root, self.folder)


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
