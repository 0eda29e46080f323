"""A leaderboard as one self-contained HTML page, and the same as Markdown, CSV and JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evalkit import beside, costs, setwise, wording
from evalkit.board import Leaderboard
from evalkit.errors import EvalkitError
from evalkit.names import visible
from evalkit.records import ScorerCard
from evalkit.texts import markdown, table_csv
from evalkit.views import views


def write(board: Leaderboard, folder: Path) -> dict[str, Path]:
    """Write a leaderboard in its forms into a folder; return where each one is."""
    forms = {"html": html(board), "md": markdown(board), "csv": table_csv(board)}
    if board.published:
        forms["published.csv"] = beside.table_csv(board)
    forms["json"] = board.model_dump_json(indent=2, exclude={"sheet"}) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for form, text in forms.items():
            (folder / f"leaderboard.{form}").write_text(text, encoding="utf-8")
    except OSError as error:
        raise EvalkitError(f"The report could not be written to {folder}: {error}.") from error
    return {form: folder / f"leaderboard.{form}" for form in forms}


def html(board: Leaderboard) -> str:
    """Render the page: no script or picture is fetched from anywhere."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from evalkit import figures, plain

    environment = Environment(
        loader=PackageLoader("evalkit"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "figure": wording.figure,
        "signed": wording.signed,
        "percent": wording.percent,
        "reasons": wording.reasons,
        "memory": wording.memory,
        "rank": wording.rank,
        "chance": wording.chance,
        "even": _even,
    }
    environment.globals |= {"figures": figures, "plain": plain, "digits": wording.digits}
    environment.globals |= {"published_note": beside.NOTE, "costs": costs}
    environment.globals |= {"setwise": setwise}
    return environment.get_template("report.html.j2").render(
        board=board,
        views=views(board),
        tasks=_tasks(board),
        tiers=_tiers(board),
        titles={card.name: card.title for card in board.metrics},
        ranges={card.name: _range(board, card) for card in board.metrics},
        provenance=board.manifest.model_dump_json(indent=2) if board.manifest else "",
    )


def _shown(value: Any) -> Any:
    """Let nothing unseen out of a name into the page; it cannot turn the text after it round."""
    return visible(value) if type(value) is str else value


def _even(number: int, most: int = 8) -> int:
    """Say how many stand in a row, so that every row holds as many, or nearly."""
    return -(-number // -(-number // most)) if number else 1


def _tiers(board: Leaderboard) -> list[str]:
    """List the tiers that the models are in: of steps, then of memory."""
    tiers = [(r.steps or 0, r.step_tier) for r in board.rows if r.step_tier]
    memory = [(r.peak_memory_mb or 0, r.memory_tier) for r in board.rows if r.memory_tier]
    return list(dict.fromkeys(tier for _, tier in [*sorted(tiers), *sorted(memory)]))


def _range(board: Leaderboard, card: ScorerCard) -> tuple[float, float]:
    """Find the span of a metric's bars: its own bounds, or what the models reach."""
    cells = [c for row in board.rows if (c := row.metrics.get(card.name))]
    lows = [c.low for c in cells if c.low is not None]
    highs = [c.high for c in cells if c.high is not None]
    if card.low == 0 and card.high == 1:
        return 0.0, 1.0
    return min(lows, default=0.0), max(highs, default=0.0)


def _tasks(board: Leaderboard) -> list[str]:
    seen = {c: None for row in board.rows for m in row.categories.values() for c in m if c}
    return list(seen)
