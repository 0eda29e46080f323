"""The facts of studies, in and out of the database: no rules here, and nothing derived is kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from arena import database  # noqa: F401 - the first to import SQLAlchemy: says what to install
from arena.erasure import Erasure
from arena.facts.battles import Battles
from arena.facts.counts import Counts
from arena.facts.events import Events
from arena.facts.raters import Raters
from arena.facts.studies import Studies
from arena.facts.survey import Survey
from arena.facts.visits import Visits
from arena.facts.votes import Votes
from arena.ledger import Ledger, Row
from arena.records import Rater

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Facts(Studies, Raters, Battles, Votes, Counts, Events):
    """The queries of one transaction, each kind in a file of its own."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.visits = Visits(connection)
        self.survey = Survey(connection)

    def dump(self, study_id: int) -> dict[str, Iterator[Row]]:
        """Return every fact of a study, table by table; see :mod:`arena.ledger`."""
        return Ledger(self._connection).dump(study_id)

    def restore(self, name: str, tables: Mapping[str, Iterable[Row]]) -> int:
        """Make a study of such facts and return its key."""
        return Ledger(self._connection).restore(name, tables)

    def erasure(self, of: Rater) -> Erasure:
        """Return the way to erase a rater; see :mod:`arena.forgetting`."""
        return Erasure(self._connection, of)
