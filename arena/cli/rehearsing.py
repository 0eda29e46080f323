"""The command that rehearses a study with raters made up by the computer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from arena.cli.options import Database, StudyName, opened
from evalkit.commands import AsJson, Quiet, RunFolder, print_json, print_lines
from evalkit.errors import StudyError

if TYPE_CHECKING:
    from arena.simulation import Crowd, Sight

app = typer.Typer()

VOTES = 400
"""Votes in all, where the raters do not come to a page that says when it has enough."""


@app.command()
def simulate(
    database: Database,
    study: StudyName,
    run: RunFolder,
    raters: Annotated[int, typer.Option(min=1, help="How many simulated raters.")] = 20,
    votes: Annotated[
        int | None,
        typer.Option(min=1, help="Votes in all; 400, or with --url as many as the study asks for."),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            help="Vote by this score, or CRITERION=SCORE, or faults:KIND,KIND; repeat it."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    careless: Annotated[
        int, typer.Option(min=0, help="So many of the raters, the last, answer by lot.")
    ] = 0,
    severity: Annotated[
        float, typer.Option(min=0, help="What one fault takes; an error's scale is 1.")
    ] = 1.5,
    url: Annotated[
        str | None,
        typer.Option(help="Take part by HTTP, as browsers do, in the page that is running there."),
    ] = None,
    together: Annotated[
        int, typer.Option(min=1, help="With --url: raters at the page at one time.")
    ] = 16,
    think: Annotated[
        float, typer.Option(min=0, help="With --url: mean seconds before an answer.")
    ] = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Rehearse: made-up raters vote by the pictures' truth, or by scores, and are marked so.

    Without --by they know the truth, where the run has it of every picture; else they follow all
    of the run's scores, and their ratings say nothing that the scores did not say before. With
    --url they go the whole way from consent to the end, and what the page acknowledged is compared
    with the database, which marks them and says which pictures they are shown.
    """
    from arena.simulation import Character, Crowd, look
    from evalkit.runs import Run

    sight = look(Run.open(run), by or ())
    crowd = Crowd(raters, seed, careless, Character(severity=severity))
    if url is None:
        _vote(database, study, sight, crowd, votes or VOTES, as_json, quiet)
    else:
        _attend(database, study, sight, crowd, votes, (url, together, think), as_json, quiet)


def _vote(
    database: str, study: str, sight: Sight, crowd: Crowd, votes: int, as_json: bool, quiet: bool
) -> None:
    from tqdm import tqdm

    from arena.battles import Arena
    from arena.simulation import simulate as hold

    # Not durable: what a power cut took of a rehearsal, the same command makes again.
    with opened(database, durable=False) as store:
        turns = hold(
            Arena(store, study),
            sight,
            raters=crowd.raters,
            votes=votes,
            seed=crowd.seed,
            careless=crowd.careless,
            character=crowd.character,
        )
        shown = tqdm(turns, total=votes, unit="vote", disable=True if quiet else None)
        done = max(shown, default=votes)
    if as_json:
        facts = {"study": study, "simulated_votes": done, "raters": crowd.raters}
        print_json(facts | {"seed": crowd.seed, "by": list(sight.sources)})
        return
    print(f"{study}: {done} simulated votes by {crowd.raters} simulated raters.")
    _say_sources(sight)


def _attend(
    database: str,
    study: str,
    sight: Sight,
    crowd: Crowd,
    votes: int | None,
    how: tuple[str, int, float],
    as_json: bool,
    quiet: bool,
) -> None:
    from tqdm import tqdm

    from arena.attendance import Manner, attend

    url, together, think = how
    manner = Manner(together, think, None if votes is None else -(-votes // crowd.raters))
    shown = tqdm(total=votes, unit="vote", disable=True if quiet else None)
    with opened(database) as store, shown:
        found = attend(url, store, study, sight, crowd, manner, voted=shown.update)
    if as_json:
        facts = {"study": study, "raters": crowd.raters, "seed": crowd.seed}
        print_json(facts | {"by": list(sight.sources)} | found.to_dict())
    else:
        print_lines([f"{study}: {crowd.raters} simulated raters at {url}", *found.lines()])
        _say_sources(sight)
    if found.lost:
        raise StudyError(
            f"{len(found.lost)} votes that the page acknowledged are not in the database, the "
            f"first on battle {found.lost[0].token} by {found.lost[0].rater}."
        )


def _say_sources(sight: Sight) -> None:
    if sight.sources:
        print(f"They followed {', '.join(sight.sources)}; people were not asked.")
