"""Where the report's figures are drawn: axes without a ground, and SVG in the page's colours."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from markupsafe import Markup

from evalkit.names import visible

INK, ACCENT, MUTED = "#010203", "#010204", "#010205"
"""Stand for the page's colours until the figure is embedded."""
_COLOURS = {INK: "currentColor", ACCENT: "var(--accent)", MUTED: "var(--quiet)"}
LONGEST = 30
"""Letters of a model's name that a figure has room for."""


def short(name: str) -> str:
    """Fit a name into a figure, both of its ends kept; a dollar is no formula there."""
    if len(name) > LONGEST:
        name = f"{name[: LONGEST - 12]}…{name[-11:]}"
    return visible(name).replace("$", r"\$")


def axes(width: float, height: float) -> tuple[Any, Any]:
    """Return a figure of so many inches with one pair of axes."""
    figure, (only,) = panels(1, 1, width, height)
    return figure, only


def panels(
    lines: int, columns: int, width: float, height: float, *, share: bool = True
) -> tuple[Any, list[Any]]:
    """Return a figure with several axes, on one scale if they share it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0)
    grid = figure.subplots(lines, columns, sharex=share, sharey=share, squeeze=False)
    for one in grid.flat:
        one.patch.set_alpha(0)
    return figure, list(grid.flat)


def grid(axes: Any, axis: str = "both") -> None:
    """Rule the ground lightly and leave out the frame that the eye does not need."""
    axes.grid(axis=axis, color=MUTED, alpha=0.25, lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def svg(figure: Any, title: str) -> Markup:
    """Write a figure as SVG that takes its colours from the page; it repeats to the byte."""
    from matplotlib import rc_context

    for one in figure.axes:
        one.tick_params(colors=INK)
        one.xaxis.label.set_color(INK)
        one.yaxis.label.set_color(INK)
        for spine in one.spines.values():
            spine.set_color(MUTED)
    stream = io.StringIO()
    style = {"svg.fonttype": "none", "svg.hashsalt": "evalkit", "font.family": "sans-serif"}
    with rc_context(style), any_letters():
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    for stand_in, colour in _COLOURS.items():
        text = text.replace(stand_in, colour)
    named = f'<svg role="img" aria-label="{escape(title)}"'
    return Markup(text.replace("<svg", named, 1))  # noqa: S704


@contextmanager
def any_letters() -> Iterator[None]:
    """Let names hold letters that the measuring font lacks: the browser's fonts draw them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield
