"""A study's ratings beside a run's scores, as one leaderboard."""

from __future__ import annotations

import math
import shlex
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arena import audit, columns, comparisons, evidence, simulation, votes
from arena.evidence import Part, Source
from arena.protocol import Question, say
from arena.ratings import fit
from evalkit import board, gallery, pages, report
from evalkit.errors import StudyError
from evalkit.runs import Run

if TYPE_CHECKING:
    import pandas as pd

    from arena.judged import Scored
    from arena.ratings import Ratings
    from arena.store import Store

FEW_VOTES = 30
"""Votes below which a category has no board of its own: its intervals would fill the page."""


def write(
    store: Store,
    study: str,
    run: Path | None,
    out: Path,
    criterion: str | None = None,
    *,
    prompts: int = gallery.PROMPTS,
    without: Collection[Part] = (),
) -> dict[str, Path]:
    """Rate the study's votes, join them with the run's scores and write the report.

    ``without`` names what of the evidence behind the ratings is not to be looked for. Without a
    run the page has the ratings, and neither scores nor pictures.
    """
    frame = standing(store, study)
    if criterion is not None:
        frame = votes.of_criterion(frame, criterion)
    if run is None:
        judged = human(store, study, frame, None, {*without, *evidence.OF_SCORES})
        return pages.write(report.of_votes(judged, commands=_commands(study, None, criterion)), out)
    opened = Run.open(run)
    judged = human(store, study, frame, evidence.scores_of(opened), without)
    made = report.build(
        opened,
        judged,
        fought=fought(votes.rated(frame)),
        prompts=prompts,
        commands=_commands(study, run, criterion),
    )
    return pages.write(made, out)


def _commands(study: str, run: Path | None, criterion: str | None) -> list[str]:
    where = f"--database URL --study {shlex.quote(study)}"
    of = f" --criterion {shlex.quote(criterion)}" if criterion else ""
    taken = f"arena votes import {where} --file votes.csv"
    if run is None:
        return [taken, f"arena report {where} --out report{of}"]
    folder = shlex.quote(run.name)
    return [
        f"arena load {where} --run {folder}",
        taken,
        f"arena report {where} --run {folder}{of}",
    ]


def standing(store: Store, study: str) -> pd.DataFrame:
    """Return the votes of a study that stand and its checks; refuse a study without any."""
    frame = columns.standing(store, study, checks=True)
    if votes.rated(frame).empty:
        raise StudyError(
            f"The study {study!r} has no votes yet. Collect some with: arena serve --study {study}"
        )
    return frame


def human(
    store: Store,
    study: str,
    frame: pd.DataFrame | None = None,
    scored: Scored | None = None,
    without: Collection[Part] = (),
) -> board.Human:
    """Rate a study's standing votes, each criterion as a whole and by category, in its words.

    ``frame`` holds the checks on raters too; ``scored`` is the run that was judged.
    """
    every = standing(store, study) if frame is None else frame
    cast = votes.rated(every)
    with store.reading() as facts:
        key, asked = facts.study(study)
        rehearsals = facts.events(key, simulation.EVENT)
    judged = set(cast["criterion"])
    boards = [
        made
        for question in asked.protocol.criteria
        if question.id in judged
        for made in _boards(every[every["criterion"] == question.id], question, scored, without)
    ]
    return board.Human(
        study=study,
        boards=tuple(boards),
        votes=len(cast),
        simulated_votes=int(cast["simulated"].sum()),
        simulated_by=tuple(dict.fromkeys(n for e in rehearsals for n in e.detail["by"])),
        raters=cast["rater"].nunique(),
        cards=tuple(_cards(store, study, boards[0])),
    )


def _boards(
    every: pd.DataFrame, question: Question, scored: Scored | None, without: Collection[Part]
) -> list[board.RatingBoard]:
    """Rate the votes on one criterion, as a whole and by those categories that have enough."""
    cast, asked = votes.rated(every.reset_index(drop=True)), say(question.question, "en")
    ratings = fit(cast)
    papers = fit(cast, model="elo")
    whole = _board(ratings, cast, question.id, asked, papers=_ratings_of(papers))
    found = evidence.find(Source(cast, every, ratings, scored), without)
    parts = [
        _board(fit(part), part, question.id, asked, category=str(category))
        for category, part in cast.groupby("category", sort=True)
        if len(part) >= FEW_VOTES
    ]
    return [
        whole.model_copy(update={"evidence": found}),
        *(parts if len(parts) > 1 else ()),
    ]


