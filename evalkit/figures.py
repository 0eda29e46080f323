"""Vector figures for the report, in the page's own font and text colour."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    from evalkit.board import Leaderboard, WinRates

_INK = "#010203"
"""Stands for the page's text colour until the figure is embedded."""
_ACCENT = "#2f6fde"
_MUTED = "#8a8f98"


def win_rates(rates: WinRates) -> Markup:
    """Draw the matrix of win rates: the row's model against the column's, ties as half."""
    import numpy as np

    count = len(rates.models)
    values = np.array([[math.nan if v is None else v for v in row] for row in rates.rate])
    figure, axes = _axes(1.6 + 0.95 * count, 0.9 + 0.62 * count)
    axes.imshow(np.ma.masked_invalid(values), cmap="RdBu", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(count), rates.models, rotation=20, ha="left", rotation_mode="anchor")
    axes.set_yticks(range(count), rates.models)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for i in range(count):
        for j in range(count):
            if (battles := rates.battles[i][j]) and not math.isnan(values[i, j]):
                color = "white" if abs(values[i, j] - 0.5) > 0.3 else "#16181d"
                axes.text(j, i - 0.1, f"{values[i, j]:.0%}", ha="center", va="center", color=color)
                axes.text(
                    j, i + 0.24, f"{battles:,}", ha="center", va="center", color=color, fontsize=7
                )
    return _svg(figure, "Win rates: the row's model against the column's")


def ratings(board: Leaderboard) -> Markup:
    """Draw each model's rating with its interval."""
    rows = [(r.model, r.human) for r in board.rows if r.human and r.human.rating is not None]
    figure, axes = _axes(5.8, 0.7 + 0.36 * max(1, len(rows)))
    for place, (_, human) in enumerate(rows):
        if human.low is not None and human.high is not None:
            axes.plot(
                [human.low, human.high],
                [place, place],
                color=_ACCENT,
                lw=5,
                alpha=0.35,
                solid_capstyle="round",
            )
        axes.plot(human.rating, place, "o", color=_ACCENT, ms=6)
    axes.set_yticks(range(len(rows)), [model for model, _ in rows])
    axes.invert_yaxis()
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="x", color=_MUTED, alpha=0.3, lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(board.human.unit if board.human else "")
    return _svg(figure, "Ratings with 95 % intervals")


def _axes(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.subplots()
    axes.patch.set_alpha(0)
    return figure, axes


def _svg(figure: Any, title: str) -> Markup:
    from matplotlib import rc_context

    style = {
        "svg.fonttype": "none",
        "svg.hashsalt": "evalkit",
        "font.family": "sans-serif",
    }
    for axes in figure.axes:
        axes.tick_params(colors=_INK)
        axes.xaxis.label.set_color(_INK)
        for spine in axes.spines.values():
            spine.set_color(_MUTED)
    stream = io.StringIO()
    with rc_context(style):
        figure.savefig(
            stream, format="svg", metadata={"Date": None, "Creator": None, "Title": title}
        )
    text = stream.getvalue()
    text = text[text.index("<svg") :].replace(_INK, "currentColor")
    return Markup(text.replace("<svg", f'<svg role="img" aria-label="{title}"', 1))  # noqa: S704
