"""The ``arena`` command: thin, so that every rule is in the module it belongs to."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from evalkit.commands import AsJson, HistoryFolder, Quiet, RunFolder, end_well, print_json
from evalkit.errors import BundleError, EvalkitError, VotesError

if TYPE_CHECKING:
    import pandas as pd

    from arena.exclusion import Exclusion
    from arena.ratings import Ratings
    from arena.store import Store
    from arena.studies import Loaded
    from evalkit.runs import Run

app = typer.Typer(
    help="Ask people which of two pictures is better, blind, and rate the models that made them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
study_app = typer.Typer(help="A study as a file: its rules.", no_args_is_help=True)
app.add_typer(study_app, name="study")
votes_app = typer.Typer(help="Votes as a CSV file, in and out.", no_args_is_help=True)
app.add_typer(votes_app, name="votes")

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


def main() -> None:
    """Run the command."""
    end_well(app, "arena", "Every answer that was acknowledged is saved.")


@contextmanager
def _store(database: str, *, create: bool = False, durable: bool = True) -> Iterator[Store]:
    from arena.store import Store

    with closing(Store.open(database, create=create, durable=durable)) as store:
        yield store


@contextmanager
def _bundled(file: Path) -> Iterator[Store]:
    from arena.bundle import Bundle

    with Bundle.open(file) as bundle, bundle.unpacked() as store:
        yield store


@app.command()
def load(
    database: Database,
    study: Annotated[str, typer.Option("--study", help="The study's name, or its file (.toml).")],
    run: RunFolder,
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
    amend: Annotated[
        bool, typer.Option("--amend", help="Put the file's changed rules into force.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put the pictures of a run into a study; again, or with another run, adds what is new.

    With a study's file the rules come from there, and of the options only --seed and --amend count.
    """
    from arena import studies
    from evalkit.runs import Run

    with _store(database, create=True) as store:
        if study.endswith(".toml"):
            _say_loaded(
                _load_file(store, Path(study), Run.open(run), seed, amend), database, as_json
            )
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
        )
        _say_loaded(studies.load(store, Run.open(run), plan), database, as_json)


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
    print("\n".join(studyfile.summary(found)))


@app.command()
def serve(
    database: Database,
    study: MaybeStudy = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")] = 7860,
    host: Annotated[str, typer.Option(help="0.0.0.0 lets other machines in.")] = "127.0.0.1",
) -> None:
    """Open the study in the browser, until stopped."""
    from arena import app as web
    from arena import studies

    with _store(database) as store:
        name = studies.only_study(store, study)

        def announce(address: str) -> None:
            print(f"{name}: {address} (stop with Ctrl-C)", file=sys.stderr, flush=True)

        web.serve(web.build(store, name), host=host, port=port, announce=announce)


@app.command()
def close(
    database: Database,
    study: StudyName,
    reopen: Annotated[bool, typer.Option("--reopen", help="Take answers again.")] = False,
) -> None:
    """Close a study: it takes no more answers until it is reopened."""
    from arena.battles import Arena

    with _store(database) as store:
        arena = Arena(store, study)
        if reopen:
            arena.reopen()
        else:
            arena.close()
    print(f"{study} is {'open' if reopen else 'closed'}.")


@app.command()
def upgrade(database: Database) -> None:
    """Bring a database of an older release to this one; copy it first."""
    from arena.database import upgrade as bring_up

    print(f"{database} has version {bring_up(database)}.")


