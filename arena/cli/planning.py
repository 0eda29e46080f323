"""The command that says how many votes, and when to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from arena.cli.options import (
    MaybeDatabase,
    MaybeStudy,
    MaybeVotes,
    named_votes,
)
from evalkit.commands import AsJson, print_json, print_lines
from evalkit.errors import EvalkitError

if TYPE_CHECKING:
    import pandas as pd


app = typer.Typer()


@app.command()
def plan(
    models: Annotated[int | None, typer.Option(min=2, help="How many models.")] = None,
    gap: Annotated[
        float | None, typer.Option(help="Elo points between the two to be told apart.")
    ] = None,
    power: Annotated[float, typer.Option(help="Chance of telling them apart.")] = 0.8,
    tie_rate: Annotated[
        float | None, typer.Option(help="Share of votes without a winner [a pilot's, else 0.2].")
    ] = None,
    design_effect: Annotated[
        float | None,
        typer.Option(help="How much raters and prompts inflate the variance [computed, else 1.6]."),
    ] = None,
    votes_per_rater: Annotated[float | None, typer.Option(help="Votes of one rater.")] = None,
    prompts: Annotated[int | None, typer.Option(help="Prompts that all votes share.")] = None,
    correlation: Annotated[
        float | None,
        typer.Option(help="Of one rater's votes, and of one prompt's [a pilot's, else 0.09]."),
    ] = None,
    seconds_per_vote: Annotated[float | None, typer.Option(help="What a vote takes.")] = None,
    pay_per_hour: Annotated[float | None, typer.Option(help="What an hour earns.")] = None,
    pay_per_vote: Annotated[float | None, typer.Option(help="What a vote earns.")] = None,
    between: Annotated[
        tuple[str, str] | None, typer.Option(help="Two models: how many more votes settle them.")
    ] = None,
    stop: Annotated[
        bool, typer.Option("--stop", help="May the study stop? Look as often as you like.")
    ] = False,
    looks: Annotated[
        int | None, typer.Option(min=1, help="The same, for so many looks in all: a bit sooner.")
    ] = None,
    planned: Annotated[
        int | None, typer.Option(min=1, help="Votes at which it ends [enough for --gap, or 30].")
    ] = None,
    database: MaybeDatabase = None,
    study: MaybeStudy = None,
    votes: MaybeVotes = None,
    criterion: Annotated[
        str | None, typer.Option(help="Which question's votes; needed where several were asked.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say how many votes a study needs; with votes, how many more, and whether it may stop."""
    from dataclasses import asdict

    from arena import planning
    from arena.votes import rated

    def given() -> pd.DataFrame:
        return rated(named_votes(database, study, votes, criterion))

    has_votes = database is not None or votes is not None
    if between is not None or (has_votes and gap is None and not (stop or looks or planned)):
        from arena.ratings import fit

        ratings = fit(given())
        if between is not None:
            found = planning.settle(ratings, *between, power=power)
            print_json(asdict(found)) if as_json else print(_settled(found))
            return
        pairs = planning.neighbours(ratings, power=power)
        said = [_settled(one) for one in pairs] or ["No two models are rated."]
        print_json([asdict(one) for one in pairs]) if as_json else print_lines(said)
        return
    if stop or looks or planned:
        _stopping(given(), gap or 30.0, planned, looks, power, as_json)
        return
    needs: dict[str, Any] = {"power": power}
    if has_votes:
        from arena.design import learn

        pilot = learn(given())
        models, tie_rate = models or pilot.models, pilot.tie_rate if tie_rate is None else tie_rate
        clustering = pilot.clustering(votes_per_rater, prompts)
        if correlation is not None:
            clustering = _clustering(clustering.votes_per_rater, prompts, correlation)
    else:
        clustering = _clustering(votes_per_rater, prompts, correlation)
    if models is None or gap is None:
        raise EvalkitError("Say --models K --gap ELO, or --between A B with votes.")
    if design_effect is not None:
        needs["design_effect"] = design_effect
    else:
        needs["clustering"] = clustering
    needs["tie_rate"] = 0.2 if tie_rate is None else tie_rate
    pay = planning.Pay(seconds_per_vote, pay_per_hour, pay_per_vote)
    needed = planning.plan(models, gap, pay=pay, **needs)
    print_json(asdict(needed)) if as_json else print_lines(needed.lines())


def _clustering(
    votes_per_rater: float | None, prompts: int | None, correlation: float | None
) -> Any:
    """Return the groups that were said; None leaves the plan's usual design effect."""
    from arena.design import CORRELATION, Clustering

    if votes_per_rater is None and prompts is None:
        return None
    alike = CORRELATION if correlation is None else correlation
    return Clustering(votes_per_rater, prompts, alike, alike)


def _stopping(
    frame: pd.DataFrame,
    gap: float,
    planned: int | None,
    looks: int | None,
    power: float,
    as_json: bool,
) -> None:
    from arena import planning, stopping
    from arena.ratings import fit

    ratings = fit(frame)
    end = planned or planning.enough(ratings, gap, power=power)
    found = stopping.stop(ratings, end, looks=looks, power=power)
    if as_json:
        print_json(found.to_dict())
        return
    if planned is None:
        print(f"The end was not said (--planned): taken as {end} votes, enough for {gap:g} Elo.")
    print_lines(found.lines())


def _settled(found: Any) -> str:
    lead = f"{found.first} - {found.second} = {found.difference:+.0f} ± {found.error:.0f} Elo"
    if found.settled:
        return f"{lead}: settled."
    if found.more_votes is None:
        return f"{lead}: no number of votes settles a difference of nothing."
    return (
        f"{lead}: about {found.more_votes} more votes spread as now, or "
        f"{found.more_votes_between} between these two alone."
    )
