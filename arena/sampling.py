"""Which two pictures next, and on which sides: pure, seeded, with the chance of every draw."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations

from arena.gains import Answers, Match
from arena.records import Entry, Outcome
from arena.rules import Balanced, Rule

Key = tuple[int, int]
"""A pair of pictures whatever their sides: the ids of their entries, the smaller first."""

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
        # The names of each match's pairs and prompts beside them: thousands are looked up a draw.
        self._keys = {m: [p.key for p in pairs] for m, pairs in self.by_match.items()}
        self._prompts = {
            m: [p.first.prompt_id for p in pairs] for m, pairs in self.by_match.items()
        }

    def __len__(self) -> int:
        return len(self.by_key)

    def left(self, seen: AbstractSet[Key]) -> list[Match]:
        """Return the pairs of models of which somebody has not seen every pair of pictures."""
        seen_of = Counter(self.by_key[k].match for k in seen if k in self.by_key)
        return sorted(m for m, of in self.by_match.items() if len(of) > seen_of.get(m, 0))

    def least_shown(self, match: Match, history: History, seen: AbstractSet[Key]) -> list[Pair]:
        """Return the unseen pairs of pictures shown least and, of those, with the prompt least."""
        keys, prompts = self._keys[match], self._prompts[match]
        new = [i for i, key in enumerate(keys) if key not in seen] if seen else range(len(keys))
        few = _fewest(new, [history.pairs.get(keys[i], 0) for i in new])
        few = _fewest(few, [history.prompts.get(prompts[i], 0) for i in few])
        of = self.by_match[match]
        return [of[i] for i in few]


def _pairs(cell: Sequence[Entry]) -> Iterable[Pair]:
    for one, other in combinations(sorted(cell, key=lambda e: (e.model, e.id)), 2):
        if one.model != other.model:
            yield Pair(one, other)


def _fewest(of: Sequence[int], counts: Sequence[int]) -> list[int]:
    least = min(counts)
    return [i for i, count in zip(of, counts, strict=True) if count == least]


@dataclass
class History:
    """How often what was shown, in every battle of the study so far."""

    drawn: int = 0
    matches: Counter[Match] = field(default_factory=Counter)
    pairs: Counter[Key] = field(default_factory=Counter)
    prompts: Counter[str] = field(default_factory=Counter)
    lead: Counter[Match] = field(default_factory=Counter)
    """Times that a match's first model was on the left, less the times it was on the right."""
    answers: dict[Match, Answers] = field(default_factory=dict)
    """What was answered so far; only rules that listen need it."""

    def add(self, pair: Pair, *, first_is_left: bool) -> None:
        """Count one more battle."""
        self.drawn += 1
        self.matches[pair.match] += 1
        self.pairs[pair.key] += 1
        self.prompts[pair.first.prompt_id] += 1
        self.lead[pair.match] += 1 if first_is_left else -1

    def hear(self, match: Match, outcome: Outcome, *, first_is_left: bool, times: int = 1) -> None:
        """Count an answer, so many times; -1 takes back one that was undone."""
        seen = outcome if first_is_left else outcome.mirrored
        place = {Outcome.LEFT: 0, Outcome.RIGHT: 1}.get(seen, 2)
        counts = list(self.answers.get(match, Answers()))
        counts[place] += times
        self.answers[match] = Answers(*counts)

    def take_back(self, pair: Pair, *, first_is_left: bool) -> None:
        """Uncount a battle that was given back; its place in the order of draws stays taken."""
        self.matches[pair.match] -= 1
        self.pairs[pair.key] -= 1
        self.prompts[pair.first.prompt_id] -= 1
        self.lead[pair.match] -= 1 if first_is_left else -1


def generator(seed: int, drawn: int) -> random.Random:
    """Return the random stream of one draw: the study's seed and the draw's place decide it."""
    return random.Random(f"{seed}/{drawn}")


def draw(
    pairs: Field,
    history: History,
    seen: AbstractSet[Key],
    rng: random.Random,
    rule: Rule | None = None,
) -> Draw | None:
    """Draw the next battle for a rater who has seen some pairs; None when all were seen.

    The rule (balanced if none is given) chooses two models. Then comes their least shown pair of
    pictures, then the prompt shown least; chance decides among equals, and a biased coin keeps the
    sides balanced.
    """
    matches = pairs.left(seen)
    if not matches:
        return None
    match, share = _pick(matches, history, rule or Balanced(), rng)
    candidates = pairs.least_shown(match, history, seen)
    pair = rng.choice(candidates)
    chance = _chance_of_first_left(history.lead[match])
    first_is_left = rng.random() < chance
    side = chance if first_is_left else 1 - chance
    left, right = (pair.first, pair.second) if first_is_left else (pair.second, pair.first)
    return Draw(left, right, share * float(side) / len(candidates))


def _pick(
    matches: Sequence[Match], history: History, rule: Rule, rng: random.Random
) -> tuple[Match, float]:
    shares = rule.shares(matches, history.matches, history.answers)
    likely = [i for i, share in enumerate(shares) if share > 0]
    if len({shares[i] for i in likely}) == 1:  # no cumulative sums, so no rounding
        place = rng.choice(likely)
    else:
        place = rng.choices(range(len(matches)), shares)[0]
    return matches[place], shares[place]


def _chance_of_first_left(lead: int) -> Fraction:
    if lead == 0:
        return Fraction(1, 2)
    return 1 - FAVOUR if lead > 0 else FAVOUR
