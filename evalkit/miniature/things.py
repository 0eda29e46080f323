"""Vehicles, signs and things of the house, each a list of shapes from back to front."""

from __future__ import annotations

from evalkit.miniature.shapes import (
    COFFEE,
    GLASS,
    GLINT,
    PAPER,
    STEEL,
    TYRE,
    WOOD,
    Point,
    Shape,
    arc,
    box,
    hole,
    line,
    oval,
    poly,
)


def car() -> list[Shape]:
    """Draw a car from the side."""
    shell = [
        (-0.98, 0.1),
        (-0.92, -0.1),
        (-0.6, -0.16),
        (-0.36, -0.54),
        (0.28, -0.56),
        (0.58, -0.18),
        (0.9, -0.08),
        (0.99, 0.16),
        (0.98, 0.4),
        (-0.98, 0.4),
    ]
    wheels = []
    for x in (-0.54, 0.54):
        wheels += [
            oval(x, 0.42, 0.25, 0.25, TYRE, edge=True),
            oval(x, 0.42, 0.11, 0.11, (206, 208, 214)),
        ]
    return [
        poly(shell, "body", edge=True),
        poly([(-0.44, -0.16), (-0.28, -0.44), (-0.06, -0.45), (-0.06, -0.16)], GLASS),
        poly([(0.04, -0.16), (0.04, -0.45), (0.22, -0.45), (0.42, -0.16)], GLASS),
        line([(-0.01, -0.08), (-0.01, 0.32)], 0.04, "deep"),
        line([(0.08, 0.0), (0.2, 0.0)], 0.06, "deep"),
        oval(0.9, 0.1, 0.07, 0.09, (255, 240, 170)),
        box(-0.97, 0.06, -0.88, 0.2, (226, 60, 50)),
        *wheels,
    ]


def boat() -> list[Shape]:
    """Draw a sailing boat."""
    return [
        line([(0.02, -0.96), (0.02, 0.44)], 0.09, WOOD),
        poly([(0.12, -0.9), (0.5, -0.3), (0.76, 0.28), (0.12, 0.28)], "body", edge=True),
        poly([(-0.1, -0.72), (-0.4, -0.2), (-0.68, 0.28), (-0.1, 0.28)], "tint", edge=True),
        poly(
            [(-0.98, 0.42), (0.98, 0.42), (0.82, 0.7), (0.56, 0.92), (-0.6, 0.92), (-0.84, 0.7)],
            "body",
            edge=True,
        ),
        line([(-0.84, 0.58), (0.84, 0.58)], 0.07, "contrast"),
    ]


def traffic_light() -> list[Shape]:
    """Draw a traffic light."""
    lamps = zip((-0.56, 0.0, 0.56), ((232, 48, 44), (252, 206, 50), (58, 190, 84)), strict=True)
    shapes = [
        poly([(s * 0.4, y - 0.18), (s * 0.62, y - 0.12), (s * 0.4, y + 0.14)], "shade", edge=True)
        for s in (-1, 1)
        for y in (-0.56, 0.0, 0.56)
    ]
    shapes.append(box(-0.44, -0.96, 0.44, 0.96, "body", 0.16, edge=True))
    for y, lamp in lamps:
        shapes += [
            oval(0, y, 0.26, 0.26, "deep"),
            oval(0, y, 0.22, 0.22, lamp),
            oval(-0.06, y - 0.07, 0.07, 0.06, GLINT),
        ]
    return shapes


_LETTERS: tuple[tuple[Point, ...], ...] = (
    ((0.9, 0.1), (0.1, 0.0), (0.1, 0.5), (0.9, 0.5), (0.9, 1.0), (0.1, 0.9)),
    ((0.0, 0.0), (1.0, 0.0), (0.5, 0.0), (0.5, 1.0)),
    ((0.1, 0.0), (0.9, 0.0), (0.9, 1.0), (0.1, 1.0), (0.1, 0.0)),
    ((0.1, 1.0), (0.1, 0.0), (0.9, 0.0), (0.9, 0.55), (0.1, 0.55)),
)
"""The strokes of S, T, O and P on a unit square."""


