"""Commands that bring votes and studies in and out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arena.cli.options import (
    Database,
    MaybeDatabase,
    MaybeStudy,
    opened,
)
from evalkit.commands import AsJson, print_json
from evalkit.errors import BundleError, VotesError

if TYPE_CHECKING:
    from arena.facts.votes import VoteRow

app = typer.Typer()
votes_app = typer.Typer(help="Votes as a CSV file, in and out.", no_args_is_help=True)
app.add_typer(votes_app, name="votes")


@votes_app.command("export")
def votes_export(
    database: Database,
    study: MaybeStudy = None,
    file: Annotated[Path | None, typer.Option(help="Where to; else it is printed.")] = None,
    form: Annotated[
        str,
        typer.Option("--format", help="csv, or another tool's: evalica, arena-rank, fastchat."),
    ] = "csv",
    anonymous: Annotated[
        bool,
        typer.Option("--anonymous", help="Raters renumbered by chance, times coarse; csv only."),
    ] = False,
) -> None:
    """Write the votes that stand as votes.csv, or in the columns of another tool."""
    from arena import exports, studies, votes

    csv = form == "csv"
    if anonymous and not csv:
        raise VotesError(f"--anonymous writes csv, not {form}: leave --format out.")
    with opened(database) as store:
        name = studies.only_study(store, study)
        standing, cast_at = studies.timed_votes(store, name, checks=csv)
    if anonymous:
        standing = _without_persons(standing)
    text = votes.to_csv(standing) if csv else exports.export(form, standing, cast_at)
    if file is None:
        sys.stdout.write(text)
        return
    try:
        file.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise VotesError(f"{file} cannot be written: {error.strerror}.") from error
    print(f"{len(standing)} votes: {file}", file=sys.stderr)


def _without_persons(standing: list[VoteRow]) -> list[VoteRow]:
    from arena.anonymous import anonymise

    told = anonymise(standing)
    for note in told.notes:
        print(f"Note: {note}", file=sys.stderr)
    return list(told.votes)


@votes_app.command("import")
def votes_import(
    database: Database,
    file: Annotated[Path, typer.Option(help="A votes.csv, or a bundle.")] = Path("votes.csv"),
    study: Annotated[
        str | None, typer.Option("--study", help="The study's name; else the file's.")
    ] = None,
    criterion: Annotated[
        str | None, typer.Option(help="What was judged; else the file's own word, or overall.")
    ] = None,
    question: Annotated[str | None, typer.Option(help="What was asked.")] = None,
    as_json: AsJson = False,
) -> None:
    """Take in votes held elsewhere, or the study of a bundle: all of a file or none."""
    from arena import archive, importing, studies, votes

    if archive.is_one(file):
        _import_bundle(database, file, study, as_json)
        return
    frame = votes.read_csv(file)
    name = study or file.stem
    with opened(database, create=True) as store:
        named = criterion or votes.only_criterion(frame)
        asked = named or studies.criterion_of(store, name) or "overall"
        plan = studies.describe(name, asked, question=question or studies.question_of(asked))
        count = importing.import_votes(store, plan, frame, votes.file_digest(file))
    lost = importing.left_behind(frame)
    if as_json:
        print_json({"study": name, "imported": count, "left_behind": lost})
        return
    print(f"{name}: {count} votes imported.")
    if lost:
        print(f"Not kept, for a study has no place for them: {', '.join(lost)}.", file=sys.stderr)


def _import_bundle(database: str, file: Path, study: str | None, as_json: bool) -> None:
    from arena import bundling

    with opened(database, create=True) as store:
        name, count = bundling.restore(store, file, study)
    if as_json:
        print_json({"study": name, "imported": count})
    else:
        print(f"{name}: {count} votes imported, with all that the bundle tells of them.")


@app.command()
def bundle(
    database: MaybeDatabase = None,
    study: MaybeStudy = None,
    run: Annotated[
        list[Path] | None, typer.Option("--run", help="Add a run's scores; repeat it.")
    ] = None,
    pictures: Annotated[bool, typer.Option("--pictures", help="Add the pictures.")] = False,
    out: Annotated[Path | None, typer.Option(help="The archive to write.")] = None,
    check: Annotated[
        Path | None, typer.Option(help="Check an archive: digests, and the ratings anew.")
    ] = None,
    model: Annotated[str, typer.Option(help="Of the ratings, as in arena rate.")] = "davidson",
    exclude: Annotated[
        list[str] | None, typer.Option(help="A rule of arena rate, for the ratings; repeat it.")
    ] = None,
    payment: Annotated[str | None, typer.Option(help="What raters were paid.")] = None,
    recruitment: Annotated[
        str | None, typer.Option(help="How raters were found, and what qualified them.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a study as one archive that repeats to the byte, or check one."""
    if check is not None:
        _check_bundle(check, as_json)
        return
    from arena import bundling, studies
    from evalkit.runs import Run

    if database is None or out is None:
        raise BundleError("Say --database URL --study NAME --out FILE.zip, or --check FILE.zip.")
    told = {"payment": payment, "recruitment": recruitment}
    with opened(database) as store:
        done = bundling.write(
            store,
            studies.only_study(store, study),
            out,
            runs=[Run.open(path) for path in run or ()],
            pictures=pictures,
            model=model,
            exclude=exclude or (),
            given={what: words for what, words in told.items() if words},
        )
    if as_json:
        print_json({"votes": done.votes, "pictures": done.pictures, "digest": done.digest})
        return
    print(f"{out}: {done.votes} votes, {done.pictures} pictures.")
    print(f"Its contents have the digest {done.digest}.")


def _check_bundle(file: Path, as_json: bool) -> None:
    from dataclasses import asdict

    from arena import bundling

    found = bundling.check(file)
    if as_json:
        print_json(asdict(found))
        sys.exit(1 if found.faults else 0)
    for note in found.notes:
        print(f"Note: {note}.")
    if found.faults:
        raise BundleError(f"{file} does not hold:\n  " + "\n  ".join(found.faults))
    digits = "but for last digits" if found.notes else "to the last digit"
    print(f"{file}: whole; its {found.votes} votes give the stored ratings, {digits}.")
    print(f"Its contents have the digest {found.digest}.")
