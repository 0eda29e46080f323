"""A leaderboard: a run's scores and a study's ratings, joined; `pages` writes it down."""

from __future__ import annotations

import base64
import io
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from pydantic import Field

from evalkit import summary
from evalkit.errors import EvalkitError, ImageError
from evalkit.prompts import TASKS
from evalkit.records import Generation, Manifest, ModelSpec, Prompt, Record, Score, ScorerCard
from evalkit.runs import Run

SCHEMA_VERSION = 1
SHEET_PROMPTS = 12
THUMBNAIL = 144
"""Side of a contact sheet's pictures in pixels; shown at 2/3 of it for sharp screens."""
MINIATURE_NOTE = (
    "Scores marked “miniature” come from small judges trained on this package's own drawn world. "
    "They show that the instrument works; they are not comparable with published figures."
)
PIPELINES_NOTE = (
    "Models named “mini” are small pipelines trained on this package's own drawn world. One that "
    "is named after a published method is our reading of it in miniature: nothing here is a claim "
    "about the published model."
)
SKETCH_NOTE = (
    "Models named “sketch” are procedural drawings with faults put in at known rates, not neural "
    "generators: their true order is known, so that the scores and ratings can be checked."
)


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


def build(run: Run, human: Human | None = None, *, title: str | None = None) -> Leaderboard:
    """Put a run's scores and a study's ratings together; nothing is rounded or dropped here."""
    generations = run.generations()
    if not generations:
        raise EvalkitError(
            f"The run {run.path} has no pictures yet. Run: evalkit generate --run {run.path} ..."
        )
    cards = _ordered(run.cards())
    scores = {card.name: run.scores(card) for card in cards}
    rows = _rows(run, cards, generations, scores, human)
    return Leaderboard(
        title=title or f"{len(rows)} models on the suite {run.manifest.suite}",
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        banners=tuple(_banners(run, cards, human)),
        metrics=tuple(cards),
        rows=tuple(rows),
        human=human,
        sheet=tuple(_sheet(run, [r.model for r in rows], generations, cards, scores)),
        manifest=run.manifest,
    )


def _ordered(cards: Iterable[ScorerCard]) -> list[ScorerCard]:
    """Put the task metric first and the rest by name; keep one version of each: the newest."""
    newest = {c.name: c for c in sorted(cards, key=lambda c: c.version)}
    return sorted(newest.values(), key=lambda c: (not c.name.startswith("geneval"), c.name))


def _banners(run: Run, cards: Sequence[ScorerCard], human: Human | None) -> Iterable[str]:
    if human and human.simulated_votes:
        yield (
            f"{human.simulated_votes:,} of {human.votes:,} votes were cast by simulated raters, "
            "not by people. The ratings show how the arena works, and nothing about human taste."
        )
    if human and human.simulated_votes and human.simulated_by:
        yield (
            f"Simulated raters followed the scores {', '.join(human.simulated_by)}: that ratings "
            "agree with these was put in, and says nothing of whether people would."
        )
    if any(w.id.startswith("miniature/") for c in cards for w in c.weights):
        yield MINIATURE_NOTE
    if any((m.weights or "").startswith("miniature/") for m in run.manifest.models):
        yield PIPELINES_NOTE
    if any(m.generator == "sketch" for m in run.manifest.models):
        yield SKETCH_NOTE
    if run.manifest.status != "complete":
        yield "This run is not complete: some planned pictures have not been drawn."


def _rows(
    run: Run,
    cards: Sequence[ScorerCard],
    generations: Sequence[Generation],
    scores: dict[str, list[Score]],
    human: Human | None,
) -> list[Row]:
    prompts = run.suite.by_id()
    cells: dict[str, dict[str, Cell]] = defaultdict(dict)
    categories: dict[str, dict[str, dict[str, Cell]]] = defaultdict(dict)
    for card in cards:
        for found in summary.summarise(card, prompts, generations, scores[card.name]):
            cells[found.model][card.name] = _cell(found.headline, found.reasons)
            categories[found.model][card.name] = {
                c: _cell(e) for c, e in _in_task_order(found.categories)
            }
    of_model: dict[str, list[Generation]] = defaultdict(list)
    for generation in generations:
        of_model[generation.model].append(generation)
    rows = [
        _row(spec, of_model[spec.name], cells[spec.name], categories[spec.name], human)
        for spec in run.manifest.models
        if spec.name in of_model
    ]
    return sorted(rows, key=lambda r: _rank_key(r, cards))


