"""What a rater sees, as HTML: the pair, the question, the progress, and nothing of the models."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from arena.records import Battle, Progress, Study

if TYPE_CHECKING:
    from jinja2 import Template

ASSETS = Path(__file__).parent / "assets"


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
    return _template().render(
        study=view.study,
        battle=view.battle,
        progress=view.progress,
        turn=secrets.token_hex(4),  # a new one each time, so that the page knows it was answered
        ratio=f"{width / height:.4f}",
        upcoming=_addresses(view.upcoming),
        percent=f"{100 * done / total if total else 0:.1f}",
        count=f"{done} of {total} answered" if view.study.quota else f"{done} answered",
        title=title,
        message=message,
        notice=view.notice,
    )


def needs_cookie() -> str:
    """Render what a browser without cookies is told."""
    return (
        '<section class="stage"><header class="end"><h1>Please allow cookies for this page</h1>'
        '<p class="hint">One cookie remembers which answers are yours. Allow it, then reload.</p>'
        "</header></section>"
    )


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


@cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(ASSETS)
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template(
        "stage.html"
    )
