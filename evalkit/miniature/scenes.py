"""The miniature's world: scenes of GenEval's objects, drawn by lot so that they fulfil a prompt.

Scenes are pure data (``Scene``); ``render`` makes the picture. Relations and counts follow
GenEval's rules (arXiv 2310.11513 and its code) with room to spare, so that a scene sampled for a
prompt is judged correct by any detector that sees it.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from evalkit.errors import EvalkitError
from evalkit.geneval import COLORS, POSITIONS, TASKS, caption
from evalkit.miniature.backdrops import Backdrop, sample_backdrop
from evalkit.miniature.drawings import drawings
from evalkit.miniature.layout import GAP, place, relations, stands
from evalkit.miniature.rendering import Rendered, Scene, SceneObject, extent, render
from evalkit.records import Clause, Requirements

__all__ = [
    "CLASSES", "COLORS", "HELD_OUT", "NATURAL", "POSITIONS", "TASKS", "Backdrop", "Pairs",
    "Rendered", "Scene", "SceneObject", "captions", "colors_for", "extent", "random_requirements",
    "relations", "render", "sample", "sample_free", "shows", "text_for", "truths", "undrawable",
]  # fmt: skip

VERSION = 2
"""Raise it whenever a picture could change."""
CLASSES: tuple[str, ...] = tuple(drawings())
NATURAL: Mapping[str, str] = MappingProxyType({c: d.natural for c, d in drawings().items()})
MOST = 4
"""The largest number of objects of a faithful scene."""
Pairs = Literal["train", "all", "held-out"]
"""Which colour-class combinations may be drawn where the prompt leaves the choice."""


def _held_out() -> Iterator[tuple[str, str]]:
    for i, name in enumerate(CLASSES):
        color = COLORS[(3 * i + 1) % len(COLORS)]
        yield name, color if color != NATURAL[name] else COLORS[(3 * i + 2) % len(COLORS)]


HELD_OUT: frozenset[tuple[str, str]] = frozenset(_held_out())
"""One (class, colour) of each class, a tenth of all, that training never shows."""


def colors_for(class_name: str, pairs: Pairs) -> tuple[str, ...]:
    """Return the colours that a class may have."""
    held_out = {color for name, color in HELD_OUT if name == class_name}
    if pairs == "held-out":
        return tuple(c for c in COLORS if c in held_out)
    return tuple(c for c in COLORS if pairs == "all" or c not in held_out)


def undrawable(requirements: Requirements) -> str | None:
    """Say why a prompt cannot be drawn here, or return None if it can."""
    clauses = requirements.include
    unknown = [c.class_name for c in clauses if c.class_name not in CLASSES]
    if unknown:
        return f"the miniature cannot draw {unknown[0]!r}; it knows {', '.join(CLASSES)}"
    colors = [c.color for c in clauses if c.color is not None and c.color not in COLORS]
    if colors:
        return f"{colors[0]!r} is not one of GenEval's colours: {', '.join(COLORS)}"
    if not 1 <= sum(c.count for c in clauses) <= MOST:
        return f"the miniature draws 1 to {MOST} objects, not {sum(c.count for c in clauses)}"
    return _contradiction(requirements)


def _contradiction(requirements: Requirements) -> str | None:
    counts = {c.class_name: c.count for c in requirements.include}
    if len(counts) < len(requirements.include):
        return "two clauses ask for the same class"
    for i, clause in enumerate(requirements.include):
        relation, at = clause.position or (POSITIONS[0], 0)
        if relation not in POSITIONS or (clause.position and not 0 <= at < i):
            return f"{relation!r} of clause {at} makes no sense for clause {i}"
    for clause in requirements.exclude:
        if counts.get(clause.class_name, 0) >= clause.count:
            return f"{clause.class_name!r} is both asked for and ruled out"
    return None


def sample(requirements: Requirements, rng: random.Random, *, pairs: Pairs = "all") -> Scene:
    """Draw by lot a scene that fulfils ``requirements``, with no other object of a known class.

    Colours that the prompt leaves open are natural ones most of the time, else by lot among
    ``pairs``. Raises EvalkitError where ``undrawable`` has a reason.
    """
    reason = undrawable(requirements)
    if reason:
        raise EvalkitError(f"Cannot draw this prompt: {reason}.")
    wanted = []
    for c in requirements.include:
        color = c.color or _open_color(c.class_name, rng, pairs)
        wanted += [(c.class_name, color)] * c.count
    groups = _groups(requirements)
    rules = [
        (i, j, clause.position[0])
        for clause, group in zip(requirements.include, groups, strict=True)
        if clause.position
        for i in group
        for j in groups[clause.position[1]]
    ]
    objects = place(wanted, rng, fits=_ordered(rules))
    return Scene(objects, sample_backdrop(rng, clutter=_clutter(rng)))


def _groups(requirements: Requirements) -> list[range]:
    """Return which objects each include clause stands for, as they are drawn in its order."""
    ends = list(itertools.accumulate(c.count for c in requirements.include))
    return [range(e - c.count, e) for c, e in zip(requirements.include, ends, strict=True)]


def _open_color(class_name: str, rng: random.Random, pairs: Pairs) -> str:
    if pairs != "held-out" and rng.random() < 0.75:
        return NATURAL[class_name]
    return rng.choice(colors_for(class_name, pairs))


def _clutter(rng: random.Random) -> int:
    return rng.randint(1, 4) if rng.random() < 0.25 else 0


def sample_free(rng: random.Random, *, pairs: Pairs = "all", most: int = MOST) -> Scene:
    """Draw by lot any layout of up to ``most`` objects, some touching, some with clutter."""
    count = rng.choices(range(1, most + 1), (0.25, 0.3, 0.2, 0.25, 0.1, 0.06)[:most])[0]
    same = rng.random() < 0.35
    names = [rng.choice(CLASSES)] * count if same else rng.choices(CLASSES, k=count)
    wanted = [
        (n, rng.choice((_open_color(n, rng, pairs), rng.choice(colors_for(n, pairs)))))
        for n in names
    ]
    gap = -0.06 if rng.random() < 0.25 else GAP
    clutter = rng.randint(1, 6) if rng.random() < 0.4 else 0
    return Scene(place(wanted, rng, gap=gap, shrink=0.85), sample_backdrop(rng, clutter=clutter))


def _ordered(rules: Sequence[tuple[int, int, str]]) -> Callable[[Sequence[SceneObject]], bool]:
    """Return a test that object i stands in its relation to object j; a lone pair in no other."""
    alone = len(rules) == 1

    def fits(objects: Sequence[SceneObject]) -> bool:
        pairs = [(objects[i], objects[j], relation) for i, j, relation in rules]
        return all(stands(a, b, relation, alone=alone) for a, b, relation in pairs)

    return fits


def shows(scene: Scene, requirements: Requirements) -> bool:
    """Say whether the scene fulfils the requirements, whichever of its objects GenEval picks."""
    groups: list[list[SceneObject]] = []
    for clause in requirements.include:
        group = [o for o in scene.objects if o.class_name == clause.class_name]
        if len(group) < clause.count or not _colored(group, clause.color):
            return False
        if clause.position and not _positioned(group, groups, clause.position):
            return False
        groups.append(group)
    names = [o.class_name for o in scene.objects]
    return all(names.count(c.class_name) < c.count for c in requirements.exclude)


def _colored(group: Sequence[SceneObject], color: str | None) -> bool:
    return color is None or all(o.color == color for o in group)


def _positioned(
    group: Sequence[SceneObject], groups: Sequence[Sequence[SceneObject]], position: tuple[str, int]
) -> bool:
    relation, at = position
    return all(relations(extent(a), extent(b))[relation] > 0.5 for a in group for b in groups[at])


def random_requirements(tag: str, rng: random.Random, *, pairs: Pairs = "all") -> Requirements:
    """Draw by lot what a prompt of one of GenEval's six tasks asks for, in GenEval's own shape."""
    a, b = rng.sample(CLASSES, 2)
    one = {"class": a, "count": 1}
    two = {"class": b, "count": 1}
    line: dict[str, object] = {"tag": tag, "include": [one, two]}
    if tag == "single_object":
        line["include"] = [one]
    elif tag == "counting":
        count = rng.randint(2, MOST)
        line |= {"include": [one | {"count": count}], "exclude": [one | {"count": count + 1}]}
    elif tag == "colors":
        line["include"] = [one | {"color": rng.choice(colors_for(a, pairs))}]
    elif tag == "position":
        line["include"] = [two, one | {"position": (rng.choice(POSITIONS), 0)}]
    elif tag == "color_attr":
        x, y = _two_colors(a, b, rng, pairs)
        line["include"] = [one | {"color": x}, two | {"color": y}]
    elif tag != "two_object":
        raise EvalkitError(f"Unknown GenEval task {tag!r}. Known: {', '.join(TASKS)}.")
    return Requirements.model_validate(line)


def _two_colors(a: str, b: str, rng: random.Random, pairs: Pairs) -> tuple[str, str]:
    """Draw two different colours; where only one held-out pair each exists they may be equal."""
    choices = [(x, y) for x in colors_for(a, pairs) for y in colors_for(b, pairs)]
    different = [(x, y) for x, y in choices if x != y]
    return rng.choice(different or choices)


def text_for(requirements: Requirements) -> str:
    """Return the prompt in GenEval's words."""
    return caption(requirements)


