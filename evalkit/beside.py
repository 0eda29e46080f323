"""Measured beside published: one model, one score, and how far apart the two figures are.

A difference is told in half-widths of the measured figure's own 95 % interval. The published one
has an error of its own, as a rule unstated and of a like size, so that one or two half-widths are
no contradiction; and copies, second-hand figures and disputed ones are marked as such.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from evalkit.board import Beside, Cell, Leaderboard, Row
from evalkit.published import Figure
from evalkit.wording import NONE, figure, interval, signed

VARIANTS = {"geneval-hf": "geneval"}
"""Scores that may stand beside a published one although their judge is not the authors' own."""
OTHER_JUDGE = "measured with the hub's detector, another training of GenEval's"
NOTE = (
    "Published figures are not ranked with measured ones. A difference is measured minus "
    "published; half-widths are those of the measured figure's 95 % interval. A published figure "
    "has an error of its own, so one or two half-widths are no contradiction."
)
HEAD = ("model", "score", "part", "measured", "published", "difference", "half-widths", "source")


def beside(rows: Sequence[Row], suite: str, known: Sequence[Figure]) -> Iterator[Beside]:
    """Yield what is published of the models and scores of a board, in the board's order."""
    for row in rows:
        for found in known:
            if found.catalogue != row.model or not found.scorer:
                continue
            if None not in (found.steps, row.steps) and found.steps != row.steps:
                continue
            for score in row.metrics:
                if VARIANTS.get(score, score) == found.scorer and (
                    cell := _cell(row, score, found)
                ):
                    yield _beside(row.model, score, cell, found, suite)


def _cell(row: Row, score: str, found: Figure) -> Cell | None:
    return row.categories.get(score, {}).get(found.part) if found.part else row.metrics.get(score)


def _beside(model: str, score: str, cell: Cell, found: Figure, suite: str) -> Beside:
    published = found.value * (found.factor or 1)
    alike = found.suite == suite and cell.value is not None
    difference = cell.value - published if alike and cell.value is not None else None
    half = (cell.high - cell.low) / 2 if cell.high is not None and cell.low is not None else None
    return Beside(
        model=model,
        score=score,
        part=found.part,
        measured=cell,
        published=published,
        difference=difference,
        half_widths=difference / half if difference is not None and half else None,
        figure=found,
        notes=tuple(_notes(score, cell, found, suite)),
    )


def _notes(score: str, cell: Cell, found: Figure, suite: str) -> Iterator[str]:
    if found.suite != suite:
        told = f"on {found.suite}" if found.suite else "on prompts that the source does not name"
        yield f"published {told}, measured on {suite}: no difference is taken"
    elif cell.scored != cell.total:
        yield f"measured on {cell.scored} of {cell.total} pictures"
    if score in VARIANTS:
        yield OTHER_JUDGE
    if found.copied_from:
        yield f"known to be copied: {found.copied_from}"
    if found.read == "secondary":
        yield "second-hand: the source itself was not read"
    if found.disputed:
        yield f"disputed: {found.disputed}"
    if found.protocol:
        yield found.protocol


def _words(b: Beside) -> tuple[str, ...]:
    difference = NONE if b.difference is None else signed(b.difference, 3)
    half_widths = NONE if b.half_widths is None else signed(b.half_widths, 1)
    own = f"{figure(b.measured.value, 3)} {interval(b.measured.low, b.measured.high, 3)}".strip()
    source = "; ".join([b.figure.source, *b.notes])
    part = b.part.replace("_", " ") or "headline"
    return (b.model, b.score, part, own, figure(b.published, 3), difference, half_widths, source)


def markdown(board: Leaderboard) -> list[str]:
    """Return the section's lines, none where nothing is published of the board's models."""
    if not board.published:
        return []
    lines = ["## Measured beside published", "", NOTE, ""]
    lines += ["| " + " | ".join(HEAD) + " |", "|" + " --- |" * len(HEAD)]
    rows = ([w.replace("|", "\\|") for w in _words(b)] for b in board.published)
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows), ""]


def table_csv(board: Leaderboard) -> str:
    """Render the section as CSV, one published figure a line, unrounded."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    facts = ("suite", "source", "read", "measured_by", "copied_from", "disputed", "protocol")
    own = ("measured", "measured_low", "measured_high", "scored", "total")
    writer.writerow(
        ["model", "score", "part", *own, "published", "difference", "half_widths", *facts]
    )
    for b in board.published:
        m = b.measured
        cells = [b.model, b.score, b.part, m.value, m.low, m.high, m.scored, m.total]
        cells += [b.published, b.difference, b.half_widths]
        writer.writerow([*cells, *(getattr(b.figure, name) for name in facts)])
    return stream.getvalue()
