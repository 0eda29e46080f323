"""All pairs of a run's pictures that raters might have judged, and which they did."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from arena.comparisons import two_sided
from arena.judged import Judged, Picture, Scored
from arena.tally import Floats, Ints
from evalkit.clusters import holm


@dataclass(frozen=True, eq=False)
class Pool:
    """Pairs of pictures of one prompt and seed by two models, the model with the lower code first.

    A vote's place in it, and whether its pictures stood the other way round, are in ``place`` and
    ``turned``.
    """

    one: Ints
    other: Ints
    prompt: Ints
    prompts: tuple[str, ...]
    gaps: Floats
    """Pairs x scorers: the first picture's score less the other's, NaN where one is missing."""
    place: Ints
    """Of each vote; -1 where its pictures are no pair of the run."""
    turned: NDArray[np.bool_]


def pool(judged: Judged, scored: Scored) -> Pool:
    """List the pairs of the run's pictures by models of the votes, and find the votes' among them.

    Pairs are those that a study of the run asks about: of the same prompt and seed.
    """
    code = {name: number for number, name in enumerate(judged.tally.models)}
    pairs = _pairs(scored.pictures, code)
    prompts = sorted({scored.pictures[first].prompt for first, _ in pairs})
    number = {name: place for place, name in enumerate(prompts)}
    of = scored.pictures
    place, turned = _places(judged, pairs)
    return Pool(
        one=np.array([code[of[first].model] for first, _ in pairs], dtype=np.int64),
        other=np.array([code[of[second].model] for _, second in pairs], dtype=np.int64),
        prompt=np.array([number[of[first].prompt] for first, _ in pairs], dtype=np.int64),
        prompts=tuple(prompts),
        gaps=_gaps(pairs, list(scored.scores.values())),
        place=place,
        turned=turned,
    )


def _pairs(pictures: Mapping[str, Picture], code: Mapping[str, int]) -> list[tuple[str, str]]:
    cells: dict[tuple[str, int], list[tuple[int, str]]] = defaultdict(list)
    for name, picture in pictures.items():
        if picture.model in code:
            cells[picture.prompt, picture.seed].append((code[picture.model], name))
    return [
        (first, second)
        for cell in cells.values()
        for (one, first), (other, second) in combinations(sorted(cell), 2)
        if one != other
    ]


def _places(judged: Judged, pairs: Sequence[tuple[str, str]]) -> tuple[Ints, NDArray[np.bool_]]:
    number = {name: place for place, name in enumerate(judged.pictures)}
    size = max(1, len(number))
    known = [
        (number[first] * size + number[second], place)
        for place, (first, second) in enumerate(pairs)
        if first in number and second in number
    ]
    table = pd.Series(dict(known), dtype="int64")
    left, right = judged.left.astype(np.int64), judged.right.astype(np.int64)
    named = (left >= 0) & (right >= 0)
    as_shown = table.reindex(np.where(named, left * size + right, -1), fill_value=-1).to_numpy()
    swapped = table.reindex(np.where(named, right * size + left, -1), fill_value=-1).to_numpy()
    return np.maximum(as_shown, swapped), swapped >= 0


def _gaps(pairs: Sequence[tuple[str, str]], scores: Sequence[Mapping[str, float]]) -> Floats:
    gaps = np.full((len(pairs), len(scores)), np.nan)
    for column, values in enumerate(scores):
        for row, (first, second) in enumerate(pairs):
            gaps[row, column] = values.get(first, np.nan) - values.get(second, np.nan)
    return gaps


def unlike(found: Pool, gaps: Floats, models: int) -> tuple[float, int, int]:
    """Test whether the judged pairs are like the rest: the smallest p (Holm), its model, its score.

    For each model and score, the model's lead over those it met is compared between the judged
    pairs and all pairs of the same two models, with standard errors by prompt.
    """
    rows = np.flatnonzero(found.place >= 0)
    pair = found.place[rows]
    match = found.one * models + found.other
    count = np.bincount(match, minlength=models**2)
    p = np.full((models, gaps.shape[1]), np.nan)
    for column in range(gaps.shape[1]):
        mean = np.bincount(match, gaps[:, column], models**2) / np.maximum(count, 1)
        off = gaps[pair, column] - mean[match[pair]]
        p[:, column] = _by_model(off, found, pair, models)
    adjusted = np.nan_to_num(holm(p.ravel()), nan=1.0)
    worst = int(np.argmin(adjusted))
    return float(adjusted[worst]), worst // gaps.shape[1], worst % gaps.shape[1]


def _by_model(off: Floats, found: Pool, pair: Ints, models: int) -> Floats:
    table = np.zeros((models, len(found.prompts)))
    np.add.at(table, (found.one[pair], found.prompt[pair]), off)
    np.add.at(table, (found.other[pair], found.prompt[pair]), -off)
    error = np.sqrt((table**2).sum(axis=1))
    used = np.maximum((table != 0).sum(axis=1) - 1.0, 1.0)
    statistic = np.where(error > 0, table.sum(axis=1) / np.where(error > 0, error, 1), np.nan)
    return np.array([two_sided(s, f) for s, f in zip(statistic, used, strict=True)], dtype=float)
