"""Commands that copy a run to a shared folder or a bucket, and back."""

from __future__ import annotations

from typing import Annotated

import typer

from evalkit.cli.progress import bar, say
from evalkit.commands import AsJson, Quiet, RunFolder, print_json

app = typer.Typer()


@app.command()
def push(
    run: RunFolder,
    to: Annotated[str, typer.Option(help="A folder, or a URL: s3://, gs://, ...")],
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Copy a run to a shared folder or a bucket; again, only what is new."""
    from evalkit import mirror
    from evalkit.runs import Run

    found = Run.open(run)
    with bar(len(mirror.pictures(found)), "push", quiet) as progress:
        copied = mirror.push(found, to, progress)
    if as_json:
        print_json({"pictures": copied, "to": to})
    say(f"{copied} new pictures and every record copied to {to}")


@app.command()
def pull(
    run: RunFolder,
    source: Annotated[str, typer.Option("--from", help="Where a run was pushed to.")],
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Copy a run that was pushed into a new folder, or add what is missing of its pictures."""
    from evalkit import mirror
    from evalkit.runs import Run

    mirror.fetch(source, run)
    found = Run.open(run)
    with bar(len(mirror.pictures(found)), "pull", quiet) as progress:
        copied = mirror.pull(found, source, progress)
    if as_json:
        print_json({"pictures": copied, "run": str(run)})
    say(f"{copied} pictures copied to {run}")
