"""Leaderboards' documents of any version: who is first in one, and what changed to the next."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from evalkit import board

READABLE = (1, 2)
"""Versions of the leaderboard's document that are understood here."""
_NAMED = 3
"""How many models of one kind of change are named; the others are counted."""


class _Loose(BaseModel):
    """What is read of a document of any version: what it holds besides is of no concern here."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Figure(_Loose):
    value: float | None = None
    low: float | None = None
    high: float | None = None


class _Rating(_Loose):
    rating: float | None = None
    rank_low: int | None = None
    rank_high: int | None = None


class _Row(_Loose):
    model: str
    human: _Rating | None = None
    metrics: dict[str, _Figure] = {}


class _Metric(_Loose):
    name: str
    version: int
    higher_is_better: bool = True


class _Human(_Loose):
    study: str
    votes: int
    simulated_votes: int = 0
    raters: int = 0


class _Manifest(_Loose):
    suite: str


class Document(_Loose):
    """A leaderboard's document, as far as its history goes."""

    made_at: str
    title: str
    rows: tuple[_Row, ...]
    metrics: tuple[_Metric, ...] = ()
    human: _Human | None = None
    manifest: _Manifest | None = None

    @property
    def suite(self) -> str | None:
        """The run's prompts; None where there were votes and no run."""
        return self.manifest.suite if self.manifest else None


def read(file: Path) -> Document:
    """Read one document; raise ValueError with the reason in words."""
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"it is damaged: {error}") from error
    version = found.get("schema_version") if isinstance(found, dict) else None
    if version not in READABLE:
        newer = isinstance(version, int) and version > board.SCHEMA_VERSION
        known = f"this program reads {READABLE[0]} to {READABLE[-1]}"
        raise ValueError(
            f"its schema {version} is newer; {known}"
            if newer
            else f"its schema is {version!r}; {known}"
        )
    try:
        return Document.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def top(found: Document) -> Iterator[str]:
    """Name the first of the table and all that it is not ahead of, of those that have a figure."""
    ranked = [row for row in found.rows if _has_figure(row, found)]
    return (
        row.model for row in ranked[:1] + [r for r in ranked[1:] if not _ahead(ranked[0], r, found)]
    )


def _has_figure(row: _Row, found: Document) -> bool:
    if found.human:
        return row.human is not None and row.human.rating is not None
    return bool(found.metrics) and _first(row, found).value is not None


def _first(row: _Row, found: Document) -> _Figure:
    return row.metrics.get(found.metrics[0].name, _Figure())


def _ahead(one: _Row, other: _Row, found: Document) -> bool:
    """Say whether a board tells that one model is better: by ranks, without votes by intervals."""
    if found.human:
        a, b = one.human or _Rating(), other.human or _Rating()
        return a.rank_high is not None and b.rank_low is not None and a.rank_high < b.rank_low
    if not found.metrics:
        return False
    first, second = _first(one, found), _first(other, found)
    if not found.metrics[0].higher_is_better:
        first, second = second, first
    return first.low is not None and second.high is not None and first.low > second.high


def changes(before: Document, now: Document) -> Iterator[str]:
    """Say what is different; places change only beyond the intervals of both boards."""
    old, new = ({row.model: row for row in found.rows} for found in (before, now))
    if came := [m for m in new if m not in old]:
        yield f"new: {_names(came)}"
    if gone := [m for m in old if m not in new]:
        yield f"gone: {_names(gone)}"
    if now.human and before.human and (more := now.human.votes - before.human.votes):
        yield f"{abs(more):,} {'more' if more > 0 else 'fewer'} votes"
    yield from _rescored(before, now)
    pairs = [pair for pair in permutations(new, 2) if all(m in old for m in pair)]
    told = {p: _ahead(new[p[0]], new[p[1]], now) for p in pairs}
    was = {p: _ahead(old[p[0]], old[p[1]], before) for p in pairs}
    if passed := [f"{a} passed {b}" for a, b in pairs if told[a, b] and was[b, a]]:
        yield _names(passed)
    apart = sum(told[p] and not (was[p] or was[p[1], p[0]]) for p in pairs)
    tied = sum(was[p] and not (told[p] or told[p[1], p[0]]) for p in pairs)
    if apart or tied:
        yield f"{apart} {_pairs(apart)} newly told apart, {tied} no longer"


def _rescored(before: Document, now: Document) -> Iterator[str]:
    """Name scorers whose figures can no longer be compared."""
    versions = {metric.name: metric.version for metric in before.metrics}
    for metric in now.metrics:
        if versions.get(metric.name, metric.version) != metric.version:
            yield (
                f"{metric.name} is now version {metric.version}, was {versions[metric.name]}: "
                "its figures are not comparable"
            )


def _names(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _pairs(number: int) -> str:
    return "pair" if number == 1 else "pairs"
