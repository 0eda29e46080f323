"""How the next two models are chosen: rules, each a pure function of counts with exact chances."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from arena.gains import Answers, Belief, Match, believe, contested, unresolved
from arena.tally import Floats
from evalkit.errors import EvalkitError, UnknownNameError


class Rule(Protocol):
    """How the next pair of models is chosen: a pure function of what was drawn and answered."""

    name: ClassVar[str]
    listens: ClassVar[bool]
    """Whether the answers matter, and the history must be told of them."""

    def shares(
        self, matches: Sequence[Match], drawn: Mapping[Match, int], answers: Mapping[Match, Answers]
    ) -> list[float]:
        """Return the chance of each of the matches that are left; they add up to one."""
        ...


@dataclass(frozen=True)
class Balanced:
    """The pairs of models that met least, all alike."""

    name: ClassVar[str] = "balanced"
    listens: ClassVar[bool] = False

    def shares(
        self, matches: Sequence[Match], drawn: Mapping[Match, int], answers: Mapping[Match, Answers]
    ) -> list[float]:
        """Return equal chances for the pairs of models that met least, none for the others."""
        del answers
        met = [drawn.get(m, 0) for m in matches]
        least = min(met)
        share = 1 / met.count(least)
        return [share if times == least else 0.0 for times in met]


@dataclass(frozen=True)
class Focused:
    """A floor of uniform draws; the rest as likely as a vote is telling, to some power.

    The floor keeps every pair of models possible at every draw, so that each draw can be weighted
    by the inverse of its chance, and a model that was unlucky early can come back.
    """

    floor: float = 0.2
    """Share of the draws that take any pair of models alike."""
    sharpness: float = 2.0
    """1: as likely as telling; the larger, the more the most telling pair alone is asked."""
    listens: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.floor <= 1:
            raise EvalkitError(
                f"A floor of uniform draws is a share above 0 and at most 1, not {self.floor}."
            )
        if not 0 < self.sharpness <= 100:
            raise EvalkitError(
                f"A sharpness is a number above 0 and at most 100, not {self.sharpness}."
            )

    def weigh(self, belief: Belief) -> Floats:
        """Return how much the variance of each difference matters."""
        raise NotImplementedError

    def shares(
        self, matches: Sequence[Match], drawn: Mapping[Match, int], answers: Mapping[Match, Answers]
    ) -> list[float]:
        """Return the chances: the floor, and what is left by how much one more vote would tell."""
        models = {name for match in (*matches, *drawn, *answers) for name in match}
        belief = believe(sorted(models), drawn, answers)
        equal = np.full(len(matches), 1 / len(matches))
        if belief is None:
            return [float(share) for share in equal]
        of = dict(zip(belief.matches, belief.gains(self.weigh(belief)), strict=True))
        telling = np.array([of[m] for m in matches])
        if not telling.max() > 0:
            return [float(share) for share in equal]
        chance = (telling / telling.max()) ** self.sharpness
        mixed = self.floor * equal + (1 - self.floor) * chance / chance.sum()
        return [float(share) for share in mixed]


@dataclass(frozen=True)
class LeastCertain(Focused):
    """By how much a vote lowers the variances of all differences whose sign is open."""

    name: ClassVar[str] = "least-certain"

    def weigh(self, belief: Belief) -> Floats:
        """Weigh each difference by how open its sign is."""
        return unresolved(belief)


@dataclass(frozen=True)
class TopFocused(Focused):
    """By how much a vote lowers the variances of the best model's differences from its rivals."""

    name: ClassVar[str] = "top-focused"
    sharpness: float = 4.0

    def weigh(self, belief: Belief) -> Floats:
        """Weigh the differences from the best by the chance that the rival is better."""
        return contested(belief)


RULES: Mapping[str, Callable[..., Rule]] = {
    rule.name: rule for rule in (Balanced, LeastCertain, TopFocused)
}


def rule(name: str, **options: float) -> Rule:
    """Return a rule by its name; ``floor`` and ``sharpness`` are options of those that listen."""
    if name not in RULES:
        raise UnknownNameError("sampling rule", name, RULES)
    try:
        return RULES[name](**options)
    except TypeError:
        known = "none" if name == Balanced.name else "floor, sharpness"
        raise EvalkitError(
            f"The sampling rule {name!r} has no such options: {', '.join(options)}. It has {known}."
        ) from None
