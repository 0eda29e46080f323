"""Commands that make a study and hold it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arena.cli.options import (
    Database,
    MaybeStudy,
    StudyName,
    opened,
)
from evalkit.commands import AsJson, print_json, print_lines
from evalkit.errors import StudyError

if TYPE_CHECKING:
    from arena.store import Store
    from arena.studies import Loaded
    from evalkit.runs import Run

app = typer.Typer()
study_app = typer.Typer(help="A study as a file: its rules.", no_args_is_help=True)
app.add_typer(study_app, name="study")


@app.command()
def load(
    database: Database,
    study: Annotated[str, typer.Option("--study", help="The study's name, or its file (.toml).")],
    run: Annotated[str, typer.Option("--run", help="The run's folder, or a URL it was pushed to.")],
    criterion: Annotated[
        str | None,
        typer.Option(help="overall (the default), quality, alignment, or a word of your own."),
    ] = None,
    question: Annotated[str | None, typer.Option(help="What to ask, in your words.")] = None,
    hint: Annotated[str | None, typer.Option(help="A line below the question.")] = None,
    show_prompt: Annotated[
        bool, typer.Option("--show-prompt/--hide-prompt", help="Whether raters see the text.")
    ] = True,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Name the models after each vote.")
    ] = False,
    quota: Annotated[int | None, typer.Option(min=1, help="Votes asked of each rater.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Decides the draws; chosen at random if not given.")
    ] = None,
    language: Annotated[
        list[str] | None, typer.Option(help="en (the default), ko or ja; repeat it for more.")
    ] = None,
    amend: Annotated[
        bool, typer.Option("--amend", help="Put the file's changed rules into force.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put the pictures of a run into a study; again, or with another run, adds what is new.

    With a study's file the rules come from there, and of the options only --seed and --amend count.
    """
    from arena import studies

    with _at(run) as found, opened(database, create=True) as store:
        if study.endswith(".toml"):
            _say_loaded(_load_file(store, Path(study), found, seed, amend), database, as_json)
            return
        plan = studies.describe(
            study,
            criterion or studies.criterion_of(store, study) or "overall",
            question=question,
            hint=hint,
            show_prompt=show_prompt,
            reveal=reveal,
            quota=quota,
            seed=seed,
            languages=_spoken(language),
        )
        _say_loaded(studies.load(store, found, plan), database, as_json)


@contextmanager
def _at(place: str) -> Iterator[Run]:
    """Open a run in a folder, or at a URL for as long as the block."""
    from evalkit import mirror
    from evalkit.runs import Run

    if mirror.is_url(place):
        with mirror.opened(place) as run:
            yield run
    else:
        yield Run.open(Path(place))


def _spoken(wanted: list[str] | None) -> list[str]:
    """Return the languages that were asked for, each once."""
    from arena import languages

    languages.check(found := list(dict.fromkeys(wanted or [languages.SOURCE])), "This study")
    return found


def _load_file(store: Store, path: Path, run: Run, seed: int | None, amend: bool) -> Loaded:
    from arena import studies, studyfile

    file = studyfile.read(path)
    rules = file.with_pictures(run.images)
    plan = studies.plan(file.name, rules, seed=file.seed if seed is None else seed)
    return studies.load(store, run, plan, amend=amend)


def _say_loaded(done: Loaded, database: str, as_json: bool) -> None:
    study = done.study.name
    if as_json:
        facts = {"study": study, "new": done.new, "entries": done.entries, "failed": done.failed}
        facts["protocol"] = done.study.protocol.digest
        print_json(facts)
        return
    failed = f"; {done.failed} generations have no picture" if done.failed else ""
    print(f"{study}: {done.new} new pictures, {done.entries} in all{failed}.")
    print(f"Open it with: arena serve --database {database} --study {study}")


@study_app.command("init")
def study_init(file: Annotated[Path, typer.Argument(help="The file to write.")]) -> None:
    """Write a commented example of a study's file."""
    from arena import studyfile

    studyfile.write_example(file)
    print(f"{file}: edit it, then check it with: arena study check {file}")


