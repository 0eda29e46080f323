"""What infinitely many votes of simulated raters would say: what a study should find."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from arena.ratings import fit_counts
from arena.simulation import Character
from arena.tally import gather
from evalkit.runs import Run

PEOPLE = 2000
"""Tastes drawn; the mean over them stands for all people there could be."""
VOTES = 40_000
"""Votes for each pair of models, so that rounding moves no rating by a tenth of a point."""

Faults = tuple[str, ...]


def ratings(run: Run, kinds: Collection[str], character: Character) -> dict[str, float]:
    """Rate a run's models as raters who see these kinds of fault would, all pairs asked of all."""
    seen = _seen(run, kinds)
    found = fit_counts(gather(_counts(seen, sorted(kinds), character)))
    return dict(zip(found.table["model"], found.table["rating"], strict=True))


def _seen(run: Run, kinds: Collection[str]) -> dict[str, dict[tuple[str, int], Faults]]:
    """Return what is seen of each model's picture of each prompt and seed."""
    truths, found = run.truths(), dict[str, dict[tuple[str, int], Faults]]()
    for g in run.generations():
        faults = tuple(sorted(f for f in truths[g.id] if f in kinds))
        found.setdefault(g.model, {})[g.prompt_id, g.seed] = faults
    return found


def _counts(
    seen: Mapping[str, Mapping[tuple[str, int], Faults]], kinds: list[str], character: Character
) -> Iterator[tuple[str, str, str, int]]:
    rng = np.random.default_rng(0)
    taste = character.severity * np.exp(character.taste * rng.normal(size=(PEOPLE, len(kinds))))
    for one, other in combinations(sorted(seen), 2):
        pairs = Counter((faults, seen[other][cell]) for cell, faults in seen[one].items())
        chances = (
            sum(
                n * _chances(_lost(a, kinds, taste), _lost(b, kinds, taste), character)
                for (a, b), n in pairs.items()
            )
            / pairs.total()
        )
        for outcome, chance in zip(("left", "right", "tie"), chances, strict=True):
            yield one, other, outcome, round(chance * VOTES)


def _lost(faults: Faults, kinds: list[str], taste: NDArray[np.float64]) -> NDArray[np.float64]:
    return taste @ np.array([faults.count(kind) for kind in kinds], dtype=float)


def _chances(
    left: NDArray[np.float64], right: NDArray[np.float64], character: Character
) -> NDArray[np.float64]:
    """Return the chances of left, right and neither, averaged over people."""
    lead = right - left
    wins = _logistic((lead - character.tie_width) / character.noise).mean()
    loses = _logistic((-lead - character.tie_width) / character.noise).mean()
    return np.array([wins, loses, 1 - wins - loses])


def _logistic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-x))
