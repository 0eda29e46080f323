"""What stands behind ratings, in plain words: for a reader who knows no statistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evalkit.board import Row
from evalkit.evidence import (
    Assisted,
    Concordance,
    Fragility,
    LeftOut,
    Line,
    Removal,
    ScorerAgreement,
    Share,
)
from evalkit.wording import NONE, figure, listing, percent, signed

ALARM = 0.2
"""Above this share of votes left out, the rule or the study deserves a look first."""
WORTH = 1.02
"""A gain of assisted ratings below this is not worth naming."""
CHANCE = 0.05
LEAST = 0.0005
"""A share below this would be written as 0.0 %."""
TRAINED = "\N{DAGGER}"
"""Marks a score that its model was trained to raise."""


def share(found: Share | None) -> str:
    """Write a share with its interval; a dash where there is none."""
    if found is None or found.value is None:
        return NONE
    if found.low is None or found.high is None:
        return percent(found.value)
    return f"{percent(found.value)} [{100 * found.low:.0f}, {100 * found.high:.0f}]"


def part(number: int, of: int) -> str:
    """Write how much of a whole goes, and never 0.0 % where something does."""
    return "under 0.1 %" if 0 < number / of < LEAST else percent(number / of, 1)


def lead(found: Fragility) -> str:
    """Say who is first and how little changes that."""
    told = f"{found.first} is first, {figure(found.lead, 0)} Elo above {found.second}"
    if found.tied:
        told += f", and statistically tied with {listing(found.tied)}"
    return f"{told}. {easiest(found)}"


def easiest(found: Fragility) -> str:
    """Name the smallest share of votes, raters or prompts that decides the first place."""
    votes = next((r for r in found.removals if r.what == "votes"), None)
    if votes is None or votes.number is None:
        return "No small part of the votes was found that decides who is first."
    return (
        f"Removing {votes.number:,} of {votes.of:,} votes "
        f"({part(votes.number, votes.of)}) would change who is first."
    )


def removal(one: Removal) -> tuple[str, str, str]:
    """Say what goes, how many of them it takes, and who is first then."""
    kinds = {
        "votes": "Remove single votes",
        "answers": "Turn single votes round",
        "raters": "Leave out whole raters",
        "prompts": "Leave out whole prompts",
    }
    what = kinds.get(one.what, one.what)
    if one.number is None:
        return what, f"more than {int(one.searched * one.of):,} of {one.of:,}, if any", NONE
    told = f"{one.number:,} of {one.of:,} ({part(one.number, one.of)})"
    return what, told, one.first or "nobody"


def steadiness(found: Fragility) -> Iterator[str]:
    """Say what one rater, one prompt, a rule or chance does to the ratings."""
    yield from (_left_out(one) for one in found.left_out)
    yield from _rules(found)
    yield _circles(found)
    yield _fit(found)


def _left_out(one: LeftOut) -> str:
    if one.others_first:
        decides = f"without {listing(one.others_first, 3)} another model is first"
    else:
        decides = f"no single {one.what} decides who is first"
    return (
        f"One {one.what} of {one.of:,}: {decides}; the most that one moves a rating is "
        f"{one.model} by {signed(one.moved)} Elo, without {one.name} ({one.votes:,} votes)."
    )


def _rules(found: Fragility) -> Iterator[str]:
    for one in found.without:
        same = "the first is the same" if one.first == found.first else f"{one.first} is first"
        alarm = "; so much is left out that the rule may be wrong" * (one.share_of_votes > ALARM)
        yield (
            f"Without raters by the rule {one.rule} ({one.raters_excluded:,} raters, "
            f"{percent(one.share_of_votes, 1)} of the votes): {same}{alarm}."
        )
    tripped = {one.rule for one in found.without}
    if quiet := [name for name in found.rules if name not in tripped]:
        yield f"Nobody breaks the rules {listing(quiet, 9)}."


def _circles(found: Fragility) -> str:
    circles = found.cycles
    if not circles.triples:
        return "Circles (A over B, B over C, C over A) cannot be seen: no three models all met."
    if not circles.observed:
        return f"The preferences never go round in a circle, in {circles.triples:,} triples."
    example = " over ".join([*circles.examples[0], circles.examples[0][0]])
    told = (
        "one is more than chance would make"
        if circles.surviving == 1
        else (
            f"{circles.surviving} are more than chance would make"
            if circles.surviving
            else "chance alone could have made them"
        )
    )
    return (
        f"The preferences go round in {circles.observed:,} of {circles.triples:,} triples "
        f"({example}); {told}."
    )


def _fit(found: Fragility) -> str:
    if found.goodness.p is None:
        why = found.goodness.status
        return f"Whether one number a model describes the votes was not tested: {why}."
    if found.goodness.p >= CHANCE:
        return "One number a model describes the votes: what is left over, chance could have made."
    return (
        "The votes hold more than one number a model can tell "
        f"(p = {found.goodness.p:.2g}): look at the categories."
    )


def agreement(found: Concordance) -> str:
    """Say which score agrees best with raters, and what that is worth."""
    best = next((s for s in found.scorers if s.accuracy.value is not None), None)
    if best is None:
        return "No score can be held against the votes."
    told = (
        f"{best.scorer} agrees with raters in {share(best.accuracy)} of the votes for one picture"
    )
    if found.people.two.value is None:
        return f"{told}; how far two raters agree is not known."
    return f"{told}, another rater in {share(found.people.two)}."


def ceiling(found: Concordance) -> Iterator[str]:
    """Say how to read the agreement of scores: what chance, people and the best would reach."""
    if found.people.two.value is None:
        yield f"How far two raters agree is {found.people.two.status}."
    else:
        yield f"Two raters agree on the same two pictures in {share(found.people.two)}."
    if found.people.best:
        low, high = found.people.best
        yield (
            "Since raters differ, the best score there can be would reach "
            f"{figure(100 * low, 0)} to {percent(high)}."
        )
    if found.people.oneself.value is not None:
        yield f"Asked again, a rater gives the same answer in {share(found.people.oneself)}."
    yield from (f"{note[0].upper()}{note[1:]}." for note in found.notes)


def order(one: ScorerAgreement) -> str:
    """Write how a score orders the models, as Kendall's tau."""
    found = one.order
    if found.tau is None or found.tau_low is None or found.tau_high is None:
        return found.status or NONE
    return f"{figure(found.tau, 2)} [{figure(found.tau_low, 2)}, {figure(found.tau_high, 2)}]"


