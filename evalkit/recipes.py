"""The catalogue as text: a line each for a terminal, and the table of docs/models.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from evalkit.catalogue import Entry
from evalkit.wording import NONE, schedule, table

HEAD = (
    "model", "pipeline, scheduler", "steps", "guidance", "timesteps", "evaluations", "licence",
    "gated", "trained to raise", "run on real weights",
)  # fmt: skip
OWN = "the checkpoint's own"


def lines(entries: Iterable[Entry]) -> Iterator[str]:
    """Write each model in a line: its steps, whether its weights are gated, licence and title."""
    for entry in entries:
        steps = f"{entry.steps} step{'s' if entry.steps != 1 else ''}" if entry.steps else ""
        gated = "gated" if entry.gated else ""
        terms = entry.licence or NONE
        yield f"{entry.name:<32} {steps:<9} {gated:<6} {entry.title} [{terms}]"


def markdown(entries: Iterable[Entry]) -> Iterator[str]:
    """Write the table of the models whose recipe is somebody else's."""
    yield from table(HEAD, [_cells(entry) for entry in entries if _published(entry)])


def _published(entry: Entry) -> bool:
    """Tell a published model from our own drawings and miniatures."""
    return entry.generator != "sketch" and "miniature" not in entry.tags


def _cells(entry: Entry) -> list[str]:
    return [
        f"`{entry.name}`",
        _drawn_by(entry),
        _or_none(entry.steps),
        _or_none(entry.guidance),
        schedule(entry.schedule) or NONE,
        _or_none(entry.evaluations),
        entry.licence or NONE,
        _yes(entry.gated),
        ", ".join(entry.rewards) or "no",
        _yes(entry.run_on_weights),
    ]


def _drawn_by(entry: Entry) -> str:
    if entry.price is not None:
        return f"a service, {entry.price:g} dollars a picture"
    return f"{_short(entry.options.get('pipeline'), 'Pipeline')}, {_scheduler(entry.options)}"


def _scheduler(options: dict[str, Any]) -> str:
    """Name the scheduler with what is said anew of it."""
    given = dict(options.get("scheduler", {}))
    name = _short(given.pop("class", None), "Scheduler")
    said = ", ".join(f"{k} {v}" for k, v in given.items() if not isinstance(v, list))
    return f"{name} ({said})" if said else name


def _short(name: str | None, ending: str) -> str:
    return OWN if name is None else name.removesuffix(ending)


def _or_none(value: float | None) -> str:
    return NONE if value is None else f"{value:g}"


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"
