"""What lies behind the objects: soft gradients, walls with floors, textures, clutter."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from evalkit.miniature.shapes import RGB, Shape, arc, blob, line, poly

Floats = npt.NDArray[np.float32]
KINDS = ("gradient", "glow", "floor", "clouds", "weave")
_TONES: tuple[RGB, ...] = (
    (226, 238, 248), (248, 240, 224), (228, 242, 230), (243, 230, 238), (236, 236, 240),
    (246, 246, 228), (214, 228, 234), (232, 224, 246), (240, 226, 212), (208, 220, 208),
    (196, 206, 220), (206, 198, 190), (190, 206, 206), (216, 200, 208),
)  # fmt: skip
_CLUTTER_TONES: tuple[RGB, ...] = (
    (176, 170, 160), (164, 176, 186), (186, 176, 148), (168, 186, 170), (190, 172, 182),
    (150, 152, 160),
)  # fmt: skip


@dataclass(frozen=True)
class Clutter:
    """A small grey-ish thing that belongs to no class; units as for a scene's objects."""

    shape: str
    color: RGB
    x: float
    y: float
    size: float
    angle: float


@dataclass(frozen=True)
class Backdrop:
    """Everything of a scene but its objects; pure data, so that it looks the same at any side."""

    kind: str = "gradient"
    near: RGB = (244, 244, 246)
    far: RGB = (226, 234, 242)
    angle: float = 90.0
    """Direction of the gradient in degrees, clockwise from rightwards."""
    horizon: float = 0.62
    """Where a floor begins, as a share of the side."""
    grain: int = 0
    """Seed of the texture."""
    light: float = 225.0
    """Where the light comes from, in degrees clockwise from the right."""
    shadow: float = 0.3
    """How dark shadows are, 0..1."""
    warmth: float = 0.0
    """Cool (-1) to warm (1) light."""
    brightness: float = 1.0
    clutter: tuple[Clutter, ...] = ()


def sample_backdrop(rng: random.Random, *, clutter: int = 0) -> Backdrop:
    """Draw a backdrop by lot, with so many pieces of clutter."""
    return Backdrop(
        kind=rng.choice(KINDS),
        near=_jitter(rng.choice(_TONES), rng),
        far=_jitter(rng.choice(_TONES), rng),
        angle=rng.uniform(0, 360),
        horizon=rng.uniform(0.4, 0.8),
        grain=rng.randrange(2**31),
        light=rng.uniform(190, 350),
        shadow=rng.uniform(0.12, 0.4),
        warmth=rng.uniform(-1, 1),
        brightness=rng.uniform(0.92, 1.04),
        clutter=tuple(_sample_clutter(rng) for _ in range(clutter)),
    )


def _jitter(color: RGB, rng: random.Random) -> RGB:
    r, g, b = (min(252, v + rng.randint(-10, 8)) for v in color)
    return r, g, b


def _sample_clutter(rng: random.Random) -> Clutter:
    return Clutter(
        shape=rng.choice(sorted(CLUTTER_SHAPES)),
        color=_jitter(rng.choice(_CLUTTER_TONES), rng),
        x=rng.uniform(0.04, 0.96),
        y=rng.uniform(0.04, 0.96),
        size=rng.uniform(0.035, 0.09),
        angle=rng.uniform(0, 360),
    )


def _clutter_shapes() -> dict[str, Shape]:
    star = [arc(0, 0, r, r, -90 + 36 * i, 0, 1)[0] for i, r in enumerate((1.0, 0.42) * 5)]
    wave = [(-1 + 2 * i / 12, 0.35 * math.sin(i * 1.05)) for i in range(13)]
    return {
        "pebble": blob([(-0.9, 0.1), (-0.3, -0.5), (0.6, -0.4), (0.9, 0.2), (0.1, 0.55)], "body"),
        "star": poly(star, "body"),
        "tile": poly([(-0.8, -0.7), (0.7, -0.8), (0.8, 0.7), (-0.7, 0.8)], "body"),
        "wedge": poly([(-0.9, 0.6), (0.1, -0.9), (0.8, 0.7)], "body"),
        "wave": line(wave, 0.3, "body"),
        "leaf": blob([(-1, 0), (-0.2, -0.45), (0.95, -0.1), (0.1, 0.4)], "body"),
        "cross": line([(-0.7, -0.7), (0, 0), (0.7, -0.7), (0, 0), (0, 0.9)], 0.3, "body"),
    }


CLUTTER_SHAPES = _clutter_shapes()


def paint(backdrop: Backdrop, side: int) -> Floats:
    """Return the empty backdrop as [side, side, 3] in 0..255, before the light's tint."""
    axis: Floats = ((np.arange(side) + 0.5) / side).astype(np.float32)
    share = _share(backdrop, axis[None, :], axis[:, None], side)[..., None]
    near, far = (np.asarray(c, dtype=np.float32) for c in (backdrop.near, backdrop.far))
    painted: Floats = near + (far - near) * share
    return painted


def _share(backdrop: Backdrop, x: Floats, y: Floats, side: int) -> Floats:
    """Return how much of the far colour each pixel has, 0..1: [side, side]."""
    turn = math.radians(backdrop.angle)
    slope = 0.5 + (x - 0.5) * math.cos(turn) * 0.7 + (y - 0.5) * math.sin(turn) * 0.7
    if backdrop.kind == "glow":
        centre = (0.5 + 0.3 * math.cos(turn), 0.5 + 0.3 * math.sin(turn))
        share = np.hypot(x - centre[0], y - centre[1])
    elif backdrop.kind == "floor":
        share = 0.85 / (1 + np.exp((y - backdrop.horizon) * -90)) + 0.15 * slope
    elif backdrop.kind == "clouds":
        share = 0.45 * slope + 0.55 * _noise(backdrop.grain, 7, side)
    elif backdrop.kind == "weave":
        waves = np.sin((x + 0.2 * y) * 62) * np.sin((y - 0.2 * x) * 62)
        share = 0.75 * slope + 0.12 + 0.1 * waves
    else:
        share = slope + 0.06 * (_noise(backdrop.grain, 5, side) - 0.5)
    clipped: Floats = np.clip(share, 0, 1).astype(np.float32)
    return clipped


def _noise(seed: int, cells: int, side: int) -> Floats:
    grid = np.random.default_rng(seed).random((cells, cells), dtype=np.float32)
    smooth = Image.fromarray(grid).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(smooth, dtype=np.float32)
