"""What several commands take, and where their votes come from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalkit.errors import VotesError

if TYPE_CHECKING:
    import pandas as pd

    from arena.exclusion import Exclusion
    from arena.store import Store

Database = Annotated[str, typer.Option("--database", help="An SQLite file, or any SQLAlchemy URL.")]
StudyName = Annotated[str, typer.Option("--study", help="The study's name.")]
MaybeStudy = Annotated[
    str | None, typer.Option("--study", help="The study's name; not needed if there is but one.")
]
MaybeDatabase = Annotated[
    str | None, typer.Option("--database", help="An SQLite file, or any SQLAlchemy URL.")
]
MaybeVotes = Annotated[
    Path | None, typer.Option("--votes", help="A votes.csv, instead of a database.")
]


@contextmanager
def opened(database: str, *, create: bool = False, durable: bool = True) -> Iterator[Store]:
    """Open a database for as long as the block."""
    from arena.store import Store

    with closing(Store.open(database, create=create, durable=durable)) as store:
        yield store


@contextmanager
def bundled(file: Path) -> Iterator[Store]:
    """Open a bundle's facts as a database for as long as the block."""
    from arena.bundle import Bundle

    with Bundle.open(file) as bundle, bundle.unpacked() as store:
        yield store


def named_votes(
    database: str | None,
    study: str | None,
    file: Path | None,
    criterion: str | None = None,
    bundle: Path | None = None,
    *,
    every: bool = False,
) -> pd.DataFrame:
    """Read votes from the one place that was named; ``every`` keeps those of several criteria."""
    from arena import votes

    if sum(place is not None for place in (database, file, bundle)) != 1:
        raise VotesError(
            "Say where the votes are: --database URL --study NAME, --votes FILE or --bundle FILE."
        )
    if file is not None:
        frame = votes.read_csv(file)
        return frame if every else votes.of_criterion(frame, criterion)
    from arena import columns, studies

    with bundled(bundle) if bundle else opened(str(database)) as store:
        frame = columns.standing(store, studies.only_study(store, study), checks=True)
    return frame if every else votes.of_criterion(frame, criterion)


def leave_out(votes: pd.DataFrame, rules: list[str]) -> Exclusion | None:
    """Apply the rules that were named; None where none was."""
    if not rules:
        return None
    from arena import exclusion

    return exclusion.exclude(votes, [exclusion.rule(text) for text in rules])
