"""Vector figures for the report, in the page's colours, so that they suit the dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from evalkit import labels
from evalkit.canvas import ACCENT, INK, MUTED, axes, grid, panels, short, svg

if TYPE_CHECKING:
    from markupsafe import Markup

    from evalkit.board import HumanCell, Leaderboard, RatingBoard, Row
    from evalkit.evidence import Concordance, Line, Share
    from evalkit.records import ScorerCard

PANELS = 4
"""Small multiples in a row, at most."""
_SPAN = tuple[str, float, float | None, float | None]
"""A name, a value, and its interval's ends."""


def forest(board: RatingBoard, unit: str, order: Sequence[str]) -> Markup:
    """Draw each rated model's rating with its interval."""
    rows = _rated(board, order)
    figure, drawn = axes(6.2, 0.8 + 0.34 * max(1, len(rows)))
    _spans(drawn, rows)
    drawn.set_xlabel(unit)
    return svg(figure, "Ratings with 95 % intervals")


def over_line(line: Line, unit: str, order: Sequence[str]) -> Markup:
    """Draw how far each model stands over the line of good enough."""
    rows = [(n, m.over, m.low, m.high) for n in order if (m := line.models.get(n))]
    figure, drawn = axes(5.6, 0.8 + 0.3 * max(1, len(rows)))
    _spans(drawn, rows, 5)
    drawn.axvline(0, color=INK, lw=1.2, ls=(0, (4, 2)))
    drawn.set_xlabel(f"{unit} over the line of good enough")
    return svg(figure, "How far each model stands over the line of good enough")


def agreement(found: Concordance, titles: dict[str, str]) -> Markup:
    """Draw each scorer's agreement with raters between a coin's and another rater's."""
    rows: list[_SPAN] = [
        (titles.get(s.scorer, s.scorer), s.accuracy.value, s.accuracy.low, s.accuracy.high)
        for s in found.scorers
        if s.accuracy.value is not None
    ]
    figure, drawn = axes(6.2, 1.3 + 0.4 * max(1, len(rows)))
    _spans(drawn, rows)
    _ceiling(drawn, found.people.two)
    drawn.axvline(0.5, color=MUTED, lw=1, ls=(0, (2, 2)))
    drawn.annotate(
        "a coin", (0.5, 0), xycoords=("data", "axes fraction"), xytext=(3, 3),
        textcoords="offset points", fontsize=7.5, color=MUTED,
    )  # fmt: skip
    _in_percent(drawn)
    drawn.set_xlabel("votes for one picture that the score agrees with")
    return svg(figure, "Agreement of scores with raters, 95 % intervals")


def _ceiling(drawn: Any, two: Share) -> None:
    if two.value is None:
        return
    if two.low is not None and two.high is not None:
        drawn.axvspan(two.low, two.high, color=MUTED, alpha=0.18, lw=0)
    drawn.axvline(two.value, color=MUTED, lw=1.2)
    drawn.annotate(
        "another rater", (two.value, 1), xycoords=("data", "axes fraction"), xytext=(0, 3),
        textcoords="offset points", fontsize=7.5, color=INK, ha="center",
    )  # fmt: skip


def _in_percent(drawn: Any) -> None:
    from matplotlib.ticker import FuncFormatter

    low, high = drawn.get_xlim()
    drawn.set_xlim(min(low, 0.48), max(high, 0.6))
    drawn.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))


