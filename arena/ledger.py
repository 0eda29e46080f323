"""Every fact of one study as plain rows: out of one database and into another.

Tables and columns are read from the schema, so that what is added to it comes along. What must
stay behind is named here, with the reason. Rows refer to raters by label and to other rows by
their place in the study, so that the same facts are the same rows in every database.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from arena.records import Objection
from arena.tables import METADATA
from evalkit.errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy import Column, Connection, MetaData, Table

Row = dict[str, Any]
Names = dict[str, dict[Any, Any]]
"""For each table that others refer to, what a row is called there and here."""

LEFT_OUT: Mapping[str, Mapping[str, str]] = {
    "study": {
        "images": "a place on the machine that holds the pictures",
        "secret_check": "what tells the secret of a panel's study from another",
    },
    "rater": {"key_digest": "what recognises a rater's secret"},
    "battle": {"token": "the name by which a browser answers a battle"},
}
REDACTED: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("protocol", "document"): {"panel": "the codes and addresses by which raters are paid"},
    ("event", "detail"): {"note": "what a rater wrote in words of their own"},
}
"""Keys that stay behind of a column that holds a JSON object; its digest is still the whole's."""
LISTED: Mapping[tuple[str, str], Mapping[str, frozenset[str]]] = {
    ("event", "detail"): {"reason": frozenset(Objection)},
}
"""Keys of such a column that leave only with a word of this list."""
DERIVED = ("alembic_version", "tally")
"""What is no fact: a database makes it by itself."""
STAYS: Mapping[str, str] = {"visit": "which submissions of a panel raters came with"}
"""Tables that stay behind as a whole."""

_CHUNK = 5000
_NEWER = "the rows are of another release. Use the program that made them, or a newer one."


class Ledger:
    """The facts of studies in one database, of this version's schema or of another's."""

    def __init__(self, connection: Connection, metadata: MetaData = METADATA) -> None:
        self._connection = connection
        self._tables = {
            t.name: t for t in metadata.sorted_tables if t.name not in (*DERIVED, *STAYS)
        }
        parents = {_parent(c) for t in self._tables.values() for c in t.c if c.foreign_keys}
        self._referred = [name for name in self._tables if name in parents - {"study"}]

    @classmethod
    def of(cls, connection: Connection) -> Ledger:
        """Read the schema from the database itself, whatever its version."""
        metadata = sa.MetaData()
        metadata.reflect(connection)
        return cls(connection, metadata)

    def dump(self, study_id: int) -> dict[str, Iterator[Row]]:
        """Return each table's rows of one study, in a fixed order; they are read when taken."""
        names = {name: self._names(self._tables[name], study_id) for name in self._referred}
        return {name: self._dump(t, study_id, names) for name, t in self._tables.items()}

    def _dump(self, table: Table, study_id: int, names: Names) -> Iterator[Row]:
        kept = self._kept(table)
        for row in self._connection.execute(self._rows(table, study_id)).mappings():
            yield _out(table, kept, row, names)

    def restore(self, name: str, tables: Mapping[str, Iterable[Row]]) -> int:
        """Make a study of this name of the rows that ``dump`` gave; return its key."""
        if unknown := sorted(set(tables) - set(self._tables)):
            raise StoreError(f"No table {unknown[0]!r} is known: {_NEWER}")
        names: Names = {known: {} for known in self._referred}
        key = 0
        for table in self._tables.values():
            kept = self._kept(table)
            rows = ((r, _in(table, kept, r, names, key)) for r in tables.get(table.name, ()))
            if table.name == "study":
                key = self._insert_study(table, name, [facts for _, facts in rows])
            elif table.name == "rater":
                names["rater"] = self._insert_raters(table, [facts for _, facts in rows])
            else:
                found = self._insert(table, rows)
                names |= {table.name: found} if table.name in names else {}
        return key

    def _kept(self, table: Table) -> dict[str, Column[Any]]:
        """Choose the columns that leave, by their names in rows: a reference is no number."""
        unwanted = {"study_id", *LEFT_OUT.get(table.name, ())}
        if table.name in ("study", "rater") or table.name not in self._referred:
            unwanted.add("id")
        kept = [c for c in table.c if c.name not in unwanted]
        return {c.name.removesuffix("_id") if c.foreign_keys else c.name: c for c in kept}

    def _of(self, table: Table, study_id: int) -> sa.ColumnElement[bool]:
        """Choose a table's rows of one study."""
        if table.name == "study":
            return table.c.id == study_id
        if "study_id" in table.c:
            return table.c.study_id == study_id
        if table.name == "rater":
            others = [t for t in self._tables.values() if "rater_id" in t.c]
            mentioned = (sa.select(t.c.rater_id).where(self._of(t, study_id)) for t in others)
            return table.c.id.in_(sa.union(*mentioned))
        column = next(c for c in table.c if c.foreign_keys and _parent(c) != "rater")
        parent = self._tables[_parent(column)]
        return column.in_(sa.select(parent.c.id).where(self._of(parent, study_id)))

    def _rows(self, table: Table, study_id: int) -> sa.Select[Any]:
        order = [table.c.label] if table.name == "rater" else list(table.primary_key.columns)
        return sa.select(table).where(self._of(table, study_id)).order_by(*order)

    def _names(self, table: Table, study_id: int) -> dict[Any, Any]:
        """Map the keys of a table's rows to labels, or to their places from 1."""
        name = table.c.label if table.name == "rater" else sa.literal(None)
        query = self._rows(table, study_id).with_only_columns(table.c.id, name)
        found = self._connection.execute(query)
        return {key: label or place for place, (key, label) in enumerate(found, 1)}

    def _insert_study(self, table: Table, name: str, rows: Sequence[Row]) -> int:
        if len(rows) != 1:
            raise StoreError(f"The rows describe {len(rows)} studies: they are damaged.")
        return self._insert_chunk(table, [rows[0] | {"name": name}])[0]

    def _insert_raters(self, table: Table, rows: Iterable[Row]) -> dict[Any, int]:
        """Record the raters that are new here; a public name is one rater in all studies."""
        wanted = {row["label"]: row for row in rows}
        known = self._connection.execute(sa.select(table.c.label, table.c.id))
        found = {label: key for label, key in known if label in wanted}
        new = [row for label, row in wanted.items() if label not in found]
        keys = self._insert_chunk(table, new)
        return found | dict(zip((row["label"] for row in new), keys, strict=True))

    def _insert(self, table: Table, rows: Iterator[tuple[Row, Row]]) -> dict[Any, int]:
        """Record rows and map their places to keys; what refers to its own table comes last."""
        itself = [c.name for c in table.c if c.foreign_keys and _parent(c) == table.name]
        keys: dict[Any, int] = {}
        later: list[tuple[Any, Row]] = []
        while chunk := list(islice(rows, _CHUNK)):
            later += [(r["id"], f) for r, f in chunk if any(f[c] is not None for c in itself)]
            blank = dict.fromkeys(itself)
            new = self._insert_chunk(table, [facts | blank for _, facts in chunk])
            if table.name in self._referred:
                places = [row["id"] for row, _ in chunk]
                if len({*keys, *places}) < len(keys) + len(places):
                    raise StoreError(f"Two rows of {table.name} have one id: damaged rows.")
                keys |= dict(zip(places, new, strict=True))
        for place, facts in later:
            own = {c: _found(table, keys, c, facts[c]) for c in itself if facts[c] is not None}
            change = sa.update(table).where(table.c.id == keys[place])
            self._connection.execute(change.values(own))
        return keys

    def _insert_chunk(self, table: Table, rows: Sequence[Row]) -> list[int]:
        if not rows:
            return []
        first = next(iter(table.primary_key.columns))
        insert = sa.insert(table).returning(first, sort_by_parameter_order=True)
        return list(self._connection.scalars(insert, rows))


