"""Studies with their protocols and the pictures in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from arena.facts.connected import Connected
from arena.protocol import Protocol
from arena.records import Entry, Study
from arena.tables import entry, protocol, study
from evalkit.errors import UnknownNameError

if TYPE_CHECKING:
    from sqlalchemy import RowMapping

# Written once: to write a query takes longer than SQLite takes to answer it.
_STUDY = sa.select(study).where(study.c.name == sa.bindparam("name"))
_STUDY_LOCKED = _STUDY.with_for_update()
_PROTOCOL = (
    sa.select(protocol.c.id, protocol.c.document)
    .where(protocol.c.study_id == sa.bindparam("study_id"))
    .order_by(protocol.c.id.desc())
    .limit(1)
)


class Studies(Connected):
    """The studies of a database."""

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

    def place_study(self, study_id: int, images: str, size: tuple[int, int], suite: str) -> None:
        """Record where a study's pictures are now and the size they are shown in."""
        new = {"images": images, "width": size[0], "height": size[1], "suite": suite}
        self._connection.execute(sa.update(study).where(study.c.id == study_id).values(new))

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

    def digests(self, study_id: int) -> dict[int, str]:
        """Map the protocols of a study to their digests."""
        query = sa.select(protocol.c.id, protocol.c.digest)
        rows = self._connection.execute(query.where(protocol.c.study_id == study_id))
        return {row.id: row.digest for row in rows}

    def entries(self, study_id: int) -> list[Entry]:
        """Return a study's entries, in the order they were loaded."""
        query = sa.select(entry).where(entry.c.study_id == study_id).order_by(entry.c.id)
        return [_entry(row) for row in self._connection.execute(query).mappings()]

    def add_entries(self, study_id: int, new: Sequence[Mapping[str, Any]]) -> list[int]:
        """Record entries (the fields of Entry without its id) and return their ids, in order."""
        return self._insert_all(entry, [{**row, "study_id": study_id} for row in new])

    def entry_names(self, study_id: int) -> dict[int, tuple[str, str, str, str | None]]:
        """Map a study's entries to their model, prompt, category and generation."""
        key, *names = entry.c.id, entry.c.model, entry.c.prompt_id, entry.c.category
        query = sa.select(key, *names, entry.c.generation_id)
        rows = self._connection.execute(query.where(entry.c.study_id == study_id).order_by(key))
        return {found: tuple(row) for found, *row in rows}


@lru_cache(maxsize=64)
def _protocol(document: str) -> Protocol:
    """Read a document once: it is read with every answer, and never changes."""
    return Protocol.model_validate_json(document)


def _entry(row: RowMapping) -> Entry:
    return Entry.model_validate({k: v for k, v in row.items() if k != "study_id"})
