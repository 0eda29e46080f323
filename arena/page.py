"""What a rater sees, as HTML: the pair, the question, the progress, and nothing of the models."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arena import phrases
from arena.languages import ENGLISH, Language
from arena.phrases import Notice
from arena.records import Battle, Phase, Study

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
class View:
    """Everything that the page shows at one moment."""

    study: Study
    phase: Phase
    language: Language = ENGLISH
    notice: Notice | None = None

    @property
    def offered(self) -> tuple[Language, ...]:
        """The languages to choose from."""
        return tuple(Language(tag) for tag in self.study.protocol.languages)


def stage(view: View) -> str:
    """Render the changing part of the page; every value is escaped."""
    phase, progress, language = view.phase, view.phase.progress, view.language
    width, height = view.study.width or 1, view.study.height or 1
    feedback = phase.feedback
    battle, question = phase.battle, phase.question
    if feedback is not None:
        battle, question = feedback.battle, feedback.question
    count = phrases.count(phase, language)
    title, message = phrases.heading(phase, language)
    notice = phrases.notice(view.notice, language)
    return _render(
        "stage.html",
        language,
        kind="battle" if battle else "end",
        offered=view.offered,
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
        percent=f"{min(100.0, 100 * progress.done / progress.total) if progress.total else 0:.1f}",
        count=count,
        question=language.say(question.question) if question else title,
        hint=language.say(question.hint) if question else message,
        prompt=battle.left.prompt if battle and question and question.show_prompt else "",
        text=_markdown(language.say(phase.text)),
        notice=notice,
        said=f"{notice} {count}".strip(),
        reports=phrases.REPORTS,
        words=phrases.of_the_script(language),
    )


def needs_cookie(language: Language = ENGLISH) -> str:
    """Render what a browser without cookies is told."""
    title, message = phrases.needs_cookie(language)
    return _render("message.html", language, title=title, message=message)


def needs_link(language: Language = ENGLISH) -> str:
    """Render what somebody is told who did not come by a panel's link."""
    title, message = phrases.needs_link(language)
    return _render("message.html", language, title=title, message=message)


def turned_away(detail: str, language: Language = ENGLISH) -> str:
    """Render a document for a link that cannot be read; the detail is for the study's keeper."""
    title, message = phrases.bad_link(language)
    return _render("door.html", language, title=title, message=message, detail=detail)


def preview(study: Study, language: Language = ENGLISH) -> str:
    """Render a document for a panel's preview: the instructions, and nothing to vote on."""
    text = _markdown(language.say(study.protocol.instructions))
    return _render("preview.html", language, text=text)


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


def _markdown(text: str) -> Markup:
    """Render a study's own words; HTML in them is shown as text."""
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    return Markup(MarkdownIt("js-default").render(text))  # noqa: S704 - html is off in js-default


def _addresses(battle: Battle | None) -> str:
    return " ".join(f"battle/{battle.token}/{s}" for s in ("left", "right")) if battle else ""


def _render(name: str, language: Language, **values: Any) -> str:
    return _environment(language).get_template(name).render(language=language, **values)


@cache
def _environment(language: Language) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
    )
    words = {"gettext": language.gettext, "ngettext": language.ngettext}
    environment.install_gettext_callables(**words, newstyle=True)  # type: ignore[attr-defined]
    return environment
