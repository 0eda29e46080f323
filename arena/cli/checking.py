"""Commands that look at raters, answers and counts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arena.cli.options import (
    Database,
    MaybeDatabase,
    MaybeStudy,
    MaybeVotes,
    named_votes,
    opened,
)
from evalkit.commands import AsJson, print_json, print_lines
from evalkit.errors import StudyError, VotesError

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer()


@app.command()
def raters(
    database: MaybeDatabase = None,
    study: MaybeStudy = None,
    votes: MaybeVotes = None,
    criterion: Annotated[
        str | None, typer.Option(help="Only the votes of this criterion; else of each.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a card of each rater: pace, sides, ties, agreement, consistency, known answers.

    Several questions are answered one after another, each for itself.
    """
    from arena.quality import quality

    parts = _questions(database, study, votes, criterion)
    found = {name: quality(frame) for name, frame in parts.items()}
    if as_json:
        print_json(_together({name: one.to_dict() for name, one in found.items()}))
    else:
        said = {name: [*one.table(), "", *one.lines()] for name, one in found.items()}
        print_lines(_one_after_another(said))


@app.command()
def audit(
    database: MaybeDatabase = None,
    study: MaybeStudy = None,
    votes: MaybeVotes = None,
    criterion: Annotated[
        str | None, typer.Option(help="Only the votes of this criterion; else of each.")
    ] = None,
    fragility: Annotated[
        bool, typer.Option("--fragility", help="Also: how little would change the ratings.")
    ] = False,
    blindness: Annotated[
        bool,
        typer.Option("--blindness", help="Instead: does the page tell who made a picture?"),
    ] = False,
    url: Annotated[
        str | None,
        typer.Option(help="Of a page that is running; else a copy of the study is served."),
    ] = None,
    battles: Annotated[
        int, typer.Option(min=3, help="To be looked at for --blindness; more see more.")
    ] = 60,
    as_json: AsJson = False,
) -> None:
    """Count what may have gone wrong: balance, sides, raters, agreement, what was undone.

    With --blindness, take part in a copy of the study as a rater and as a script, and search all
    that is sent for what tells the models apart. With --url, raters of the running page pass over
    so many battles, and nothing is voted. Several questions are looked at one after another.
    """
    if blindness or url:
        _blindness(database, study, url, battles, as_json)
        return
    parts = _questions(database, study, votes, criterion)
    document, lines = _counted(database, study) if database else ({}, [])
    alone = len(parts) == 1
    found = {
        name: _judged(frame, fragility=fragility, alone=alone)
        for name, frame in parts.items()
        if len(frame)
    }
    document |= _together({name: judged for name, (judged, _) in found.items()})
    lines += _one_after_another({name: said for name, (_, said) in found.items()})
    print_json(document) if as_json else print_lines(lines)


def _questions(
    database: str | None, study: str | None, file: Path | None, criterion: str | None
) -> dict[str, pd.DataFrame]:
    from arena import votes

    return votes.by_criterion(named_votes(database, study, file, every=True), criterion)


def _judged(
    frame: pd.DataFrame, *, fragility: bool, alone: bool
) -> tuple[dict[str, Any], list[str]]:
    """Audit the answers to one question; what it cannot say does not keep others from theirs."""
    from arena.quality import quality

    judged = quality(frame)
    document, lines = {"alpha": judged.agreement.to_dict()}, judged.lines()
    if fragility:
        from arena.fragility import fragility as fragile

        try:
            card = fragile(frame, judged=judged)
        except VotesError as error:
            if alone:
                raise
            return document | {"fragility": {"reason": str(error)}}, [*lines, "", str(error)]
        document["fragility"] = card.to_dict()
        lines = [*lines, "", *card.lines()]
    return document, lines


def _together(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return one document: of one question as it is, of several under their names."""
    if len(found) < 2:
        return next(iter(found.values()), {})
    return {"criteria": found}


def _one_after_another(found: dict[str, list[str]]) -> list[str]:
    """Return the lines of every question, under its name where there are several."""
    if len(found) < 2:
        return next(iter(found.values()), [])
    headed = (["", f"Asked for {name or 'nothing named'}:", *said] for name, said in found.items())
    return [line for part in headed for line in part][1:]


def _blindness(
    database: str | None, study: str | None, url: str | None, battles: int, as_json: bool
) -> None:
    from arena import rehearsal, studies

    if database is None:
        raise StudyError(
            "--blindness needs --database: it says which model is behind which picture."
        )
    with opened(database) as store:
        name = studies.only_study(store, study)
        found = rehearsal.audit(store, name, url=url, battles=battles)
    print_json(found.to_dict()) if as_json else print_lines(found.lines())
    if found.leaks:
        raise StudyError(
            f"The page of {name!r} tells what it must not: {', '.join(found.leaks)}. "
            "Take no votes until it is mended."
        )


def _counted(database: str, study: str | None) -> tuple[dict[str, Any], list[str]]:
    """Count what only the database knows."""
    from arena import audit as counting
    from arena import studies

    with opened(database) as store:
        found = counting.audit(store, studies.only_study(store, study))
    return found.to_dict(), found.lines()


@app.command()
def recount(
    database: Database,
    study: MaybeStudy = None,
    mend: Annotated[
        bool, typer.Option("--mend", help="Make the kept counts anew from the votes.")
    ] = False,
) -> None:
    """Check the counts that rate --live reads against the votes; the votes are always right."""
    from arena import live, studies

    with opened(database) as store:
        name = studies.only_study(store, study)
        wrong = live.recount(store, name) if mend else live.check(store, name)
    if not mend:
        live.refuse_miscounts(name, wrong)
    print(f"{name}: {f'{len(wrong)} counts mended' if wrong else 'the counts are right'}.")