def to_people(one: ScorerAgreement) -> str:
    """Write a score's accuracy less that of another rater, in points of a hundred."""
    gap = one.to_people
    if gap.value is None or gap.low is None or gap.high is None:
        return NONE
    return f"{signed(100 * gap.value)} [{signed(100 * gap.low)}, {signed(100 * gap.high)}]"


def trained_for(row: Row, score: str) -> bool:
    """Say whether the model was trained to raise this score, by whatever weights it is made."""
    return any(score == reward or score.startswith(f"{reward}-") for reward in row.rewards)


def trained(rows: Sequence[Row], scores: Sequence[str]) -> str:
    """Name the models that were trained to raise a score of the page; nothing if there is none."""
    found = [
        f"{row.model} ({listing(raised)})"
        for row in rows
        if (raised := [score for score in scores if trained_for(row, score)])
    ]
    if not found:
        return ""
    return (
        f"{TRAINED} Trained to raise the score, by its source, so that the score measures what it "
        f"was trained for and no more how good its pictures are: {listing(found, 9)}."
    )


def help_of_scores(found: Assisted) -> str:
    """Say what the scores add to the votes."""
    if found.gain < WORTH:
        return "The scores do not narrow the intervals here: take the ratings from votes alone."
    return (
        f"The scores narrow the intervals by {percent(1 - found.gain**-0.5)}, as "
        f"{percent(found.gain - 1)} more votes would."
    )


def good_enough(found: Line) -> str:
    """Count the models above and below the line."""
    words = [one.word for one in found.models.values()]
    above, below, of = words.count("above"), words.count("below"), len(words)
    return (
        f"{above} of {of} models stand surely above the line of good enough, {below} surely below; "
        f"both pictures were bad in {found.both_bad:,} of {found.votes:,} votes."
    )
