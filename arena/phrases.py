"""What the page says of where a rater is, in the rater's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from arena.languages import Language, message
from arena.records import Ending, Objection, Phase, PhaseKind


@dataclass(frozen=True)
class Notice:
    """A line that says what happened, by its key; a key without a phrase is said in its words."""

    key: str
    values: Mapping[str, str] = field(default_factory=dict)
    words: str = ""


_BAD_LINK = message("It does not say who you are. Open the task from the panel's page.")

NOTICES: Mapping[str, str] = {
    "undone": message("Undone. Please answer this one again."),
    "skipped": message("Skipped."),
    "reported": message("Reported. Thank you."),
    "revealed": message("Left was {left}, right was {right}."),
    "nonsense": message("The page sent no answer we know. Please reload it."),
    "refused.closed": message("This study is closed and takes no more answers."),
    "refused.answered": message("This pair is already answered. Undo to answer it again."),
    "refused.skipped": message("This pair was skipped. Undo to answer it."),
    "refused.undone": message("That answer was undone; the pair is asked again."),
    "refused.released": message("That pair was given to somebody else meanwhile."),
    "refused.unknown": message("The page was out of date. This is where you are."),
    "refused.not_yours": message("That pair was opened for another rater."),
    "refused.too_soon": message("That was very quick. Please look at both pictures first."),
    "refused.nothing_to_undo": message("There is no answer to undo."),
    "refused.not_allowed": message("This study does not take that answer."),
    "refused.not_now": message("That is not asked now. This is where you are."),
    "refused.bad_link": message(
        "It does not say who you are. Open the task from the panel's page."
    ),
}
"""One for each reason of a refusal, and for what an act did."""

REPORTS: Mapping[Objection, str] = {
    Objection.BROKEN: message("It is broken, empty or not a picture"),
    Objection.OFFENSIVE: message("It is offensive or disturbing"),
    Objection.PRIVATE: message("It shows a real person or something private"),
    Objection.OTHER: message("Something else"),
}
"""What may be wrong with a picture."""

_HEADINGS: Mapping[PhaseKind, tuple[str, str]] = {
    PhaseKind.CONSENT: (message("Before you begin"), ""),
    PhaseKind.DECLINED: (
        message("You did not agree"),
        message("Nothing is asked of you. You can close this page, or return the task."),
    ),
    PhaseKind.INSTRUCTIONS: (message("What you are asked to do"), ""),
    PhaseKind.SCREENED_OUT: (
        message("Thank you for your time"),
        message("The training was not passed, so the study ends here for you."),
    ),
    PhaseKind.CLOSED: (
        message("This study is closed"),
        message("It takes no more answers. Thank you for your interest."),
    ),
}


def heading(phase: Phase, language: Language) -> tuple[str, str]:
    """Return the title of a page without a pair, and the sentence below it."""
    _, done = language.gettext, phase.progress.done
    if phase.kind in _HEADINGS:
        title, sentence = _HEADINGS[phase.kind]
        return _(title), _(sentence) if sentence else ""
    if phase.kind is PhaseKind.BREAK:
        return _("Time for a pause"), _("Rest your eyes for a moment, then go on.")
    if phase.ending is Ending.EARLIER:
        before = _("Nothing is left to do. Please return this task.")
        return _("You have taken part before"), before
    if done == 0 and phase.ending is Ending.FULL:
        return _("Thank you for coming"), _("The study has all the answers it needs.")
    if done == 0:
        sentence = _("Please come back when pictures are loaded.")
        return _("There is nothing to compare yet"), sentence
    saved = language.ngettext(
        "You gave {number} answer. It is saved.", "You gave {number} answers. All are saved.", done
    )
    return _("That was all. Thank you!"), saved.format(number=language.number(done))


def count(phase: Phase, language: Language) -> str:
    """Say how far a rater has come."""
    _ = language.gettext
    training, progress = phase.training, phase.progress
    if training is not None:
        number, of = language.number(training.done + 1), language.number(training.total)
        return _("Training: {number} of {total}").format(number=number, total=of)
    done, total = language.number(progress.done), language.number(progress.total)
    if progress.counted:
        return _("{done} of {total} answered").format(done=done, total=total)
    return _("{done} answered").format(done=done)


def notice(happened: Notice | None, language: Language) -> str:
    """Say what happened."""
    if happened is None:
        return ""
    words = NOTICES.get(happened.key)
    return language.gettext(words).format(**happened.values) if words else happened.words


def needs_cookie(language: Language) -> tuple[str, str]:
    """Return what a browser without cookies is told."""
    _ = language.gettext
    return (
        _("Please allow cookies for this page"),
        _("One cookie remembers which answers are yours. Allow it, then reload."),
    )


def needs_link(language: Language) -> tuple[str, str]:
    """Return what somebody is told who did not come by a panel's link."""
    _ = language.gettext
    return (
        _("Please open the task from the panel's page"),
        _("Its link says who you are. If you came by it, allow cookies and follow it again."),
    )


def bad_link(language: Language) -> tuple[str, str]:
    """Return what is said of a link that names nobody."""
    _ = language.gettext
    return _("This link does not work"), _(_BAD_LINK)


def of_the_script(language: Language) -> dict[str, str]:
    """Return what the page says without asking the server, by the script's own keys."""
    _ = language.gettext
    return {"kept": _("No connection. Your answer is kept and will be sent again.")}
