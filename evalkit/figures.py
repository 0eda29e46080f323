"""Vector figures for the report, in the page's own font and colours, so that they suit the dark."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    from evalkit.board import HumanCell, Leaderboard, RatingBoard, Row, WinRates

_INK, _ACCENT, _MUTED = "#010203", "#010204", "#010205"
"""Stand for the page's colours until the figure is embedded."""
_COLOURS = {_INK: "currentColor", _ACCENT: "var(--accent)", _MUTED: "var(--quiet)"}
PANELS = 4
"""Small multiples in a row."""


def win_rates(rates: WinRates) -> Markup:
    """Draw the matrix of win rates: the row's model against the column's, ties as half."""
    import numpy as np

    count = len(rates.models)
    values = np.array([[math.nan if v is None else v for v in row] for row in rates.rate])
    figure, axes = _axes(1.6 + 0.8 * count, 0.9 + 0.56 * count)
    axes.imshow(np.ma.masked_invalid(values), cmap="RdBu", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(count), rates.models, rotation=25, ha="left", rotation_mode="anchor")
    axes.set_yticks(range(count), rates.models)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for i in range(count):
        for j in range(count):
            if (battles := rates.battles[i][j]) and not math.isnan(values[i, j]):
                color = "white" if abs(values[i, j] - 0.5) > 0.3 else "#16181d"
                text = {"ha": "center", "va": "center", "color": color}
                axes.text(j, i - 0.12, f"{values[i, j]:.0%}", fontsize=9, **text)
                axes.text(j, i + 0.25, f"{battles:,}", fontsize=6.5, **text)
    return _svg(figure, "Win rates: the row's model against the column's")


def forest(board: RatingBoard, unit: str, order: Sequence[str]) -> Markup:
    """Draw each rated model's rating with its interval."""
    rows = _rated(board, order)
    figure, axes = _axes(6.2, 0.8 + 0.34 * max(1, len(rows)))
    _ratings(axes, rows)
    axes.set_xlabel(unit)
    return _svg(figure, "Ratings with 95 % intervals")


