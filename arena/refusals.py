"""Why the rules refuse something: a word for the page to translate, and a sentence in English."""

from __future__ import annotations

from enum import StrEnum

from evalkit.errors import StudyError


class Reason(StrEnum):
    """What stood against it."""

    CLOSED = "closed"
    ANSWERED = "answered"
    SKIPPED = "skipped"
    UNDONE = "undone"
    RELEASED = "released"
    UNKNOWN = "unknown"
    NOT_YOURS = "not_yours"
    TOO_SOON = "too_soon"
    NOTHING_TO_UNDO = "nothing_to_undo"
    NOT_ALLOWED = "not_allowed"
    NOT_NOW = "not_now"
    BAD_LINK = "bad_link"


class Refusal(StudyError):  # noqa: N818 - a refusal is what it is
    """A request against the rules of a study; nothing was changed."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def closed() -> Refusal:
    """Refuse, for the study has ended."""
    return Refusal(Reason.CLOSED, "This study is closed and takes no more answers.")


def answered(outcome: str) -> Refusal:
    """Refuse, for the battle has its answer."""
    return Refusal(Reason.ANSWERED, f"This battle is already answered: {outcome}.")
