"""The schema of the first release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the six tables."""
    _study()
    _entry()
    _rater()
    _battle()
    _vote()
    _event()


def _study() -> None:
    op.create_table(
        "study",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("criterion", sa.String(20), nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("hint", sa.Text, nullable=False),
        sa.Column("show_prompt", sa.Boolean, nullable=False),
        sa.Column("reveal", sa.Boolean, nullable=False),
        sa.Column("quota", sa.Integer),
        sa.Column("seed", sa.Integer, nullable=False),
        sa.Column("images", sa.Text),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        sa.Column("suite", sa.Text),
        sa.Column("created_at", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_study"),
        sa.UniqueConstraint("name", name="uq_study_name"),
    )


def _entry() -> None:
    op.create_table(
        "entry",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("study_id", sa.Integer, nullable=False),
        sa.Column("generation_id", sa.String(64)),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.String(64)),
        sa.Column("prompt_id", sa.Text, nullable=False),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("seed", sa.Integer),
        sa.Column("image", sa.String(64)),
        sa.PrimaryKeyConstraint("id", name="pk_entry"),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name="fk_entry_study_id"),
        sa.UniqueConstraint("study_id", "generation_id", name="uq_entry_study_id_generation_id"),
    )


def _rater() -> None:
    op.create_table(
        "rater",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("key_digest", sa.String(64)),
        sa.Column("created_at", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rater"),
        sa.UniqueConstraint("label", name="uq_rater_label"),
        sa.UniqueConstraint("key_digest", name="uq_rater_key_digest"),
    )


def _battle() -> None:
    op.create_table(
        "battle",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("study_id", sa.Integer, nullable=False),
        sa.Column("left_id", sa.Integer, nullable=False),
        sa.Column("right_id", sa.Integer, nullable=False),
        sa.Column("rater_id", sa.Integer),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("opened_at", sa.String(40), nullable=False),
        sa.Column("draw_probability", sa.Float),
        sa.Column("token", sa.String(64)),
        sa.Column("redo_of", sa.Integer),
        sa.PrimaryKeyConstraint("id", name="pk_battle"),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name="fk_battle_study_id"),
        sa.ForeignKeyConstraint(["left_id"], ["entry.id"], name="fk_battle_left_id"),
        sa.ForeignKeyConstraint(["right_id"], ["entry.id"], name="fk_battle_right_id"),
        sa.ForeignKeyConstraint(["rater_id"], ["rater.id"], name="fk_battle_rater_id"),
        sa.ForeignKeyConstraint(["redo_of"], ["battle.id"], name="fk_battle_redo_of"),
        sa.UniqueConstraint("token", name="uq_battle_token"),
        sa.UniqueConstraint("redo_of", name="uq_battle_redo_of"),
        sa.UniqueConstraint(
            "study_id", "rater_id", "ordinal", name="uq_battle_study_id_rater_id_ordinal"
        ),
        sa.CheckConstraint("left_id <> right_id", name="ck_battle_two_pictures"),
    )


def _vote() -> None:
    op.create_table(
        "vote",
        sa.Column("battle_id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("cast_at", sa.String(40), nullable=False),
        sa.Column("seconds", sa.Float),
        sa.Column("simulated", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("battle_id", name="pk_vote"),
        sa.ForeignKeyConstraint(["battle_id"], ["battle.id"], name="fk_vote_battle_id"),
        sa.CheckConstraint(
            "outcome IN ('left', 'right', 'tie', 'both_bad')", name="ck_vote_outcome"
        ),
    )


def _event() -> None:
    op.create_table(
        "event",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("study_id", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("battle_id", sa.Integer),
        sa.Column("rater_id", sa.Integer),
        sa.Column("at", sa.String(40), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name="fk_event_study_id"),
        sa.ForeignKeyConstraint(["battle_id"], ["battle.id"], name="fk_event_battle_id"),
        sa.ForeignKeyConstraint(["rater_id"], ["rater.id"], name="fk_event_rater_id"),
        sa.UniqueConstraint("battle_id", "kind", name="uq_event_battle_id_kind"),
    )
    op.create_index("ix_event_study_id_kind", "event", ["study_id", "kind"])
