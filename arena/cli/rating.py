"""Commands that say how good the models are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from arena.cli.asking import Answer, Wanted, answered, of_boards
from arena.cli.options import (
    Database,
    MaybeDatabase,
    MaybeStudy,
    MaybeVotes,
    leave_out,
    named_votes,
    opened,
)
from evalkit.commands import AsJson, HistoryFolder, RunFolder, print_json, print_lines
from evalkit.errors import VotesError

if TYPE_CHECKING:
    import pandas as pd


app = typer.Typer()


@app.command()
def rate(
    database: MaybeDatabase = None,
    study: MaybeStudy = None,
    votes: MaybeVotes = None,
    bundle: Annotated[Path | None, typer.Option(help="A bundle, instead of a database.")] = None,
    model: Annotated[
        str, typer.Option(help="davidson, rao-kupper, bradley-terry or elo.")
    ] = "davidson",
    criterion: Annotated[str | None, typer.Option(help="Only the votes of this criterion.")] = None,
    by: Annotated[
        Literal["category", "criterion", "language", "budget"] | None,
        typer.Option(help="A board for each level; budget: tiers of steps."),
    ] = None,
    both_bad: Annotated[
        Literal["tie", "drop", "ground"],
        typer.Option(help="What a both-bad vote is; ground: an outcome that draws a line."),
    ] = "tie",
    anchor: Annotated[
        str | None,
        typer.Option(metavar="MODEL[=ELO]", help="Hold this model at a rating, 1000 if none."),
    ] = None,
    cluster: Annotated[
        Literal["rater", "prompt", "both", "none"] | None,
        typer.Option(help="Which votes belong together; both, as far as known, if not said."),
    ] = None,
    level: Annotated[float, typer.Option(help="The level of intervals and tests.")] = 0.95,
    covariate: Annotated[
        list[str] | None,
        typer.Option(help="A number that differs between the pictures (steps); repeat it."),
    ] = None,
    tied: Annotated[
        list[str] | None,
        typer.Option(metavar="A,B=ELO", help="Are A and B tied within so many points? Repeat it."),
    ] = None,
    equivalence: Annotated[
        float | None,
        typer.Option(metavar="ELO", help="Which pairs are tied within so many points?"),
    ] = None,
    bootstrap: Annotated[
        bool, typer.Option("--bootstrap", help="Intervals by Poisson bootstrap of the clusters.")
    ] = False,
    paper_style: Annotated[
        bool, typer.Option("--paper-style", help="Beside: Elo by shuffled replays, as in papers.")
    ] = False,
    elo_history: Annotated[
        bool, typer.Option("--elo-history", help="Beside: Elo vote by vote, how the study went.")
    ] = False,
    live: Annotated[
        bool, typer.Option("--live", help="From the counts kept in the database: at once.")
    ] = False,
    exclude: Annotated[
        list[str] | None,
        typer.Option(help="Leave out raters by a rule, NAME or NAME=VALUE; repeat it."),
    ] = None,
    assisted: Annotated[
        bool, typer.Option("--assisted", help="Narrow the intervals with the scores of --run.")
    ] = False,
    run: Annotated[
        Path | None,
        typer.Option(help="The run that drew the pictures: for --assisted, --covariate, budgets."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Rate the models from the votes, with intervals; what the votes cannot say is not said."""
    wanted = Wanted(
        model, by, both_bad, anchor, cluster, level, tuple(covariate or ()), tuple(tied or ()),
        equivalence, bootstrap, paper_style, elo_history, live, tuple(exclude or ()), assisted, run,
    )  # fmt: skip
    wanted.check(criterion)
    if live:
        answer = _live(database, study, votes or bundle, wanted, criterion)
    else:
        every = named_votes(database, study, votes, criterion, bundle, every=by == "criterion")
        answer = _rate(every, wanted)
    if as_json:
        print_json(answer.document)
    else:
        print_lines(answer.lines)


def _rate(every: pd.DataFrame, wanted: Wanted) -> Answer:
    from arena import votes

    left_out = leave_out(every, list(wanted.exclude))
    frame = votes.rated(left_out.kept if left_out else every)
    if wanted.assisted and wanted.run is not None:
        answer = _assist(frame, wanted.run, wanted.model)
    else:
        answer = answered(wanted.filled(frame), wanted)
    return answer.beside(left_out) if left_out else answer


def _assist(votes: pd.DataFrame, run: Path, model: str) -> Answer:
    from arena.assisted import fit
    from arena.judged import read
    from evalkit.runs import Run

    found = fit(votes, read(Run.open(run)), model)
    return Answer(found.to_dict(), found.lines())


def _live(
    database: str | None,
    study: str | None,
    file: Path | None,
    wanted: Wanted,
    criterion: str | None,
) -> Answer:
    from arena import live, studies

    if database is None or file is not None:
        raise VotesError("--live reads the counts of a database: say --database URL --study NAME.")
    with opened(database) as store:
        name = studies.only_study(store, study)
        if wanted.by is None:
            return answered(live.counted(store, name, criterion), wanted)
        models = live.models(store, name)
        return of_boards(live.boards(store, name, wanted.by, wanted.asked(models), criterion))


@app.command()
def report(
    database: Database,
    run: Annotated[
        Path | None,
        typer.Option(help="The run that drew the pictures; without it, ratings alone."),
    ] = None,
    study: MaybeStudy = None,
    out: Annotated[
        Path | None, typer.Option(help="The report's folder; else report, in the run's.")
    ] = None,
    gallery: Annotated[int, typer.Option(min=1, help="How many prompts it pictures.")] = 24,
    history: HistoryFolder = None,
    criterion: Annotated[
        str | None, typer.Option(help="Only this one of the study's criteria.")
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(help="Leave out fragility, concordance, assisted or line; repeat it."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the leaderboard page of a study's ratings, beside the scores of the run it judged."""
    from arena import evidence, leaderboard, studies
    from evalkit import history as kept

    left_out = evidence.named(without or [])
    with opened(database) as store:
        name = studies.only_study(store, study)
        out = out or (run or Path()) / "report"
        paths = leaderboard.write(
            store, name, run, out, criterion, prompts=gallery, without=left_out
        )
    if history is not None:
        kept.keep(paths, history)
    if as_json:
        print_json({form: str(path) for form, path in paths.items()})
    else:
        print(paths["html"])


@app.command()
def concordance(
    run: RunFolder,
    database: MaybeDatabase = None,
    study: MaybeStudy = None,
    votes: MaybeVotes = None,
    criterion: Annotated[str | None, typer.Option(help="Only the votes of this criterion.")] = None,
    by: Annotated[
        Literal["category", "steps"] | None, typer.Option(help="Show it by group as well.")
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(help="Leave out raters by a rule, NAME or NAME=VALUE; repeat it."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say how far the run's scores agree with raters on the same pictures, and raters with raters.

    Intervals are clustered by rater and prompt; scores that are missing are counted, never zero.
    """
    from arena.concordance import measure
    from arena.judged import read
    from evalkit.runs import Run

    scored = read(Run.open(run))
    frame = named_votes(database, study, votes, criterion)
    left_out = leave_out(frame, exclude or [])
    found = measure(left_out.kept if left_out else frame, scored.scores, steps=scored.steps)
    if as_json:
        print_json(found.to_dict() | ({"exclusion": left_out.to_dict()} if left_out else {}))
        return
    print_lines([*found.lines(by), *(left_out.lines() if left_out else ())])
