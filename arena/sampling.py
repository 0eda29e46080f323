"""Which two pictures next, and on which sides: pure, seeded, with the chance of every draw."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations

from arena.records import Entry

Key = tuple[int, int]
"""A pair of pictures whatever their sides: the ids of their entries, the smaller first."""

Match = tuple[str, str]
"""A pair of models whatever their sides, in the order of their names."""

FAVOUR = Fraction(2, 3)
"""Chance of the side that a model has had less often (Efron's biased coin, Biometrika 1971)."""


def key(one: int, other: int) -> Key:
    """Name a pair of pictures whatever their sides."""
    return (one, other) if one < other else (other, one)


@dataclass(frozen=True)
class Pair:
    """Two pictures of the same prompt and seed by two models."""

    first: Entry
    """The picture of the model whose name comes first."""
    second: Entry

    @property
    def key(self) -> Key:
        """The pair's name."""
        return key(self.first.id, self.second.id)

    @property
    def match(self) -> Match:
        """The two models."""
        return self.first.model, self.second.model


@dataclass(frozen=True)
class Draw:
    """What to show, and how likely that was."""

    left: Entry
    right: Entry
    probability: float


class Field:
    """Every pair that a study can ask about; made once, for entries never change."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        cells: dict[tuple[str, str, int | None], list[Entry]] = defaultdict(list)
        for entry in entries:
            if entry.image is not None:
                cells[entry.prompt_id, entry.prompt, entry.seed].append(entry)
        self.by_match: dict[Match, list[Pair]] = defaultdict(list)
        for cell in cells.values():
            for pair in _pairs(cell):
                self.by_match[pair.match].append(pair)
        self.by_key = {p.key: p for pairs in self.by_match.values() for p in pairs}

    def __len__(self) -> int:
        return len(self.by_key)


def _pairs(cell: Sequence[Entry]) -> Iterable[Pair]:
    for one, other in combinations(sorted(cell, key=lambda e: (e.model, e.id)), 2):
        if one.model != other.model:
            yield Pair(one, other)


@dataclass
class History:
    """How often what was shown, in every battle of the study so far."""

    drawn: int = 0
    matches: Counter[Match] = field(default_factory=Counter)
    pairs: Counter[Key] = field(default_factory=Counter)
    prompts: Counter[str] = field(default_factory=Counter)
    lead: Counter[Match] = field(default_factory=Counter)
    """Times that a match's first model was on the left, less the times it was on the right."""

    def add(self, pair: Pair, *, first_is_left: bool) -> None:
        """Count one more battle."""
        self.drawn += 1
        self.matches[pair.match] += 1
        self.pairs[pair.key] += 1
        self.prompts[pair.first.prompt_id] += 1
        self.lead[pair.match] += 1 if first_is_left else -1


def generator(seed: int, drawn: int) -> random.Random:
    """Return the random stream of one draw: the study's seed and the draw's place decide it."""
    return random.Random(f"{seed}/{drawn}")


def draw(pairs: Field, history: History, seen: AbstractSet[Key], rng: random.Random) -> Draw | None:
    """Draw the next battle for a rater who has seen some pairs; None when all were seen.

    The models compared least come first, then their least shown pair of pictures, then the prompt
    shown least; chance decides among equals, and a biased coin keeps the sides balanced.
    """
    matches = _least_compared(pairs, history, seen)
    if not matches:
        return None
    match = rng.choice(matches)
    candidates = _least_shown(pairs.by_match[match], history, seen)
    pair = rng.choice(candidates)
    chance = _chance_of_first_left(history.lead[match])
    first_is_left = rng.random() < chance
    side = chance if first_is_left else 1 - chance
    probability = Fraction(1, len(matches)) * Fraction(1, len(candidates)) * side
    left, right = (pair.first, pair.second) if first_is_left else (pair.second, pair.first)
    return Draw(left, right, float(probability))


def _least_compared(pairs: Field, history: History, seen: AbstractSet[Key]) -> list[Match]:
    seen_of: Mapping[Match, int] = Counter(pairs.by_key[k].match for k in seen if k in pairs.by_key)
    left = [m for m, of in pairs.by_match.items() if len(of) > seen_of.get(m, 0)]
    least = min((history.matches[m] for m in left), default=0)
    return sorted(m for m in left if history.matches[m] == least)


def _least_shown(pairs: Sequence[Pair], history: History, seen: AbstractSet[Key]) -> list[Pair]:
    ranks = [
        (history.pairs[p.key], history.prompts[p.first.prompt_id], p)
        for p in pairs
        if p.key not in seen
    ]
    least = min(rank[:2] for rank in ranks)
    return [p for *rank, p in ranks if tuple(rank) == least]


def _chance_of_first_left(lead: int) -> Fraction:
    if lead == 0:
        return Fraction(1, 2)
    return 1 - FAVOUR if lead > 0 else FAVOUR
