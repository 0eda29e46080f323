"""Counts of the votes that stand, kept beside them by the database itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

KEY = "study_id, criterion, category, left_model, right_model, outcome"

VOTE = """
INSERT INTO tally ({key}, votes)
SELECT b.study_id, s.criterion, l.category, l.model, r.model, {outcome}, {number}
FROM {source}
JOIN study s ON s.id = b.study_id
JOIN entry l ON l.id = b.left_id
JOIN entry r ON r.id = b.right_id
WHERE {condition}
{group}
"""
ADD = f"ON CONFLICT ({KEY}) DO UPDATE SET votes = tally.votes + excluded.votes"
STANDS = "NOT EXISTS (SELECT 1 FROM event e WHERE e.battle_id = b.id AND e.kind = 'undo')"
# In the order of the key: who changes many counts locks them in the order of all others.
GROUP = "GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6"


def upgrade() -> None:
    """Make the table of counts, count what is there, and let triggers keep it."""
    op.create_table(
        "tally",
        sa.Column("study_id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("criterion", sa.Text, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("left_model", sa.Text, nullable=False),
        sa.Column("right_model", sa.Text, nullable=False),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("votes", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint(*KEY.split(", "), name="pk_tally"),
        sqlite_with_rowid=False,
    )
    op.execute(_insert("vote v JOIN battle b ON b.id = v.battle_id", "v.outcome", STANDS, GROUP))
    if op.get_bind().dialect.name == "postgresql":
        _postgres("vote", _insert(_ADDED, "v.outcome", STANDS, GROUP))
        undone = f"{_ADDED_EVENT} JOIN vote v ON v.battle_id = b.id"
        _postgres("event", _insert(undone, "v.outcome", "a.kind = 'undo'", GROUP, "-count(*)"))
    else:
        voted = f"b.id = NEW.battle_id AND {STANDS}"
        _sqlite("vote", _insert("battle b", "NEW.outcome", voted, number="1"))
        undone = "b.id = NEW.battle_id AND NEW.kind = 'undo'"
        source = "battle b JOIN vote v ON v.battle_id = b.id"
        _sqlite("event", _insert(source, "v.outcome", undone, number="-1"))


_ADDED = "added v JOIN battle b ON b.id = v.battle_id"
_ADDED_EVENT = "added a JOIN battle b ON b.id = a.battle_id"


def _insert(
    source: str, outcome: str, condition: str, group: str = "", number: str = "count(*)"
) -> str:
    words = {"source": source, "outcome": outcome, "condition": condition, "group": group}
    return VOTE.format(key=KEY, number=number, **words)


def _sqlite(table: str, insert: str) -> None:
    op.execute(f"CREATE TRIGGER tally_{table} AFTER INSERT ON {table} BEGIN {insert} {ADD}; END")


def _postgres(table: str, insert: str) -> None:
    """Count once a statement: a row changed for each of many votes would be kept in each state."""
    op.execute(
        # A plan made for many rows would scan whole tables for the one vote of the next statement.
        f"CREATE FUNCTION tally_{table}() RETURNS trigger LANGUAGE plpgsql "
        "SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off "
        f"AS $$ BEGIN {insert} {ADD}; RETURN NULL; END $$"
    )
    op.execute(
        f"CREATE TRIGGER tally_{table} AFTER INSERT ON {table} REFERENCING NEW TABLE AS added "
        f"FOR EACH STATEMENT EXECUTE FUNCTION tally_{table}()"
    )
