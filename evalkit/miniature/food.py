"""What one can eat, each a list of shapes from back to front."""

from __future__ import annotations

import math

import numpy as np

from evalkit.miniature.shapes import (
    CRUST,
    GLINT,
    LEAF,
    WOOD,
    Shape,
    arc,
    blob,
    hole,
    line,
    mirror,
    oval,
    poly,
)


def apple() -> list[Shape]:
    """Draw an apple with a leaf."""
    half = [(0, -0.46), (0.28, -0.62), (0.66, -0.56), (0.9, -0.16), (0.82, 0.36), (0.54, 0.82)]
    return [
        line([(0.0, -0.42), (0.04, -0.7), (0.14, -0.96)], 0.14, WOOD),
        blob(mirror([*half, (0.24, 0.96), (0, 0.88)]), "body", edge=True),
        blob([(0.1, -0.66), (0.3, -0.96), (0.72, -0.94), (0.52, -0.68)], LEAF, edge=True),
        oval(0, -0.46, 0.2, 0.07, "deep"),
        oval(-0.46, -0.14, 0.15, 0.24, GLINT),
    ]


def orange() -> list[Shape]:
    """Draw an orange cut in half, its segments showing."""
    wedges = []
    for i in range(8):
        a = i * 45 + 22.5
        fan = arc(0, 0.08, 0.66, 0.66, a - 18, a + 18, 6)
        root = arc(0, 0.08, 0.14, 0.14, a, a, 1)[:1]
        wedges.append(poly([*root, *fan], "body"))
    return [
        blob([(0.02, -0.8), (0.2, -1.0), (0.62, -0.98), (0.4, -0.74)], LEAF, edge=True),
        oval(0, 0.08, 0.9, 0.9, "body", edge=True),
        oval(0, 0.08, 0.74, 0.74, "tint"),
        *wedges,
    ]


def banana() -> list[Shape]:
    """Draw a banana."""
    outer = arc(0, -0.62, 1.0, 1.36, 8, 172, 12)
    inner = arc(0, -0.66, 0.72, 0.74, 168, 12, 12)
    return [
        line([(0.9, -0.4), (0.86, -0.72)], 0.2, WOOD),
        poly([*outer, *inner], "body", edge=True),
        line(arc(0, -0.64, 0.86, 1.02, 25, 150, 10), 0.06, "shade"),
        line([(-0.93, -0.5), (-0.87, -0.58)], 0.16, WOOD),
    ]


def carrot() -> list[Shape]:
    """Draw a carrot with its green."""
    tops = [[(0, -0.4), (x, -0.78), (x * 1.5, -0.98)] for x in (-0.3, 0.3, 0.0)]
    body = [(0, -0.56), (0.32, -0.54), (0.4, -0.32), (0.26, 0.16), (0.1, 0.74), (0, 1.0)]
    marks = [
        ((-0.34, -0.22), (-0.08, -0.2)),
        ((0.28, 0.04), (0.06, 0.06)),
        ((-0.16, 0.36), (0.02, 0.37)),
    ]
    return [
        *(line(t, 0.2, LEAF) for t in tops),
        blob(mirror(body), "body", edge=True),
        *(line(m, 0.07, "deep") for m in marks),
        oval(-0.14, -0.34, 0.06, 0.12, GLINT),
    ]


def pizza() -> list[Shape]:
    """Draw a slice of pizza."""
    slices = [(-0.3, -0.28, 0.19), (0.34, -0.3, 0.18), (0.02, 0.2, 0.17)]
    return [
        blob(
            [
                (-0.8, -0.5),
                (0.0, -0.62),
                (0.8, -0.5),
                (0.42, 0.26),
                (0.06, 0.96),
                (-0.06, 0.96),
                (-0.42, 0.26),
            ],
            "body",
            edge=True,
        ),
        *(oval(x, y, r, r, "salami") for x, y, r in slices),
        *(oval(x, y, 0.05, 0.05, LEAF) for x, y in ((-0.02, -0.4), (-0.2, 0.06), (0.24, 0.04))),
        line(
            [(-0.82, -0.6), (-0.42, -0.74), (0, -0.78), (0.42, -0.74), (0.82, -0.6)],
            0.3,
            (150, 96, 44),
        ),
        line(
            [(-0.82, -0.62), (-0.42, -0.76), (0, -0.8), (0.42, -0.76), (0.82, -0.62)], 0.21, CRUST
        ),
    ]


def donut() -> list[Shape]:
    """Draw a glazed donut with sprinkles."""
    ring = [
        (
            0.86 * (1 + 0.045 * math.sin(7 * a)) * math.cos(a),
            0.86 * (1 + 0.045 * math.sin(7 * a)) * math.sin(a),
        )
        for a in np.linspace(0, 2 * math.pi, 48, endpoint=False).tolist()
    ]
    sprinkles = []
    for i in range(10):
        x, y = arc(0, 0, 0.6, 0.6, i * 36 + 12, 0, 1)[0]
        dx, dy = arc(0, 0, 0.08, 0.08, i * 77, 0, 1)[0]
        sprinkles.append(
            line([(x - dx, y - dy), (x + dx, y + dy)], 0.09, ("contrast", "tint")[i % 2])
        )
    return [
        oval(0, 0, 0.96, 0.96, CRUST, edge=True),
        poly(ring, "body"),
        *sprinkles,
        oval(0, 0, 0.38, 0.38, CRUST),
        hole(0, 0, 0.29, 0.29),
    ]
