"""What stands behind a board's ratings, for the page: each part found, or refused in a sentence."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast, get_args

from arena import assisted, concordance, fragility
from arena.judged import read
from arena.quality import quality
from arena.ratings import Ratings, fit
from evalkit import evidence as shown
from evalkit.errors import EvalkitError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd

    from arena.judged import Scored
    from evalkit.runs import Run

Part = Literal["fragility", "concordance", "assisted", "line"]
PARTS: tuple[Part, ...] = get_args(Part)
OF_SCORES: tuple[Part, ...] = ("concordance", "assisted")
"""Those that hold a run's scores against the votes."""


@dataclass(frozen=True)
class Source:
    """The votes on one question, their ratings, and the scores of the run they judged."""

    votes: pd.DataFrame
    """Those that rate models, shaped like votes.csv."""
    every: pd.DataFrame
    """These and the checks on raters, by all of which raters are judged."""
    ratings: Ratings
    scored: Scored | None


def named(parts: Iterable[str]) -> frozenset[Part]:
    """Check the names of parts."""
    for name in parts:
        if name not in PARTS:
            raise UnknownNameError("part of a report", name, PARTS)
    return frozenset(cast("Iterable[Part]", parts))


def scores_of(run: Run) -> Scored | None:
    """Return a run's scores; None where it has none."""
    return read(run) if run.cards() else None


def find(source: Source, without: Collection[Part] = ()) -> shown.Evidence:
    """Find what stands behind the ratings, but for the parts that are not asked for."""
    parts: dict[str, object] = {}
    refused: dict[str, str] = {}
    for name, make in _MAKERS.items():
        if name in without:
            continue
        try:
            parts[name] = make(source)
        except EvalkitError as error:
            refused[name] = str(error)
    return shown.Evidence(**parts, refused=refused)


def _fragility(source: Source) -> shown.Fragility:
    found = fragility.fragility(source.votes, judged=quality(source.every))
    return shown.Fragility.model_validate(found)


def _concordance(source: Source) -> shown.Concordance:
    scored = _scored(source)
    found = concordance.measure(
        source.every, scored.scores, steps=scored.steps, ratings=source.ratings
    )
    return shown.Concordance.model_validate(found)


def _assisted(source: Source) -> shown.Assisted:
    found = assisted.fit(source.votes, _scored(source))
    rows = found.ratings.to_dict()["ratings"][: len(found.ratings.cov)]
    fields = shown.Assist.model_fields
    return shown.Assisted(
        ratings={r["model"]: shown.Assist(**{name: r[name] for name in fields}) for r in rows},
        weight=found.weight,
        gain=found.gain,
        votes=found.votes,
        pairs=found.pairs,
        notes=found.warnings,
    )


def _scored(source: Source) -> Scored:
    if source.scored is None:
        raise EvalkitError(
            "The run has no scores that could be held against the votes. Score it with: "
            "evalkit score --run DIR --scorer NAME"
        )
    return source.scored


def _line(source: Source) -> shown.Line:
    """Place the models over the line of good enough, by the grounded law."""
    grounded = fit(source.votes, both_bad="ground")
    placed = grounded.diagnostics.get("line") or {}
    if placed.get("rating") is None:
        why = placed.get("reason", "the votes rate no models")
        raise EvalkitError(f"No line of good enough: {why}.")
    rows = grounded.table.head(len(grounded.cov))
    return shown.Line(
        votes=len(source.votes),
        both_bad=int(grounded.diagnostics["outcomes"]["both_bad"]),
        models={
            row["model"]: shown.OverLine(
                over=row["over_line"], low=row["over_low"], high=row["over_high"], word=row["line"]
            )
            for row in rows.to_dict("records")
        },
    )


_MAKERS = {
    "fragility": _fragility,
    "concordance": _concordance,
    "assisted": _assisted,
    "line": _line,
}
