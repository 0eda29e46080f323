"""A study's ratings beside a run's scores, as one leaderboard."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arena import simulation, studies, votes
from evalkit import board, pages, report
from evalkit.errors import StudyError
from evalkit.runs import Run

if TYPE_CHECKING:
    from arena.ratings import Ratings
    from arena.store import Store


def write(store: Store, study: str, run: Path, out: Path) -> dict[str, Path]:
    """Rate the study's votes, join them with the run's scores and write the report."""
    return pages.write(report.build(Run.open(run), human(store, study)), out)


def human(store: Store, study: str) -> board.Human:
    """Rate a study's standing votes and put them in the report's words."""
    from arena.ratings import fit

    standing = studies.standing_votes(store, study)
    if not standing:
        raise StudyError(
            f"The study {study!r} has no votes yet. Collect some with: arena serve --study {study}"
        )
    with store.reading() as facts:
        key, asked = facts.study(study)
        rehearsals = facts.events(key, simulation.EVENT)
    ratings = fit(votes.table(standing))
    return board.Human(
        study=study,
        question=asked.question,
        method=f"{ratings.diagnostics['method']}; {_intervals(ratings)}",
        ratings={row["model"]: _cell(row) for row in ratings.to_dict()["ratings"]},
        win_rates=_win_rates(ratings),
        votes=len(standing),
        simulated_votes=sum(v.simulated for v in standing),
        simulated_by=tuple(dict.fromkeys(n for e in rehearsals for n in e.detail["by"])),
        raters=len({v.rater for v in standing}),
        notes=tuple(_notes(ratings)),
    )


def _intervals(ratings: Ratings) -> str:
    intervals = ratings.diagnostics.get("intervals") or {}
    return f"intervals from the {intervals['method']}" if intervals else "no intervals"


def _cell(row: dict[str, Any]) -> board.HumanCell:
    names = ("rating", "low", "high", "rank_low", "rank_high", "battles", "status")
    return board.HumanCell(**{name: row[name] for name in names})


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


def _notes(ratings: Ratings) -> list[str]:
    side = ratings.diagnostics.get("side_effect") or {}
    notes = list(ratings.diagnostics.get("warnings", ()))
    if side.get("status") == "estimated":
        notes.append(
            f"Side effect: log-odds {side['estimate']:+.2f} for the left picture "
            f"[{side['low']:+.2f}, {side['high']:+.2f}]."
        )
    return notes