def _parent(column: Column[Any]) -> str:
    return next(iter(column.foreign_keys)).column.table.name


def _out(
    table: Table, kept: Mapping[str, Column[Any]], row: Mapping[Any, Any], names: Names
) -> Row:
    facts: Row = {}
    for key, column in kept.items():
        value = row[column.name]
        if column.foreign_keys and value is not None:
            value = names[_parent(column)][value]
        elif column.name == "id":
            value = names[table.name][value]
        elif unwanted := REDACTED.get((table.name, column.name)):
            listed = LISTED.get((table.name, column.name), {})
            kept_keys = {
                k: v
                for k, v in json.loads(value).items()
                if k not in unwanted and (k not in listed or v in listed[k])
            }
            value = kept_keys if column.name == "detail" else _canonical(kept_keys)
        facts[key] = value
    return facts


def _canonical(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _in(
    table: Table, kept: Mapping[str, Column[Any]], row: Row, names: Names, study_id: int
) -> Row:
    """Put a row into a database's terms; references to rows of its own table stay places."""
    if unknown := sorted(set(row) - set(kept)):
        raise StoreError(f"The table {table.name} has no {unknown[0]!r}: {_NEWER}")
    facts: Row = {name: None for name in LEFT_OUT.get(table.name, ()) if name in table.c}
    for key, column in kept.items():
        value = row.get(key)
        if column.foreign_keys and value is not None and _parent(column) != table.name:
            value = _found(table, names[_parent(column)], key, value)
        elif column.name == "detail":
            value = json.dumps(value)
        elif not _fits(column, value):
            raise StoreError(f"The table {table.name} cannot hold {key} {value!r}: damaged rows.")
        if column.name != "id":
            facts[column.name] = value
    return facts | ({"study_id": study_id} if "study_id" in table.c else {})


def _found(table: Table, names: Mapping[Any, Any], key: str, value: Any) -> Any:
    try:
        return names[value]
    except (KeyError, TypeError):
        raise StoreError(
            f"A row of {table.name} names the {key} {value!r}, which is not among the rows: "
            "they are damaged."
        ) from None


def _fits(column: Column[Any], value: Any) -> bool:
    """Check a value against its column, since SQLite would hold anything."""
    if value is None:
        return bool(column.nullable)
    kind = column.type.python_type
    if kind is dict:
        return isinstance(value, dict | list)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
