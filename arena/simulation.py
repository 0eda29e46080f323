"""Raters made up by the computer, for rehearsals: they know a scene's faults and have tastes."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from arena.battles import Arena
from arena.records import Outcome, Rater
from evalkit.errors import StudyError

Faults = Sequence[str]


@dataclass(frozen=True)
class Character:
    """What a population of simulated raters is like; the units are those of a logistic's scale."""

    severity: float = 1.5
    """How much one fault takes from a picture, for the average rater."""
    taste: float = 0.4
    """Spread (of the logarithm) of how much each kind of fault matters to one rater."""
    noise: float = 1.0
    """Scale of the logistic error of one judgement; 0 never errs."""
    tie_width: float = 0.5
    """Pictures that seem no further apart than this are called equal."""
    unbearable: float = 3.0
    """Two equal pictures that have each lost this much are called both bad."""


def answer(
    left: Faults, right: Faults, *, rater: str, seed: int, ordinal: int, character: Character
) -> Outcome:
    """Judge two pictures by their faults: a pure function of its arguments."""
    lost_left = _loss(left, rater, seed, character)
    lost_right = _loss(right, rater, seed, character)
    chance = random.Random(f"{seed}/{rater}/{ordinal}").random()
    advantage = lost_right - lost_left + character.noise * _logistic(chance)
    if advantage > character.tie_width:
        return Outcome.LEFT
    if advantage < -character.tie_width:
        return Outcome.RIGHT
    both_bad = min(lost_left, lost_right) >= character.unbearable
    return Outcome.BOTH_BAD if both_bad else Outcome.TIE


def simulate(
    arena: Arena,
    truths: Mapping[str, Faults],
    *,
    raters: int,
    votes: int,
    seed: int = 0,
    character: Character | None = None,
) -> Iterator[int]:
    """Have simulated raters vote in turn, as people do, until there are so many votes in all.

    Yields the votes there are after each one. A killed simulation goes on where it stopped and
    ends with the same answers, for every answer depends on the seed and its place alone.
    """
    people = [arena.enter_as(f"simulated-{seed}-{i:03d}") for i in range(raters)]
    done = [arena.progress(person).done for person in people]
    who = character or Character()
    while sum(done) < votes:
        i = min(range(raters), key=done.__getitem__)
        if not _vote_once(arena, people[i], truths, seed, who):
            if arena.progress(people[i]).closed:
                raise StudyError("This study is closed and takes no more answers.")
            raise StudyError(
                f"The study has no more pairs for {people[i].label} after {sum(done)} of {votes} "
                "votes. Use more raters, fewer votes or more pictures."
            )
        done[i] += 1
        yield sum(done)


def _vote_once(
    arena: Arena, person: Rater, truths: Mapping[str, Faults], seed: int, character: Character
) -> bool:
    battle = arena.open(person)
    if battle is None or battle.token is None:
        return False
    left, right = (_faults(truths, e.generation_id) for e in (battle.left, battle.right))
    outcome = answer(
        left, right, rater=person.label, seed=seed, ordinal=battle.ordinal, character=character
    )
    arena.cast(battle.token, person, outcome, simulated=True)
    return True


def _faults(truths: Mapping[str, Faults], generation_id: str | None) -> Faults:
    if generation_id not in truths:
        raise StudyError(
            f"Nothing is known of the truth of generation {generation_id}. Only pictures of "
            "generators that know their faults, such as sketch, can be voted on by simulation."
        )
    return truths[generation_id or ""]


def _loss(faults: Faults, rater: str, seed: int, character: Character) -> float:
    return sum(_weight(fault, rater, seed, character) for fault in faults)


def _weight(fault: str, rater: str, seed: int, character: Character) -> float:
    spread = random.Random(f"{seed}/{rater}/{fault}").gauss(0, character.taste)
    return character.severity * math.exp(spread)


def _logistic(chance: float) -> float:
    kept = min(max(chance, 1e-12), 1 - 1e-12)
    return math.log(kept / (1 - kept))
