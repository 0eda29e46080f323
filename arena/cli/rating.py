"""Commands that say how good the models are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from arena.cli.options import (
    Database,
    MaybeDatabase,
    MaybeStudy,
    MaybeVotes,
    leave_out,
    named_votes,
    opened,
)
from evalkit.commands import AsJson, HistoryFolder, RunFolder, print_json
from evalkit.errors import VotesError

if TYPE_CHECKING:
    import pandas as pd

    from arena.exclusion import Exclusion
    from arena.ratings import Ratings

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
    criterion: Annotated[
        str | None, typer.Option(help="Only the votes of this criterion of a votes.csv.")
    ] = None,
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
    run: Annotated[Path | None, typer.Option(help="The judged run, for --assisted.")] = None,
    as_json: AsJson = False,
) -> None:
    """Rate the models from the votes, with intervals; what the votes cannot say is not said."""
    if assisted != (run is not None) or (assisted and live):
        raise VotesError("Scores assist with --assisted --run DIR, both, and without --live.")
    left_out = None
    if live:
        if exclude:
            raise VotesError("--live knows no raters, so it leaves none out: drop it or --exclude.")
        ratings = _live(database, study, votes or bundle, model, criterion)
    else:
        from arena.ratings import fit
        from arena.votes import rated

        frame = named_votes(database, study, votes, criterion, bundle)
        left_out = leave_out(frame, exclude or [])
        frame = left_out.kept if left_out else frame
        if run is not None:
            _assist(rated(frame), run, model, left_out, as_json)
            return
        ratings = fit(rated(frame), model=model)  # type: ignore[arg-type]
    document = ratings.to_dict()
    if as_json:
        print_json(document | ({"exclusion": left_out.to_dict()} if left_out else {}))
        return
    _show(document)
    if left_out:
        print("\n".join(left_out.lines()))


def _assist(
    votes: pd.DataFrame, run: Path, model: str, left_out: Exclusion | None, as_json: bool
) -> None:
    from arena.assisted import fit
    from arena.judged import read
    from evalkit.runs import Run

    found = fit(votes, read(Run.open(run)), model)
    if as_json:
        print_json(found.to_dict() | ({"exclusion": left_out.to_dict()} if left_out else {}))
    else:
        print("\n".join([*found.lines(), *(left_out.lines() if left_out else ())]))


def _live(
    database: str | None, study: str | None, file: Path | None, model: str, criterion: str | None
) -> Ratings:
    from arena import live, studies

    if database is None or file is not None:
        raise VotesError("--live reads the counts of a database: say --database URL --study NAME.")
    with opened(database) as store:
        name = studies.only_study(store, study)
        return live.board(store, name, model, criterion=criterion)  # type: ignore[arg-type]


def _show(document: dict[str, Any]) -> None:
    rows, facts = document["ratings"], document["diagnostics"]
    width = max([5, *(len(r["model"]) for r in rows)])
    print(f"{'model':<{width}}  rating  95 % interval    rank  battles  status")
    for r in rows:
        value = "     -" if r["rating"] is None else f"{r['rating']:6.0f}"
        known = r["low"] is not None and r["high"] is not None
        interval = f"[{r['low']:.0f}, {r['high']:.0f}]" if known else "-"
        rank = "-".join(dict.fromkeys(str(r[k]) for k in ("rank_low", "rank_high") if r[k])) or "-"
        cells = f"{interval:<15} {rank:>5} {r['battles']:>8}"
        print(f"{r['model']:<{width}}  {value}  {cells}  {r['status']}")
    print(f"\n{facts['votes_used']} of {facts['votes']} votes. {facts['method']}.")
    for warning in facts["warnings"]:
        print(f"Note: {warning}.")


@app.command()
def report(
    database: Database,
    run: RunFolder,
    study: MaybeStudy = None,
    out: Annotated[Path | None, typer.Option(help="The report's folder.")] = None,
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
    """Write one leaderboard of the run's scores and the study's ratings."""
    from arena import evidence, leaderboard, studies
    from evalkit import history as kept

    left_out = evidence.named(without or [])
    with opened(database) as store:
        name = studies.only_study(store, study)
        out = out or run / "report"
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
    criterion: Annotated[
        str | None, typer.Option(help="Only the votes of this criterion of a votes.csv.")
    ] = None,
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
    print("\n".join([*found.lines(by), *(left_out.lines() if left_out else ())]))
