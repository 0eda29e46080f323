"""Names beside points, so that none covers another name, a point or a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evalkit.canvas import INK, MUTED, any_letters

Point = tuple[float, float]


def place(
    axes: Any,
    points: Sequence[Point],
    texts: Sequence[str],
    *,
    size: float,
    lines: Sequence[tuple[Point, Point]] = (),
    areas: Sequence[float] | None = None,
) -> None:
    """Write each text near its point, with a thin line to it where it had to go further.

    ``lines`` are to be kept free, as are the points, whose areas are in square points. The axes'
    limits must be settled. The places depend on the arguments alone.
    """
    import textalloc

    if not points:
        return
    across, up = zip(*points, strict=True)
    with any_letters():
        drawn = axes.scatter(across, up, s=areas or 20, alpha=0)
        _, _, names, leads = textalloc.allocate(
            axes,
            across,
            up,
            list(texts),
            x_scatter=across,
            y_scatter=up,
            scatter_plot=drawn,
            x_lines=[[one[0], other[0]] for one, other in lines] or None,
            y_lines=[[one[1], other[1]] for one, other in lines] or None,
            textsize=size,
            textcolor=INK,
            linecolor=MUTED,
            linewidth=0.5,
            margin=0.006,
            min_distance=0.012,
            max_distance=0.35,
            linespacing=1.25,
        )
        drawn.remove()
    for one in (*names, *leads):
        if one is not None:
            one.set_in_layout(False)
