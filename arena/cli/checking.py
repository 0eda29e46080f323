"""Commands that look at raters, answers and counts."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from arena.cli.options import (
    Database,
    MaybeDatabase,
    MaybeStudy,
    MaybeVotes,
    named_votes,
    opened,
)
from evalkit.commands import AsJson, print_json
from evalkit.errors import StudyError

app = typer.Typer()


@app.command()
def raters(
    database: MaybeDatabase = None,
    study: MaybeStudy = None,
    votes: MaybeVotes = None,
    criterion: Annotated[
        str | None, typer.Option(help="Only the votes of this criterion of a votes.csv.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a card of each rater: pace, sides, ties, agreement, consistency, known answers."""
    from arena.quality import quality

    found = quality(named_votes(database, study, votes, criterion))
    if as_json:
        print_json(found.to_dict())
    else:
        print("\n".join([*found.table(), "", *found.lines()]))


@app.command()
def audit(
    database: MaybeDatabase = None,
    study: MaybeStudy = None,
    votes: MaybeVotes = None,
    criterion: Annotated[
        str | None, typer.Option(help="Only the votes of this criterion of a votes.csv.")
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
    so many battles, and nothing is voted.
    """
    if blindness or url:
        _blindness(database, study, url, battles, as_json)
        return
    frame = named_votes(database, study, votes, criterion)
    document, lines = _counted(database, study) if database else ({}, [])
    if len(frame):
        from arena.quality import quality

        judged = quality(frame)
        document["alpha"] = judged.agreement.to_dict()
        lines += judged.lines()
        if fragility:
            from arena.fragility import fragility as fragile

            card = fragile(frame, judged=judged)
            document["fragility"] = card.to_dict()
            lines += ["", *card.lines()]
    print_json(document) if as_json else print("\n".join(lines))


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
    print_json(found.to_dict()) if as_json else print("\n".join(found.lines()))
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
