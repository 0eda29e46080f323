"""A leaderboard as one self-contained HTML page, and the same as Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from evalkit import wording
from evalkit.board import Leaderboard
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
    environment.filters |= {
        "figure": wording.figure,
        "reasons": wording.reasons,
        "memory": wording.memory,
        "rank": wording.rank,
    }
    template = environment.get_template("report.html.j2")
    boards = board.human.boards if board.human else ()
    return template.render(
        board=board,
        figures=figures,
        order=[row.model for row in board.rows],
        questions=[b for b in boards if b.category is None],
        by_category=[b for b in boards if b.category is not None],
        tasks=_tasks(board),
        tiers=_tiers(board),
        ranges={card.name: _range(board, card) for card in board.metrics},
        digits=wording.digits,
        provenance=board.manifest.model_dump_json(indent=2),
    )


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


def markdown(board: Leaderboard) -> str:
    """Render the headline table as Markdown."""
    head = ["model", *(["rank", board.human.unit] if board.human else [])]
    head += [c.name for c in board.metrics] + ["steps", "s/image", "memory", "licence"]
    lines = [f"# {board.title}", ""]
    lines += [f"> {banner}\n" for banner in board.banners]
    lines += [*(f"- {finding}" for finding in board.findings), ""] if board.findings else []
    lines += ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in board.rows:
        cells = [row.model]
        cells += [wording.rank(row.human), wording.rated(row.human)] if board.human else []
        cells += [
            wording.measured(row.metrics.get(c.name), wording.digits(c)) for c in board.metrics
        ]
        cells += [str(row.steps or "–"), wording.figure(row.seconds)]
        cells += [wording.memory(row.peak_memory_mb or row.weights_mb), row.licence or wording.NONE]
        lines.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
    lines += [
        "",
        "Intervals are 95 %, clustered by prompt for scores."
        + (f" Ratings: {board.human.headline.method}." if board.human else ""),
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
        ["model", "generator", "steps", "guidance", "evaluations", "licence", "pictures"]
        + ["failures", "seconds", "peak_memory_mb", "weights_mb", *metrics, *ratings]
    )
    for row in board.rows:
        cells: list[Any] = [row.model, row.generator, row.steps, row.guidance]
        cells += [row.evaluations, row.licence, row.pictures, row.failures]
        cells += [row.seconds, row.peak_memory_mb, row.weights_mb]
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
