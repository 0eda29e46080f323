"""Votes without persons: raters renumbered by chance, times coarse, rare values left out."""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from arena.facts.votes import VoteRow

SMALL = 5
"""A value that fewer raters share than this is left out: it would point at them."""

LONGEST = 60
"""Seconds; whoever took longer took this long."""


@dataclass(frozen=True)
class Anonymous:
    """Votes that may be published, and what somebody should know who publishes them."""

    votes: tuple[VoteRow, ...]
    notes: tuple[str, ...]


def anonymise(votes: Sequence[VoteRow]) -> Anonymous:
    """Take the persons out of votes. It is another order and numbering each time, on purpose."""
    chance = secrets.SystemRandom()
    raters = sorted({v.rater for v in votes if v.rater})
    chance.shuffle(raters)
    digits = len(str(len(raters)))
    number = {rater: f"r{place:0{digits}}" for place, rater in enumerate(raters, 1)}
    languages, protocols = (_rare(votes, name) for name in ("language", "protocol"))
    told = [
        v._replace(
            rater=number.get(v.rater or ""),
            seconds=None if v.seconds is None else float(min(LONGEST, round(v.seconds))),
            language=None if v.language in languages else v.language,
            protocol=None if v.protocol in protocols else v.protocol,
        )
        for v in votes
    ]
    chance.shuffle(told)  # the order of the votes is that of time
    notes = [
        *_few(len(raters)),
        *_left_out("language", languages),
        *_left_out("version of the rules", protocols),
        *_alone(votes),
    ]
    return Anonymous(tuple(told), tuple(notes))


def _rare(votes: Sequence[VoteRow], name: str) -> set[str]:
    """Return the values that too few raters share."""
    sharing: dict[str, set[str | None]] = defaultdict(set)
    for v in votes:
        if (value := getattr(v, name)) is not None:
            sharing[value].add(v.rater)
    return {value for value, raters in sharing.items() if len(raters) < SMALL}


def _few(raters: int) -> list[str]:
    if raters >= SMALL:
        return []
    return [f"There are {raters} raters: whoever knows who took part can guess who is who."]


def _left_out(what: str, values: set[str]) -> list[str]:
    if not values:
        return []
    return [f"A {what} that fewer than {SMALL} raters share is left out: {len(values)} of them."]


def _alone(votes: Sequence[VoteRow]) -> list[str]:
    """Say how many raters the number of their votes sets apart."""
    numbers = Counter(Counter(v.rater for v in votes if v.rater).values())
    alone = sum(count for count in numbers.values() if count < SMALL)
    shared = f"a number of votes that fewer than {SMALL} gave"
    known = "whoever knows how many somebody gave may find them"
    return [f"{alone} raters gave {shared}: {known}."] if alone else []
