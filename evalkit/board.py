"""What a leaderboard is: the records behind its page, its Markdown, its CSV and its JSON.

Everything here is derived, made anew from a run and a study's votes whenever it is needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import Field

from evalkit.evidence import Evidence
from evalkit.published import Figure
from evalkit.records import Cost, Manifest, Record, ScorerCard, SetFigure

SCHEMA_VERSION = 2
"""Raise it when a field changes its meaning or goes away; a new field with a default may come."""

STEP_TIERS = (1, 2, 4, 8)
"""Denoising steps up to which models share a tier; beyond the last they are many-step models."""
MEMORY_TIERS = (8, 16, 24)
"""Gigabytes of memory up to which models share a tier: what consumers' graphics cards have."""


class Cell(Record):
    """A figure with its interval and its coverage."""

    value: float | None
    low: float | None = None
    high: float | None = None
    scored: int
    total: int
    reasons: dict[str, int] = Field(default_factory=dict)


class HumanCell(Record):
    """A rating from votes, or the reason why there is none."""

    rating: float | None
    low: float | None = None
    high: float | None = None
    rank_low: int | None = None
    rank_high: int | None = None
    p_best: float | None = None
    """Chance of being the best, by the normal approximation of the ratings' joint error."""
    battles: int
    wins: int = 0
    losses: int = 0
    ties: int = 0
    both_bad: int = 0
    paper_elo: float | None = None
    """K = 1, start 1000, mean of shuffled replays, as papers report; it has no interval."""
    status: str


class Difference(Record):
    """Two rated models of a board, the better one first."""

    first: str
    second: str
    difference: float
    low: float | None = None
    high: float | None = None
    """95 % interval of this one difference."""
    p: float | None = None
    """Adjusted for all pairs of the board (Holm)."""
    within: float | None = None
    """The smallest margin within which the two are equivalent (two one-sided tests at 5 %)."""


class WinRates(Record):
    """How often the row's model was preferred to the column's, ties counted as half."""

    models: tuple[str, ...]
    rate: tuple[tuple[float | None, ...], ...]
    battles: tuple[tuple[int, ...], ...]


class RatingBoard(Record):
    """The ratings of one question, over all prompts or those of one category."""

    criterion: str
    category: str | None = None
    """None: all prompts."""
    question: str
    method: str
    votes: int
    raters: int
    ratings: dict[str, HumanCell]
    differences: tuple[Difference, ...] = ()
    win_rates: WinRates | None = None
    notes: tuple[str, ...] = ()
    evidence: Evidence | None = None
    """Of a question as a whole."""


class Card(Record):
    """One question answered in plain words, with the figures behind the answer."""

    title: str
    lead: str
    """The answer in a sentence or two."""
    points: tuple[str, ...] = ()


class Human(Record):
    """What a study's votes say; made by the arena."""

    study: str
    boards: tuple[RatingBoard, ...] = Field(min_length=1)
    """Each question as a whole, its categories after it; the first is the headline."""
    votes: int
    simulated_votes: int
    simulated_by: tuple[str, ...] = ()
    """Scores that simulated raters followed, where they did not know the truth."""
    raters: int
    cards: tuple[Card, ...] = ()
    unit: str = "Elo"

    @property
    def headline(self) -> RatingBoard:
        """The board that the page opens with."""
        return self.boards[0]

    @property
    def questions(self) -> tuple[RatingBoard, ...]:
        """The boards of each question over all prompts."""
        return tuple(board for board in self.boards if board.category is None)

    @property
    def models(self) -> tuple[str, ...]:
        """All that any question is about, those of the headline first."""
        return tuple(dict.fromkeys(name for board in self.questions for name in board.ratings))


class Fought(Record):
    """Battles that one picture fought: won, lost, and without a winner."""

    won: int = 0
    lost: int = 0
    drawn: int = 0


