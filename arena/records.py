"""The nouns of a study of preferences: frozen, validated, and without any input or output."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from arena.protocol import Criterion, Outcome, Protocol, Question, Text
from evalkit.records import Record

__all__ = [
    "COUNTED",
    "Battle",
    "Completion",
    "Criterion",
    "Ending",
    "Entry",
    "Feedback",
    "Lesson",
    "Objection",
    "Outcome",
    "Phase",
    "PhaseKind",
    "Progress",
    "Purpose",
    "Rater",
    "Rating",
    "Study",
    "Vote",
]


class Study(Record):
    """One set of pictures, and what is asked about them by which rules."""

    name: str = Field(min_length=1)
    protocol: Protocol
    seed: int = 0
    """Decides the draw of every battle, together with the battles before it."""
    images: str | None = None
    """Where the pictures are: a URL, a path, or a path relative to a database that is a file."""
    width: int | None = Field(default=None, ge=1)
    height: int | None = Field(default=None, ge=1)
    """The size (pixels) in which every picture is sent, so that size tells nothing."""
    suite: str | None = None
    created_at: str
    """UTC, ISO 8601, as every time of a study."""

    @property
    def criteria(self) -> tuple[Criterion, ...]:
        """What is judged, in the order of the study's file."""
        return tuple(q.id for q in self.protocol.criteria)


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


class Purpose(StrEnum):
    """Why a battle was opened; only ratings are counted as preferences between models."""

    RATING = "rating"
    GOLD = "gold"
    """A pair whose answer is known."""
    REPEAT = "repeat"
    """A pair that the same rater has judged before, sides swapped."""
    TRAINING = "training"
    EXAMPLE = "example"
    """Shown with the instructions, and not answered."""


COUNTED = (Purpose.RATING, Purpose.GOLD, Purpose.REPEAT)
"""What a rater's quota counts, and what looks alike on the page."""


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
    purpose: Purpose = Purpose.RATING
    expected: Outcome | None = None
    """The answer of a gold pair or a training item, in the sides shown."""
    repeat_of: int | None = None
    """The battle that a repetition asks again."""
    example: int | None = None
    """The place of a gold pair, a training item or an example in the study's file."""
    protocol: str | None = None
    """The digest of the protocol under which it was opened."""


class Vote(Record):
    """One rater's answer to one battle."""

    battle_id: int
    outcome: Outcome
    cast_at: str
    seconds: float | None = Field(default=None, ge=0)
    """From both pictures being visible to the answer, never more than the battle was open."""
    language: str | None = None
    """In which the question was read, where the page knows it."""
    simulated: bool = False
    """True where a program answered; such votes are marked wherever they are counted."""


class Progress(Record):
    """How far a rater has come in a study."""

    done: int
    total: int
    """The quota, or the number of pairs there are where nobody set one."""
    closed: bool = False
    """Whether the study takes no more answers."""
    counted: bool = False
    """Whether the total was asked for, and is not only what there is."""


class Objection(StrEnum):
    """What a rater may report of a picture."""

    BROKEN = "broken"
    OFFENSIVE = "offensive"
    PRIVATE = "private"
    OTHER = "other"


class PhaseKind(StrEnum):
    """Where a rater is on the way through a study."""

    CONSENT = "consent"
    DECLINED = "declined"
    INSTRUCTIONS = "instructions"
    TRAINING = "training"
    BATTLE = "battle"
    BREAK = "break"
    DONE = "done"
    SCREENED_OUT = "screened_out"
    CLOSED = "closed"


class Ending(StrEnum):
    """How a rater's way through a study ended."""

    DONE = "done"
    FAILED = "failed"
    """All was answered, and too few of the checks as expected."""
    SCREENED_OUT = "screened_out"
    FULL = "full"
    """Every pair has its votes before this rater's quota was reached."""
    EMPTY = "empty"
    """There is nothing to compare."""
    CLOSED = "closed"
    EARLIER = "earlier"
    """The panel sent somebody again who had come to the end with an earlier submission."""


class Completion(Record):
    """How a rater is sent back to the panel."""

    code: str | None = None
    url: str | None = None
    form: dict[str, str] | None = None
    """Hidden fields to be posted to the address, where the panel asks for a form."""


class Lesson(Record):
    """A worked example: two pictures with the answer and the reason."""

    battle: Battle
    question: Question
    expected: Outcome
    why: Text = ""


class Feedback(Record):
    """What a rater learns from one training item."""

    item: Progress
    """How many were answered before it in this attempt, and of how many."""
    battle: Battle
    question: Question
    outcome: Outcome
    expected: Outcome
    why: Text = ""

    @property
    def correct(self) -> bool:
        """Whether the answer was the expected one."""
        return self.outcome is self.expected


class Phase(Record):
    """Everything that a rater's page may show now; which is never more than it may."""

    kind: PhaseKind
    progress: Progress
    text: Text = ""
    """Markdown, of the consent or of the instructions."""
    lessons: tuple[Lesson, ...] = ()
    battle: Battle | None = None
    """What is to be answered now."""
    question: Question | None = None
    upcoming: Battle | None = None
    """The next battle, whose pictures can be fetched beforehand."""
    feedback: Feedback | None = None
    training: Progress | None = None
    outcomes: tuple[Outcome, ...] = ()
    minimum_seconds: float = 0
    can_undo: bool = False
    ending: Ending | None = None
    completion: Completion | None = None


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
