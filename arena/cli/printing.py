"""Ratings as text for a terminal: tables that fit, and sentences wrapped beneath them."""

from __future__ import annotations

import shutil
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from arena.boards import Board, Boards
from arena.comparisons import Equivalence
from arena.elo import History
from arena.identify import RATED, listing
from arena.ratings import WORDS

Row = Mapping[str, Any]
BASE = ("model", "rating", "interval", "rank", "battles")
"""The columns of every table; others go beneath them where a terminal is too narrow."""
MANY = 24
"""More boards than this are printed as one line each."""
MOMENTS = 6
"""Points in time of a history, as many columns as fit beside a model's name."""


def board_lines(board: Board) -> list[str]:
    """Print one board with its method."""
    return [*_board(board), "", *_method(board), *_notes(_warnings(board))]


def boards_lines(boards: Boards) -> list[str]:
    """Print every board under its level, and what holds of all of them once."""
    told = [one for one in boards.boards if one.rated]
    shared = set.intersection(*(set(_warnings(one)) for one in told)) if len(told) > 1 else set()
    if len(boards.boards) > MANY:
        lines = [*_overview(boards), ""]
    else:
        lines = []
        for one in boards.boards:
            own = [note for note in _warnings(one) if note not in shared]
            lines += [_heading(boards.by, one), *_board(one, boards.anchor), *_notes(own), ""]
    if told:
        lines += _method(max(told, key=lambda one: one.rated), counts=False)
    used = sum(one.votes for one in boards.boards)
    lines += _wrapped(f"{len(boards.boards)} boards of {used} of {boards.votes} votes.")
    return lines + _notes([*boards.notes, *sorted(shared)])


def history_lines(history: History, models: Sequence[str], k: float) -> list[str]:
    """Print Elo vote by vote at a few points in time, the last one's first models first."""
    last = len(history.votes) - 1
    at = sorted({round(last * (i + 1) / MOMENTS) for i in range(MOMENTS)})
    order = history.ratings[-1].argsort()[::-1]
    rows = [
        [models[m], *(f"{history.ratings[point, m]:.0f}" for point in at)] for m in order.tolist()
    ]
    heads = ["after votes", *(str(history.votes[point]) for point in at)]
    note = (
        f"Elo vote by vote (K = {k:g}, start 1000, ties half), in the order of the votes: how the "
        "study went, and no rating. The same votes in another order end elsewhere."
    )
    return ["", *_table(heads, rows), *_wrapped(note)]


def _board(board: Board, anchor: tuple[str, float] | None = None) -> list[str]:
    """Print a table, what its cells leave open, and what was asked beside it.

    An anchor that is spoken of elsewhere is not explained again.
    """
    if board.ratings is None:
        return _wrapped(f"No ratings: {board.refusal}")
    document = board.to_dict() | board.ratings.to_dict()
    rows, facts = document["ratings"], document["diagnostics"]
    columns = _columns(document, board.ratings.level)
    cells = [[cell(row) for cell in columns.values()] for row in rows]
    lines = _table(list(columns), cells, breaks=len(BASE))
    said = (RATED, *(row["status"] for row in rows if anchor and row["model"] == anchor[0]))
    named: dict[str, list[str]] = {}
    for row in rows:
        named.setdefault(row["status"], []).append(row["model"])
    for status, models in named.items():
        if status not in said:
            text = status.removeprefix(f"{RATED}: ")
            lines += _wrapped(f"{listing(models, 8)}: {text}", "  ")
    return lines + _beside(board, facts, board.ratings.level)


def _columns(document: Row, level: float) -> dict[str, Callable[[Row], str]]:
    columns: dict[str, Callable[[Row], str]] = {
        "model": lambda row: str(row["model"]),
        "rating": lambda row: _number(row["rating"]),
        f"{100 * level:g} % interval": lambda row: _interval(row["low"], row["high"]),
        "rank": _rank,
        "battles": lambda row: str(row["battles"]),
    }
    if any("line" in row for row in document["ratings"]):
        columns["over the line"] = _over
        columns["good enough"] = lambda row: row["line"] or "-"
    if paper := document.get("paper_style"):
        columns["paper-style"] = lambda row: _number(paper["ratings"].get(row["model"]))
    return columns


def _beside(board: Board, facts: Row, level: float) -> list[str]:
    """Say what was asked beside the ratings, in sentences."""
    texts = [_line(facts["line"])] if (facts.get("line") or {}).get("rating") is not None else []
    told = (one for one in facts.get("covariates", ()) if one["estimate"] is not None)
    texts += [_covariate(one, level) for one in told]
    texts += [_tie(one, level) for one in board.to_dict().get("tied", ())]
    if board.equivalences is not None:
        texts.append(_equivalences(board.equivalences, level))
    return [line for text in texts for line in _wrapped(text)]


def _line(line: Row) -> str:
    span = f"{line['rating']:.0f} {_interval(line['low'], line['high'])}"
    return f"Line of good enough: {span} on this scale."


def _covariate(one: Row, level: float) -> str:
    return (
        f"{one['name']}: {_span(one['estimate'], one['low'], one['high'])} {one['unit']} "
        f"({100 * level:g} %, {_p(one['p'])}); the ratings are those at equal values."
    )