@votes_app.command("export")
def votes_export(
    database: Database,
    study: MaybeStudy = None,
    file: Annotated[Path | None, typer.Option(help="Where to; else it is printed.")] = None,
    form: Annotated[
        str,
        typer.Option("--format", help="csv, or another tool's: evalica, arena-rank, fastchat."),
    ] = "csv",
) -> None:
    """Write the votes that stand as votes.csv, or in the columns of another tool."""
    from arena import exports, studies, votes

    with _store(database) as store:
        name = studies.only_study(store, study)
        standing, cast_at = studies.timed_votes(store, name, checks=form == "csv")
    csv = form == "csv"
    text = votes.to_csv(standing) if csv else exports.export(form, standing, cast_at)
    if file is None:
        sys.stdout.write(text)
        return
    try:
        file.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise VotesError(f"{file} cannot be written: {error.strerror}.") from error
    print(f"{len(standing)} votes: {file}", file=sys.stderr)


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
    from arena import archive, studies, votes

    if archive.is_one(file):
        _import_bundle(database, file, study, as_json)
        return
    frame = votes.read_csv(file)
    name = study or file.stem
    with _store(database, create=True) as store:
        named = criterion or votes.only_criterion(frame)
        asked = named or studies.criterion_of(store, name) or "overall"
        plan = studies.describe(name, asked, question=question or studies.question_of(asked))
        count = studies.import_votes(store, plan, frame, votes.file_digest(file))
    if as_json:
        print_json({"study": name, "imported": count})
    else:
        print(f"{name}: {count} votes imported.")


def _import_bundle(database: str, file: Path, study: str | None, as_json: bool) -> None:
    from arena import bundling

    with _store(database, create=True) as store:
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
    with _store(database) as store:
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

        frame = _votes(database, study, votes, criterion, bundle)
        left_out = _left_out(frame, exclude or [])
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


def _left_out(votes: pd.DataFrame, rules: list[str]) -> Exclusion | None:
    """Apply the rules that were named; None where none was."""
    if not rules:
        return None
    from arena import exclusion

    return exclusion.exclude(votes, [exclusion.rule(text) for text in rules])


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

    found = quality(_votes(database, study, votes, criterion))
    if as_json:
        print_json(found.to_dict())
    else:
        print("\n".join([*found.table(), "", *found.lines()]))


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
    frame = _votes(database, study, votes, criterion)
    left_out = _left_out(frame, exclude or [])
    found = measure(left_out.kept if left_out else frame, scored.scores, steps=scored.steps)
    if as_json:
        print_json(found.to_dict() | ({"exclusion": left_out.to_dict()} if left_out else {}))
        return
    print("\n".join([*found.lines(by), *(left_out.lines() if left_out else ())]))


def _live(
    database: str | None, study: str | None, file: Path | None, model: str, criterion: str | None
) -> Ratings:
    from arena import live, studies

    if database is None or file is not None:
        raise VotesError("--live reads the counts of a database: say --database URL --study NAME.")
    with _store(database) as store:
        name = studies.only_study(store, study)
        return live.board(store, name, model, criterion=criterion)  # type: ignore[arg-type]


def _votes(
    database: str | None,
    study: str | None,
    file: Path | None,
    criterion: str | None = None,
    bundle: Path | None = None,
) -> pd.DataFrame:
    """Read votes from the one place that was named."""
    from arena import votes

    if sum(place is not None for place in (database, file, bundle)) != 1:
        raise VotesError(
            "Say where the votes are: --database URL --study NAME, --votes FILE or --bundle FILE."
        )
    if file is not None:
        return votes.of_criterion(votes.read_csv(file), criterion)
    from arena import studies

    with _bundled(bundle) if bundle else _store(str(database)) as store:
        standing = studies.standing_votes(store, studies.only_study(store, study), checks=True)
    return votes.of_criterion(votes.table(standing), criterion)


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
    as_json: AsJson = False,
) -> None:
    """Say how many votes a study needs; with votes, how many more, and whether it may stop."""
    from dataclasses import asdict

    from arena import planning
    from arena.votes import rated

    has_votes = database is not None or votes is not None
    if between is not None or (has_votes and gap is None and not (stop or looks or planned)):
        from arena.ratings import fit

        ratings = fit(rated(_votes(database, study, votes)))
        if between is not None:
            found = planning.settle(ratings, *between, power=power)
            print_json(asdict(found)) if as_json else print(_settled(found))
            return
        pairs = planning.neighbours(ratings, power=power)
        print_json([asdict(one) for one in pairs]) if as_json else print(
            "\n".join(map(_settled, pairs)) or "No two models are rated."
        )
        return
    if stop or looks or planned:
        _stopping(
            rated(_votes(database, study, votes)), gap or 30.0, planned, looks, power, as_json
        )
        return
    needs: dict[str, Any] = {"power": power}
    if has_votes:
        from arena.design import learn

        pilot = learn(rated(_votes(database, study, votes)))
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
    print_json(asdict(needed)) if as_json else print("\n".join(needed.lines()))


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
    print("\n".join(found.lines()))


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
    as_json: AsJson = False,
) -> None:
    """Count what may have gone wrong: balance, sides, raters, agreement, what was undone."""
    frame = _votes(database, study, votes, criterion)
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


