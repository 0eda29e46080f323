"""What a scene shows and what a text claims, as one and the same vector of yes-or-no facts.

The judges learn relations from it: a picture, each of its patches and a text are asked for the
facts they hold. It also says which other texts of a batch happen to be true of a picture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalkit.miniature.scenes import (
    CLASSES,
    COLORS,
    MOST,
    POSITIONS,
    Scene,
    SceneObject,
    extent,
    relations,
)
from evalkit.records import Clause, Requirements

Bools = npt.NDArray[np.bool_]

PRESENT = 0
RELATION = slice(1, 1 + len(POSITIONS))
COLOR = slice(RELATION.stop, RELATION.stop + len(COLORS))
COUNT = slice(COLOR.stop, COLOR.stop + MOST - 1)
PER_CLASS = COUNT.stop
"""Facts of a class: it is there; how it stands to the other one; its colours; exactly 2, 3, 4."""
SHAPE = (len(CLASSES) + 1, PER_CLASS)
"""One row a class, and a last row for "an object", which only has colours."""
ANY = len(CLASSES)
OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}


@dataclass(frozen=True)
class Facts:
    """``holds`` [classes + 1, facts] and, of the same shape, where the answer is ``known``."""

    holds: Bools
    known: Bools


def of_scene(scene: Scene) -> Facts:
    """Return what a scene shows; relations are known between one object each of two classes."""
    holds, known = np.zeros(SHAPE, bool), np.ones(SHAPE, bool)
    counts = Counter(o.class_name for o in scene.objects)
    for item in scene.objects:
        row = holds[CLASSES.index(item.class_name)]
        row[PRESENT] = True
        row[COLOR][COLORS.index(item.color)] = True
        holds[ANY, COLOR][COLORS.index(item.color)] = True
        if counts[item.class_name] in range(2, MOST + 1):
            row[COUNT][counts[item.class_name] - 2] = True
    pair = len(scene.objects) == len(counts) == 2
    known[:, RELATION] = pair
    if pair:
        _relate(holds, scene.objects)
    known[ANY] = False
    known[ANY, COLOR] = True
    return Facts(holds, known)


def _relate(holds: Bools, objects: Sequence[SceneObject]) -> None:
    for a, b in (objects, objects[::-1]):
        strengths = relations(extent(a), extent(b))
        holds[CLASSES.index(a.class_name), RELATION] = [strengths[p] > 0.5 for p in POSITIONS]


def of_text(requirements: Requirements, *, any_class: bool = False) -> Facts:
    """Return what a text claims, and as known also what it rules out.

    With ``any_class`` the text speaks of "a red object": only the colour is claimed.
    """
    holds, known = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    if any_class:
        _claim_color(holds[ANY], known[ANY], requirements.include[0])
        return Facts(holds, known)
    known[:ANY, PRESENT] = True
    for clause in requirements.include:
        at = CLASSES.index(clause.class_name)
        holds[at, PRESENT] = True
        _claim_color(holds[at], known[at], clause)
        if clause.count > 1:
            holds[at, COUNT][clause.count - 2] = True
            known[at, COUNT] = True
        if clause.position:
            other = requirements.include[clause.position[1]].class_name
            _claim_relation(holds, known, (at, CLASSES.index(other)), clause.position[0])
    return Facts(holds, known)


def _claim_color(holds: Bools, known: Bools, clause: Clause) -> None:
    if clause.color:
        holds[COLOR][COLORS.index(clause.color)] = True
        known[COLOR] = True


def _claim_relation(holds: Bools, known: Bools, pair: tuple[int, int], relation: str) -> None:
    for at, said in zip(pair, (relation, OPPOSITE[relation]), strict=True):
        holds[at, RELATION][POSITIONS.index(said)] = True
        known[at, RELATION] = True


def agree(claims: Bools, holds: Bools, known: Bools) -> Bools:
    """Say which texts might be true of which pictures: [texts, ...] x [pictures, ...] -> bool.

    An unknown fact is given the benefit of the doubt.
    """
    flat = claims.reshape(len(claims), -1).astype(np.float32)
    denied = (known & ~holds).reshape(len(holds), -1).astype(np.float32)
    return np.asarray(flat @ denied.T == 0)
