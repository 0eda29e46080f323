"""A leaderboard: a run's scores and a study's ratings, joined; `pages` writes it down."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from evalkit import beside, departures, findings, gallery, published, summary
from evalkit.board import Cell, Fought, Human, Leaderboard, Row, memory_tier, step_tier
from evalkit.errors import EvalkitError
from evalkit.geneval import TASKS
from evalkit.records import Cost, Generation, Manifest, ModelSpec, Score, ScorerCard
from evalkit.runs import Run
from evalkit.wording import listing

MINIATURE_NOTE = (
    "Scores marked “miniature” come from small judges trained on this package's own drawn world. "
    "They show that the instrument works; they are not comparable with published figures."
)
PIPELINES_NOTE = (
    "Models named “mini” are small pipelines trained on this package's own drawn world. One that "
    "is named after a published method is our reading of it in miniature: nothing here is a claim "
    "about the published model."
)
VOTES_ALONE = (
    "This page was made of votes alone: it knows no scores, speed, memory or pictures. "
    "arena report --run DIR adds those of the run that drew the pictures."
)
UNDISCLOSED = "undisclosed"
"""What a service's generator says of its variant, in the manifest."""
SKETCH_NOTE = (
    "Models named “sketch” are procedural drawings with faults put in at known rates, not neural "
    "generators: their true order is known, so that the scores and ratings can be checked."
)


def build(
    run: Run,
    human: Human | None = None,
    *,
    fought: Mapping[str, Fought] | None = None,
    title: str | None = None,
    prompts: int = gallery.PROMPTS,
    commands: Sequence[str] = (),
) -> Leaderboard:
    """Put a run's scores and a study's ratings together; nothing is rounded or dropped here.

    ``fought`` maps generations to their battles, ``prompts`` is how many the gallery shows, and
    ``commands`` are what makes the page again.
    """
    generations = run.generations()
    if not generations:
        raise EvalkitError(
            f"The run {run.path} has no pictures yet. Run: evalkit generate --run {run.path} ..."
        )
    scored = [(card, run.scores(card)) for card in _ordered(run.cards())]
    cards = [card for card, _ in scored]
    rows = _rows(run, scored, generations, human)
    sheet = gallery.sheet(run, [r.model for r in rows], scored, fought or {}, prompts=prompts)
    return Leaderboard(
        title=title or f"{len(rows)} models on the suite {run.manifest.suite}",
        made_at=_now(),
        banners=tuple(_banners(run, cards, human)),
        findings=tuple(findings.findings(rows, human)),
        metrics=tuple(cards),
        rows=tuple(rows),
        human=human,
        sheet=tuple(sheet),
        costs=tuple(run.costs()),
        sets=tuple(run.sets()),
        published=tuple(beside.beside(rows, run.manifest.suite, published.load())),
        commands=tuple(commands),
        manifest=run.manifest,
    )


def of_votes(
    human: Human, *, title: str | None = None, commands: Sequence[str] = ()
) -> Leaderboard:
    """Make a leaderboard of a study's ratings alone, where no run is at hand."""
    rows = _unmeasured(human)
    return Leaderboard(
        title=title or f"{len(rows)} models in the study {human.study}",
        made_at=_now(),
        banners=(*_of_raters(human), VOTES_ALONE),
        findings=tuple(findings.findings(rows, human)),
        metrics=(),
        rows=tuple(rows),
        human=human,
        sheet=(),
        commands=tuple(commands),
        manifest=None,
    )


def _unmeasured(human: Human) -> list[Row]:
    return [Row.unmeasured(name, human.headline.ratings.get(name)) for name in human.models]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _ordered(cards: Iterable[ScorerCard]) -> list[ScorerCard]:
    """Put the task metric first and the rest by name; keep one version of each: the newest."""
    return sorted(summary.newest(cards), key=lambda c: (not c.name.startswith("geneval"), c.name))