def captions(scene: Scene) -> tuple[str, ...]:
    """Return true sentences about a scene in GenEval's templates, the most telling ones last."""
    return tuple(dict.fromkeys(text_for(r) for r in truths(scene)))


def truths(scene: Scene) -> Iterator[Requirements]:
    """Give what is true of a scene, as requirements of GenEval's six tasks."""
    names = [o.class_name for o in scene.objects]
    single = [o for o in scene.objects if names.count(o.class_name) == 1]
    for item in single:
        yield _required("single_object", [_clause(item)])
    for name in dict.fromkeys(n for n in names if names.count(n) > 1):
        yield _required("counting", [Clause(class_name=name, count=names.count(name))])
    for a, b in itertools.permutations(single, 2):
        yield _required("two_object", [_clause(a), _clause(b)])
    for item in single:
        yield _required("colors", [_clause(item, color=item.color)])
    for a, b in itertools.permutations(single, 2):
        for relation in POSITIONS:
            if stands(a, b, relation):
                yield _required("position", [_clause(b), _clause(a, position=(relation, 0))])
    for a, b in itertools.permutations(single, 2):
        if a.color != b.color:
            yield _required("color_attr", [_clause(a, color=a.color), _clause(b, color=b.color)])


def _clause(
    item: SceneObject, *, color: str | None = None, position: tuple[str, int] | None = None
) -> Clause:
    return Clause(class_name=item.class_name, count=1, color=color, position=position)


def _required(tag: str, include: Sequence[Clause]) -> Requirements:
    return Requirements(tag=tag, include=tuple(include))
