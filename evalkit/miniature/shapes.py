"""Shapes on a square from -1 to 1 (y grows downwards), and the colours that they are painted in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

Point = tuple[float, float]
RGB = tuple[int, int, int]

PALETTE: Mapping[str, RGB] = MappingProxyType(
    {
        "red": (212, 34, 38),
        "orange": (244, 130, 22),
        "yellow": (250, 214, 38),
        "green": (46, 156, 66),
        "blue": (38, 92, 214),
        "purple": (122, 46, 168),
        "pink": (250, 142, 192),
        "brown": (122, 74, 40),
        "black": (36, 36, 40),
        "white": (247, 247, 245),
    }
)
"""GenEval's ten colours in its order, as sRGB."""

WOOD: RGB = (112, 72, 38)
LEAF: RGB = (74, 160, 62)
CRUST: RGB = (206, 150, 84)
STEEL: RGB = (136, 140, 148)
GLASS: RGB = (186, 220, 236)
TYRE: RGB = (44, 44, 50)
PAPER: RGB = (250, 246, 232)
COFFEE: RGB = (92, 56, 32)
SALAMI: RGB = (190, 46, 40)
GLINT = (255, 255, 255, 96)
EDGE = 0.065
"""Width of the outline, in units of half the object's size."""
Paint = str | RGB | tuple[int, int, int, int]
"""A part of the object's own colour scheme (see ``scheme``), or a fixed colour."""


@dataclass(frozen=True)
class Shape:
    """A filled polygon, a line of some width, or a hole; ``edge`` adds the dark outline."""

    points: tuple[Point, ...]
    paint: Paint
    width: float = 0.0
    edge: bool = False
    hole: bool = False


def scheme(color: str, tone: float = 0.0) -> dict[str, RGB]:
    """Return the colours of an object's parts; ``tone`` (-1..1) is a little darker or paler."""
    body = _mix(PALETTE[color], (255, 255, 255) if tone > 0 else (0, 0, 0), 0.08 * abs(tone))
    if color == "black":
        return _parts(body, (22, 22, 25), (104, 106, 116), (84, 86, 96), (238, 238, 240))
    if color == "white":
        return _parts(body, (214, 216, 222), (122, 126, 136), (204, 210, 222), (58, 60, 68))
    contrast = (58, 46, 42) if color in ("yellow", "pink") else (255, 252, 246)
    return _parts(
        body, _dark(body, 0.8), _dark(body, 0.5), _mix(body, (255, 255, 255), 0.42), contrast
    )


def _parts(body: RGB, shade: RGB, deep: RGB, tint: RGB, contrast: RGB) -> dict[str, RGB]:
    edge = _mix(_dark(body, 0.28), (34, 30, 38), 0.5)  # nearly black: a brown edge misleads
    light, dark = sum(body) > 690, sum(body) < 130
    return {
        "body": body,
        "shade": shade,
        "deep": deep,
        "tint": tint,
        "contrast": contrast,
        "edge": (92, 96, 106) if light else (12, 12, 14) if dark else edge,
        "patch": (46, 46, 52) if light else deep,
        "rim": (196, 200, 210) if light else (62, 64, 72) if dark else _dark(body, 0.8),
        "salami": SALAMI if body[0] > 225 and 170 < body[1] < 235 else deep,
    }


def _dark(color: RGB, factor: float) -> RGB:
    return _mix(color, (0, 0, 0), 1 - factor)


def _mix(a: RGB, b: RGB, share: float) -> RGB:
    r, g, b_ = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return r, g, b_


def poly(points: Sequence[Point], paint: Paint, *, edge: bool = False) -> Shape:
    """Fill a polygon."""
    return Shape(tuple(points), paint, edge=edge)


def blob(points: Sequence[Point], paint: Paint, *, edge: bool = False) -> Shape:
    """Fill the smooth closed curve through the points (Catmull-Rom)."""
    return poly(_smooth(points), paint, edge=edge)


def oval(x: float, y: float, rx: float, ry: float, paint: Paint, *, edge: bool = False) -> Shape:
    """Fill an ellipse."""
    return poly(arc(x, y, rx, ry, 0, 360), paint, edge=edge)


def hole(x: float, y: float, rx: float, ry: float) -> Shape:
    """Cut an ellipse out of what is drawn so far."""
    return Shape(tuple(arc(x, y, rx, ry, 0, 360)), "edge", hole=True)


def box(
    x0: float, y0: float, x1: float, y1: float, paint: Paint, r: float = 0.0, *, edge: bool = False
) -> Shape:
    """Fill a rectangle with corners of radius ``r``."""
    if not r:
        return poly([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], paint, edge=edge)
    corners = (
        (x1 - r, y0 + r, -90),
        (x1 - r, y1 - r, 0),
        (x0 + r, y1 - r, 90),
        (x0 + r, y0 + r, 180),
    )
    points = [p for x, y, a in corners for p in arc(x, y, r, r, a, a + 90, 5)]
    return poly(points, paint, edge=edge)


def line(points: Sequence[Point], width: float, paint: Paint) -> Shape:
    """Draw a line with round ends."""
    return Shape(tuple(points), paint, width=width)


def arc(
    x: float, y: float, rx: float, ry: float, start: float, end: float, steps: int = 32
) -> list[Point]:
    """Return points on an ellipse between two angles in degrees (clockwise, 0 = right)."""
    angles = [math.radians(start + (end - start) * i / steps) for i in range(steps + 1)]
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


def _smooth(points: Sequence[Point], steps: int = 5) -> list[Point]:
    p = np.asarray(points, dtype=np.float64)
    a, b, c, d = (np.roll(p, -k, axis=0)[:, None] for k in (-1, 0, 1, 2))
    t = (np.arange(steps) / steps)[None, :, None]
    curve = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return [(float(x), float(y)) for x, y in curve.reshape(-1, 2)]


def mirror(points: Sequence[Point]) -> list[Point]:
    """Close a half outline (top to bottom, right side) with its mirror image."""
    return [*points, *((-x, y) for x, y in reversed(points) if x)]
