"""What a rater sees, as HTML: the pair, the question, the progress, and nothing of the models."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arena.records import Battle, Progress, Study

if TYPE_CHECKING:
    from jinja2 import Environment

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
    progress: Progress
    battle: Battle | None
    upcoming: Battle | None = None
    """The next battle, whose pictures are fetched while this one is looked at."""
    notice: str = ""


def stage(view: View) -> str:
    """Render the changing part of the page; every value is escaped."""
    done, total = view.progress.done, view.progress.total
    title, message = _ending(view)
    width, height = view.study.width or 1, view.study.height or 1
    battle, study = view.battle, view.study
    count = f"{done} of {total} answered" if study.quota else f"{done} answered"
    return _render(
        "stage.html",
        kind="battle" if battle else "end",
        language="en",
        direction="ltr",
        battle=battle,
        progress=view.progress,
        turn=secrets.token_hex(4),  # a new one each time, so that the page knows it was answered
        width=width,
        height=height,
        ratio=f"{width / height:.4f}",
        upcoming=_addresses(view.upcoming),
        pause=0,
        can_undo=done > 0 or battle is not None,
        percent=f"{100 * done / total if total else 0:.1f}",
        count=count,
        question=study.question if battle else title,
        hint=study.hint if battle else message,
        prompt=battle.left.prompt if battle and study.show_prompt else "",
        notice=view.notice,
        said=f"{view.notice} {count}".strip(),
        words={"kept": "No connection. Your answer is kept and will be sent again."},
    )


def needs_cookie() -> str:
    """Render what a browser without cookies is told."""
    return _render(
        "message.html",
        title="Please allow cookies for this page",
        message="One cookie remembers which answers are yours. Allow it, then reload.",
        language="en",
        direction="ltr",
    )


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


def asset(name: str) -> str:
    """Return the text of one of the page's own files."""
    return (ASSETS / name).read_text(encoding="utf-8")


def _ending(view: View) -> tuple[str, str]:
    if view.progress.closed:
        return "This study is closed", "It takes no more answers. Thank you for your interest."
    if view.progress.done == 0:
        return "There is nothing to compare yet", "Please come back when pictures are loaded."
    answers = "answer" if view.progress.done == 1 else "answers"
    return "That was all. Thank you!", f"You gave {view.progress.done} {answers}. All are saved."


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
