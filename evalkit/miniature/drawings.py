"""The miniature's classes: their shapes, how far they may tilt, and their everyday colours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from evalkit.miniature import food, things
from evalkit.miniature.shapes import EDGE, Point, Shape


@dataclass(frozen=True)
class Drawing:
    """All shapes of a class from back to front, how far it may tilt and its everyday colour."""

    natural: str
    tilt: float
    shapes: tuple[Shape, ...]
    points: npt.NDArray[np.float64] = field(compare=False)
    """Every shape's points in one array, to be moved and turned at once."""
    solid: npt.NDArray[np.float64] = field(compare=False)
    """The points that bound the silhouette: [N, 2]."""


def _drawing(natural: str, tilt: float, shapes: list[Shape]) -> Drawing:
    points = np.asarray([p for s in shapes for p in s.points], dtype=np.float64)
    bounds = []
    for s in shapes:
        reach = s.width / 2 + (EDGE / 2 if s.edge else 0)
        if not s.hole and not (isinstance(s.paint, tuple) and len(s.paint) == 4):
            bounds += [(x + dx, y + dy) for x, y in s.points for dx, dy in _reach(reach)]
    return Drawing(natural, tilt, tuple(shapes), points, np.asarray(bounds))


def _reach(r: float) -> list[Point]:
    return [(r, 0.0), (-r, 0.0), (0.0, r), (0.0, -r)] if r else [(0.0, 0.0)]


@lru_cache(maxsize=1)
def drawings() -> Mapping[str, Drawing]:
    """Return the drawing of every class, in COCO's order."""
    return MappingProxyType(
        {
            "car": _drawing("red", 8, things.car()),
            "boat": _drawing("white", 8, things.boat()),
            "traffic light": _drawing("black", 10, things.traffic_light()),
            "stop sign": _drawing("red", 10, things.stop_sign()),
            "umbrella": _drawing("purple", 18, things.umbrella()),
            "sports ball": _drawing("white", 60, things.sports_ball()),
            "kite": _drawing("blue", 30, things.kite()),
            "bottle": _drawing("green", 14, things.bottle()),
            "cup": _drawing("blue", 10, things.cup()),
            "banana": _drawing("yellow", 35, food.banana()),
            "apple": _drawing("red", 18, food.apple()),
            "orange": _drawing("orange", 25, food.orange()),
            "carrot": _drawing("orange", 35, food.carrot()),
            "pizza": _drawing("yellow", 25, food.pizza()),
            "donut": _drawing("pink", 60, food.donut()),
            "tv": _drawing("black", 8, things.tv()),
            "book": _drawing("brown", 14, things.book()),
            "clock": _drawing("white", 10, things.clock()),
        }
    )
