"""Scenes to pictures: supersampled shapes, soft shadows, light; with exact masks and boxes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from evalkit.miniature.backdrops import CLUTTER_SHAPES, Backdrop, Clutter, paint
from evalkit.miniature.drawings import drawings
from evalkit.miniature.shapes import EDGE, RGB, Paint, Shape, scheme

Floats = npt.NDArray[np.float64]
_Ink = int | RGB | tuple[int, int, int, int]
Box = tuple[float, float, float, float]
"""x0, y0, x1, y1; the second corner is exclusive."""


@dataclass(frozen=True)
class SceneObject:
    """One object; x, y (its drawing's centre) and size are shares of the picture's side."""

    class_name: str
    color: str
    x: float
    y: float
    size: float
    angle: float = 0.0
    """Degrees, clockwise."""
    tone: float = 0.0
    """A little darker (-1) or paler (1) than the colour's plain value."""


@dataclass(frozen=True)
class Scene:
    """Objects from back to front, and what lies behind them."""

    objects: tuple[SceneObject, ...]
    backdrop: Backdrop = field(default_factory=Backdrop)


@dataclass(frozen=True)
class Rendered:
    """A picture and what it shows; masks [N, side, side] hold the pixels one can see."""

    image: Image.Image
    boxes: tuple[Box, ...]
    masks: npt.NDArray[np.bool_]
    objects: tuple[SceneObject, ...]


def extent(item: SceneObject) -> Box:
    """Return the box around an object, in shares of the side: exact, hidden parts included."""
    points = _place(drawings()[item.class_name].solid, item.x, item.y, item.size, item.angle)
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)


def render(scene: Scene, side: int = 256) -> Rendered:
    """Draw a scene; at another ``side`` it is the same picture, finer or coarser."""
    canvas = Image.fromarray(paint(scene.backdrop, side).astype(np.uint8))
    for thing in scene.backdrop.clutter:
        _paste(canvas, _clutter_patch(thing, side))
    owner = np.zeros((side, side), dtype=np.uint8)
    for number, item in enumerate(scene.objects, start=1):
        patch = _object_patch(item, scene.backdrop, side)
        _shadow(canvas, patch, scene.backdrop, item, side)
        _paste(canvas, patch)
        _own(owner, patch, number)
    numbers = np.arange(1, len(scene.objects) + 1, dtype=np.uint8)
    masks = owner[None] == numbers[:, None, None]
    image = _lit(canvas, scene.backdrop, side)
    return Rendered(image, tuple(_tight(m) for m in masks), masks, scene.objects)


@dataclass(frozen=True)
class _Patch:
    """A drawn thing and where its upper left corner goes, in pixels."""

    image: Image.Image
    alpha: Image.Image
    left: int
    top: int


def _place(points: Floats, x: float, y: float, size: float, angle: float) -> Floats:
    turn = math.radians(angle)
    c, s = math.cos(turn) * size / 2, math.sin(turn) * size / 2
    placed: Floats = points @ np.array([[c, s], [-s, c]]) + (x, y)
    return placed


def _object_patch(item: SceneObject, backdrop: Backdrop, side: int) -> _Patch:
    drawing = drawings()[item.class_name]
    points = _place(drawing.points, item.x, item.y, item.size, item.angle) * side
    colors = scheme(item.color, item.tone)
    patch = _draw(points, drawing.shapes, colors, item.size * side / 2)
    return _Patch(_shaded(patch.image, backdrop.light), patch.alpha, patch.left, patch.top)


def _clutter_patch(thing: Clutter, side: int) -> _Patch:
    shape = CLUTTER_SHAPES[thing.shape]
    points = _place(np.asarray(shape.points), thing.x, thing.y, thing.size, thing.angle) * side
    scheme_ = {"body": thing.color, "edge": thing.color}
    return _draw(points, (shape,), scheme_, thing.size * side / 2)


def _draw(
    points: Floats, shapes: Sequence[Shape], colors: Mapping[str, RGB], half: float
) -> _Patch:
    """Draw shapes whose points are in pixels; ``half`` is half the object's size in pixels."""
    fine = _fineness(half)
    margin = 0.12 * half + 2
    left, top = (math.floor(v - margin) for v in points.min(axis=0))
    right, bottom = (math.ceil(v + margin) for v in points.max(axis=0))
    size = ((right - left) * fine, (bottom - top) * fine)
    image, alpha = Image.new("RGB", size, colors["edge"]), Image.new("L", size)
    pens = ImageDraw.Draw(image, "RGBA"), ImageDraw.Draw(alpha)
    flat = ((points - (left, top)) * fine).ravel().tolist()
    at = 0
    for shape in shapes:
        count = 2 * len(shape.points)
        _stroke(pens, shape, flat[at : at + count], colors, half * fine)
        at += count
    return _Patch(image.reduce(fine), alpha.reduce(fine), left, top)