@study_app.command("check")
def study_check(
    file: Annotated[Path, typer.Argument(help="A study's file.")], as_json: AsJson = False
) -> None:
    """Read a study's file and say what it means, or what is wrong and where."""
    from arena import studyfile

    found = studyfile.read(file)
    if as_json:
        rules = found.protocol.model_dump(mode="json")
        print_json({"study": found.name, "digest": found.protocol.digest, "protocol": rules})
        return
    print_lines(studyfile.summary(found))


@app.command()
def serve(
    database: Database,
    study: MaybeStudy = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")] = 7860,
    host: Annotated[str, typer.Option(help="0.0.0.0 lets other machines in.")] = "127.0.0.1",
    proxy: Annotated[
        str | None,
        typer.Option(help="Believe these proxies' X-Forwarded headers: addresses, by commas."),
    ] = None,
    rater_rate: Annotated[
        float, typer.Option(min=0, help="Requests a second of one rater; 0: any number.")
    ] = 10,
    address_rate: Annotated[
        float, typer.Option(min=0, help="Requests a second from one address; 0: any number.")
    ] = 200,
    newcomers: Annotated[
        float, typer.Option(min=0, help="New raters an hour from one address; 0: any number.")
    ] = 1000,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that share the port; best on PostgreSQL.")
    ] = 1,
    root_path: Annotated[
        str, typer.Option(help="Where the proxy shows the page, as /study; it takes that off.")
    ] = "",
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Counts for Prometheus at /metrics, to anybody.")
    ] = False,
    log_json: Annotated[
        bool, typer.Option("--log-json", help="A line of JSON for each request; nobody is named.")
    ] = False,
) -> None:
    """Open the study in the browser, until stopped.

    With a secret in ARENA_ADMIN, /admin shows how the study stands and closes it.
    """
    from arena import app as web
    from arena import logs, studies
    from arena.limits import Limits
    from arena.workers import Page
    from arena.workers import serve as serve_by_many

    if log_json:
        logs.as_json(sys.stderr)
    with opened(database) as store:
        name = studies.only_study(store, study)

        def announce(address: str) -> None:
            print(f"{name}: {address} (stop with Ctrl-C)", file=sys.stderr, flush=True)

        limits = Limits.of(rater=rater_rate, address=address_rate, newcomers=newcomers)
        page = Page(database, name, limits, proxy, root_path, metrics, log_json)
        # Built here even for others: what is wrong is said once, and not by each in turn.
        built = page.build(store)
        if workers == 1:
            web.serve(
                built, host=host, port=port, announce=announce, proxies=proxy, log_json=log_json
            )
        else:
            serve_by_many(page, host=host, port=port, workers=workers, announce=announce)


@app.command()
def close(
    database: Database,
    study: StudyName,
    reopen: Annotated[bool, typer.Option("--reopen", help="Take answers again.")] = False,
) -> None:
    """Close a study: it takes no more answers until it is reopened."""
    from arena.battles import Arena

    with opened(database) as store:
        arena = Arena(store, study)
        if reopen:
            arena.reopen()
        else:
            arena.close()
    print(f"{study} is {'open' if reopen else 'closed'}.")


@app.command()
def release(
    database: Database,
    rater: Annotated[str | None, typer.Argument(help="The rater's public name.")] = None,
    study: MaybeStudy = None,
    idle: Annotated[
        float | None, typer.Option(min=0, help="Minutes: all who did nothing for so long.")
    ] = None,
) -> None:
    """Give back the pairs that a rater left open, who returned the task or ran out of time."""
    from arena import studies
    from arena.battles import Arena

    if (rater is None) == (idle is None):
        raise StudyError("Name a rater, or say --idle MINUTES for all who did nothing for so long.")
    with opened(database) as store:
        arena = Arena(store, studies.only_study(store, study))
        raters = [arena.labelled(rater)] if rater else arena.idle(idle or 0)
        given_back = sum(arena.release(who) for who in raters)
    print(f"{given_back} pairs of {len(raters)} raters can be asked of others.")


@app.command()
def upgrade(database: Database) -> None:
    """Bring a database of an older release to this one; copy it first."""
    from arena.database import upgrade as bring_up

    print(f"{database} has version {bring_up(database)}.")
