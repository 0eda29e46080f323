"""A leaderboard as one self-contained HTML page, and the same as Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from evalkit.board import Cell, HumanCell, Leaderboard
from evalkit.errors import EvalkitError
from evalkit.records import ScorerCard


def write(board: Leaderboard, folder: Path) -> dict[str, Path]:
    """Write the four forms of a leaderboard into a folder; return where each one is."""
    forms = {"html": html(board), "md": markdown(board), "csv": table_csv(board)}
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

    from evalkit import figures

    environment = Environment(
        loader=PackageLoader("evalkit"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": _figure, "reasons": _reasons}
    template = environment.get_template("report.html.j2")
    return template.render(
        board=board,
        figures=figures,
        tasks=_tasks(board),
        ranges={card.name: _range(board, card) for card in board.metrics},
        digits=digits,
        provenance=board.manifest.model_dump_json(indent=2),
    )


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


def _figure(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:,.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _reasons(cell: Cell) -> str:
    return "; ".join(f"{n} x {reason}" for reason, n in cell.reasons.items())


def digits(card: ScorerCard) -> int:
    """Say how many digits a metric's figures deserve: two where they reach tens, else three."""
    return 2 if card.high is not None and card.high > 1 else 3


def _text(cell: Cell | None, places: int) -> str:
    if cell is None or cell.value is None:
        return "–" if cell is None else f"– ({cell.scored} of {cell.total})"
    interval = (
        "" if cell.low is None else f" [{_figure(cell.low, places)}, {_figure(cell.high, places)}]"
    )
    short = "" if cell.scored == cell.total else f" ({cell.scored} of {cell.total})"
    return _figure(cell.value, places) + interval + short


def _human_text(cell: HumanCell | None) -> str:
    if cell is None:
        return "–"
    if cell.rating is None:
        return f"– ({cell.status})"
    return f"{cell.rating:.0f} [{_figure(cell.low, 0)}, {_figure(cell.high, 0)}]"


def _rank_text(cell: HumanCell | None) -> str:
    if cell is None or cell.rank_low is None:
        return "–"
    same = cell.rank_low == cell.rank_high
    return str(cell.rank_low) if same else f"{cell.rank_low}–{cell.rank_high}"


def markdown(board: Leaderboard) -> str:
    """Render the headline table as Markdown."""
    head = ["model", *(["rank", board.human.unit] if board.human else [])]
    head += [c.name for c in board.metrics] + ["steps", "s/image"]
    lines = [f"# {board.title}", ""]
    lines += [f"> {banner}\n" for banner in board.banners]
    lines += ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in board.rows:
        cells = [row.model]
        cells += [_rank_text(row.human), _human_text(row.human)] if board.human else []
        cells += [_text(row.metrics.get(c.name), digits(c)) for c in board.metrics]
        cells += [str(row.steps or "–"), _figure(row.seconds)]
        lines.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
    lines += [
        "",
        "Intervals are 95 %, clustered by prompt for scores."
        + (f" Ratings: {board.human.method}." if board.human else ""),
        "",
    ]
    return "\n".join(lines)


def table_csv(board: Leaderboard) -> str:
    """Render every figure of the table as CSV, one model a line, unrounded."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    metrics = [f"{c.name}{part}" for c in board.metrics for part in ("", "_low", "_high", "_n")]
    ratings = ["rating", "rating_low", "rating_high", "rank_low", "rank_high", "battles", "status"]
    writer.writerow(
        ["model", "generator", "steps", "guidance", "pictures", "failures"]
        + ["seconds", "peak_memory_mb", *metrics, *ratings]
    )
    for row in board.rows:
        cells: list[Any] = [row.model, row.generator, row.steps, row.guidance, row.pictures]
        cells += [row.failures, row.seconds, row.peak_memory_mb]
        for card in board.metrics:
            cell = row.metrics.get(card.name)
            cells += [cell.value, cell.low, cell.high, cell.scored] if cell else [None] * 4
        human = row.human
        cells += (
            [human.rating, human.low, human.high, human.rank_low, human.rank_high]
            + [human.battles, human.status]
            if human
            else [None] * 7
        )
        writer.writerow(cells)
    return stream.getvalue()
