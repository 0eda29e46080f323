"""Raters made up by the computer, for rehearsals: they see faults or scores and have tastes.

Where the truth of every picture is known, as of drawn scenes, they vote by it, and the ratings can
be checked against it. Elsewhere they vote by scores, which rehearses a study and shows no more:
such ratings repeat the scores they were made from.
"""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from arena.battles import Arena
from arena.records import Battle, Outcome, PhaseKind, Rater
from evalkit.errors import StudyError, UnknownNameError
from evalkit.records import ScorerCard
from evalkit.runs import Run

FAULTS = "faults:"
"""Begins what is followed where it is the truth of some kinds of fault: ``faults:blur,noise``."""
EVENT = "simulate"
"""The kind of a study's event that says what simulated raters voted by."""
Lost = Mapping[str, float]
"""What a picture lacks, by kind: the number of such faults, or how far a score is below par."""


@dataclass(frozen=True)
class Sight:
    """What simulated raters see in pictures."""

    lost: Mapping[str, Lost]
    """By generation."""
    by: tuple[str, ...] = ()
    """The scores it is from; none where it is the truth."""
    asked: Mapping[str, Sight] = field(default_factory=dict)
    """What they see when asked of a criterion, where it is something else."""

    @property
    def sources(self) -> tuple[str, ...]:
        """The scores that are followed, and of which criterion."""
        of = (f"{name} ({c})" for c, sight in self.asked.items() for name in sight.by)
        return (*self.by, *of)

    def of(self, generation_id: str | None, criterion: str | None = None) -> Lost:
        """Return what one picture lacks; refuse one of which nothing is known."""
        if criterion is not None and criterion in self.asked:
            return self.asked[criterion].of(generation_id)
        if generation_id not in self.lost:
            source = f"by {', '.join(self.by)}" if self.by else "of the truth"
            raise StudyError(
                f"Nothing is known {source} of generation {generation_id}. Name the run that drew "
                "it, scored, to simulate raters."
            )
        return self.lost[generation_id or ""]


def look(run: Run, by: Sequence[str] = ()) -> Sight:
    """See a run's pictures by the named scores; else by their truth, or by all scores there are.

    ``CRITERION=NAME`` names a score that is followed where that criterion is asked; with nothing
    else, other criteria are refused. ``faults:KIND,KIND`` names no score: such raters know the
    truth, and look at these kinds of fault alone.
    """
    named: dict[str, list[str]] = defaultdict(list)
    for text in by:
        criterion, _, name = text.rpartition("=")
        named[criterion].append(name)
    asked = {criterion: _look(run, names) for criterion, names in named.items() if criterion}
    others = Sight({}) if asked and not named[""] else _look(run, named[""])
    return replace(others, asked=asked)


def _look(run: Run, by: Sequence[str]) -> Sight:
    kinds = {k for name in by if name.startswith(FAULTS) for k in _kinds(name)}
    cards = {c.name: c for c in sorted(run.cards(), key=lambda c: c.version)}
    scores = [name for name in by if not name.startswith(FAULTS)]
    for name in scores:
        if name not in cards:
            raise UnknownNameError("score of this run", name, cards)
    if kinds and scores:
        raise StudyError(
            f"Raters look at faults or follow scores, not both: {', '.join(by)}. Name one of them."
        )
    drawn = [g.id for g in run.generations() if g.image is not None]
    truths = run.truths()
    known = sum(i in truths for i in drawn)
    if not scores and known == len(drawn):
        return by_truth(truths, kinds)
    if kinds:
        raise StudyError(
            f"The faults of {known} of the {len(drawn)} pictures of {run.path} are known: too few "
            "to vote by. Name a score instead."
        )
    if not cards:
        raise StudyError(
            f"The faults of {known} of the {len(drawn)} pictures of {run.path} are known, and no "
            f"scores. Score them first: evalkit score --run {run.path} --scorer NAME"
        )
    return by_scores(run, [cards[name] for name in dict.fromkeys(by or cards)])


def _kinds(text: str) -> list[str]:
    return [kind for kind in text.removeprefix(FAULTS).split(",") if kind]


