"""GenEval's verdict on one picture (djghosh13/geneval, arXiv 2310.11513), as pure arithmetic.

The rules are those of the authors' ``evaluate_images.py``, its wording of reasons included, so
that rows can be compared with theirs line by line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import ValidationError

from evalkit.errors import SuiteError
from evalkit.geneval import COLORS
from evalkit.records import Clause, Requirements
from evalkit.scorers.detection import Box, Detection, Found

COUNTING = "counting"
"""The task with the higher threshold: an object too many must not be a detector's guess."""
MIN_SHARE = 0.5
"""A relation holds when more than this share of the distance lies in its direction."""
MIN_OFFSET = 1e-3
"""Pixels; what is left of an offset below this is no offset."""

ColourOf = Callable[[str, Sequence[Detection]], Sequence[str]]
"""(class name, detections) -> their colours, in order."""


@dataclass(frozen=True)
class Options:
    """GenEval's settings; another value is another metric."""

    threshold: float = 0.3
    counting_threshold: float = 0.9
    max_objects: int = 16
    max_overlap: float = 1.0
    """Intersection over union from which the weaker of two boxes is dropped; 1.0 keeps all."""
    position_threshold: float = 0.1
    """Share of the summed sizes by which two centres must differ to be apart at all."""


OFFICIAL = Options()


@dataclass(frozen=True)
class Judgement:
    """Whether a picture shows what was asked; a line per fault in ``reason``, empty if none."""

    correct: bool
    reason: str


def judge(
    requirements: Requirements | Mapping[str, Any],
    detections: Found,
    colour_of: ColourOf,
    *,
    options: Options = OFFICIAL,
) -> Judgement:
    """Judge one picture by what a detector found in it.

    ``requirements`` is a line of GenEval's metadata; ``detections`` maps each class to all that
    was found, in any order: threshold, cap and order are applied here. ``colour_of`` is called
    only for a clause with a colour and enough objects, with its ``count`` surest ones.
    """
    wanted = parse(requirements)
    found = survivors(detections, wanted.tag, options)
    groups: list[Sequence[Detection] | None] = []
    faults = []
    for clause in wanted.include:
        candidates = found.get(clause.class_name, [])[: clause.count]
        fault = _fault(clause, candidates, groups, colour_of, options)
        groups.append(None if fault else candidates)
        faults += [fault] if fault else []
    faults += _excess(wanted.exclude, found)
    return Judgement(correct=not faults, reason="\n".join(faults))


def parse(line: Requirements | Mapping[str, Any]) -> Requirements:
    """Read a line of GenEval's metadata, in which both lists of clauses may be missing."""
    if isinstance(line, Requirements):
        return line
    try:
        return Requirements.parse({"include": (), **line})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SuiteError(
            f"These requirements cannot be judged: {where}: {first['msg']}. "
            "Give a line of evaluation_metadata.jsonl: tag, include, exclude."
        ) from error


def survivors(
    detections: Found, tag: str, options: Options = OFFICIAL
) -> dict[str, list[Detection]]:
    """Keep, per class, what counts for a task, surest first; classes with nothing are absent."""
    threshold = options.counting_threshold if tag == COUNTING else options.threshold
    kept = {name: _kept(found, threshold, options) for name, found in detections.items()}
    return {name: found for name, found in kept.items() if found}


def _kept(found: Sequence[Detection], threshold: float, options: Options) -> list[Detection]:
    # Of equal scores the later comes first: the original reverses an ascending argsort, stable for
    # up to 16 in the numpy of its time (since numpy 1.25 that depends on the processor).
    order = np.argsort(np.asarray([d.score for d in found]), kind="stable")[::-1]
    sure = [found[i] for i in order if found[i].score > threshold][: options.max_objects]
    if options.max_overlap == 1:
        return sure
    apart: list[Detection] = []
    for detection in sure:
        if all(overlap(d.box, detection.box) < options.max_overlap for d in apart):
            apart.append(detection)
    return apart


