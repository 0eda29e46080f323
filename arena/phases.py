"""Where a rater is on the way through a study: a pure function of what is recorded of it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from arena.protocol import Finish, Protocol
from arena.records import Completion, Ending, Outcome, PhaseKind

CONSENT, DECLINE, INSTRUCTED, TRAINED = "consent", "decline", "instructed", "trained"
SCREEN_OUT, REST, COMPLETE, RETURN = "screen_out", "rest", "complete", "return"
STEPS = (CONSENT, DECLINE, INSTRUCTED, TRAINED, SCREEN_OUT, REST, COMPLETE, RETURN)
"""The kinds of event that make up a rater's way."""


@dataclass(frozen=True)
class Way:
    """What a rater has done in a study."""

    steps: tuple[str, ...]
    """Kinds of event, oldest first."""
    done: int
    """Comparisons answered."""
    rested_at: int = 0
    """How many were answered at the last pause."""

    def since(self, step: str, other: str) -> bool:
        """Say whether a step was taken, and later than another."""
        taken = [s for s in self.steps if s in (step, other)]
        return bool(taken) and taken[-1] == step


def quota(protocol: Protocol, pairs: int) -> int | None:
    """Return how many comparisons one rater is asked for at the most, checks among them."""
    raters, votes = protocol.raters, protocol.draws.votes_per_pair
    if raters.max_share is None or votes is None:
        return raters.quota
    share = max(1, math.floor(raters.max_share * pairs * votes * len(protocol.criteria)))
    return share if raters.quota is None else min(share, raters.quota)


def kind(protocol: Protocol, way: Way, *, limit: int | None, closed: bool) -> PhaseKind:
    """Return the phase, as far as it does not depend on what is left to ask."""
    if SCREEN_OUT in way.steps:
        return PhaseKind.SCREENED_OUT
    if limit is not None and way.done >= limit:
        return PhaseKind.DONE
    if closed:
        return PhaseKind.CLOSED
    if protocol.consent and not way.since(CONSENT, DECLINE):
        return PhaseKind.DECLINED if DECLINE in way.steps else PhaseKind.CONSENT
    if _instructs(protocol) and INSTRUCTED not in way.steps:
        return PhaseKind.INSTRUCTIONS
    if protocol.examples_for("training") and TRAINED not in way.steps:
        return PhaseKind.TRAINING
    every = protocol.raters.break_after
    if every is not None and way.done - way.rested_at >= every:
        return PhaseKind.BREAK
    return PhaseKind.BATTLE


def ending(phase: PhaseKind, way: Way, *, limit: int | None, pairs: int, passed: bool) -> Ending:
    """Say how a way through a study ended."""
    if phase is PhaseKind.SCREENED_OUT:
        return Ending.SCREENED_OUT
    if phase is PhaseKind.CLOSED:
        return Ending.CLOSED
    if not pairs:
        return Ending.EMPTY
    if not passed:
        return Ending.FAILED
    return Ending.DONE if way.done >= (pairs if limit is None else limit) else Ending.FULL


def passed_training(protocol: Protocol, outcomes: Iterable[bool]) -> bool:
    """Say whether enough training items were answered as expected."""
    right = list(outcomes)
    return sum(right) >= protocol.training.pass_share * len(right)


def passed_checks(protocol: Protocol, checks: Iterable[tuple[Outcome | None, Outcome]]) -> bool:
    """Say whether enough gold pairs were answered as expected; nobody fails who saw none."""
    wanted = protocol.panel.gold_pass if protocol.panel else None
    right = [expected is given for expected, given in checks]
    return wanted is None or sum(right) >= wanted * len(right)


def completion(protocol: Protocol, end: Ending, done: int) -> Completion | None:
    """Return what sends a rater back; braces in an address are filled where the ids are known.

    Whoever answered something before a study filled up or was closed has done what was asked.
    """
    panel = protocol.panel
    if panel is None:
        return None
    if not done and end in (Ending.FULL, Ending.CLOSED, Ending.EMPTY):
        return _out(panel.full)
    if end is Ending.SCREENED_OUT:
        return _out(panel.screened_out)
    failed = end is Ending.FAILED and panel.failed != Finish()
    finish = panel.failed if failed else panel.done
    return Completion(code=finish.code, url=finish.url)


def declined(protocol: Protocol) -> Completion | None:
    """Return what sends back a rater who does not agree to take part."""
    return _out(protocol.panel.declined) if protocol.panel else None


def _out(finish: Finish) -> Completion | None:
    """Return a way out that the study names; where it names none, the page says what to do."""
    return None if finish == Finish() else Completion(code=finish.code, url=finish.url)


def _instructs(protocol: Protocol) -> bool:
    return bool(protocol.instructions or protocol.examples_for("example"))
