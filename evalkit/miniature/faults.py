"""Ways to be wrong: scenes that break their prompt, and pictures that are damaged."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageFilter

from evalkit.miniature.layout import place, relations
from evalkit.miniature.rendering import Scene, SceneObject, extent
from evalkit.miniature.scenes import CLASSES, NATURAL, Pairs, colors_for
from evalkit.records import Requirements

Fault = Callable[..., Scene | None]
"""(scene, requirements, rng, *, pairs="all") -> a scene that breaks the requirements, or None."""


def wrong_color(
    scene: Scene, requirements: Requirements, rng: random.Random, *, pairs: Pairs = "all"
) -> Scene | None:
    """Give an object another colour than is asked for, or let two swap their colours."""
    asked = {c.class_name: c.color for c in requirements.include if c.color}
    if not asked:
        return None
    colors = list(asked.values())
    swapped = dict(zip(asked, reversed(colors), strict=True))
    binding = len(set(colors)) == 2 and rng.random() < 0.4
    if binding and all(c in colors_for(n, pairs) for n, c in swapped.items()):
        return _recolored(scene, swapped)
    name = rng.choice(list(asked))
    other = rng.choice([c for c in colors_for(name, pairs) if c != asked[name]])
    return _recolored(scene, {name: other})


def _recolored(scene: Scene, colors: Mapping[str, str]) -> Scene:
    objects = (replace(o, color=colors.get(o.class_name, o.color)) for o in scene.objects)
    return replace(scene, objects=tuple(objects))


def wrong_count(
    scene: Scene, requirements: Requirements, rng: random.Random, *, pairs: Pairs = "all"
) -> Scene | None:
    """Show one object more or less than a counting prompt asks for."""
    del pairs
    if requirements.tag != "counting":
        return None
    if rng.random() < 0.5:
        gone = rng.randrange(len(scene.objects))
        return replace(scene, objects=scene.objects[:gone] + scene.objects[gone + 1 :])
    more = [*scene.objects, rng.choice(scene.objects)]
    return replace(scene, objects=place([(o.class_name, o.color) for o in more], rng))


def wrong_position(
    scene: Scene, requirements: Requirements, rng: random.Random, *, pairs: Pairs = "all"
) -> Scene | None:
    """Put the objects in another relation than the one asked for: mostly the opposite one."""
    del pairs
    at = next((i for i, c in enumerate(requirements.include) if c.position), None)
    if at is None or len(scene.objects) != len(requirements.include):
        return None
    relation, other = requirements.include[at].position or ("", 0)
    if rng.random() < 0.6:
        swapped = _swapped(scene.objects, at, other)
        if _strength(swapped, at, other, relation) < 0:
            return replace(scene, objects=swapped)
    wanted = [(o.class_name, o.color) for o in scene.objects]
    objects = place(wanted, rng, fits=lambda found: _strength(found, at, other, relation) < 0.2)
    return replace(scene, objects=objects)


def _swapped(objects: tuple[SceneObject, ...], i: int, j: int) -> tuple[SceneObject, ...]:
    a, b = objects[i], objects[j]
    moved = {i: replace(a, x=b.x, y=b.y, size=b.size), j: replace(b, x=a.x, y=a.y, size=a.size)}
    return tuple(moved.get(k, o) for k, o in enumerate(objects))


def _strength(objects: Sequence[SceneObject], i: int, j: int, relation: str) -> float:
    return relations(extent(objects[i]), extent(objects[j]))[relation]


def wrong_class(
    scene: Scene, requirements: Requirements, rng: random.Random, *, pairs: Pairs = "all"
) -> Scene | None:
    """Draw another thing in the place of one that is asked for, in the same colour if it may be."""
    asked = {c.class_name for c in requirements.include}
    at = rng.randrange(len(scene.objects))
    item = scene.objects[at]
    name = rng.choice([c for c in CLASSES if c not in asked])
    keep = item.color in colors_for(name, pairs) and item.color != NATURAL[item.class_name]
    other = replace(item, class_name=name, color=item.color if keep else NATURAL[name], angle=0.0)
    return replace(scene, objects=(*scene.objects[:at], _inside(other), *scene.objects[at + 1 :]))


def _inside(item: SceneObject) -> SceneObject:
    """Move an object so that nothing of it is cut off."""
    x0, y0, x1, y1 = extent(item)
    dx = max(0.0, -x0) - max(0.0, x1 - 1)
    dy = max(0.0, -y0) - max(0.0, y1 - 1)
    return replace(item, x=item.x + dx, y=item.y + dy)


FAULTS: Mapping[str, Fault] = MappingProxyType(
    {
        "wrong_color": wrong_color,
        "wrong_count": wrong_count,
        "wrong_position": wrong_position,
        "wrong_class": wrong_class,
    }
)


def blur(image: Image.Image, strength: float) -> Image.Image:
    """Blur with a radius of ``strength`` / 30 of the width: 0 none, 1 hard to recognise."""
    return image.filter(ImageFilter.GaussianBlur(strength * image.width / 30))


def noise(image: Image.Image, strength: float, seed: int) -> Image.Image:
    """Add grain of 80 x ``strength`` grey levels, as coarse as 1/128 of the width."""
    cells = min(image.width, 128)
    rng = np.random.default_rng(seed)
    grain = rng.standard_normal((cells, cells, 3)) * (80 * strength)
    coarse = np.clip(grain + 128, 0, 255).astype(np.uint8)
    full = Image.fromarray(coarse).resize(image.size, Image.Resampling.NEAREST)
    pixels = np.asarray(image, dtype=np.int16) + np.asarray(full, dtype=np.int16) - 128
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