def _counted(database: str, study: str | None) -> tuple[dict[str, Any], list[str]]:
    """Count what only the database knows."""
    from arena import audit as counting
    from arena import studies

    with _store(database) as store:
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

    with _store(database) as store:
        name = studies.only_study(store, study)
        wrong = live.recount(store, name) if mend else live.check(store, name)
    if not mend:
        live.refuse_miscounts(name, wrong)
    print(f"{name}: {f'{len(wrong)} counts mended' if wrong else 'the counts are right'}.")


@app.command()
def report(
    database: Database,
    run: RunFolder,
    study: MaybeStudy = None,
    out: Annotated[Path | None, typer.Option(help="The report's folder.")] = None,
    gallery: Annotated[int, typer.Option(min=1, help="How many prompts it pictures.")] = 24,
    history: HistoryFolder = None,
    criterion: Annotated[
        str | None, typer.Option(help="Which of the study's criteria; not needed for one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write one leaderboard of the run's scores and the study's ratings."""
    from arena import leaderboard, studies
    from evalkit import history as kept

    with _store(database) as store:
        name = studies.only_study(store, study)
        out = out or run / "report"
        paths = leaderboard.write(store, name, run, out, criterion, prompts=gallery)
    if history is not None:
        kept.keep(paths, history)
    if as_json:
        print_json({form: str(path) for form, path in paths.items()})
    else:
        print(paths["html"])


@app.command()
def simulate(
    database: Database,
    study: StudyName,
    run: RunFolder,
    raters: Annotated[int, typer.Option(min=1, help="How many simulated raters.")] = 20,
    votes: Annotated[int, typer.Option(min=1, help="Votes in all, of all simulated raters.")] = 400,
    by: Annotated[
        list[str] | None,
        typer.Option(help="Vote by this score of the run, whatever is true; repeat it."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Rehearse: made-up raters vote by the pictures' truth, or by scores, and are marked so.

    Without --by they know the truth, where the run has it of every picture; else they follow all
    of the run's scores, and their ratings say nothing that the scores did not say before.
    """
    from tqdm import tqdm

    from arena.battles import Arena
    from arena.simulation import look
    from arena.simulation import simulate as hold
    from evalkit.runs import Run

    sight = look(Run.open(run), by or ())
    # Not durable: what a power cut took of a rehearsal, the same command makes again.
    with _store(database, durable=False) as store:
        arena = Arena(store, study)
        turns = hold(arena, sight, raters=raters, votes=votes, seed=seed)
        shown = tqdm(turns, total=votes, unit="vote", disable=True if quiet else None)
        done = max(shown, default=votes)
    if as_json:
        facts = {"study": study, "simulated_votes": done, "raters": raters, "seed": seed}
        print_json(facts | {"by": list(sight.by)})
        return
    print(f"{study}: {done} simulated votes by {raters} simulated raters.")
    if sight.by:
        print(f"They followed {', '.join(sight.by)}; people were not asked.")


if __name__ == "__main__":
    main()