def _banners(run: Run, cards: Sequence[ScorerCard], human: Human | None) -> Iterable[str]:
    yield from _of_raters(human) if human else ()
    if any(w.id.startswith("miniature/") for c in cards for w in c.weights):
        yield MINIATURE_NOTE
    if any((m.weights or "").startswith("miniature/") for m in run.manifest.models):
        yield PIPELINES_NOTE
    if any(m.generator == "sketch" for m in run.manifest.models):
        yield SKETCH_NOTE
    if served := [m for m, r in run.manifest.realised.items() if r.get("variant") == UNDISCLOSED]:
        yield (
            f"{listing(served, 9)}: drawn by a service that does not disclose which variant "
            "answered (steps, precision, text encoders). The figures stand for the service as it "
            "was then, not for a model of a known budget; no time or memory was measured."
        )
    yield from departures.departures(run.manifest)
    if absent := sorted({*(human.models if human else ())} - {m.name for m in run.manifest.models}):
        yield f"Of {listing(absent)} there are votes, but nothing in this run: no scores or speed."
    if run.manifest.status != "complete":
        yield "This run is not complete: some planned pictures have not been drawn."


def _of_raters(human: Human) -> Iterable[str]:
    if not human.simulated_votes:
        return
    yield (
        f"{human.simulated_votes:,} of {human.votes:,} votes were cast by simulated raters, "
        "not by people. The ratings show how the arena works, and nothing about human taste."
    )
    if human.simulated_by:
        yield (
            f"Simulated raters followed the scores {', '.join(human.simulated_by)}: that ratings "
            "agree with these was put in, and says nothing of whether people would."
        )


def _rows(
    run: Run,
    scored: Sequence[tuple[ScorerCard, list[Score]]],
    generations: Sequence[Generation],
    human: Human | None,
) -> list[Row]:
    prompts = run.suite.by_id()
    cells: dict[str, dict[str, Cell]] = defaultdict(dict)
    categories: dict[str, dict[str, dict[str, Cell]]] = defaultdict(dict)
    for card, scores in scored:
        for found in summary.summarise(card, prompts, generations, scores):
            cells[found.model][card.name] = _cell(found.headline, found.reasons)
            categories[found.model][card.name] = {
                c: _cell(e) for c, e in _in_task_order(found.categories)
            }
    of_model: dict[str, list[Generation]] = defaultdict(list)
    for generation in generations:
        of_model[generation.model].append(generation)
    costs = {c.model: c for c in run.costs() if c.batch == 1 and c.seconds is not None}
    rows = [
        _row(run.manifest, spec, of_model[spec.name], costs.get(spec.name), human).model_copy(
            update={"metrics": cells[spec.name], "categories": categories[spec.name]}
        )
        for spec in run.manifest.models
        if spec.name in of_model
    ]
    if human:
        known = {row.model for row in rows}
        rows += [row for row in _unmeasured(human) if row.model not in known]
    return sorted(rows, key=lambda r: _rank_key(r, [card for card, _ in scored]))


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
    manifest: Manifest,
    spec: ModelSpec,
    made: Sequence[Generation],
    cost: Cost | None,
    human: Human | None,
) -> Row:
    about, realised = manifest.about.get(spec.name), manifest.realised.get(spec.name, {})
    seconds = [g.seconds for g in made if g.seconds is not None]
    memory = [g.peak_memory_mb for g in made if g.peak_memory_mb is not None]
    if cost and cost.seconds is not None:
        seconds = [cost.seconds]
    if cost and cost.memory_of == "accelerator" and cost.peak_memory_mb is not None:
        memory = [cost.peak_memory_mb]
    weights = realised.get("weight_bytes")
    return Row(
        model=spec.name,
        title=about.title if about else "",
        generator=spec.generator,
        steps=spec.steps,
        guidance=spec.guidance,
        evaluations=realised.get("evaluations"),
        size=f"{spec.width} x {spec.height}" if spec.width and spec.height else None,
        licence=about.licence if about else "",
        gated=bool(about and about.gated),
        rewards=about.rewards if about else (),
        metrics={},
        categories={},
        human=human.headline.ratings.get(spec.name) if human else None,
        seconds=statistics.median(seconds) if seconds else None,
        peak_memory_mb=max(memory, default=None),
        weights_mb=sum(weights.values()) / 2**20 if weights else None,
        step_tier=step_tier(spec.steps),
        memory_tier=memory_tier(max(memory, default=None)),
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
