"""What a leaderboard says, in sentences: the first, the tied, the fast."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from evalkit import plain
from evalkit.board import Difference, Human, RatingBoard, Row, rows_by
from evalkit.wording import figure, interval, listing, percent, signed

ALPHA = 0.05
FEW_STEPS = 4
MANY_STEPS = 8
"""More denoising steps than this make a model a many-step one."""


def findings(rows: Sequence[Row], human: Human | None) -> Iterable[str]:
    """Say what a reader asks first, of the headline in full; ``rows`` carry its ratings."""
    if human is None:
        return
    headline, *others = human.questions
    yield from _of_question(rows, headline, human, more=True)
    for question in others:
        yield from _of_question(rows_by(rows, question), question, human, more=False)
    if missing := [r.model for r in rows if r.human and r.human.rating is None]:
        yield f"Without a rating: {listing(missing)}; the table says what would cure it."


def _of_question(
    rows: Sequence[Row], board: RatingBoard, human: Human, *, more: bool
) -> Iterable[str]:
    rated = [r for r in rows if r.human and r.human.rating is not None]
    asked = f"On {board.criterion}: " if len(human.questions) > 1 else ""
    if not rated:
        yield f"{asked}The votes do not identify a rating of any model; the table says why."
        return
    yield asked + _first(rated, human.unit)
    if more:
        on = f" on {board.criterion}" if asked else ""
        yield from _few_steps(rated, board, human.unit, on)
        yield from _behind(board, on)


def _behind(board: RatingBoard, on: str) -> Iterable[str]:
    """Say how fragile the first place is, and how far the scores agree with people."""
    found = board.evidence
    if found and found.fragility:
        yield f"How fragile{on}: {plain.easiest(found.fragility)}"
    if found and found.concordance:
        yield f"Scores against people{on}: {plain.agreement(found.concordance)}"


def _first(rated: Sequence[Row], unit: str) -> str:
    best, sharing = rated[0], _sharing(rated)
    assert best.human is not None  # noqa: S101 - rated
    found = interval(best.human.low, best.human.high, 0)
    lead = f"{best.model} is rated highest, {figure(best.human.rating, 0)} {unit} {found}".strip()
    if len(rated) == 1:
        return f"{lead}; no other model is rated."
    if len(rated) > 1 and len({r.human.rating for r in rated if r.human}) == 1:
        return f"No model is rated above another: all {len(rated)} are equal by these votes."
    if not found:
        return f"{lead}; these ratings have no intervals, so that no order is sure."
    if not sharing:
        return f"{lead}, and above every other rated model beyond chance."
    return (
        f"{lead}, but statistically tied with {listing(sharing)}: the votes cannot tell them apart."
    )


def _sharing(rated: Sequence[Row]) -> list[str]:
    return [r.model for r in rated[1:] if r.human and r.human.rank_low == 1]


def _few_steps(rated: Sequence[Row], board: RatingBoard, unit: str, on: str) -> Iterable[str]:
    """Set the best few-step model beside the best many-step one."""
    few = next((r for r in rated if r.steps and r.steps <= FEW_STEPS), None)
    many = next((r for r in rated if r.steps and r.steps > MANY_STEPS), None)
    if few is None or many is None:
        return
    found = _between(board, few.model, many.model)
    if found is None or found.low is None or found.p is None:
        return
    sign = 1 if found.first == few.model else -1
    gap = sign * found.difference
    ends = sorted((sign * found.low, sign * (found.high or 0.0)))
    told = found.p <= ALPHA
    word = f"rated {'above' if gap > 0 else 'below'}" if told else "statistically tied with"
    steps = "1 step" if few.steps == 1 else f"{few.steps} steps"
    yield (
        f"Best with few steps{on}: {few.model} ({steps}) is {word} {many.model} "
        f"({many.steps} steps): "
        f"{signed(gap)} {unit} {interval(ends[0], ends[1], 0)}"
        + ("" if told else _within(found))
        + _time(few, many)
    )


def _within(found: Difference) -> str:
    return "" if found.within is None else f", equivalent within ±{figure(found.within, 0)}"


def _time(few: Row, many: Row) -> str:
    if not few.seconds or not many.seconds:
        return "."
    return f", in {percent(few.seconds / many.seconds)} of the time."


def _between(board: RatingBoard, one: str, other: str) -> Difference | None:
    wanted = {one, other}
    return next((d for d in board.differences if {d.first, d.second} == wanted), None)