def stop_sign() -> list[Shape]:
    """Draw an eight-sided stop sign."""
    eight = [22.5 + 45 * i for i in range(8)]
    outer, inner = ([arc(0, -0.24, r, r, a, 0, 1)[0] for a in eight] for r in (0.78, 0.66))
    words = [
        line([(-0.54 + 0.29 * k + 0.2 * x, -0.4 + 0.32 * y) for x, y in letter], 0.085, "contrast")
        for k, letter in enumerate(_LETTERS)
    ]
    return [
        line([(0, 0.3), (0, 0.94)], 0.17, STEEL),
        poly(outer, "body", edge=True),
        line([*inner, inner[0]], 0.05, "contrast"),
        *words,
    ]


def umbrella() -> list[Shape]:
    """Draw an open umbrella."""
    dome = arc(0, 0.06, 0.98, 0.9, 180, 360, 24)
    scallops = [p for k in range(4) for p in arc(0.735 - 0.49 * k, 0.06, 0.245, 0.13, 0, -180, 6)]
    ribs = [arc(0, 0.06, rx, 0.9, 270, 180 if rx > 0 else 360, 8) for rx in (0.49, -0.49)]
    return [
        line([(0, 0), (0, 0.76), *arc(0.17, 0.76, 0.17, 0.18, 180, 10, 8)], 0.11, WOOD),
        line([(0, -0.82), (0, -0.95)], 0.09, WOOD),
        poly([*dome, *scallops], "body", edge=True),
        *(line(r, 0.045, "deep") for r in ribs),
        line([(0, -0.82), (0, -0.06)], 0.045, "deep"),
        oval(-0.58, -0.34, 0.08, 0.18, GLINT),
    ]


def sports_ball() -> list[Shape]:
    """Draw a football."""
    five = [-90 + 72 * i for i in range(5)]
    centre = [arc(0, 0, 0.32, 0.32, a, 0, 1)[0] for a in five]
    seams = [line([p, (p[0] * 1.95, p[1] * 1.95)], 0.07, "patch") for p in centre]
    rim = []
    for a in five:
        ends = arc(0, 0, 0.9, 0.9, a - 20, a + 20, 6)
        knot = [arc(0, 0, 0.62, 0.62, a + d, 0, 1)[0] for d in (10, -10)]
        rim.append(poly([*ends, *knot], "patch"))
    return [oval(0, 0, 0.95, 0.95, "body", edge=True), *seams, poly(centre, "patch"), *rim]


def kite() -> list[Shape]:
    """Draw a kite with its tail."""
    top, right, bottom, left = (0, -0.98), (0.62, -0.32), (0, 0.48), (-0.62, -0.32)
    bows = []
    for x, y in ((0.14, 0.66), (-0.06, 0.86)):
        bows += [
            poly([(x, y), (x + s * 0.22, y - 0.11), (x + s * 0.22, y + 0.1)], "body", edge=True)
            for s in (-1, 1)
        ]
    return [
        line([bottom, (0.16, 0.62), (-0.08, 0.84), (0.1, 0.97)], 0.06, "edge"),
        *bows,
        poly([top, right, bottom, left], "body", edge=True),
        poly([top, right, (0, -0.32)], "shade"),
        poly([left, bottom, (0, -0.32)], "shade"),
        line([top, bottom], 0.06, "deep"),
        line([left, right], 0.06, "deep"),
    ]


def bottle() -> list[Shape]:
    """Draw a bottle with a label."""
    half = [
        (0.15, -0.76),
        (0.15, -0.42),
        (0.22, -0.28),
        (0.4, -0.08),
        (0.42, 0.1),
        (0.42, 0.9),
        (0.36, 0.97),
    ]
    return [
        poly([*half, *((-x, y) for x, y in reversed(half))], "body", edge=True),
        box(-0.2, -0.98, 0.2, -0.74, "rim", 0.04, edge=True),
        box(-0.42, 0.24, 0.42, 0.66, "tint"),
        line([(-0.24, 0.4), (0.24, 0.4)], 0.06, "deep"),
        line([(-0.16, 0.52), (0.16, 0.52)], 0.05, "deep"),
        line([(-0.27, -0.02), (-0.27, 0.14)], 0.08, GLINT),
    ]


