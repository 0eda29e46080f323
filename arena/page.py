"""What a rater sees, as HTML: the pair, the question, the progress, and nothing of the models."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arena.protocol import say
from arena.records import Battle, Ending, Phase, PhaseKind, Study

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_HERE = Path(__file__).parent
ASSETS, TEMPLATES = _HERE / "assets", _HERE / "templates"

PAPER, PAPER_DARK = "#f6f5f3", "#151617"
"""The background, as in page.css."""

SHELL = (
    '<div class="desk" aria-busy="true"></div>'
    '<p class="live" role="status" aria-live="polite" aria-atomic="true"></p>'
)
"""What stands on the page before the server has said anything; the live region outlasts it."""


@dataclass(frozen=True)
class Notice:
    """A line that says what happened: by its key in the page's language, else in these words."""

    key: str
    values: Mapping[str, str] = field(default_factory=dict)
    words: str = ""


@dataclass(frozen=True)
class View:
    """Everything that the page shows at one moment."""

    study: Study
    phase: Phase
    language: str = "en"
    notice: Notice | None = None


def stage(view: View) -> str:
    """Render the changing part of the page; every value is escaped."""
    phase, progress, language = view.phase, view.phase.progress, view.language
    done, total = progress.done, progress.total
    width, height = view.study.width or 1, view.study.height or 1
    feedback = phase.feedback
    battle, question = phase.battle, phase.question
    if feedback is not None:
        battle, question = feedback.battle, feedback.question
    count = f"{done} of {total} answered" if progress.counted else f"{done} answered"
    title, message = _heading(phase)
    notice = _notice(view.notice)
    return _render(
        "stage.html",
        kind="battle" if battle else "end",
        language=language,
        direction="ltr",
        phase=phase,
        battle=battle,
        answers=phase.battle is not None,
        feedback=feedback,
        outcomes=phase.outcomes,
        progress=progress,
        turn=secrets.token_hex(4),  # a new one each time, so that the page knows it was answered
        width=width,
        height=height,
        ratio=f"{width / height:.4f}",
        upcoming=_addresses(phase.upcoming),
        pause=phase.minimum_seconds,
        can_undo=phase.can_undo,
        percent=f"{100 * done / total if total else 0:.1f}",
        count=_training(phase) or count,
        question=say(question.question, language) if question else title,
        hint=say(question.hint, language) if question else message,
        prompt=battle.left.prompt if battle and question and question.show_prompt else "",
        text=_markdown(say(phase.text, language)),
        say=lambda text: say(text, language),
        notice=notice,
        said=f"{notice} {count}".strip(),
        words={"kept": "No connection. Your answer is kept and will be sent again."},
    )


def needs_cookie(language: str = "en") -> str:
    """Render what a browser without cookies is told."""
    return _message(
        "Please allow cookies for this page",
        "One cookie remembers which answers are yours. Allow it, then reload.",
        language,
    )


def needs_link(language: str = "en") -> str:
    """Render what somebody is told who did not come by a panel's link."""
    return _message(
        "Please open the task from the panel's page",
        "Its link says who you are. If you came by it, allow cookies for this page and follow it "
        "again.",
        language,
    )


def turned_away(message: str, language: str = "en") -> str:
    """Render a document for a link that cannot be read."""
    return _render("door.html", language=language, title="This link does not work", message=message)


def preview(study: Study, language: str = "en") -> str:
    """Render a document for a panel's preview: the instructions, and nothing to vote on."""
    text = _markdown(say(study.protocol.instructions, language))
    return _render("preview.html", language=language, text=text)


def files() -> dict[str, bytes]:
    """Return the files that the browser loads, by name."""
    return {path.name: path.read_bytes() for path in sorted(ASSETS.iterdir())}


@cache
def version() -> str:
    """Name the state of the browser's files: their address changes when they do."""
    return sha256(b"".join(files().values())).hexdigest()[:12]


def head() -> str:
    """Return the link to the style sheet: Gradio would rewrite one that it was given."""
    return f'<link rel="stylesheet" href="face/{version()}/page.css">'


def boot() -> str:
    """Return the script that Gradio runs once its component is on the page."""
    address = f"face/{version()}/page.js"
    return f"import(new URL({address!r}, document.baseURI)).then((page) => page.start(element));"


def _message(title: str, message: str, language: str) -> str:
    words = {"title": title, "message": message, "language": language}
    return _render("message.html", direction="ltr", **words)


def _notice(notice: Notice | None) -> str:
    if notice is None:
        return ""
    if notice.key == "revealed":
        return "Left was {left}, right was {right}.".format(**notice.values)
    return notice.words


def _training(phase: Phase) -> str:
    if phase.training is None:
        return ""
    return f"Training: {phase.training.done + 1} of {phase.training.total}"


def _heading(phase: Phase) -> tuple[str, str]:
    if phase.kind in _HEADINGS:
        return _HEADINGS[phase.kind]
    if phase.kind is PhaseKind.BREAK:
        return "Time for a pause", f"{phase.progress.done} answered. Go on whenever you like."
    if phase.ending is Ending.EARLIER:
        return "You have taken part before", "Nothing is left to do. Please return this task."
    if phase.progress.done == 0:
        if phase.ending is Ending.FULL:
            return "Thank you for coming", "The study has all the answers it needs."
        return "There is nothing to compare yet", "Please come back when pictures are loaded."
    answers = "answer" if phase.progress.done == 1 else "answers"
    message = f"You gave {phase.progress.done} {answers}. All are saved."
    return "That was all. Thank you!", message


_HEADINGS = {
    PhaseKind.CONSENT: ("Before you begin", ""),
    PhaseKind.DECLINED: ("You did not agree", "Nothing is asked of you. Please return the task."),
    PhaseKind.INSTRUCTIONS: ("What you are asked to do", ""),
    PhaseKind.SCREENED_OUT: (
        "Thank you for your time",
        "The training was not passed, so the study ends here for you.",
    ),
    PhaseKind.CLOSED: (
        "This study is closed",
        "It takes no more answers. Thank you for your interest.",
    ),
}


def _markdown(text: str) -> Markup:
    """Render a study's own words; HTML in them is shown as text."""
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    return Markup(MarkdownIt("js-default").render(text))  # noqa: S704 - html is off in js-default


def _addresses(battle: Battle | None) -> str:
    return " ".join(f"battle/{battle.token}/{s}" for s in ("left", "right")) if battle else ""


def _render(name: str, **values: Any) -> str:
    return _environment().get_template(name).render(values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_null_translations(newstyle=True)  # type: ignore[attr-defined]
    return environment
