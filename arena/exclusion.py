"""Leaving raters out of an analysis, by named rules with stated reasons; the votes stay stored."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy import special

from arena.codes import factorise
from arena.quality import Card, Quality, quality
from evalkit.errors import EvalkitError, UnknownNameError

ALARM = 0.2
"""Above this share of votes or raters left out, the rules or the study deserve a look first.

Panels of paid raters lose 10 to 12 % to carelessness (Meade and Craig 2012, Psychological Methods
17(3):437-455); a rule that takes twice as many is more likely to be wrong than they are.
"""

HALF = 0.5
"""What a fair coin hits."""


@dataclass(frozen=True)
class Rule(ABC):
    """A reason to leave raters out; its first parameter can be set in ``NAME=VALUE``."""

    name: ClassVar[str]

    @abstractmethod
    def reasons(self, found: Quality) -> Iterator[tuple[str, str]]:
        """Yield each rater to leave out, with the reason in words."""

    @property
    def parameters(self) -> dict[str, Any]:
        """What the rule was set to."""
        return asdict(self)


@dataclass(frozen=True)
class TooFast(Rule):
    """Half of the answers came faster than this.

    Answers to questionnaires lose their consistency below one second an item (Wood, Harms, Lowman
    and DeSimone 2017, Soc. Psychol. Personal. Sci. 8(4):454-464); two pictures take no less.
    """

    name: ClassVar[str] = "too-fast"
    seconds: float = 1.0

    def reasons(self, found: Quality) -> Iterator[tuple[str, str]]:
        """Yield raters whose median is below the limit; without times nobody is."""
        for card in found.cards:
            if card.median_seconds is not None and card.median_seconds < self.seconds:
                yield card.rater, f"a median of {card.median_seconds:.2g} s a vote"


@dataclass(frozen=True)
class OneSided(Rule):
    """This share of the decisive votes or more, of 20 at least, went to one side.

    A rater without a preferred side does so in 1 of 2500 cases (18 of 20 fair coins alike, two
    sides), in fewer with more votes.
    """

    name: ClassVar[str] = "one-sided"
    share: float = 0.9
    votes: int = 20

    def reasons(self, found: Quality) -> Iterator[tuple[str, str]]:
        """Yield raters who press one button."""
        for card in found.cards:
            if card.left_share is None or card.decisive < self.votes:
                continue
            if max(card.left_share, 1 - card.left_share) >= self.share:
                yield card.rater, f"{card.left_share:.0%} of {card.decisive} winners on the left"


@dataclass(frozen=True)
class BelowChance(Rule):
    """No better than blind, and so much worse than the others that luck is ruled out.

    A rater is left out when agreement with the others' most frequent answer (or, the votes for the
    model rated higher) is no more than blind answers would have, and the chance that one who
    agrees as the others do (as the ratings expect) falls so low is below ``p``. The first alone
    would take many honest raters of few votes; the second alone those of an uncommon taste.
    """

    name: ClassVar[str] = "below-chance"
    p: float = 0.001

    def reasons(self, found: Quality) -> Iterator[tuple[str, str]]:
        """Yield raters whose answers could be a coin's."""
        whole, share = found.total("compared", "agreed")
        for card in found.cards:
            if self._blind_to_others(card, whole, share or 0.0):
                seen = f"agrees with the others in {card.agreed:.0%} of {card.compared} votes"
                yield card.rater, f"{seen}, blind answers would in {card.agreed_by_chance:.0%}"
            elif self._blind_to_ratings(card):
                seen = f"{card.for_stronger:.0%} of {card.weighed} votes for the higher rated model"
                yield card.rater, f"{seen}, where {card.for_stronger_expected:.0%} are expected"

    def _blind_to_others(self, card: Card, whole: int, share: float) -> bool:
        others = whole - card.compared
        if card.agreed is None or not others:
            return False
        usual = (whole * share - card.compared * card.agreed) / others
        low = card.agreed <= (card.agreed_by_chance or 0.0)
        return low and _luck(card.agreed, card.compared, usual) < self.p

    def _blind_to_ratings(self, card: Card) -> bool:
        if card.for_stronger is None or card.for_stronger_expected is None:
            return False
        luck = _luck(card.for_stronger, card.weighed, card.for_stronger_expected)
        return card.for_stronger <= HALF and luck < self.p


@dataclass(frozen=True)
class GoldFailed(Rule):
    """Fewer than this share of at least 5 questions with a known answer were right.

    A rater who is right 9 times in 10 fails so 3 or more of 5 in 1 % of cases, a coin in 50 %.
    """

    name: ClassVar[str] = "gold-failed"
    share: float = 0.6
    questions: int = 5

    def reasons(self, found: Quality) -> Iterator[tuple[str, str]]:
        """Yield raters who failed the known questions."""
        for card in found.cards:
            if card.gold_passed is None or card.gold < self.questions:
                continue
            if card.gold_passed < self.share:
                yield card.rater, f"{card.gold_passed:.0%} of {card.gold} known answers right"


