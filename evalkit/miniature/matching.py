"""Compare what was found in a picture with what is there, by GenEval's thresholds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalkit.scorers.detection import Detection, Found

SURE, LIKELY = 0.9, 0.3
"""GenEval's thresholds: for counting, and for all else."""
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Comparison:
    """One picture: each true object found or not, and whether the counts are right."""

    hits: tuple[bool, ...]
    """Per object: found above 0.9, of the right class, at an overlap (IoU) above one half."""
    likely_hits: tuple[bool, ...]
    """The same above 0.3."""
    counts: Mapping[int, tuple[bool, ...]]
    """By true number: whether each class was counted rightly above 0.9."""
    exact: bool
    """All classes counted rightly above 0.9, and no other class seen."""
    nothing_extra: bool
    """No class is seen more often than it is there, above 0.3."""


def compare(found: Found, names: Sequence[str], masks: Sequence[Mask]) -> Comparison:
    """Compare detections with the objects' classes and visible pixels."""
    sure, likely = (_above(found, t) for t in (SURE, LIKELY))
    there = Counter(names)
    seen = Counter({n: len(d) for n, d in sure.items()})
    counts: dict[int, tuple[bool, ...]] = {}
    for name, number in there.items():
        counts[number] = (*counts.get(number, ()), seen[name] == number)
    return Comparison(
        hits=_hits(sure, names, masks),
        likely_hits=_hits(likely, names, masks),
        counts=counts,
        exact=seen == there,
        nothing_extra=all(len(d) <= there[n] for n, d in likely.items()),
    )


def _above(found: Found, threshold: float) -> dict[str, list[Detection]]:
    kept = {n: [d for d in ds if d.score > threshold] for n, ds in found.items()}
    return {n: sorted(ds, key=lambda d: -d.score) for n, ds in kept.items() if ds}


def _hits(
    found: Mapping[str, Sequence[Detection]], names: Sequence[str], masks: Sequence[Mask]
) -> tuple[bool, ...]:
    """Give each object the first unused detection of its class that overlaps it enough."""
    used: set[tuple[str, int]] = set()
    hits = []
    for name, mask in zip(names, masks, strict=True):
        candidates = enumerate(found.get(name, ()))
        match = next(
            (i for i, d in candidates if (name, i) not in used and overlap(d.mask, mask) > 0.5),
            None,
        )
        if match is not None:
            used.add((name, match))
        hits.append(match is not None)
    return tuple(hits)


def overlap(a: Mask | None, b: Mask) -> float:
    """Return intersection over union of two masks; 0 where there is none."""
    if a is None:
        return 0.0
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else 0.0
