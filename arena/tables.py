"""The schema of a study's facts, and of counts of them. A change needs a migration beside it."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

# Times are ISO 8601 in UTC as text: the same in every database, and in order when sorted.

study = Table(
    "study",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("seed", Integer, nullable=False),
    Column("images", Text),
    Column("width", Integer),
    Column("height", Integer),
    Column("suite", Text),
    Column("created_at", String(40), nullable=False),
    # What tells the secret of a panel's study from another, so that nobody becomes two raters.
    Column("secret_check", String(64)),
)

# A study's rules; the last row is in force, and every battle names the row it was opened under.
protocol = Table(
    "protocol",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey("study.id"), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("document", Text, nullable=False),
    Column("at", String(40), nullable=False),
    Index(None, "study_id"),
)

entry = Table(
    "entry",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey("study.id"), nullable=False),
    Column("generation_id", String(64)),
    Column("model", Text, nullable=False),
    Column("fingerprint", String(64)),
    Column("prompt_id", Text, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("seed", Integer),
    Column("image", String(64)),
    UniqueConstraint("study_id", "generation_id"),
)

rater = Table(
    "rater",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("label", Text, nullable=False, unique=True),
    # The sha256 of the cookie: whoever reads the database cannot take a rater's place.
    Column("key_digest", String(64), unique=True),
    Column("created_at", String(40), nullable=False),
)

battle = Table(
    "battle",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey("study.id"), nullable=False),
    Column("left_id", ForeignKey("entry.id"), nullable=False),
    Column("right_id", ForeignKey("entry.id"), nullable=False),
    Column("rater_id", ForeignKey("rater.id")),
    Column("ordinal", Integer, nullable=False),
    Column("opened_at", String(40), nullable=False),
    Column("draw_probability", Float),
    Column("token", String(64), unique=True),
    Column("redo_of", ForeignKey("battle.id"), unique=True),
    # The empty text is for the migration alone: no record accepts it.
    Column("criterion", String(20), nullable=False, server_default=""),
    Column("purpose", String(10), nullable=False, server_default="rating"),
    Column("expected", String(10)),
    Column("repeat_of", ForeignKey("battle.id")),
    Column("example", Integer),
    Column("protocol_id", ForeignKey("protocol.id")),
    UniqueConstraint("study_id", "rater_id", "ordinal"),
    CheckConstraint("left_id <> right_id", name="two_pictures"),
)

vote = Table(
    "vote",
    METADATA,
    # The key is the battle: a second vote on it cannot exist.
    Column("battle_id", ForeignKey("battle.id"), primary_key=True, autoincrement=False),
    Column("outcome", String(10), nullable=False),
    Column("cast_at", String(40), nullable=False),
    Column("seconds", Float),
    Column("simulated", Boolean, nullable=False),
    Column("language", String(20)),
    CheckConstraint("outcome IN ('left', 'right', 'tie', 'both_bad')", name="outcome"),
)

event = Table(
    "event",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey("study.id"), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("battle_id", ForeignKey("battle.id")),
    Column("rater_id", ForeignKey("rater.id")),
    Column("at", String(40), nullable=False),
    Column("detail", Text, nullable=False),
    # A battle is skipped once and undone once; events of a whole study have no battle.
    UniqueConstraint("battle_id", "kind"),
    Index(None, "study_id", "kind"),
    Index(None, "rater_id", "study_id"),
)

# Who came from a panel, and with which of its submissions, as a keyed hash: never published.
visit = Table(
    "visit",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey("study.id"), nullable=False),
    Column("rater_id", ForeignKey("rater.id"), nullable=False),
    Column("submission", String(64), nullable=False),
    Column("at", String(40), nullable=False),
    UniqueConstraint("study_id", "rater_id", "submission"),
)

# An index, not a fact: triggers (in the migrations) keep it, and it can be made anew from the votes
# that stand. Without foreign keys, so that a vote waits for no lock but that of its own count.
tally = Table(
    "tally",
    METADATA,
    Column("study_id", Integer, primary_key=True, autoincrement=False),
    Column("criterion", Text, primary_key=True),
    Column("category", Text, primary_key=True),
    Column("left_model", Text, primary_key=True),
    Column("right_model", Text, primary_key=True),
    Column("outcome", String(10), primary_key=True),
    Column("votes", Integer, nullable=False),
    sqlite_with_rowid=False,
)
