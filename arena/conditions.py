"""What must hold before an answer counts; each raises a Refusal that says why it does not."""

from __future__ import annotations

import math

from arena import refusals
from arena.clock import passed
from arena.facts import Facts
from arena.protocol import Outcome, Protocol
from arena.records import Battle, Rater, Study, Vote
from arena.refusals import Reason, Refusal


def is_closed(facts: Facts, study_key: int) -> bool:
    """Say whether a study takes no answers."""
    marks = facts.events(study_key, "close", "reopen")
    return bool(marks) and marks[-1].kind == "close"


def own(facts: Facts, study: str, token: str, rater: Rater, *, lock: bool = True) -> Battle:
    """Return the battle of a token, which must be the rater's; who asks with ``lock`` waits."""
    # Tokens are letters; PostgreSQL has no NUL in a text, and neither database a lone surrogate.
    battle = facts.battle(token, lock=lock) if token.isprintable() else None
    if battle is None or battle.study != study:
        raise Refusal(Reason.UNKNOWN, "The server opened no such battle. Reload the page.")
    if battle.rater != rater:
        raise Refusal(
            Reason.NOT_YOURS, "This battle was opened for another rater. Reload the page."
        )
    return battle


def still_open(facts: Facts, battle: Battle) -> tuple[int, Study]:
    """Refuse where the study, or the battle, is over; return the study and its key."""
    key, study = facts.study(battle.study)
    if is_closed(facts, key):
        raise refusals.closed()
    fate = facts.fate(battle)
    if "skip" in fate:
        message = "This battle was skipped. Undo the skip to answer it."
        raise Refusal(Reason.SKIPPED, message)
    if "release" in fate:
        message = "This pair was given to somebody else meanwhile. Reload the page."
        raise Refusal(Reason.RELEASED, message)
    return key, study


def allowed(protocol: Protocol, outcome: Outcome) -> None:
    """Refuse an answer that the study does not take."""
    if outcome not in protocol.outcomes:
        taken = ", ".join(protocol.outcomes)
        message = f"This study does not take {outcome.value!r}; it takes {taken}."
        raise Refusal(Reason.NOT_ALLOWED, message)


def unhurried(facts: Facts, key: int, study: Study, battle: Battle, at: str) -> None:
    """Refuse what came sooner than anybody can look, by the server's own clock.

    Where that was set back meanwhile it says nothing, and nobody is kept waiting for it.
    """
    least = study.protocol.raters.minimum_seconds
    if not least:
        return
    since = max(battle.opened_at, facts.last_answer_at(key, battle.rater) or "")
    if 0 <= passed(since, at) < least:
        raise Refusal(Reason.TOO_SOON, f"Please look for {least:g} seconds before you answer.")


def same(facts: Facts, battle: Battle, earlier: Vote, outcome: Outcome) -> Vote:
    """Return the vote that a battle has, if the answer is that one and was not undone."""
    if facts.happened("undo", battle):
        raise Refusal(
            Reason.UNDONE,
            "This answer was undone; the battle is asked again under another name.",
        )
    if earlier.outcome is not outcome:
        raise Refusal(
            Reason.ANSWERED,
            f"This battle is already answered: {earlier.outcome.value}, not {outcome.value}. "
            "Undo the answer to give another.",
        )
    return earlier


def plausible(seconds: float | None, opened_at: str, cast_at: str) -> float | None:
    """Keep a browser's claim of time only within what the server saw pass."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return None
    return min(seconds, max(passed(opened_at, cast_at), 0.0))
