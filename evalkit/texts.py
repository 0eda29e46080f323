"""A leaderboard as text: Markdown for people, CSV for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from evalkit import beside, costs, plain, setwise, wording
from evalkit.board import HumanCell, Leaderboard, Row
from evalkit.evidence import Concordance, Evidence
from evalkit.names import visible
from evalkit.records import ScorerCard
from evalkit.views import View, views
from evalkit.wording import NONE, figure, interval

_RATING = ("rating", "low", "high", "rank_low", "rank_high")


def markdown(board: Leaderboard) -> str:
    """Render the headline table, the other questions' ratings and what stands behind them."""
    lines = [f"# {board.title}", ""]
    lines += [f"> {banner}\n" for banner in board.banners]
    lines += [*(f"- {finding}" for finding in board.findings), ""] if board.findings else []
    lines += _headline(board)
    if trained := plain.trained(board.rows, [c.name for c in board.metrics]):
        lines += ["", trained]
    seen = views(board)
    lines += [
        "",
        "Intervals are 95 %"
        + (", clustered by prompt for scores." if board.metrics or not board.human else ".")
        + (f" Ratings: {board.human.headline.method}." if board.human else ""),
    ]
    for view in seen:
        if view.number > 1:
            lines += _other(view)
        lines += _evidence(view)
    sections = (costs, setwise, beside)
    lines += ["", *(line for s in sections for line in s.markdown(board))]
    return visible("\n".join(lines))


def _headline(board: Leaderboard) -> Iterator[str]:
    head = ["model", *(["rank", board.human.unit] if board.human else [])]
    head += [c.name for c in board.metrics]
    head += ["steps", "s/image", "memory", "licence"] if board.manifest else ["votes"]
    rows = []
    for row in board.rows:
        cells = [row.model]
        cells += [wording.rank(row.human), wording.rated(row.human)] if board.human else []
        cells += [_measured(row, c) for c in board.metrics]
        rows.append(cells + (_spent(row) if board.manifest else _cast(row)))
    return wording.table(head, rows)


def _spent(row: Row) -> list[str]:
    memory = wording.memory(row.peak_memory_mb or row.weights_mb)
    return [str(row.steps or NONE), figure(row.seconds), memory, row.licence or NONE]


def _cast(row: Row) -> list[str]:
    return [f"{row.human.battles:,}" if row.human else NONE]


def _measured(row: Row, card: ScorerCard) -> str:
    cell = row.metrics.get(card.name)
    mark = plain.TRAINED if cell and plain.trained_for(row, card.name) else ""
    return wording.measured(cell, wording.digits(card)) + mark


def _other(view: View) -> Iterator[str]:
    """Write the ratings of a question that is not the headline."""
    if view.asked is None or view.board.human is None:
        return
    yield f"\n## {view.asked.criterion}: “{view.asked.question}”\n"
    unit = view.board.human.unit
    rows = [[r.model, wording.rank(r.human), wording.rated(r.human)] for r in view.rows]
    yield from wording.table(["model", "rank", unit], rows)


def _evidence(view: View) -> Iterator[str]:
    found = view.evidence
    if found.fragility:
        yield "\n### How little would change the first place\n"
        yield f"{plain.lead(found.fragility)}\n"
        rows = [list(plain.removal(one)) for one in found.fragility.removals]
        yield from wording.table(["change", "at most so many", "and first is"], rows)
        yield ""
        yield from (f"- {line}" for line in plain.steadiness(found.fragility))
    if found.concordance:
        yield "\n### Scores against people\n"
        yield from _concordance(found.concordance)
    if found.line or found.assisted:
        yield "\n### Beside the ratings\n"
        yield from _beside(view.rows, found)
    for part, why in found.refused.items():
        yield f"\nNot told ({part}): {why}"


def _concordance(found: Concordance) -> Iterator[str]:
    head = ["score", "agrees with raters", "votes", "models held fixed", "Kendall's tau"]
    rows = [
        [s.scorer, plain.share(s.accuracy), str(s.accuracy.votes), plain.share(s.within)]
        + [plain.order(s)]
        for s in found.scorers
    ]
    yield from wording.table(head, rows)
    yield ""
    yield from (f"- {line}" for line in plain.ceiling(found))


def _beside(rows: Sequence[Row], found: Evidence) -> Iterator[str]:
    """Set the assisted ratings and the line of good enough beside the plain ratings."""
    if found.assisted:
        yield f"- {plain.help_of_scores(found.assisted)}"
    if found.line:
        yield f"- {plain.good_enough(found.line)}"
    yield ""
    head = ["model", "votes alone", "with the scores' help", "over the line of good enough"]
    yield from wording.table(head, [_beside_row(row, found) for row in rows])


def _beside_row(row: Row, found: Evidence) -> list[str]:
    helped = found.assisted.ratings.get(row.model) if found.assisted else None
    over = found.line.models.get(row.model) if found.line else None
    return [
        row.model,
        wording.rated(row.human),
        f"{figure(helped.rating, 0)} {interval(helped.low, helped.high, 0)}" if helped else NONE,
        f"{figure(over.over, 0)} {interval(over.low, over.high, 0)}, {over.word}" if over else NONE,
    ]


def table_csv(board: Leaderboard) -> str:
    """Render every figure of the table as CSV, one model a line, unrounded."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    seen = views(board)
    writer.writerow(_columns(board, seen))
    for row in board.rows:
        cells: list[Any] = [row.model, row.title, row.generator, row.steps, row.guidance]
        cells += [row.evaluations, row.licence, " ".join(row.rewards), row.pictures, row.failures]
        cells += [row.seconds, row.peak_memory_mb, row.weights_mb]
        for card in board.metrics:
            cell = row.metrics.get(card.name)
            cells += [cell.value, cell.low, cell.high, cell.scored] if cell else [None] * 4
        cells += _rating(row.human)
        cells += [row.human.battles, row.human.status] if row.human else [None] * 2
        cells += _beside_csv(row.model, seen[0].evidence)
        for view in seen[1:]:
            cells += _rating(view.asked.ratings.get(row.model) if view.asked else None)
        writer.writerow(cells)
    return stream.getvalue()


def _columns(board: Leaderboard, seen: Sequence[View]) -> list[str]:
    names = [
        "model",
        "title",
        "generator",
        "steps",
        "guidance",
        "evaluations",
        "licence",
        "trained_to_raise",
    ]
    names += ["pictures", "failures", "seconds", "peak_memory_mb", "weights_mb"]
    names += [f"{c.name}{part}" for c in board.metrics for part in ("", "_low", "_high", "_n")]
    names += ["rating", "rating_low", "rating_high", "rank_low", "rank_high", "battles", "status"]
    names += ["assisted_rating", "assisted_low", "assisted_high"]
    names += ["over_line", "over_line_low", "over_line_high", "line"]
    for view in seen[1:]:
        names += [f"{view.asked.criterion if view.asked else ''}_{part}" for part in _RATING]
    return names


def _rating(human: HumanCell | None) -> list[Any]:
    return [getattr(human, name) for name in _RATING] if human else [None] * len(_RATING)


def _beside_csv(model: str, found: Evidence) -> list[Any]:
    helped = found.assisted.ratings.get(model) if found.assisted else None
    over = found.line.models.get(model) if found.line else None
    cells: list[Any] = [helped.rating, helped.low, helped.high] if helped else [None] * 3
    return cells + ([over.over, over.low, over.high, over.word] if over else [None] * 4)
