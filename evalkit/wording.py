"""Figures, intervals and lists as a reader wants them: rounded here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from evalkit.board import Cell, HumanCell
from evalkit.records import ScorerCard

NONE = "–"
MINUS = "\N{MINUS SIGN}"


def figure(value: float | None, digits: int = 3) -> str:
    """Write a number with thousands separated and a real minus; a dash where there is none."""
    if value is None:
        return NONE
    text = f"{value:,.{digits}f}"
    shown = text if text.strip("-0.,") else text.lstrip("-")  # no minus zero
    return shown.replace("-", MINUS)


def signed(value: float, digits: int = 0) -> str:
    """Write a difference with its sign."""
    shown = figure(value, digits)
    return shown if shown.startswith(MINUS) or not shown.strip("0.,") else f"+{shown}"


def percent(value: float | None, digits: int = 0) -> str:
    """Write a share of one."""
    return NONE if value is None else f"{figure(100 * value, digits)} %"


def chance(p: float | None) -> str:
    """Write a p-value; one that is too small for four digits is not written as zero."""
    return "< 0.0001" if p is not None and p < 0.0001 else figure(p, 4)


def interval(low: float | None, high: float | None, digits: int = 3) -> str:
    """Write an interval; nothing where there is none."""
    return "" if low is None or high is None else f"[{figure(low, digits)}, {figure(high, digits)}]"


def digits(card: ScorerCard) -> int:
    """Say how many digits a metric's figures deserve: two where they reach tens, else three."""
    return 2 if card.high is not None and card.high > 1 else 3


def measured(cell: Cell | None, places: int) -> str:
    """Write a score's mean with its interval, and n of N where some pictures have none."""
    if cell is None:
        return NONE
    coverage = "" if cell.scored == cell.total else f"({cell.scored} of {cell.total})"
    parts = (figure(cell.value, places), interval(cell.low, cell.high, places), coverage)
    return " ".join(part for part in parts if part)


def rated(cell: HumanCell | None) -> str:
    """Write a rating with its interval, or why there is none."""
    if cell is None:
        return NONE
    if cell.rating is None:
        return f"{NONE} ({cell.status})"
    return f"{figure(cell.rating, 0)} {interval(cell.low, cell.high, 0)}".strip()


def rank(cell: HumanCell | None) -> str:
    """Write the ranks that the votes leave open."""
    if cell is None or cell.rank_low is None:
        return NONE
    same = cell.rank_low == cell.rank_high
    return str(cell.rank_low) if same else f"{cell.rank_low}–{cell.rank_high}"


def reasons(cell: Cell) -> str:
    """Say why pictures have no score, and how many each."""
    return "; ".join(f"{n} x {reason}" for reason, n in cell.reasons.items())


def memory(megabytes: float | None) -> str:
    """Write an amount of memory in the unit that suits it."""
    if megabytes is None:
        return NONE
    gigabytes = megabytes / 1024
    return f"{figure(gigabytes, 1)} GB" if gigabytes >= 1 else f"{figure(megabytes, 0)} MB"


def listing(names: Sequence[str], most: int = 6) -> str:
    """Join names for a sentence, the first few of them."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def schedule(values: Sequence[float], most: int = 8) -> str:
    """Write a schedule's timesteps, of a long one the first, the last and how many."""
    shown = [f"{v:.6g}" for v in values]
    if len(shown) > most:
        return f"{', '.join(shown[:3])}, ..., {shown[-1]} ({len(shown)})"
    return ", ".join(shown)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Write a table's lines in Markdown."""
    for cells in (head, ["---"] * len(head), *rows):
        yield "| " + " | ".join(" ".join(c.replace("|", "\\|").split()) for c in cells) + " |"
