"""Commands that keep data safe, and people's secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from arena.cli.options import Database, opened
from evalkit.commands import AsJson, print_json

app = typer.Typer()


@app.command()
def forget(
    rater: Annotated[str, typer.Argument(help="The rater's public name.")],
    database: Database,
    votes: Annotated[
        bool, typer.Option("--votes", help="Remove the votes too; else they stay as nobody's.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Erase a rater in all studies of a database: who it was, and every tie to the votes."""
    from dataclasses import asdict

    from arena import forgetting

    with opened(database) as store:
        done = forgetting.forget(store, rater, votes=votes)
    if as_json:
        print_json(asdict(done))
        return
    what = f"{done.removed} votes are removed" if votes else f"{done.kept} votes are nobody's now"
    print(f"Forgotten in {', '.join(done.studies) or 'no study'}: {what}.")
    print("Copies made before (backups, bundles, exports) still name the rater.")


@app.command()
def backup(
    database: Database,
    out: Annotated[Path, typer.Option(help="The new file.")],
    as_json: AsJson = False,
) -> None:
    """Copy an SQLite database while it is in use, and check the copy."""
    from dataclasses import asdict

    from arena import backup as copying

    done = copying.backup(database, out)
    if as_json:
        print_json(asdict(done))
        return
    print(f"{out}: {done.studies} studies, {done.votes} votes, {done.bytes} bytes, checked.")