def _in_task_order(
    categories: dict[str, summary.Estimate],
) -> list[tuple[str, summary.Estimate]]:
    order = {task: i for i, task in enumerate(TASKS)}
    return sorted(categories.items(), key=lambda item: order.get(item[0], len(order)))


def _cell(estimate: summary.Estimate, reasons: dict[str, int] | None = None) -> Cell:
    return Cell(
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        scored=estimate.scored,
        total=estimate.total,
        reasons=reasons or {},
    )


def _row(
    spec: ModelSpec,
    made: Sequence[Generation],
    metrics: dict[str, Cell],
    categories: dict[str, dict[str, Cell]],
    human: Human | None,
) -> Row:
    seconds = [g.seconds for g in made if g.seconds is not None]
    memory = [g.peak_memory_mb for g in made if g.peak_memory_mb is not None]
    return Row(
        model=spec.name,
        generator=spec.generator,
        steps=spec.steps,
        guidance=spec.guidance,
        size=f"{spec.width} x {spec.height}" if spec.width and spec.height else None,
        metrics=metrics,
        categories=categories,
        human=human.ratings.get(spec.name) if human else None,
        seconds=statistics.median(seconds) if seconds else None,
        peak_memory_mb=max(memory, default=None),
        pictures=len(made),
        failures=sum(g.image is None for g in made),
    )


def _rank_key(row: Row, cards: Sequence[ScorerCard]) -> tuple[float, ...]:
    """Order by rating where there is one, then by the first metric; the unknown come last."""
    rating = row.human.rating if row.human and row.human.rating is not None else None
    first = row.metrics.get(cards[0].name) if cards else None
    value = first.value if first and first.value is not None else None
    sign = 1 if not cards or cards[0].higher_is_better else -1
    return (
        float(rating is None),
        -(rating or 0.0),
        float(value is None),
        -sign * (value or 0.0),
    )


def _sheet(
    run: Run,
    models: Sequence[str],
    generations: Sequence[Generation],
    cards: Sequence[ScorerCard],
    scores: dict[str, list[Score]],
) -> Iterable[SheetRow]:
    seed = min(g.seed for g in generations)
    made = {(g.model, g.prompt_id): g for g in generations if g.seed == seed}
    notes = _notes(cards, scores)
    drawn = {prompt for _, prompt in made}
    for prompt in _spread([p for p in run.suite.prompts if p.id in drawn]):
        pictures = [_sheet_picture(run, m, made.get((m, prompt.id)), notes) for m in models]
        yield SheetRow(
            prompt=prompt.text, category=prompt.category, seed=seed, pictures=tuple(pictures)
        )


def _spread(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Pick prompts from every category in turn, the first ones of each."""
    queues: dict[str, list[Prompt]] = defaultdict(list)
    for prompt in prompts:
        queues[prompt.category].append(prompt)
    share = -(-SHEET_PROMPTS // max(1, len(queues)))
    picked = {p.id for queue in queues.values() for p in queue[:share]}
    return [p for p in prompts if p.id in picked][:SHEET_PROMPTS]


def _notes(cards: Sequence[ScorerCard], scores: dict[str, list[Score]]) -> dict[str, str]:
    notes: dict[str, list[str]] = defaultdict(list)
    for card in cards:
        for score in scores[card.name]:
            notes[score.generation_id].append(_note(card, score))
    return {k: " · ".join(v) for k, v in notes.items()}


def _note(card: ScorerCard, score: Score) -> str:
    if score.value is None:
        return f"{card.title}: –"
    if card.headline == "mean of category means":
        return "✓" if score.value else f"✗ {score.detail.get('reason', '')}".strip()
    return f"{card.title} {score.value:.2f}"


def _sheet_picture(
    run: Run, model: str, made: Generation | None, notes: dict[str, str]
) -> SheetPicture:
    if made is None or made.image is None:
        return SheetPicture(model=model, data=None, note=(made and made.error) or "not drawn")
    try:
        return SheetPicture(
            model=model, data=_thumbnail(run, made.image), note=notes.get(made.id, "")
        )
    except ImageError as error:
        return SheetPicture(model=model, data=None, note=str(error))


def _thumbnail(run: Run, digest: str) -> str:
    image = run.images.open(digest)
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    stream = io.BytesIO()
    image.save(stream, format="WEBP", quality=82)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()