def _fault(
    clause: Clause,
    candidates: Sequence[Detection],
    groups: Sequence[Sequence[Detection] | None],
    colour_of: ColourOf,
    options: Options,
) -> str | None:
    """Say what is wrong with the candidates of an include clause: the first fault, or None."""
    if len(candidates) < clause.count:
        return f"expected {clause.class_name}>={clause.count}, found {len(candidates)}"
    if clause.color is not None:
        colours = list(colour_of(clause.class_name, candidates))
        if colours.count(clause.color) < clause.count:
            return _wrong_colour(clause, clause.color, colours)
    if clause.position is not None:
        return _wrong_place(clause, clause.position, candidates, groups, options)
    return None


def _wrong_colour(clause: Clause, colour: str, colours: list[str]) -> str:
    seen = ", ".join(f"{colours.count(c)} {c}" for c in COLORS if c in colours)
    return (
        f"expected {colour} {clause.class_name}>={clause.count}, "
        f"found {colours.count(colour)} {colour}; and {seen}"
    )


def _wrong_place(
    clause: Clause,
    position: tuple[str, int],
    candidates: Sequence[Detection],
    groups: Sequence[Sequence[Detection] | None],
    options: Options,
) -> str | None:
    relation, target = position
    if not 0 <= target < len(groups):
        raise SuiteError(
            f"{clause.class_name!r} is placed against clause {target}, but only the "
            f"{len(groups)} before it can be meant. Mend the suite."
        )
    group = groups[target]
    if group is None:
        return f"no target for {clause.class_name} to be {relation}"
    for candidate in candidates:
        for other in group:
            found = relations(candidate.box, other.box, options.position_threshold)
            if relation not in found:
                seen = " and ".join(found)
                return f"expected {clause.class_name} {relation} target, found {seen} target"
    return None


def _excess(clauses: Sequence[Clause], found: Mapping[str, Sequence[Detection]]) -> Iterator[str]:
    for clause in clauses:
        count = len(found.get(clause.class_name, ()))
        if count >= clause.count:
            yield f"expected {clause.class_name}<{clause.count}, found {count}"


def relations(
    box_a: Box | Sequence[float],
    box_b: Box | Sequence[float],
    position_threshold: float = OFFICIAL.position_threshold,
) -> tuple[str, ...]:
    """Return how A lies to B: none, one, or two of "left of", "right of", "above", "below".

    The centres' offset, shortened per axis by a share of both sizes, over the full distance.
    """
    corners = np.array([list(box_a)[:4], list(box_b)[:4]]).reshape(2, 2, 2)
    centre_a, centre_b = corners.mean(axis=1)
    sizes = np.abs(corners[:, 1] - corners[:, 0]).sum(axis=0)
    offset = centre_a - centre_b
    apart = np.maximum(np.abs(offset) - position_threshold * sizes, 0) * np.sign(offset)
    if np.all(np.abs(apart) < MIN_OFFSET):
        return ()
    dx, dy = apart / np.linalg.norm(offset)
    holds = {
        "left of": dx < -MIN_SHARE,
        "right of": dx > MIN_SHARE,
        "above": dy < -MIN_SHARE,
        "below": dy > MIN_SHARE,
    }
    return tuple(name for name, true in holds.items() if true)


def overlap(box_a: Box, box_b: Box) -> float:
    """Return intersection over union as GenEval counts pixels: both ends belong to a box."""
    shared = _area(
        max(box_a[0], box_b[0]),
        max(box_a[1], box_b[1]),
        min(box_a[2], box_b[2]),
        min(box_a[3], box_b[3]),
    )
    joint = _area(*box_a) + _area(*box_b) - shared
    return shared / joint if joint else 0.0


def _area(x1: float, y1: float, x2: float, y2: float) -> float:
    return max(x2 - x1 + 1, 0) * max(y2 - y1 + 1, 0)
