"""What all facts are read and written by: one connection, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping


class Connected:
    """Facts of one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _one(self, query: sa.Select[Any], **values: Any) -> RowMapping | None:
        return self._connection.execute(query, values).mappings().one_or_none()

    def _insert(self, table: sa.Table, row: Mapping[str, Any]) -> int:
        result = self._connection.execute(sa.insert(table).returning(table.c.id), dict(row))
        return int(result.scalar_one())

    def _insert_all(self, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> list[int]:
        if not rows:
            return []
        insert = sa.insert(table).returning(table.c.id, sort_by_parameter_order=True)
        return list(self._connection.scalars(insert, [dict(row) for row in rows]))
