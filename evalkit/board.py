"""What a leaderboard is: the records behind its page, its Markdown, its CSV and its JSON."""

from __future__ import annotations

from pydantic import Field

from evalkit.records import Manifest, Record, ScorerCard

SCHEMA_VERSION = 1


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
    battles: int
    status: str


class Row(Record):
    """One model."""

    model: str
    generator: str
    steps: int | None
    guidance: float | None
    size: str | None
    metrics: dict[str, Cell]
    categories: dict[str, dict[str, Cell]]
    """Metric to category to figure."""
    human: HumanCell | None = None
    seconds: float | None = None
    """Median over pictures."""
    peak_memory_mb: float | None = None
    """Largest over pictures."""
    pictures: int
    failures: int


class WinRates(Record):
    """How often the row's model was preferred to the column's, ties counted as half."""

    models: tuple[str, ...]
    rate: tuple[tuple[float | None, ...], ...]
    battles: tuple[tuple[int, ...], ...]


class Human(Record):
    """What a study's votes say; made by the arena."""

    study: str
    question: str
    method: str
    ratings: dict[str, HumanCell]
    win_rates: WinRates
    votes: int
    simulated_votes: int
    simulated_by: tuple[str, ...] = ()
    """Scores that simulated raters followed, where they did not know the truth."""
    raters: int
    notes: tuple[str, ...] = ()
    unit: str = "Elo"


class SheetPicture(Record):
    """One picture of the contact sheet, embedded."""

    model: str
    data: str | None
    """A data URL, or None with a note."""
    note: str


class SheetRow(Record):
    """One prompt of the contact sheet: a picture from every model, all of one seed."""

    prompt: str
    category: str
    seed: int
    pictures: tuple[SheetPicture, ...]


class Leaderboard(Record):
    """All that the page shows. Derived: made anew from the run and the votes whenever needed."""

    schema_version: int = SCHEMA_VERSION
    title: str
    made_at: str
    banners: tuple[str, ...]
    metrics: tuple[ScorerCard, ...]
    rows: tuple[Row, ...]
    human: Human | None
    sheet: tuple[SheetRow, ...]
    manifest: Manifest