def categories(boards: Sequence[RatingBoard], order: Sequence[str]) -> Markup:
    """Draw the ratings of every category side by side, on one scale and in one order."""
    lines = -(-len(boards) // PANELS)
    columns = -(-len(boards) // lines)
    names = [name for name in order if any(_cell(board, name) for board in boards)]
    height = 0.5 + 0.22 * len(names)
    width = 1.6 + 2.1 * max(3, columns)  # so that few panels are no larger than many
    figure, drawn = panels(lines, columns, width, lines * height + 0.4)
    for number, one in enumerate(drawn):
        if number >= len(boards):
            one.set_visible(False)
            continue
        board = boards[number]
        _spans(one, [_span(name, _cell(board, name)) for name in names], 3.5)
        title = (board.category or "").replace("_", " ")
        one.set_title(f"{short(title)} ({board.votes:,} votes)", fontsize=8.5, color=INK)
        one.tick_params(labelsize=7.5)
    return svg(figure, "Ratings by category with 95 % intervals")


def frontier(board: Leaderboard) -> Markup | None:
    """Draw rating against seconds an image; the line joins what nothing faster is rated above.

    A bubble's area is the memory: the accelerator's peak where it was measured, else the weights'.
    Models without denoising steps, drawings and imports, have no place on it. None where fewer
    than two models have a rating and a time.
    """
    rows = [r for r in board.rows if _rating(r) is not None and r.seconds and r.steps]
    if len(rows) < 2:
        return None
    figure, drawn = axes(8.4, 4.6)
    largest = max((_memory(r) or 0.0 for r in rows), default=0.0)
    areas = [_bubble(drawn, row, largest) for row in rows]
    best = [_point(r) for r in _undominated(rows)]
    drawn.plot(*zip(*best, strict=True), color=MUTED, lw=1, ls=(0, (5, 3)), zorder=1)
    _logarithmic(drawn)
    grid(drawn)
    drawn.set_xlabel("seconds an image (logarithmic)")
    drawn.set_ylabel(f"{board.human.unit} rating" if board.human else "")
    labels.place(
        drawn,
        [_point(r) for r in rows],
        [f"{short(r.model)}\n{r.steps} step{'s' * (r.steps != 1)}" for r in rows],
        size=7.5,
        lines=[*pairwise(best), *(e for r in rows for e in _uprights(r))],
        areas=areas,
    )
    return svg(figure, "Rating against seconds an image")


def _logarithmic(drawn: Any) -> None:
    from matplotlib import ticker

    drawn.set_xscale("log")
    drawn.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    drawn.xaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    drawn.xaxis.set_minor_locator(ticker.NullLocator())
    drawn.margins(0.14)


def scores_and_ratings(board: Leaderboard) -> Markup | None:
    """Draw each score's mean against the ratings, both with intervals; None without a pair."""
    cards = [c for c in board.metrics if len(_both(board, c.name)) > 1]
    if not cards or board.human is None:
        return None
    columns = min(3, len(cards))
    lines = -(-len(cards) // columns)
    figure, drawn = panels(lines, columns, 10.5, 3.3 * lines, share=False)
    for number, one in enumerate(drawn):
        if number >= len(cards):
            one.set_visible(False)
            continue
        one.set_ylabel(f"{board.human.unit} rating" if number % columns == 0 else "", fontsize=8)
        _scatter(one, _both(board, cards[number].name), cards[number])
    return svg(figure, "Ratings against each score's mean")


def _scatter(drawn: Any, rows: Sequence[Row], card: ScorerCard) -> None:
    points, lines = [], []
    for row in rows:
        cell = row.metrics[card.name]
        point = (cell.value or 0.0, _rating(row) or 0.0)
        if cell.low is not None and cell.high is not None:
            lines.append(((cell.low, point[1]), (cell.high, point[1])))
        lines += [((point[0], a[1]), (point[0], b[1])) for a, b in _uprights(row)]
        points.append(point)
    for one, other in lines:
        drawn.plot(*zip(one, other, strict=True), color=ACCENT, lw=1, alpha=0.45)
    drawn.plot(*zip(*points, strict=True), "o", color=ACCENT, ms=4)
    drawn.margins(0.12)
    grid(drawn)
    drawn.set_title(card.title, fontsize=9, color=INK)
    drawn.tick_params(labelsize=7.5)
    drawn.set_xlabel(f"{card.title}{'' if card.higher_is_better else ' (lower is better)'}")
    drawn.xaxis.label.set_size(8)
    labels.place(drawn, points, [short(r.model) for r in rows], size=6.5, lines=lines)


def _cell(board: RatingBoard, name: str) -> HumanCell | None:
    found = board.ratings.get(name)
    return found if found and found.rating is not None else None


def _span(name: str, cell: HumanCell | None) -> _SPAN:
    rating = cell.rating if cell and cell.rating is not None else math.nan
    return name, rating, cell.low if cell else None, cell.high if cell else None


def _rated(board: RatingBoard, order: Sequence[str]) -> list[_SPAN]:
    return [_span(name, cell) for name in order if (cell := _cell(board, name))]


def _spans(drawn: Any, rows: Sequence[_SPAN], size: float = 6) -> None:
    """Draw values with their intervals, one a line, the first on top."""
    for place, (_, value, low, high) in enumerate(rows):
        if low is not None and high is not None:
            bar = {"lw": size, "alpha": 0.35, "solid_capstyle": "round"}
            drawn.plot([low, high], [place] * 2, color=ACCENT, **bar)
        drawn.plot(value, place, "o", color=ACCENT, ms=size)
    drawn.set_yticks(range(len(rows)), [short(name) for name, *_ in rows])
    drawn.set_ylim(len(rows) - 0.4, -0.6)
    grid(drawn, "x")
    drawn.spines["left"].set_visible(False)
    drawn.tick_params(axis="y", length=0)


def _memory(row: Row) -> float | None:
    return row.peak_memory_mb or row.weights_mb


def _bubble(drawn: Any, row: Row, largest: float) -> float:
    """Draw one model with its interval; return its area."""
    memory, point = _memory(row), _point(row)
    for one, other in _uprights(row):
        drawn.plot(*zip(one, other, strict=True), color=ACCENT, lw=1.2, alpha=0.6)
    area = 40 + 360 * memory / largest if memory and largest else 40.0
    shown = {"facecolor": ACCENT if memory else "none", "edgecolor": ACCENT, "alpha": 0.55}
    drawn.scatter(*([value] for value in point), s=area, zorder=3, **shown)
    return area


def _point(row: Row) -> labels.Point:
    return row.seconds or 0.0, _rating(row) or 0.0


def _uprights(row: Row) -> list[tuple[labels.Point, labels.Point]]:
    """Return the line of a rating's interval above the model's seconds."""
    human, across = row.human, row.seconds or 0.0
    if human is None or human.low is None or human.high is None:
        return []
    return [((across, human.low), (across, human.high))]


def _undominated(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of which none faster is rated as high, the fastest first."""
    best: list[Row] = []
    for row in sorted(rows, key=lambda r: (r.seconds or 0, -(_rating(r) or -math.inf))):
        if not best or (_rating(row) or -math.inf) > (_rating(best[-1]) or -math.inf):
            best.append(row)
    return best


def _rating(row: Row) -> float | None:
    return row.human.rating if row.human else None


def _both(board: Leaderboard, metric: str) -> list[Row]:
    return [
        r
        for r in board.rows
        if _rating(r) is not None and (cell := r.metrics.get(metric)) and cell.value is not None
    ]