def _fineness(half: float) -> int:
    """Return how many times finer than the picture to draw: more where pixels are scarce."""
    return 4 if half < 24 else 3 if half < 48 else 2


def _stroke(
    pens: tuple[ImageDraw.ImageDraw, ImageDraw.ImageDraw],
    shape: Shape,
    points: list[float],
    colors: Mapping[str, RGB],
    half: float,
) -> None:
    color, mask = pens
    fill = _resolve(shape.paint, colors)
    if shape.hole:
        mask.polygon(points, fill=0)
        _outline(color, points, colors["edge"], EDGE * half)
        return
    if shape.width:
        _line(color, points, fill, shape.width * half)
        if len(fill) == 3:
            _line(mask, points, 255, shape.width * half)
        return
    color.polygon(points, fill=fill)
    if len(fill) == 3:
        mask.polygon(points, fill=255)
    if shape.edge:
        _outline(color, points, colors["edge"], EDGE * half)
        _outline(mask, points, 255, EDGE * half)


def _resolve(paint_: Paint, colors: Mapping[str, RGB]) -> RGB | tuple[int, int, int, int]:
    return colors[paint_] if isinstance(paint_, str) else paint_


def _outline(pen: ImageDraw.ImageDraw, points: list[float], fill: RGB | int, width: float) -> None:
    pen.line([*points, *points[:4]], fill=fill, width=max(1, round(width)), joint="curve")


def _line(pen: ImageDraw.ImageDraw, points: list[float], fill: _Ink, width: float) -> None:
    pen.line(points, fill=fill, width=max(1, round(width)), joint="curve")
    if isinstance(fill, tuple) and len(fill) == 4:
        return  # the round ends of a translucent line would show
    r = width / 2
    for x, y in (points[:2], points[-2:]):
        pen.ellipse((x - r, y - r, x + r, y + r), fill=fill)


def _shaded(image: Image.Image, light: float) -> Image.Image:
    """Brighten the side towards the light and darken the other, gently."""
    width, height = image.size
    turn = math.radians(light)
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    factor = 0.99 + 0.085 * (x * math.cos(turn) + y * math.sin(turn))
    pixels = np.asarray(image, dtype=np.float32) * factor[..., None]
    return Image.fromarray(np.clip(pixels + 0.5, 0, 255).astype(np.uint8))


def _shadow(
    canvas: Image.Image, patch: _Patch, backdrop: Backdrop, item: SceneObject, side: int
) -> None:
    """Darken what lies behind an object, on the side away from the light."""
    radius = max(0.5, item.size * side * 0.035)
    pad = math.ceil(3 * radius)
    width, height = patch.alpha.size
    soft = Image.new("L", (width + 2 * pad, height + 2 * pad))
    soft.paste(patch.alpha.point([round(v * backdrop.shadow) for v in range(256)]), (pad, pad))
    soft = soft.filter(ImageFilter.GaussianBlur(radius))
    turn, reach = math.radians(backdrop.light + 180), item.size * side * 0.05
    left = round(patch.left - pad + reach * math.cos(turn))
    top = round(patch.top - pad + reach * math.sin(turn))
    canvas.paste((40, 36, 52), (left, top), soft)


def _paste(canvas: Image.Image, patch: _Patch) -> None:
    canvas.paste(patch.image, (patch.left, patch.top), patch.alpha)


def _own(owner: npt.NDArray[np.uint8], patch: _Patch, number: int) -> None:
    """Mark the pixels that an object covers by half or more as its own."""
    side = len(owner)
    cover = np.asarray(patch.alpha) > 127
    top, left = max(0, -patch.top), max(0, -patch.left)
    cover = cover[top : side - patch.top, left : side - patch.left]
    y, x = patch.top + top, patch.left + left
    owner[y : y + cover.shape[0], x : x + cover.shape[1]][cover] = number


def _lit(canvas: Image.Image, backdrop: Backdrop, side: int) -> Image.Image:
    """Apply the light's tint, and let it fall off a little across the picture."""
    turn = math.radians(backdrop.light)
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    fall = 1 + 0.02 * (axis[None, :] * math.cos(turn) + axis[:, None] * math.sin(turn))
    warm = np.array([1 + 0.02 * backdrop.warmth, 1, 1 - 0.025 * backdrop.warmth], dtype=np.float32)
    pixels = np.asarray(canvas, dtype=np.float32) * (fall[..., None] * warm * backdrop.brightness)
    return Image.fromarray(np.clip(pixels + 0.5, 0, 255).astype(np.uint8))


def _tight(mask: npt.NDArray[np.bool_]) -> Box:
    """Return the box around a mask's pixels, or a point at the origin where there are none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return 0.0, 0.0, 0.0, 0.0
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
