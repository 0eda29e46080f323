"""Studies by a file: protocols, several criteria, and what each battle was opened for."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

KEY = "study_id, criterion, category, left_model, right_model, outcome"

COUNT = """
INSERT INTO tally ({key}, votes)
SELECT b.study_id, b.criterion, l.category, l.model, r.model, {outcome}, {number}
FROM {source}
JOIN entry l ON l.id = b.left_id
JOIN entry r ON r.id = b.right_id
WHERE b.purpose = 'rating' AND {condition}
{group}
ON CONFLICT ({key}) DO UPDATE SET votes = tally.votes + excluded.votes
"""
STANDS = "NOT EXISTS (SELECT 1 FROM event e WHERE e.battle_id = b.id AND e.kind = 'undo')"
# In the order of the key: who changes many counts locks them in the order of all others.
GROUP = "GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6"

OLD = ("criterion", "question", "hint", "show_prompt", "reveal", "quota")


def upgrade() -> None:
    """Give every study its protocol as a document, and every battle its question."""
    op.create_table(
        "protocol",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("study_id", sa.Integer, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("at", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_protocol"),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name="fk_protocol_study_id"),
    )
    op.create_index("ix_protocol_study_id", "protocol", ["study_id"])
    op.create_index("ix_event_rater_id_study_id", "event", ["rater_id", "study_id"])
    # In plain SQL: on SQLite, Alembic would copy the tables, and others refer to them.
    for column in (
        "criterion VARCHAR(20) NOT NULL DEFAULT ''",
        "purpose VARCHAR(10) NOT NULL DEFAULT 'rating'",
        "expected VARCHAR(10)",
        "repeat_of INTEGER CONSTRAINT fk_battle_repeat_of REFERENCES battle (id)",
        "example INTEGER",
        "protocol_id INTEGER CONSTRAINT fk_battle_protocol_id REFERENCES protocol (id)",
    ):
        op.execute(f"ALTER TABLE battle ADD COLUMN {column}")
    op.execute("ALTER TABLE vote ADD COLUMN language VARCHAR(20)")
    _move_protocols()
    _count_by_battle()
    for name in OLD:
        op.execute(f"ALTER TABLE study DROP COLUMN {name}")


def _count_by_battle() -> None:
    """Let the kept counts follow each battle's own criterion, and count ratings alone."""
    if op.get_bind().dialect.name == "postgresql":
        voted = "added v JOIN battle b ON b.id = v.battle_id"
        _postgres("vote", _count(voted, "v.outcome", STANDS, GROUP))
        undone = "added a JOIN battle b ON b.id = a.battle_id JOIN vote v ON v.battle_id = b.id"
        _postgres("event", _count(undone, "v.outcome", "a.kind = 'undo'", GROUP, "-count(*)"))
    else:
        condition = f"b.id = NEW.battle_id AND {STANDS}"
        _sqlite("vote", _count("battle b", "NEW.outcome", condition, number="1"))
        condition = "b.id = NEW.battle_id AND NEW.kind = 'undo'"
        source = "battle b JOIN vote v ON v.battle_id = b.id"
        _sqlite("event", _count(source, "v.outcome", condition, number="-1"))


def _count(
    source: str, outcome: str, condition: str, group: str = "", number: str = "count(*)"
) -> str:
    words = {"source": source, "outcome": outcome, "condition": condition, "group": group}
    return COUNT.format(key=KEY, number=number, **words)


def _sqlite(table: str, count: str) -> None:
    op.execute(f"DROP TRIGGER tally_{table}")
    op.execute(f"CREATE TRIGGER tally_{table} AFTER INSERT ON {table} BEGIN {count}; END")


def _postgres(table: str, count: str) -> None:
    """Change what the trigger of the earlier version does; the trigger itself stays."""
    op.execute(
        f"CREATE OR REPLACE FUNCTION tally_{table}() RETURNS trigger LANGUAGE plpgsql "
        "SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off "
        f"AS $$ BEGIN {count}; RETURN NULL; END $$"
    )


def _move_protocols() -> None:
    studies = sa.table("study", *(sa.column(c) for c in ("id", *OLD, "created_at")))
    for row in op.get_bind().execute(sa.select(studies)).mappings():
        text = json.dumps(_document(row), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        digest = hashlib.sha256(text.encode()).hexdigest()
        protocol = {"study_id": row["id"], "digest": digest, "document": text}
        protocol["at"] = row["created_at"]
        insert = sa.text(
            "INSERT INTO protocol (study_id, digest, document, at) "
            "VALUES (:study_id, :digest, :document, :at)"
        )
        op.get_bind().execute(insert, protocol)
        update = sa.text(
            "UPDATE battle SET criterion = :criterion, protocol_id = "
            "(SELECT id FROM protocol WHERE study_id = :study) WHERE study_id = :study"
        )
        op.get_bind().execute(update, {"criterion": row["criterion"], "study": row["id"]})


def _document(row: Any) -> dict[str, Any]:
    """Return what the columns said; whatever else a protocol may say keeps its default."""
    asked = {"id": row["criterion"], "question": row["question"], "hint": row["hint"]}
    asked["show_prompt"] = bool(row["show_prompt"])
    return {"criteria": [asked], "reveal": bool(row["reveal"]), "raters": {"quota": row["quota"]}}