def _cards(store: Store, study: str, whole: board.RatingBoard) -> Iterable[board.Card]:
    """Answer what a reader asks of the study itself."""
    yield board.Card(
        title="How the ratings were made",
        lead="Each rating is the strength that best explains the votes, on the Elo scale: 400 "
        "points are odds of 10 to 1 among votes with a winner. Two models are called tied where "
        "the votes leave open which is better.",
        points=(f"Method: {whole.method}.", *whole.notes),
    )
    found = audit.audit(store, study)
    yield board.Card(
        title="How the votes were given",
        lead=f"{found.raters} raters gave {found.votes:,} votes; programs gave "
        f"{found.simulated:,} of them.",
        points=tuple(found.lines()[2:]),
    )


def _board(
    ratings: Ratings,
    frame: pd.DataFrame,
    criterion: str,
    question: str,
    *,
    category: str | None = None,
    papers: Mapping[str, float] | None = None,
) -> board.RatingBoard:
    """Put the ratings of one set of votes in the report's words."""
    rows = ratings.to_dict()["ratings"]
    return board.RatingBoard(
        criterion=criterion,
        category=category,
        question=question,
        method=f"{ratings.diagnostics['method']}; {_intervals(ratings)}",
        votes=len(frame),
        raters=frame["rater"].nunique(),
        ratings={row["model"]: _cell(row, (papers or {}).get(row["model"])) for row in rows},
        differences=tuple(_differences(ratings)),
        win_rates=_win_rates(ratings),
        notes=tuple(_notes(ratings)),
    )


def fought(frame: pd.DataFrame) -> dict[str, board.Fought]:
    """Count the battles of every picture that the votes judged, by its generation."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: {"won": 0, "lost": 0, "drawn": 0})
    names = ["left_generation", "right_generation", "winner"]
    for left, right, winner in frame[names].itertuples(index=False, name=None):
        for side, generation in (("left", left), ("right", right)):
            if isinstance(generation, str):
                drawn = winner not in ("left", "right")
                counts[generation]["drawn" if drawn else "won" if winner == side else "lost"] += 1
    return {generation: board.Fought(**found) for generation, found in counts.items()}


def _ratings_of(ratings: Ratings) -> Mapping[str, float]:
    known = ratings.table.dropna(subset=["rating"])
    return dict(zip(known["model"], known["rating"].astype(float), strict=True))


def _intervals(ratings: Ratings) -> str:
    method = (ratings.diagnostics.get("intervals") or {}).get("method")
    return f"intervals from the {method}" if method else "no intervals"


def _cell(row: Mapping[str, Any], paper: float | None) -> board.HumanCell:
    shared = {name: row[name] for name in board.HumanCell.model_fields if name in row}
    return board.HumanCell(**shared, paper_elo=paper)


def _differences(ratings: Ratings) -> Iterable[board.Difference]:
    """List every pair, with the margin within which two one-sided tests call it equivalent."""
    reach = comparisons.quantile(1 - 2 * (1 - ratings.level), ratings.freedom)
    for row in ratings.pairwise().to_dict("records"):
        told = not math.isnan(row["error"])
        yield board.Difference(
            first=row["first"],
            second=row["second"],
            difference=row["difference"],
            low=row["low"] if told else None,
            high=row["high"] if told else None,
            p=row["p_holm"] if told else None,
            within=abs(row["difference"]) + reach * row["error"] if told else None,
        )


def _win_rates(ratings: Ratings) -> board.WinRates:
    """Put the observed preferences into the report's shape, in the ratings' order."""
    observed, tally = ratings.observed(), ratings.tally
    order = [tally.models.index(name) for name in observed.index]
    wins = tally.wins()
    battles = (wins + wins.T + tally.draws())[order][:, order]
    return board.WinRates(
        models=tuple(observed.index),
        rate=tuple(
            tuple(None if math.isnan(value) else value for value in row)
            for row in observed.to_numpy().tolist()
        ),
        battles=tuple(tuple(row) for row in battles.tolist()),
    )


def _notes(ratings: Ratings) -> Sequence[str]:
    side = ratings.diagnostics.get("side_effect") or {}
    notes = list(ratings.diagnostics.get("warnings", ()))
    if side.get("status") == "estimated":
        notes.append(
            f"Side effect: log-odds {side['estimate']:+.2f} for the left picture "
            f"[{side['low']:+.2f}, {side['high']:+.2f}]."
        )
    return [f"{note[0].upper()}{note[1:].rstrip('.')}." for note in notes]