@dataclass(frozen=True)
class Inconsistent(Rule):
    """Repeats own answers so seldom that luck is ruled out.

    A rater is left out when the chance that one who repeats answers as the others do falls so low
    is below ``p``, and no more than half are alike. Where the others repeat 6 of 10 it takes 8
    repeats without one alike; a fixed share would take honest raters where models are close.
    """

    name: ClassVar[str] = "inconsistent"
    p: float = 0.001

    def reasons(self, found: Quality) -> Iterator[tuple[str, str]]:
        """Yield raters who contradict themselves."""
        whole, share = found.total("repeats", "repeated_alike")
        for card in found.cards:
            others = whole - card.repeats
            if card.repeated_alike is None or card.repeated_alike > HALF or not others:
                continue
            usual = (whole * (share or 0.0) - card.repeats * card.repeated_alike) / others
            if _luck(card.repeated_alike, card.repeats, usual) < self.p:
                yield card.rater, f"{card.repeated_alike:.0%} of {card.repeats} repeats alike"


@dataclass(frozen=True)
class TooFew(Rule):
    """Fewer votes than this: too few for any other rule to judge."""

    name: ClassVar[str] = "too-few"
    votes: int = 10

    def reasons(self, found: Quality) -> Iterator[tuple[str, str]]:
        """Yield raters who left early."""
        for card in found.cards:
            if card.votes < self.votes:
                yield card.rater, f"{card.votes} votes"


RULES: dict[str, type[Rule]] = {
    one.name: one for one in (TooFast, OneSided, BelowChance, GoldFailed, Inconsistent, TooFew)
}


@dataclass(frozen=True)
class Exclusion:
    """What rules left out of an analysis."""

    rules: dict[str, dict[str, Any]]
    """Each rule's parameters, by its name."""
    excluded: dict[str, dict[str, str]]
    """By rule, the reason for each rater; one rater may break several."""
    votes: int
    votes_excluded: int
    raters: int
    raters_excluded: int
    kept: pd.DataFrame = field(repr=False, compare=False)
    """The votes of the others, and those that name no rater."""

    @property
    def alarm(self) -> bool:
        """Whether so much was left out that the rules or the study deserve a look."""
        return max(self.share_of_votes, self.share_of_raters) > ALARM

    @property
    def share_of_votes(self) -> float:
        """Share of all votes that were left out."""
        return self.votes_excluded / self.votes

    @property
    def share_of_raters(self) -> float:
        """Share of all raters who were left out."""
        return self.raters_excluded / self.raters if self.raters else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, without the votes."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "kept"}
        return plain | {
            "share_of_votes": self.share_of_votes,
            "share_of_raters": self.share_of_raters,
            "alarm": self.alarm,
        }

    def lines(self) -> list[str]:
        """Say it in words."""
        share = f"{self.votes_excluded} of {self.votes} votes ({self.share_of_votes:.1%})"
        lines = [f"Left out by rule: {share}, {self.raters_excluded} of {self.raters} raters."]
        for name, reasons in self.excluded.items():
            lines.append(f"  {name} ({_settings(self.rules[name])}): {_who(reasons)}")
        if self.alarm:
            lines.append(
                f"Alarm: more than {ALARM:.0%} is left out. Look at the raters' cards before you "
                "believe the rest: a rule, or the study's page, may be at fault."
            )
        return lines


def rule(text: str) -> Rule:
    """Read ``NAME`` or ``NAME=VALUE``, the value being that of the rule's first parameter."""
    name, given, value = text.partition("=")
    if name not in RULES:
        raise UnknownNameError("rule to leave raters out", name, RULES)
    chosen = RULES[name]()
    if not given:
        return chosen
    parameter = fields(chosen)[0]
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    top = 1.0 if parameter.name in ("share", "p") else math.inf
    if not 0 < number <= top or math.isinf(number):
        bounds = "above 0 and at most 1" if top == 1 else "above 0"
        raise EvalkitError(
            f"The rule {name} takes {parameter.name}, a number {bounds}, not {value!r}."
        )
    return replace(chosen, **{parameter.name: number})


def exclude(votes: pd.DataFrame, rules: Sequence[Rule], found: Quality | None = None) -> Exclusion:
    """Leave out the raters who break any of the rules, all judged once on all votes.

    ``found`` saves judging the same votes twice.
    """
    judged = found or quality(votes)
    excluded = {one.name: dict(one.reasons(judged)) for one in rules}
    gone = {rater for reasons in excluded.values() for rater in reasons}
    out = np.zeros(len(votes), dtype=bool)
    if gone:
        codes, values = factorise(votes["rater"])
        out = np.array([*(str(value) in gone for value in values), False])[codes]
    return Exclusion(
        rules={one.name: one.parameters for one in rules},
        excluded=excluded,
        votes=len(votes),
        votes_excluded=int(out.sum()),
        raters=len(judged.cards),
        raters_excluded=len(gone),
        kept=votes[~out].reset_index(drop=True),
    )


def _luck(share: float, number: int, usual: float) -> float:
    """Return the chance of so few hits, or fewer, where ``usual`` is the chance of each."""
    return float(special.bdtr(round(share * number), number, min(max(usual, 0.0), 1.0)))


def _settings(parameters: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in parameters.items())


def _who(reasons: dict[str, str], most: int = 5) -> str:
    named = [f"{rater}, {reason}" for rater, reason in list(reasons.items())[:most]]
    more = f"; and {len(reasons) - most} more" if len(reasons) > most else ""
    return "; ".join(named) + more if named else "nobody"