def by_truth(truths: Mapping[str, Sequence[str]], kinds: Collection[str] = ()) -> Sight:
    """See the faults that a drawing world put in: all, or some kinds of them."""
    known = {fault for faults in truths.values() for fault in faults}
    for kind in kinds:
        if kind not in known:
            raise UnknownNameError("kind of fault of this run", kind, sorted(known))
    seen = set(kinds) or known
    return Sight({key: Counter(f for f in faults if f in seen) for key, faults in truths.items()})


def by_scores(run: Run, cards: Sequence[ScorerCard]) -> Sight:
    """See how far each score is below its mean, in deviations between pictures of one prompt.

    A picture's scores count in equal shares; one that has no value is left out of them.
    """
    prompt_of = {g.id: g.prompt_id for g in run.generations() if g.image is not None}
    below: dict[str, dict[str, float]] = defaultdict(dict)
    for card in cards:
        sign = 1.0 if card.higher_is_better else -1.0
        values = {
            s.generation_id: sign * s.value
            for s in run.scores(card)
            if s.value is not None and s.generation_id in prompt_of
        }
        for key, amount in _below(values, prompt_of).items():
            below[key][card.name] = amount
    shared = {k: {n: a / len(of) for n, a in of.items()} for k, of in below.items()}
    return Sight(shared, tuple(card.name for card in cards))


def _below(values: Mapping[str, float], prompt_of: Mapping[str, str]) -> dict[str, float]:
    of_prompt: dict[str, list[float]] = defaultdict(list)
    for key, value in values.items():
        of_prompt[prompt_of[key]].append(value)
    squares = math.fsum((x - math.fsum(v) / len(v)) ** 2 for v in of_prompt.values() for x in v)
    freedom = len(values) - len(of_prompt)
    spread = math.sqrt(squares / freedom) if freedom else 0.0
    mean = math.fsum(values.values()) / max(1, len(values))
    return {k: (mean - value) / spread if spread else 0.0 for k, value in values.items()}


@dataclass(frozen=True)
class Character:
    """What a population of simulated raters is like; the units are those of a logistic's scale."""

    severity: float = 1.5
    """How much one fault, or one deviation of a score, takes from a picture, on average."""
    taste: float = 0.4
    """Spread (of the logarithm) of how much each kind of fault or score matters to one rater."""
    noise: float = 1.0
    """Scale of the logistic error of one judgement; 0 never errs."""
    tie_width: float = 0.5
    """Pictures that seem no further apart than this are called equal."""
    unbearable: float = 3.0
    """Two equal pictures that have each lost this much are called both bad."""
    attention: float = 1.0
    """Share of the battles that are looked at; the others are answered by lot."""

    def within(self, outcomes: Collection[Outcome]) -> Character:
        """Return the same where a study does not take every answer."""
        decides = self if Outcome.TIE in outcomes else replace(self, tie_width=0.0)
        bears = Outcome.BOTH_BAD not in outcomes
        return replace(decides, unbearable=math.inf) if bears else decides


@dataclass(frozen=True)
class Crowd:
    """So many raters made up from one seed; the last ``careless`` answer by lot."""

    raters: int
    seed: int = 0
    careless: int = 0
    character: Character = Character()

    def __post_init__(self) -> None:
        if not 0 <= self.careless <= self.raters:
            raise StudyError(f"Of {self.raters} raters {self.careless} cannot be careless.")

    def of(self, number: int) -> Character:
        """Return what the rater of a number is like."""
        careless = number >= self.raters - self.careless
        return replace(self.character, attention=0.0) if careless else self.character


def answer(
    left: Lost, right: Lost, *, rater: str, seed: int, ordinal: int, character: Character
) -> Outcome:
    """Judge two pictures by what they lack: a pure function of its arguments."""
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