def _equivalences(pairs: Sequence[Equivalence], level: float) -> str:
    """Name the pairs that are tied within the margin, all of which hold together."""
    if not pairs:
        return "No two models can be tested for a tie."
    within, tied = f"within {pairs[0].margin:g} Elo", [one for one in pairs if one.equivalent]
    names = listing([f"{one.first} ~ {one.second}" for one in tied], MANY)
    found = f"Tied {within}: {names}." if tied else f"No two models are shown to be tied {within}."
    return f"{found} {len(tied)} of {len(pairs)} pairs, holding together at {100 * level:g} %."


def _tie(one: Row, level: float) -> str:
    if one["p"] is None:
        return f"{one['first']} and {one['second']} within {one['margin']:g} Elo: {one['words']}."
    span = _span(one["difference"], one["low"], one["high"])
    p = f", {_p(one['p'])}" if one["equivalent"] else ""
    return f"{one['words']}: {span} ({100 * (2 * level - 1):g} %{p})."


def _heading(by: str, board: Board) -> str:
    known = ((board.votes, "vote"), (board.raters, "rater"), (board.prompts, "prompt"))
    sizes = ", ".join(f"{n} {word}{'s' * (n != 1)}" for n, word in known if n is not None)
    return f"{by} {board.level}: {sizes}"


def _overview(boards: Boards) -> list[str]:
    """Print one line a board where there are many: its size, and who may be first."""
    heads = [boards.by, "votes", "raters", "prompts", "rated"]
    rows = []
    for one in boards.boards:
        sizes = ("-" if n is None else str(n) for n in (one.votes, one.raters, one.prompts))
        rows.append([str(one.level), *sizes, str(one.rated)])
    names = ["may be first", *(_first(one) for one in boards.boards)]
    lines = [f"{line}  {name}" for line, name in zip(_table(heads, rows), names, strict=True)]
    return [*lines, *_wrapped("With --json each board is there in full.")]


def _first(board: Board) -> str:
    """Name the models that may be first, or say that nobody is rated."""
    if board.ratings is None or not board.rated:
        return "no model can be rated"
    table = board.ratings.table
    best = table["model"][table["rank_low"].eq(1).fillna(value=False)].tolist()
    return listing(best, 3) if len(best) < board.rated else "any of them"


def _method(board: Board, *, counts: bool = True) -> list[str]:
    if board.ratings is None:
        return []
    facts = board.ratings.diagnostics
    votes = f"{facts['votes_used']} of {facts['votes']} votes. " if counts else ""
    text = f"{votes}{facts['method']}. Both-bad votes are {facts['both_bad']}."
    if (intervals := facts.get("intervals")) and intervals["method"]:
        text += f" Intervals: {intervals['method']}."
    texts = [text]
    if (line := facts.get("line")) and line["rating"] is not None:
        texts.append(f"Good enough: {line['meaning']}; {line['words']}.")
    if board.paper:
        texts.append(f"Never ranked with the ratings: {WORDS['elo']}.")
    return [one for text in texts for one in _wrapped(text)]


def _warnings(board: Board) -> list[str]:
    return list(board.ratings.diagnostics["warnings"]) if board.ratings else []


def _notes(notes: Iterable[str]) -> list[str]:
    return [line for note in notes for line in _wrapped(f"Note: {note}.", "  ")]


def _number(value: float | None, *, signed: bool = False) -> str:
    return "-" if value is None else f"{value:{'+' if signed else ''}.0f}"


def _interval(low: float | None, high: float | None, *, signed: bool = False) -> str:
    if low is None or high is None:
        return "-"
    return f"[{_number(low, signed=signed)}, {_number(high, signed=signed)}]"


def _over(row: Row) -> str:
    if row["over_line"] is None:
        return "-"
    interval = _interval(row["over_low"], row["over_high"], signed=True)
    return f"{_number(row['over_line'], signed=True)} {interval}"


def _rank(row: Row) -> str:
    ends = dict.fromkeys(str(row[end]) for end in ("rank_low", "rank_high") if row[end])
    return "-".join(ends) or "-"


def _span(value: float, low: float, high: float) -> str:
    digits = 0 if abs(value) >= 10 else 1 if abs(value) >= 1 else 3
    return f"{value:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], breaks: int | None = None
) -> list[str]:
    """Align the first column left and the others right.

    If that is too wide, the columns from ``breaks`` on go beneath, beside the first one again.
    """
    widths = [max(map(_wide, column)) for column in zip(heads, *rows, strict=True)]
    every = list(range(len(heads)))
    parts = [every]
    if breaks in every and sum(widths) + 2 * (len(widths) - 1) > _width():
        parts = [every[:breaks], [0, *every[breaks:]]]
    lines: list[str] = []
    for part in parts:
        for cells in (heads, *rows):
            gaps = [" " * (widths[c] - _wide(cells[c])) for c in part]
            first, *rest = (cells[c] for c in part)
            right = (gap + cell for gap, cell in zip(gaps[1:], rest, strict=True))
            lines.append("  ".join([first + gaps[0], *right]).rstrip())
        lines.append("")
    return lines[:-1]


def _wide(text: str) -> int:
    """Return how many columns a terminal gives to a text."""
    marks = sum(unicodedata.combining(c) > 0 for c in text)
    return len(text) - marks + sum(unicodedata.east_asian_width(c) in "WF" for c in text)


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text, _width(), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _width() -> int:
    return min(max(shutil.get_terminal_size((120, 24)).columns, 40), 120)