def categories(boards: Sequence[RatingBoard], order: Sequence[str]) -> Markup:
    """Draw the ratings of every category side by side, on one scale and in one order."""
    columns = min(PANELS, len(boards))
    lines = -(-len(boards) // columns)
    names = [name for name in order if any(_has(board, name) for board in boards)]
    height = 0.5 + 0.22 * len(names)
    figure, panels = _panels(lines, columns, 1.6 + 2.1 * columns, lines * height + 0.4)
    for number, axes in enumerate(panels):
        if number >= len(boards):
            axes.set_visible(False)
            continue
        board = boards[number]
        _ratings(axes, [(n, board.ratings[n] if _has(board, n) else None) for n in names], 3.5)
        axes.set_title(
            f"{(board.category or '').replace('_', ' ')} ({board.votes:,} votes)",
            fontsize=8.5,
            color=_INK,
        )
        axes.tick_params(labelsize=7.5)
    return _svg(figure, "Ratings by category with 95 % intervals")


def frontier(board: Leaderboard) -> Markup | None:
    """Draw rating against seconds an image; the line joins what nothing faster is rated above.

    A bubble's area is the memory: the accelerator's peak where it was measured, else the weights'.
    Models without denoising steps, drawings and imports, have no place on it. None where fewer
    than two models have a rating and a time.
    """
    from matplotlib import ticker

    rows = [
        r for r in board.rows if r.human and r.human.rating is not None and r.seconds and r.steps
    ]
    if len(rows) < 2:
        return None
    figure, axes = _axes(7.6, 4.4)
    largest = max((_memory(r) or 0.0 for r in rows), default=0.0)
    for row in rows:
        _bubble(axes, row, largest)
    best = _undominated(rows)
    axes.plot(
        [r.seconds for r in best], [r.human.rating for r in best if r.human],
        color=_MUTED, lw=1, ls=(0, (5, 3)), zorder=1,
    )  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.margins(0.14)
    axes.grid(color=_MUTED, alpha=0.25, lw=0.6)
    axes.set_xlabel("seconds an image (logarithmic)")
    axes.set_ylabel(board.human.unit if board.human else "")
    axes.spines[["top", "right"]].set_visible(False)
    return _svg(figure, "Rating against seconds an image")


def scores_and_ratings(board: Leaderboard) -> Markup | None:
    """Draw each score's mean against the ratings, both with intervals; None without a pair."""
    cards = [c for c in board.metrics if len(_both(board, c.name)) > 1]
    if not cards or board.human is None:
        return None
    columns = min(3, len(cards))
    lines = -(-len(cards) // columns)
    figure, panels = _panels(lines, columns, 0.6 + 3.1 * columns, 2.9 * lines, share=False)
    for number, axes in enumerate(panels):
        if number >= len(cards):
            axes.set_visible(False)
            continue
        for row in _both(board, cards[number].name):
            _cross(axes, row, cards[number].name)
        axes.set_title(cards[number].title, fontsize=9, color=_INK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color=_MUTED, alpha=0.25, lw=0.6)
        axes.tick_params(labelsize=7.5)
        axes.set_ylabel(board.human.unit if number % columns == 0 else "", fontsize=8)
    return _svg(figure, "Ratings against each score's mean")


def _has(board: RatingBoard, name: str) -> bool:
    return name in board.ratings and board.ratings[name].rating is not None


def _rated(board: RatingBoard, order: Sequence[str]) -> list[tuple[str, HumanCell | None]]:
    return [(name, board.ratings[name]) for name in order if _has(board, name)]


def _ratings(axes: Any, rows: Sequence[tuple[str, HumanCell | None]], size: float = 6) -> None:
    for place, (_, human) in enumerate(rows):
        if human is None:
            continue
        if human.low is not None and human.high is not None:
            ends = [human.low, human.high]
            axes.plot(ends, [place] * 2, color=_ACCENT, lw=size, alpha=0.35, solid_capstyle="round")
        axes.plot(human.rating, place, "o", color=_ACCENT, ms=size)
    axes.set_yticks(range(len(rows)), [model for model, _ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="x", color=_MUTED, alpha=0.3, lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _memory(row: Row) -> float | None:
    return row.peak_memory_mb or row.weights_mb


def _bubble(axes: Any, row: Row, largest: float) -> None:
    human, memory = row.human, _memory(row)
    if human is None:
        return
    if human.low is not None and human.high is not None:
        axes.plot([row.seconds] * 2, [human.low, human.high], color=_ACCENT, lw=1.2, alpha=0.6)
    area = 40 + 360 * memory / largest if memory and largest else 40
    shown = {"facecolor": _ACCENT if memory else "none", "edgecolor": _ACCENT, "alpha": 0.55}
    axes.scatter([row.seconds], [human.rating], s=area, zorder=3, **shown)
    steps = f"\n{row.steps} step{'s' * (row.steps != 1)}"
    axes.annotate(
        row.model + steps, (row.seconds, human.rating), xytext=(11, 3),
        textcoords="offset points", fontsize=7.5, color=_INK, va="center",
    )  # fmt: skip


def _undominated(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of which none faster is rated as high, the fastest first."""
    best: list[Row] = []
    for row in sorted(rows, key=lambda r: (r.seconds or 0, -_rating(r))):
        if not best or _rating(row) > _rating(best[-1]):
            best.append(row)
    return best


def _rating(row: Row) -> float:
    return row.human.rating if row.human and row.human.rating is not None else -math.inf


def _both(board: Leaderboard, metric: str) -> list[Row]:
    return [
        r
        for r in board.rows
        if r.human
        and r.human.rating is not None
        and (cell := r.metrics.get(metric))
        and cell.value is not None
    ]


def _cross(axes: Any, row: Row, metric: str) -> None:
    cell, human = row.metrics[metric], row.human
    if human is None:
        return
    thin = {"color": _ACCENT, "lw": 1, "alpha": 0.5}
    if cell.low is not None and cell.high is not None:
        axes.plot([cell.low, cell.high], [human.rating] * 2, **thin)
    if human.low is not None and human.high is not None:
        axes.plot([cell.value] * 2, [human.low, human.high], **thin)
    axes.plot(cell.value, human.rating, "o", color=_ACCENT, ms=4)
    axes.annotate(
        row.model, (cell.value, human.rating), xytext=(5, 5), textcoords="offset points",
        fontsize=6.5, color=_INK,
    )  # fmt: skip


def _axes(width: float, height: float) -> tuple[Any, Any]:
    figure, (axes,) = _panels(1, 1, width, height)
    return figure, axes


def _panels(
    lines: int, columns: int, width: float, height: float, *, share: bool = True
) -> tuple[Any, list[Any]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0)
    grid = figure.subplots(lines, columns, sharex=share, sharey=share, squeeze=False)
    for axes in grid.flat:
        axes.patch.set_alpha(0)
    return figure, list(grid.flat)


def _svg(figure: Any, title: str) -> Markup:
    from matplotlib import rc_context

    for axes in figure.axes:
        axes.tick_params(colors=_INK)
        axes.xaxis.label.set_color(_INK)
        axes.yaxis.label.set_color(_INK)
        for spine in axes.spines.values():
            spine.set_color(_MUTED)
    stream = io.StringIO()
    style = {"svg.fonttype": "none", "svg.hashsalt": "evalkit", "font.family": "sans-serif"}
    with rc_context(style):
        figure.savefig(
            stream, format="svg", metadata={"Date": None, "Creator": None, "Title": title}
        )
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    for stand_in, colour in _COLOURS.items():
        text = text.replace(stand_in, colour)
    return Markup(text.replace("<svg", f'<svg role="img" aria-label="{title}"', 1))  # noqa: S704