def judge(
    battle: Battle,
    sight: Sight,
    outcomes: Sequence[Outcome],
    *,
    rater: str,
    seed: int,
    character: Character,
) -> Outcome:
    """Answer a battle as a rater of this character does: a pure function of its arguments."""
    lot = random.Random(f"{seed}/{rater}/{battle.ordinal}/attention")
    if lot.random() >= character.attention:
        return lot.choice(outcomes)
    left, right = (sight.of(e.generation_id, battle.criterion) for e in (battle.left, battle.right))
    suited = character.within(outcomes)
    return answer(left, right, rater=rater, seed=seed, ordinal=battle.ordinal, character=suited)


def simulate(
    arena: Arena,
    sight: Sight,
    *,
    raters: int,
    votes: int,
    seed: int = 0,
    careless: int = 0,
    character: Character | None = None,
) -> Iterator[int]:
    """Have simulated raters vote in turn, as people do, until there are so many votes in all.

    Yields the votes there are after each one. A killed simulation goes on where it stopped and
    ends with the same answers, for every answer depends on the seed and its place alone.
    """
    crowd = Crowd(raters, seed, careless, character or Character())
    sign(arena, sight, seed)
    people = [arena.enter_as(f"simulated-{seed}-{i:03d}") for i in range(raters)]
    done = [arena.progress(person).done for person in people]
    while sum(done) < votes:
        i = min(range(raters), key=done.__getitem__)
        if not _vote_once(arena, people[i], sight, seed, crowd.of(i)):
            if arena.progress(people[i]).closed:
                raise StudyError("This study is closed and takes no more answers.")
            raise StudyError(
                f"The study has no more pairs for {people[i].label} after {sum(done)} of {votes} "
                "votes. Use more raters, fewer votes or more pictures."
            )
        done[i] += 1
        yield sum(done)


def sign(arena: Arena, sight: Sight, seed: int) -> None:
    """Write into the study what its simulated raters see; those of one seed see one thing only."""
    for earlier in arena.noted(EVENT):
        if earlier["seed"] == seed and tuple(earlier["by"]) != sight.sources:
            was, now = (", ".join(by) or "the truth" for by in (earlier["by"], sight.sources))
            raise StudyError(
                f"The simulated raters of seed {seed} have voted in {arena.study.name!r} by {was}, "
                f"not by {now}. Take other raters with another --seed."
            )
    arena.note(EVENT, {"seed": seed, "by": list(sight.sources)})


def _vote_once(arena: Arena, person: Rater, sight: Sight, seed: int, character: Character) -> bool:
    battle = arena.open(person) or _go_on(arena, person)
    if battle is None or battle.token is None:
        return False
    taken = arena.study.protocol.outcomes
    outcome = judge(battle, sight, taken, rater=person.label, seed=seed, character=character)
    arena.cast(battle.token, person, outcome, simulated=True)
    return True


def _go_on(arena: Arena, person: Rater) -> Battle | None:
    """Do what a study asks before and between battles, as its most willing rater would."""
    phase = arena.phase(person)
    while (battle := phase.battle) is None or phase.kind is PhaseKind.TRAINING:
        if phase.kind not in _STEPS and battle is None:
            return None
        if battle is not None and battle.token is not None:
            right = battle.expected or Outcome.LEFT
            arena.answer_training(battle.token, person, right, simulated=True)
        else:
            _STEPS[phase.kind](arena, person)
        phase = arena.phase(person)
    return battle


_STEPS: Mapping[PhaseKind, Callable[[Arena, Rater], None]] = {
    PhaseKind.CONSENT: Arena.consent,
    PhaseKind.INSTRUCTIONS: Arena.finish_instructions,
    PhaseKind.BREAK: Arena.end_break,
}


def _loss(lost: Lost, rater: str, seed: int, character: Character) -> float:
    return sum(amount * _weight(kind, rater, seed, character) for kind, amount in lost.items())


def _weight(kind: str, rater: str, seed: int, character: Character) -> float:
    spread = random.Random(f"{seed}/{rater}/{kind}").gauss(0, character.taste)
    return character.severity * math.exp(spread)


def _logistic(chance: float) -> float:
    kept = min(max(chance, 1e-12), 1 - 1e-12)
    return math.log(kept / (1 - kept))
