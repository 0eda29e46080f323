"""The findings about the miniature's pipelines, as a Markdown page and as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.frechet import Distance
from evalkit import comparison, summary
from evalkit.geneval import TASKS
from evalkit.records import ScorerCard


@dataclass(frozen=True)
class Cost:
    """What a model takes."""

    seconds: float | None
    """Median of a picture drawn alone, the weights loaded and warm."""
    evaluations: float
    base: int
    """Bytes of the pipeline's folder, without the components that are left out."""
    adapters: int
    """Bytes of the files laid over it."""
    held: int
    """Bytes of all weights in memory."""


@dataclass(frozen=True)
class Result:
    """All figures of one model."""

    model: str
    steps: int | None
    scores: dict[str, summary.Summary]
    distance: Distance
    cost: Cost


@dataclass(frozen=True)
class Difference:
    """One model minus another on the same prompts and seeds, by every score and in distance."""

    a: str
    b: str
    asks: str
    scores: dict[str, comparison.Comparison]
    distance: Distance


@dataclass(frozen=True)
class Setting:
    """What was measured, and how."""

    suite: str
    prompts: int
    seeds: int
    batch: int
    reference: int
    timed: int
    threads: int


@dataclass(frozen=True)
class Findings:
    """All that was found; the first card is GenEval's."""

    setting: Setting
    cards: Sequence[ScorerCard]
    results: Sequence[Result]
    differences: Sequence[Difference]
    floors: Mapping[str, Sequence[float]]
    """The distances of scenes without fault, in as many pictures as a model has."""


def figures(found: Findings) -> dict[str, Any]:
    """Return everything unrounded."""
    return {
        "schema": 1,
        "setting": asdict(found.setting),
        "scorers": [card.model_dump(mode="json") for card in found.cards],
        "models": [asdict(r) for r in found.results],
        "differences": [asdict(d) for d in found.differences],
        "floors": {name: list(values) for name, values in found.floors.items()},
    }


def page(found: Findings) -> str:
    """Put the tables on one page, each with what it takes to read it."""
    s = found.setting
    return f"""\
{s.prompts} prompts of the suite `{s.suite}`, {s.seeds} seeds each, {s.batch} drawn at a time.
Intervals are 95 %, with the prompt as the unit. These are miniatures: no line is about a published
model of that name.

{_models(found)}

Fréchet: the distance from {s.reference} drawn scenes of the same prompts, on the miniature CLIP's
features (of unit length), times 100; less is better. Sets as small as a model's are never at zero:

{_floors(found.floors)}

{_clock(s)} MB on disk: the files that are loaded, those of the teacher's folder and the student's
own; in memory: all weights as they are held, in float32 if no other precision is named.

GenEval by task:

{_tasks(found)}

Paired differences, on the same prompts and seeds:

{_differences(found)}
"""


def _clock(s: Setting) -> str:
    if not s.timed:
        return "Seconds were not measured."
    return f"Seconds: the median of {s.timed} pictures drawn alone, warm; threads: {s.threads}."


def _models(found: Findings) -> str:
    head = ["model", "steps", "evaluations", *(c.name for c in found.cards)]
    rows = [_model(found.cards, r) for r in found.results]
    return _table([*head, "Fréchet", "s an image", "MB on disk", "in memory"], rows)


def _model(cards: Sequence[ScorerCard], r: Result) -> list[str]:
    estimates = [(r.scores[c.name].headline, _digits(c)) for c in cards]
    seconds = "–" if r.cost.seconds is None else f"{r.cost.seconds:.3f}"
    extra = f" + {r.cost.adapters / 1e6:.1f}" if r.cost.adapters else ""
    return [
        r.model,
        f"{r.steps or '–'}",
        f"{r.cost.evaluations:g}",
        *(_figure(e.value, e.low, e.high, digits) for e, digits in estimates),
        _distance(r.distance),
        seconds,
        f"{r.cost.base / 1e6:.1f}{extra}",
        f"{r.cost.held / 1e6:.1f}",
    ]


def _tasks(found: Findings) -> str:
    name = found.cards[0].name
    rows = []
    for r in found.results:
        tasks = r.scores[name].categories
        known = [tasks.get(t) for t in TASKS]
        cells = ["–" if e is None else _figure(e.value, e.low, e.high, 2) for e in known]
        rows.append([r.model, *cells])
    return _table(["model", *(t.replace("_", " ") for t in TASKS)], rows)


def _differences(found: Findings) -> str:
    rows = []
    for d in found.differences:
        estimates = [(d.scores[c.name].difference, _digits(c)) for c in found.cards]
        cells = [_figure(e.value, e.low, e.high, digits) for e, digits in estimates]
        rows.append([f"{d.a} less {d.b}", *cells, _distance(d.distance), d.asks])
    return _table(["models", *(c.name for c in found.cards), "Fréchet", "what it asks"], rows)


def _floors(floors: Mapping[str, Sequence[float]]) -> str:
    def lines() -> Iterator[str]:
        for name, values in floors.items():
            spread = f"{min(values):.2f} to {max(values):.2f} in {len(values)} draws"
            yield f"- {name} are at {statistics.mean(values):.2f} ({spread})."

    return "\n".join(lines())


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows))


def _figure(value: float | None, low: float | None, high: float | None, digits: int) -> str:
    if value is None:
        return "–"
    if low is None or high is None:
        return _number(value, digits)
    return f"{_number(value, digits)} [{_number(low, digits)}, {_number(high, digits)}]"


def _distance(d: Distance) -> str:
    return _figure(d.value, d.low, d.high, 2)


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _digits(card: ScorerCard) -> int:
    return 2 if card.high is not None and card.high > 1 else 3
