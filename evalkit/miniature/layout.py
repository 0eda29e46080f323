"""Where objects go: inside the picture, apart from one another, in a relation that is asked for."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from evalkit.errors import EvalkitError
from evalkit.miniature.drawings import drawings
from evalkit.miniature.rendering import Box, SceneObject, extent

GAP = 0.02
"""The least distance between objects, and from the picture's border, in shares of its side."""
_SIZES = {
    1: (0.42, 0.8),
    2: (0.34, 0.48),
    3: (0.3, 0.42),
    4: (0.28, 0.38),
    5: (0.24, 0.32),
    6: (0.22, 0.3),
}
"""How large objects are, by their number."""
_ATTEMPTS = 1000
_CLEAR = 0.1
"""How far a relation's cosine must be from GenEval's threshold of one half."""


def place(
    wanted: Sequence[tuple[str, str]],
    rng: random.Random,
    *,
    fits: Callable[[Sequence[SceneObject]], bool] = lambda _: True,
    gap: float = GAP,
    shrink: float = 1.0,
) -> tuple[SceneObject, ...]:
    """Find places for (class, colour) pairs: in the picture, ``gap`` apart, as ``fits`` asks.

    ``shrink`` < 1 lets objects be that much smaller than usual. Raises EvalkitError when no
    layout is found, since ``fits`` then contradicts itself.
    """
    for attempt in range(_ATTEMPTS):
        scale = 0.97 ** (attempt // 20)
        objects = _attempt(wanted, rng, scale, gap, shrink)
        if objects is not None and fits(objects):
            return objects
    raise EvalkitError(
        f"Found no layout of {', '.join(n for n, _ in wanted)} in {_ATTEMPTS} attempts. "
        "Check that the places asked for do not contradict one another."
    )


def _attempt(
    wanted: Sequence[tuple[str, str]], rng: random.Random, scale: float, gap: float, shrink: float
) -> tuple[SceneObject, ...] | None:
    low, high = _SIZES[len(wanted)]
    base = rng.uniform(low * shrink, high) * scale
    objects: list[SceneObject] = []
    for name, color in wanted:
        item = _somewhere(name, color, base * rng.uniform(0.88, 1.08), objects, gap, rng)
        if item is None:
            return None
        objects.append(item)
    return tuple(objects)


def _somewhere(
    name: str,
    color: str,
    size: float,
    others: Sequence[SceneObject],
    gap: float,
    rng: random.Random,
) -> SceneObject | None:
    tilt = drawings()[name].tilt
    item = SceneObject(name, color, 0.5, 0.5, size, rng.uniform(-tilt, tilt), rng.uniform(-1, 1))
    x0, y0, x1, y1 = extent(item)
    taken = [extent(o) for o in others]
    for _ in range(25):
        dx = rng.uniform(GAP - x0, max(GAP - x0, 1 - GAP - x1))
        dy = rng.uniform(GAP - y0, max(GAP - y0, 1 - GAP - y1))
        here = (x0 + dx, y0 + dy, x1 + dx, y1 + dy)
        if max(here) <= 1 and all(_apart(here, box, gap) for box in taken):
            return replace(item, x=0.5 + dx, y=0.5 + dy)
    return None


def _apart(a: Box, b: Box, gap: float) -> bool:
    return max(b[0] - a[2], a[0] - b[2], b[1] - a[3], a[1] - b[3]) >= gap


def stands(a: SceneObject, b: SceneObject, relation: str, *, alone: bool = True) -> bool:
    """Say whether ``a`` is clearly in this relation to ``b``, and if ``alone`` in no other."""
    strengths = relations(extent(a), extent(b))
    others = max(s for r, s in strengths.items() if r != relation)
    return strengths[relation] > 0.5 + _CLEAR and not (alone and others > 0.5 - _CLEAR)


def relations(a: Box, b: Box) -> dict[str, float]:
    """Return how strongly ``a`` stands in each relation to ``b``; GenEval asks for > 0.5.

    Each axis of the centres' offset is shortened by a tenth of both boxes' sizes, then divided by
    the length of the whole offset (GenEval's ``relative_position``).
    """
    offset = [(a[k] + a[k + 2] - b[k] - b[k + 2]) / 2 for k in (0, 1)]
    sizes = [a[k + 2] - a[k] + b[k + 2] - b[k] for k in (0, 1)]
    short = [
        math.copysign(max(abs(o) - 0.1 * s, 0.0), o) for o, s in zip(offset, sizes, strict=True)
    ]
    norm = math.hypot(*offset) or 1.0
    x, y = short[0] / norm, short[1] / norm
    return {"left of": -x, "right of": x, "above": -y, "below": y}