class Row(Record):
    """One model."""

    model: str
    title: str = ""
    generator: str
    steps: int | None
    guidance: float | None
    evaluations: int | None = None
    """Runs of the denoiser for one picture, as realised; twice the steps under guidance."""
    size: str | None
    licence: str = ""
    gated: bool = False
    rewards: tuple[str, ...] = ()
    """Scores that the model was trained to raise, by the catalogue."""
    metrics: dict[str, Cell]
    categories: dict[str, dict[str, Cell]]
    """Metric to category to figure."""
    human: HumanCell | None = None
    seconds: float | None = None
    """As `evalkit bench` measured single pictures; else the median over the run's."""
    peak_memory_mb: float | None = None
    """The same, by the accelerator's allocator; else the largest over the run's pictures."""
    weights_mb: float | None = None
    """Memory of the weights as they were loaded."""
    step_tier: str = ""
    memory_tier: str = ""
    pictures: int
    failures: int

    @classmethod
    def unmeasured(cls, model: str, human: HumanCell | None) -> Row:
        """Make the row of a model of which votes alone are known."""
        return cls(
            model=model, generator="", steps=None, guidance=None, size=None, metrics={},
            categories={}, human=human, pictures=0, failures=0,
        )  # fmt: skip


class SheetPicture(Record):
    """One picture of the gallery, embedded."""

    model: str
    data: str | None
    """A data URL, or None with a note."""
    note: str
    battles: Fought | None = None


class SheetRow(Record):
    """One prompt of the gallery: a picture from every model, all of one seed."""

    prompt: str
    category: str
    seed: int
    pictures: tuple[SheetPicture, ...]


class Beside(Record):
    """A published figure beside what was measured of the same model; the two are never ranked."""

    model: str
    score: str
    part: str = ""
    """A task; empty for the headline."""
    measured: Cell
    published: float
    """In the score's unit."""
    difference: float | None = None
    """Measured minus published; None where the prompts are not the same."""
    half_widths: float | None = None
    """The difference in half-widths of the measured figure's 95 % interval."""
    figure: Figure
    notes: tuple[str, ...] = ()
    """What to know before the two are compared."""


class Leaderboard(Record):
    """All that the page shows."""

    schema_version: int = SCHEMA_VERSION
    title: str
    made_at: str
    banners: tuple[str, ...]
    findings: tuple[str, ...] = ()
    """What the figures say, in sentences."""
    metrics: tuple[ScorerCard, ...]
    rows: tuple[Row, ...]
    human: Human | None
    sheet: tuple[SheetRow, ...]
    costs: tuple[Cost, ...] = ()
    """What drawing took, where it was measured by itself."""
    sets: tuple[SetFigure, ...] = ()
    """FID and its like, of whole sets; they rank nothing."""
    published: tuple[Beside, ...] = ()
    """Figures of others for these models, in a section of their own."""
    commands: tuple[str, ...] = ()
    """What makes this page again."""
    manifest: Manifest | None
    """Of the run; None where the page was made of votes alone."""


def rows_by(rows: Sequence[Row], board: RatingBoard) -> tuple[Row, ...]:
    """Give rows the ratings of one board, and put them in its order; the unrated keep theirs."""
    seen = (row.model_copy(update={"human": board.ratings.get(row.model)}) for row in rows)
    return tuple(sorted(seen, key=lambda row: -_rating(row)))


def _rating(row: Row) -> float:
    return row.human.rating if row.human and row.human.rating is not None else -math.inf


def step_tier(steps: int | None) -> str:
    """Name the tier of a number of denoising steps."""
    if steps is None:
        return ""
    for most in STEP_TIERS:
        if steps <= most:
            return "1 step" if most == 1 else f"up to {most} steps"
    return f"more than {STEP_TIERS[-1]} steps"


def memory_tier(megabytes: float | None) -> str:
    """Name the tier of a peak of accelerator memory."""
    if megabytes is None:
        return ""
    for most in MEMORY_TIERS:
        if megabytes <= most * 1024:
            return f"up to {most} GB"
    return f"more than {MEMORY_TIERS[-1]} GB"
