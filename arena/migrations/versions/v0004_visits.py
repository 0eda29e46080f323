"""Raters who come from a panel: with which submission, as a keyed hash."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make room for visits, and for what tells a study's secret from another."""
    op.create_table(
        "visit",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("study_id", sa.Integer, nullable=False),
        sa.Column("rater_id", sa.Integer, nullable=False),
        sa.Column("submission", sa.String(64), nullable=False),
        sa.Column("at", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_visit"),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name="fk_visit_study_id"),
        sa.ForeignKeyConstraint(["rater_id"], ["rater.id"], name="fk_visit_rater_id"),
        sa.UniqueConstraint(
            *("study_id", "rater_id", "submission"), name="uq_visit_study_id_rater_id_submission"
        ),
    )
    op.execute("ALTER TABLE study ADD COLUMN secret_check VARCHAR(64)")
