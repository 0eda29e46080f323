"""The nouns of a study of preferences: frozen, validated, and without any input or output."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from evalkit.records import Record

Criterion = Annotated[str, Field(min_length=1, max_length=20)]
"""What is judged: overall, quality or alignment, or a word of the study's own."""


class Outcome(StrEnum):
    """What a rater answered, in the sides that were shown."""

    LEFT = "left"
    RIGHT = "right"
    TIE = "tie"
    BOTH_BAD = "both_bad"

    @property
    def mirrored(self) -> Outcome:
        """Return the same answer with the sides exchanged."""
        return _MIRRORED.get(self, self)


_MIRRORED = {Outcome.LEFT: Outcome.RIGHT, Outcome.RIGHT: Outcome.LEFT}


class Study(Record):
    """One question put to raters about one set of pictures."""

    name: str = Field(min_length=1)
    criterion: Criterion
    question: str = Field(min_length=1)
    hint: str = ""
    show_prompt: bool = True
    reveal: bool = False
    """Whether the models are named after each vote; names shown make the next vote less blind."""
    quota: int | None = Field(default=None, ge=1)
    """How many votes each rater is asked for; None: as many as there are pairs."""
    seed: int = 0
    """Decides the draw of every battle, together with the battles before it."""
    images: str | None = None
    """Where the image store is: absolute, or relative to a database that is a file."""
    width: int | None = Field(default=None, ge=1)
    height: int | None = Field(default=None, ge=1)
    """The size (pixels) in which every picture is sent, so that size tells nothing."""
    suite: str | None = None
    created_at: str
    """UTC, ISO 8601, as every time of a study."""


class Entry(Record):
    """What the arena knows of one picture that can be shown."""

    id: int
    generation_id: str | None
    """None, and no image, where votes were imported without the pictures."""
    model: str = Field(min_length=1)
    fingerprint: str | None = None
    """The model's fingerprint, so that two models of one name are never counted as one."""
    prompt_id: str
    prompt: str = ""
    """The text itself, kept here so that a study is readable without its suite."""
    category: str = ""
    seed: int | None = None
    image: str | None = None


class Rater(Record):
    """Somebody who answers: a person behind a cookie, a name in imported votes, a simulation."""

    id: int
    label: str = Field(min_length=1)
    """The public name, in exports; it says nothing of the person and opens nothing."""


class Battle(Record):
    """Two pictures put before one rater by the server, in sides that the server drew."""

    id: int
    study: str
    criterion: Criterion
    prompt_id: str
    left: Entry
    right: Entry
    rater: Rater | None
    """None where imported votes name nobody."""
    ordinal: int
    """How many battles the rater had been given before this one in this study."""
    opened_at: str
    draw_probability: float | None = Field(default=None, gt=0, le=1)
    """Chance of this pair in these sides, given the battles before it; None when imported."""
    token: str | None
    """Opaque and single-use: the only name of a battle that a browser learns. None: imported."""
    redo_of: int | None = None
    """The battle whose answer was undone to ask this one again."""


class Vote(Record):
    """One rater's answer to one battle."""

    battle_id: int
    outcome: Outcome
    cast_at: str
    seconds: float | None = Field(default=None, ge=0)
    """From both pictures being visible to the answer, never more than the battle was open."""
    simulated: bool = False
    """True where a program answered; such votes are marked wherever they are counted."""


class Progress(Record):
    """How far a rater has come in a study."""

    done: int
    total: int
    """The quota, or the number of pairs there are where nobody set one."""
    closed: bool = False
    """Whether the study takes no more answers."""


class Rating(Record):
    """What the votes say of one model; None where they cannot say it."""

    model: str
    rating: float | None
    low: float | None
    high: float | None
    rank_low: int | None
    rank_high: int | None
    battles: int = Field(ge=0)
    status: str