def cup() -> list[Shape]:
    """Draw a cup of coffee."""
    side = [(0.58, -0.62), (0.5, 0.66), (0.38, 0.86), (-0.54, 0.86), (-0.66, 0.66), (-0.74, -0.62)]
    return [
        oval(0.56, 0.02, 0.42, 0.46, "body", edge=True),
        hole(0.56, 0.02, 0.22, 0.26),
        poly(side, "body", edge=True),
        oval(-0.08, -0.62, 0.66, 0.2, "tint", edge=True),
        oval(-0.08, -0.6, 0.52, 0.13, COFFEE),
        box(-0.54, -0.2, -0.42, 0.56, GLINT, 0.05),
    ]


def tv() -> list[Shape]:
    """Draw an old television with antennas."""
    knobs = [oval(0.68, y, 0.1, 0.1, "contrast") for y in (-0.2, 0.08)]
    return [
        line([(0, -0.5), (-0.42, -0.96)], 0.07, STEEL),
        line([(0, -0.5), (0.42, -0.96)], 0.07, STEEL),
        line([(-0.56, 0.7), (-0.68, 0.94)], 0.13, "rim"),
        line([(0.56, 0.7), (0.68, 0.94)], 0.13, "rim"),
        box(-0.98, -0.56, 0.98, 0.76, "body", 0.16, edge=True),
        box(-0.72, -0.32, 0.38, 0.52, "deep", 0.14),
        box(-0.66, -0.26, 0.32, 0.46, (150, 196, 208), 0.12),
        poly([(-0.54, 0.2), (-0.16, -0.2), (0.06, -0.2), (-0.42, 0.32)], (206, 232, 236)),
        *knobs,
        *(line([(0.6, y), (0.76, y)], 0.05, "deep") for y in (0.34, 0.46)),
    ]


def book() -> list[Shape]:
    """Draw a closed book."""
    return [
        poly(
            [(-0.66, -0.82), (0.7, -0.82), (0.84, -0.66), (0.84, 0.98), (-0.52, 0.98)],
            "rim",
            edge=True,
        ),
        poly([(-0.5, -0.7), (0.76, -0.7), (0.76, 0.9), (-0.5, 0.9)], PAPER),
        *(line([(-0.42, y), (0.74, y)], 0.025, (170, 162, 140)) for y in (0.79, 0.85)),
        *(line([(x, -0.6), (x, 0.84)], 0.025, (170, 162, 140)) for x in (0.66, 0.71)),
        poly([(-0.74, -0.9), (0.6, -0.9), (0.6, 0.72), (-0.74, 0.72)], "body", edge=True),
        poly([(-0.74, -0.9), (-0.52, -0.9), (-0.52, 0.72), (-0.74, 0.72)], "rim"),
        box(-0.3, -0.62, 0.4, -0.2, "tint", 0.05),
        line([(-0.16, -0.48), (0.26, -0.48)], 0.06, "deep"),
        line([(-0.08, -0.34), (0.18, -0.34)], 0.05, "deep"),
        poly([(0.22, 0.72), (0.4, 0.72), (0.4, 1.0), (0.31, 0.92), (0.22, 1.0)], "deep"),
    ]


def clock() -> list[Shape]:
    """Draw an alarm clock with two bells."""
    ticks = []
    for i in range(12):
        outer, inner = (
            arc(0, 0.1, r, r, i * 30, 0, 1)[0] for r in (0.6, 0.48 if i % 3 == 0 else 0.54)
        )
        ticks.append(line([outer, inner], 0.07, "contrast"))
    return [
        line([(-0.5, 0.72), (-0.64, 0.96)], 0.17, "rim"),
        line([(0.5, 0.72), (0.64, 0.96)], 0.17, "rim"),
        line([(0, -0.7), (0, -0.94)], 0.12, "rim"),
        poly(arc(-0.48, -0.62, 0.34, 0.34, 125, 340, 14), "rim", edge=True),
        poly(arc(0.48, -0.62, 0.34, 0.34, -160, 55, 14), "rim", edge=True),
        oval(0, 0.1, 0.84, 0.84, "rim", edge=True),
        oval(0, 0.1, 0.69, 0.69, "body"),
        *ticks,
        line([(0, 0.1), (0, -0.3)], 0.1, "contrast"),
        line([(0, 0.1), (0.3, 0.24)], 0.1, "contrast"),
    ]
