"""A run's models compared: which pairs, under which scores, in words and as one document."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import combinations, groupby
from typing import Any

from evalkit.comparison import ALPHA, Comparison, Margin, Pair, compare_all
from evalkit.errors import EvalkitError, RunError, UnknownNameError
from evalkit.records import ScorerCard
from evalkit.runs import Run
from evalkit.summary import newest

SCHEMA_VERSION = 1
MOST_PAIRS = 2_000
HEAD = ("", "difference", "95 % interval", "p (Holm)", "ahead/behind/equal", "pairs")


def pairs(
    known: Sequence[str], models: Pair | None = None, baseline: str | None = None
) -> list[Pair]:
    """List what to compare: two models, every other with a baseline, or each with each."""
    if models and baseline is not None:
        raise EvalkitError("Two models and a baseline were given. Give --models or --baseline.")
    for name in (*(models or ()), *([] if baseline is None else [baseline])):
        if name not in known:
            raise UnknownNameError("model of this run", name, known)
    if models:
        return [models]
    if baseline is not None:
        return [(name, baseline) for name in known if name != baseline]
    found = list(combinations(known, 2))
    if len(found) > MOST_PAIRS:
        raise EvalkitError(
            f"{len(known)} models make {len(found)} pairs. Name one to compare all others with: "
            "--baseline MODEL."
        )
    return found


def margins(texts: Sequence[str], names: Sequence[str]) -> dict[str, float]:
    """Read ``0.02`` (for every score) and ``NAME=0.02``: how much worse still passes."""
    found: dict[str, float] = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        if name and name not in names:
            raise UnknownNameError("score", name, names)
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value >= 0):
            raise EvalkitError(f"The margin {text!r} is no number of 0 or more, or NAME=NUMBER.")
        found |= dict.fromkeys([name] if name else names, value)
    return found


def compared(
    run: Run,
    models: Pair | None = None,
    baseline: str | None = None,
    *,
    scorers: Sequence[str] = (),
    margin: Sequence[str] = (),
) -> list[Comparison]:
    """Compare a run's models under its scores; p-values are adjusted over all of it."""
    chosen = pairs([m.name for m in run.manifest.models], models, baseline)
    if not chosen:
        raise RunError(f"The run {run.path} has one model. Draw another to compare it with.")
    cards = _cards(run, scorers)
    scored = [(card, run.scores(card)) for card in cards]
    return compare_all(
        scored,
        run.suite.by_id(),
        run.generations(),
        chosen,
        margins=margins(margin, [card.name for card in cards]),
    )


def _cards(run: Run, names: Sequence[str]) -> list[ScorerCard]:
    cards = {card.name: card for card in newest(run.cards())}
    if not cards:
        raise EvalkitError("This run has no scores yet. Score it first: evalkit score --run ...")
    for name in names:
        if name not in cards:
            raise UnknownNameError("score of this run", name, cards)
    return [cards[name] for name in names or cards]


def document(run: Run, found: Sequence[Comparison]) -> dict[str, Any]:
    """Return the comparisons as one JSON object."""
    return {
        "schema_version": SCHEMA_VERSION,
        "run": run.manifest.run_id,
        "suite": run.manifest.suite,
        "tests": sum(c.p_value is not None for c in found),
        "comparisons": [asdict(c) for c in found],
    }


def lines(found: Sequence[Comparison]) -> Iterator[str]:
    """Write comparisons as a table for each score, and what follows from each in a sentence."""
    for scorer, group in groupby(found, key=lambda c: c.scorer):
        rows = list(group)
        yield f"{scorer}: difference on the same prompts and seeds"
        yield from _table([HEAD, *(_row(c) for c in rows)])
        yield from (f"  {sentence}" for c in rows for sentence in sentences(c))
        yield ""
    tests = sum(c.p_value is not None for c in found)
    yield (
        f"Intervals are clustered by prompt; p is of a sign-flip test, adjusted for {tests} "
        f"comparison{'s' if tests != 1 else ''}."
    )


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for name, *cells in rows:
        padded = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        yield "  ".join([f"  {name:<{widths[0]}}", *padded])


def _row(c: Comparison) -> tuple[str, ...]:
    d = c.difference
    interval = "–" if d.low is None else f"[{d.low:+.3f}, {d.high:+.3f}]"
    value = "–" if d.value is None else f"{d.value:+.3f}"
    p = "–" if c.p_adjusted is None else f"{c.p_adjusted:.4f}"
    counts = f"{c.better}/{c.worse}/{c.equal}"
    return (f"{c.a} - {c.b}", value, interval, p, counts, f"{d.scored} of {d.total}")


def sentences(c: Comparison) -> Iterator[str]:
    """Say what a comparison shows, and what it would take where it shows nothing."""
    d = c.difference
    if d.value is None:
        yield f"{c.a} and {c.b} have no pair of scores in some task: nothing to compare."
        return
    if c.p_adjusted is not None and c.p_adjusted > ALPHA:
        yield f"{c.a} and {c.b} are not told apart{_needed(c)}."
    if c.margin is not None:
        yield _passes(c.a, c.b, c.margin)


def _needed(c: Comparison) -> str:
    if c.reach is None:
        return ""
    have = f"; {c.difference.prompts} prompts would find {c.reach.detectable:.3f} 4 times in 5"
    if c.reach.prompts is None:
        return have
    return f"{have}, about {c.reach.prompts:,} the {abs(c.difference.value or 0):.3f} that was seen"


def _passes(a: str, b: str, m: Margin) -> str:
    claim = f"no worse than {b} by more than {m.margin:g}"
    if m.p_no_worse is None:
        return f"Whether {a} is {claim} cannot be said from one prompt."
    if m.no_worse:
        same = m.p_equivalent is not None and m.p_equivalent <= ALPHA
        return f"{a} is {claim} (p = {m.p_no_worse:.4f}){', and no better' if same else ''}."
    enough = f"; about {m.prompts:,} prompts would, were the two equal" if m.prompts else ""
    return f"That {a} is {claim} is not shown (p = {m.p_no_worse:.4f}){enough}."
