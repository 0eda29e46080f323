"""The ``evalkit`` command: thin, so that every rule is in the module it belongs to."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from evalkit.commands import AsJson, HistoryFolder, Quiet, RunFolder, end_well, print_json
from evalkit.errors import MissingPackageError, SpecError, WeightsError
from evalkit.records import ModelSpec

app = typer.Typer(
    help="Draw prompts with text-to-image models, score the pictures, and report what is known.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
prompts_app = typer.Typer(help="Suites of prompts.", no_args_is_help=True)
models_app = typer.Typer(help="The catalogue of models.", no_args_is_help=True)
scorers_app = typer.Typer(help="The scorers.", no_args_is_help=True)
geneval_app = typer.Typer(help="GenEval's own result files.", no_args_is_help=True)
weights_app = typer.Typer(help="Checkpoints.", no_args_is_help=True)
app.add_typer(prompts_app, name="prompts")
app.add_typer(models_app, name="models")
app.add_typer(scorers_app, name="scorers")
app.add_typer(geneval_app, name="geneval")
app.add_typer(weights_app, name="weights")
reference_app = typer.Typer(help="Reference sets, as statistics.", no_args_is_help=True)
app.add_typer(reference_app, name="reference")

SuiteName = Annotated[
    str, typer.Option("--suite", help="A suite's name, or a .jsonl or .txt file.")
]

Catalogues = Annotated[
    list[Path] | None,
    typer.Option("--catalogue", help="A catalogue of your own, in TOML; repeat it."),
]

EngineName = Annotated[
    str, typer.Option("--engine", help="Where the work runs: local, or ray (also on a cluster).")
]
Address = Annotated[
    str | None, typer.Option(help="For ray: the cluster's address, or auto; none starts one here.")
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="For ray: how many workers [as many as fit].")
]
Inception = Annotated[
    Path | None, typer.Option(help="The file of FID's Inception weights, of torch-fidelity.")
]
ClipWeights = Annotated[
    str | None,
    typer.Option("--clip", help="CMMD's CLIP: openai/clip-vit-large-patch14-336, or a folder."),
]
Gpus = Annotated[
    float | None,
    typer.Option(
        min=0, help="For ray: GPUs of a worker; 0.5 puts two on each [1 if there is any]."
    ),
]


def main() -> None:
    """Run the command."""
    end_well(app, "evalkit", "The same command goes on where it was.")


@contextmanager
def _bar(total: int, label: str, quiet: bool) -> Iterator[Any]:
    from tqdm import tqdm

    disable = True if quiet else None  # None: shown on a terminal only
    with tqdm(total=total, desc=label, unit="img", file=sys.stderr, disable=disable) as bar:
        yield bar.update


def _say(text: str) -> None:
    print(text, file=sys.stderr)


@prompts_app.command("list")
def prompts_list(as_json: AsJson = False) -> None:
    """List the suites that the package carries."""
    from evalkit import prompts

    suites = [prompts.load(name) for name in prompts.names()]
    if as_json:
        print_json([_suite_facts(s) for s in suites])
        return
    for suite in suites:
        shares = ", ".join(f"{n} {c}" for c, n in prompts.categories(suite).items())
        print(f"{suite.name:<12} {len(suite):>4} prompts: {shares}")


def _suite_facts(suite: Any) -> dict[str, Any]:
    from evalkit import prompts

    return {
        "name": suite.name,
        "prompts": len(suite),
        "digest": suite.digest,
        "categories": prompts.categories(suite),
    }


@prompts_app.command("show")
def prompts_show(suite: str, as_json: AsJson = False) -> None:
    """Show a suite's prompts."""
    from evalkit import prompts

    found = prompts.load(suite)
    if as_json:
        print_json({**_suite_facts(found), "texts": {p.id: p.text for p in found.prompts}})
        return
    for prompt in found.prompts:
        print(f"{prompt.id}  {prompt.category:<14} {prompt.text}")


@prompts_app.command("export")
def prompts_export(
    suite: str,
    form: Annotated[
        str, typer.Option("--format", help="jsonl, geneval (its metadata lines), or txt.")
    ] = "jsonl",
) -> None:
    """Print a suite; GenEval's own suite comes out byte for byte."""
    from evalkit import prompts
    from evalkit.errors import UnknownNameError

    forms = {
        "jsonl": prompts.to_jsonl,
        "geneval": prompts.to_geneval,
        "txt": prompts.to_text,
    }
    if form not in forms:
        raise UnknownNameError("format", form, forms)
    sys.stdout.writelines(f"{line}\n" for line in forms[form](prompts.load(suite)))


@models_app.command("list")
def models_list(
    as_json: AsJson = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="The table of docs/models.md.")
    ] = False,
) -> None:
    """List the catalogue of models, with their licences and which of them are gated."""
    from evalkit import catalogue, recipes

    entries = catalogue.entries()
    if as_json:
        print_json({name: e.model_dump(mode="json") for name, e in entries.items()})
        return
    for line in (recipes.markdown if markdown else recipes.lines)(entries.values()):
        print(line)


@models_app.command("show")
def models_show(name: str) -> None:
    """Show one model's recipe and where it is from."""
    from evalkit import catalogue

    print_json(catalogue.entry(name).model_dump(mode="json", exclude_none=True))


@scorers_app.command("list")
def scorers_list(as_json: AsJson = False) -> None:
    """List the scorers, without importing any."""
    from evalkit import registry

    known = registry.names("scorer")
    if as_json:
        print_json(known)
        return
    for name, where in known.items():
        print(f"{name:<16} {where}")


@app.command()
def generate(
    run: RunFolder,
    suite: SuiteName,
    model: Annotated[
        list[str], typer.Option("--model", help="A catalogue name or a pipeline folder; repeat it.")
    ],
    seeds: Annotated[int, typer.Option(min=1, help="Pictures a prompt: seeds 0 to N-1.")] = 4,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N prompts.")] = None,
    batch: Annotated[
        int, typer.Option(min=1, help="Pictures drawn together: 1 repeats to the byte.")
    ] = 1,
    engine: EngineName = "local",
    address: Address = None,
    workers: Workers = None,
    gpus: Gpus = None,
    catalogue_file: Catalogues = None,
    retry_failures: Annotated[bool, typer.Option(help="Draw failed pictures again.")] = False,
    max_cost: Annotated[
        float | None,
        typer.Option(min=0, help="US dollars that this command may spend on paid services [0]."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option(help="Say what would be drawn and paid, and draw nothing.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Draw a suite with one or more models; the same command again goes on where it was."""
    from evalkit import catalogue, checks, departures, prices, prompts
    from evalkit import generate as stage

    where = _engine(engine, address, workers, gpus)
    known = catalogue.entries(*(catalogue_file or []))
    specs = _specs(model, known)
    chosen, wanted = prompts.load(suite), range(seeds)
    about = {name: known[name].about for name in model if name in known}
    ahead = stage.preview(run, chosen, specs, wanted, limit=limit)
    costs = prices.costs(specs, about, {m: n for m, (n, _) in ahead.items()})
    if dry_run:
        _show_plan(ahead, costs, as_json)
        return
    prices.check(costs, max_cost)
    if address is None:  # of a cluster, this machine knows neither packages nor memory
        left = {s.name: s for s in specs if ahead[s.name][0] or retry_failures}
        checks.demand(checks.each(left, lambda name: checks.ready(left[name])))
    found = stage.open_or_create(run, chosen, specs, wanted, about)
    names = [spec.name for spec in specs]
    todo = stage.plan(found, names, wanted, limit=limit, retry_failures=retry_failures)
    with _bar(todo.left, "draw", quiet) as progress:
        made = stage.generate(
            found,
            where,
            names,
            wanted,
            limit=limit,
            batch=batch,
            retry_failures=retry_failures,
            max_cost=max_cost,
            progress=progress,
        )
    failed = sum(g.image is None for g in made)
    for line in departures.departures(found.manifest):
        _say(f"warning: {line}")
    facts = {"drawn": len(made), "failed": failed, "already_done": todo.done, "run": str(run)}
    if as_json:
        print_json(facts)
    _say(f"{len(made)} drawn, {failed} failed, {todo.done} already done: {run}")


def _specs(names: Sequence[str], known: Any) -> list[ModelSpec]:
    """Find every model, or name all that cannot be found."""
    from evalkit import catalogue, checks
    from evalkit import generate as stage

    if len(names) == 1:
        return [stage.resolved(catalogue.spec(names[0], known))]
    found: list[ModelSpec] = []

    def find(name: str) -> str:
        found.append(stage.resolved(catalogue.spec(name, known)))
        return ""

    checks.demand(checks.each(names, find))
    return found


def _engine(
    name: str = "local",
    address: str | None = None,
    workers: int | None = None,
    gpus: float | None = None,
) -> Any:
    from evalkit import distributed, engine
    from evalkit.errors import UnknownNameError

    if name not in ("local", "ray"):
        raise UnknownNameError("engine", name, ("local", "ray"))
    if name == "ray":
        return distributed.Ray(address, workers, gpus)
    if given := [o for o, v in (("address", address), ("workers", workers), ("gpus", gpus)) if v]:
        raise SpecError(f"--{given[0]} is of the engine 'ray'. Add --engine ray, or leave it out.")
    return engine.Local()


def _show_plan(left: dict[str, tuple[int, int]], costs: dict[str, float], as_json: bool) -> None:
    from evalkit import prices

    if as_json:
        priced = {m: {"cost": dollars} for m, dollars in costs.items()}
        print_json(
            {m: {"to_draw": n, "done": d, **priced.get(m, {})} for m, (n, d) in left.items()}
        )
        return
    for name, (todo, done) in left.items():
        paid = f", {prices.told(costs[name])}" if name in costs else ""
        print(f"{name:<28} {todo:>7} to draw, {done:>7} done{paid}")
    paid = f", {prices.told(sum(costs.values()))}" if costs else ""
    print(f"{'total':<28} {sum(n for n, _ in left.values()):>7} to draw{paid}")


@app.command()
def bench(
    run: RunFolder,
    model: Annotated[
        list[str] | None, typer.Option("--model", help="A model of the run; repeat it [all].")
    ] = None,
    batch: Annotated[
        list[int] | None, typer.Option(min=1, help="Pictures drawn together; repeat it [1].")
    ] = None,
    warmup: Annotated[int, typer.Option(min=0, help="Batches that do not count.")] = 2,
    repeats: Annotated[int, typer.Option(min=1, help="Batches that count.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Measure what a picture costs: seconds, memory and bytes, each model in its own process."""
    from evalkit import bench as stage
    from evalkit import costs, wording
    from evalkit.runs import Run

    protocol = stage.Protocol(warmup, repeats)
    found = []
    for cost in stage.measure(Run.open(run), model or [], batch or [1], protocol):
        found.append(cost)
        if not as_json:
            told = zip(costs.HEAD, costs.line(cost), strict=True)
            print(", ".join(f"{name} {word}" for name, word in told if word != wording.NONE))
    if as_json:
        print_json([cost.model_dump(mode="json") for cost in found])


@app.command("import")
def import_pictures(
    run: RunFolder,
    suite: SuiteName,
    model: Annotated[str, typer.Option(help="What to call the model that made them.")],
    images: Annotated[Path, typer.Option(help="A folder, or a CSV of paths or URLs.")],
    layout: Annotated[
        str, typer.Option(help="Of the folder: geneval, hpsv2 or imagereward.")
    ] = "geneval",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Take in pictures made elsewhere, as if drawn here."""
    from evalkit import generate as stage
    from evalkit import prompts
    from evalkit.generators import folder

    chosen = prompts.load(suite)
    matched = folder.match(images, chosen.prompts, layout)
    for line in matched.complaints():
        _say(line)
    spec = stage.resolved(folder.spec(model, images, matched))
    seeds = matched.seeds()
    found = stage.open_or_create(run, chosen, [spec], seeds)
    todo = stage.plan(found, [model], seeds)
    with _bar(todo.left, "import", quiet) as progress:
        made = stage.generate(found, _engine(), [model], seeds, progress=progress)
    failed = sum(g.image is None for g in made)
    if as_json:
        print_json({"imported": len(made) - failed, "missing": failed, "run": str(run)})
    _say(f"{len(made) - failed} pictures imported, {failed} missing or unreadable: {run}")


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
    with _bar(len(mirror.pictures(found)), "push", quiet) as progress:
        copied = mirror.push(found, to, progress)
    if as_json:
        print_json({"pictures": copied, "to": to})
    _say(f"{copied} new pictures and every record copied to {to}")


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
    with _bar(len(mirror.pictures(found)), "pull", quiet) as progress:
        copied = mirror.pull(found, source, progress)
    if as_json:
        print_json({"pictures": copied, "run": str(run)})
    _say(f"{copied} pictures copied to {run}")


@app.command()
def score(
    run: RunFolder,
    scorer: Annotated[
        list[str],
        typer.Option(
            "--scorer", help="NAME, or NAME=WEIGHTS (a folder, a hub id, or miniature); repeat it."
        ),
    ],
    detections: Annotated[
        Path | None, typer.Option(help="For geneval: take detections from this file.")
    ] = None,
    export: Annotated[
        Path | None, typer.Option(help="For geneval: keep what the detector finds in this file.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Pictures at a time.")] = 16,
    engine: EngineName = "local",
    address: Address = None,
    workers: Workers = None,
    gpus: Gpus = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Score a run's pictures; what is scored already is not scored again."""
    from evalkit import score as stage
    from evalkit.runs import Run

    where = _engine(engine, address, workers, gpus)
    found = Run.open(run)
    scorers = [_scorer(text, detections=detections, export=export) for text in scorer]
    facts, missing = [], []
    for text, made in zip(scorer, scorers, strict=True):
        try:
            todo = stage.plan(found, made.card)
            with _bar(len(todo), made.card.name, quiet) as progress:
                scores = stage.score(found, made, where, batch=batch, progress=progress)
        except (WeightsError, MissingPackageError) as error:
            missing.append(text)
            _say(f"{text}: nothing scored: {error}")
            continue
        without = sum(s.value is None for s in scores)
        facts.append({"scorer": made.card.key, "scored": len(scores), "without_value": without})
        _say(f"{made.card.key}: {len(scores)} scored, {without} without a value")
    if as_json:
        print_json(facts)
    if missing:
        raise WeightsError(
            f"{len(missing)} of {len(scorers)} scorers could not be loaded: {', '.join(missing)}. "
            "The others are done; mend these and run the same command again."
        )


def _scorer(text: str, **files: Path | None) -> Any:
    from evalkit import registry

    name, _, weights = text.partition("=")
    options = {k: v for k, v in files.items() if v is not None and name == "geneval"}
    return registry.scorer(name, weights or None, **options)


@geneval_app.command("rows")
def geneval_rows(
    run: RunFolder,
    model: Annotated[str, typer.Option(help="A model of the run.")],
    scorer: Annotated[str, typer.Option(help="The score's name in the run.")] = "geneval-miniature",
) -> None:
    """Print a model's result rows as GenEval writes them (results.jsonl)."""
    from evalkit import score as stage
    from evalkit.runs import Run

    for row in stage.geneval_rows(Run.open(run), model, scorer):
        print(json.dumps(row))


@geneval_app.command("summary")
def geneval_summary(results: Path, as_json: AsJson = False) -> None:
    """Sum up a results.jsonl, GenEval's or ours, as GenEval's script does, with intervals."""
    from evalkit import score as stage
    from evalkit.prompts import TASKS

    found = stage.results_summary(results)
    tasks, best = found.categories, found.prompt_best or 0
    if as_json:
        print_json({
            "overall": found.headline.value, "interval": [found.headline.low, found.headline.high],
            "tasks": {tag: one.value for tag, one in tasks.items()},
            "intervals": {tag: [one.low, one.high] for tag, one in tasks.items()},
            "images": found.headline.total, "prompts": found.headline.prompts,
            "correct_images": found.image_mean, "correct_prompts": best,
        })  # fmt: skip
        return
    for tag, one in tasks.items():
        print(f"{tag:<14} {_share(one)}  ({one.total} images of {one.prompts} prompts)")
    print(f"{'overall':<14} {_share(found.headline)}  (mean of the tasks)")
    print(f"{found.image_mean:.2%} of {found.headline.total} images are correct,")
    print(f"{best:.2%} of {found.headline.prompts} prompts have a correct image")
    if absent := [tag for tag in TASKS if tag not in tasks]:
        _say(f"Not GenEval's own overall: no image of {', '.join(absent)}.")


def _share(found: Any) -> str:
    interval = "" if found.low is None else f" [{found.low:.4f}, {found.high:.4f}]"
    return f"{found.value:.4f}{interval}"


@weights_app.command("convert")
def weights_convert(
    kind: Annotated[str, typer.Argument(help="mmdet-mask2former: GenEval's own detector.")],
    file: Annotated[Path, typer.Argument(help="The checkpoint, as its authors give it out.")],
    out: Annotated[Path, typer.Option(help="The folder to write, as --scorer geneval=... takes.")],
) -> None:
    """Bring a checkpoint into the layout that the scorers read, and check that it loads."""
    from evalkit import registry

    print(registry.converter(kind)(file, out))


@reference_app.command("make")
def reference_make(
    pictures: Path,
    out: Annotated[Path, typer.Option(help="The file to write, .npz.")],
    inception: Inception = None,
    clip: ClipWeights = None,
    resize: Annotated[
        str, typer.Option(help="For Inception: clean, or tensorflow (inside the network).")
    ] = "clean",
    keep: Annotated[
        int, typer.Option(min=5, help="Pictures whose vectors are kept; FID is of all.")
    ] = 10_000,
    quiet: Quiet = False,
) -> None:
    """Make the statistics of a folder of pictures that models are to be held against."""
    from evalkit.sets import features, reference

    networks = features.networks(inception, clip, resize)
    with _bar(len(reference.pictures(pictures)), "see", quiet) as progress:
        made = reference.make(pictures, networks, keep=keep, progress=progress)
    reference.write(made, out)
    _say(f"{made.card.count} pictures, {made.card.kept} of them kept as vectors: {out}")


@reference_app.command("show")
def reference_show(file: Path) -> None:
    """Show what a reference is made of."""
    from evalkit.sets import reference

    print_json(reference.read(file).card.model_dump(mode="json"))


@app.command()
def sets(
    run: RunFolder,
    reference: Annotated[
        Path | None, typer.Option(help="A file of `evalkit reference make`.")
    ] = None,
    inception: Inception = None,
    clip: ClipWeights = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure FID, KID, CMMD, precision and recall against a reference, and seeds' diversity."""
    from evalkit import setwise
    from evalkit.runs import Run
    from evalkit.sets import features, measure
    from evalkit.sets import reference as references

    found = Run.open(run)
    known = references.read(reference) if reference else None
    resize = (known.card.resize if known else None) or "clean"
    networks = features.networks(inception, clip, resize)
    total = sum(len(job.generations) for job in measure.plan(found, known, networks))
    with _bar(total, "see", quiet) as progress:
        measure.measure(found, known, networks, progress=progress)
    figures = found.sets()
    if as_json:
        print_json([f.model_dump(mode="json") for f in figures])
        return
    for row in setwise.lines(figures, [m.name for m in found.manifest.models]):
        told = zip(setwise.HEAD, row, strict=True)
        print(", ".join(f"{name} {word}" for name, word in told if word != "–"))
    for line in setwise.warnings(figures):
        _say(line)


@app.command()
def compare(
    run: RunFolder,
    models: Annotated[
        tuple[str, str] | None, typer.Option(help="Two models of the run; else each with each.")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="Compare every other model with this one.")
    ] = None,
    scorer: Annotated[
        list[str] | None, typer.Option("--scorer", help="Only this score of the run; repeat it.")
    ] = None,
    margin: Annotated[
        list[str] | None,
        typer.Option(help="Test for no worse by more than this: 0.02, or NAME=0.02; repeat it."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare models on the same prompts and seeds."""
    from evalkit import compared
    from evalkit.runs import Run

    found = Run.open(run)
    made = compared.compared(found, models, baseline, scorers=scorer or (), margin=margin or ())
    if as_json:
        print_json(compared.document(found, made))
        return
    for line in compared.lines(made):
        print(line)


@app.command()
def report(
    run: RunFolder,
    out: Annotated[Path | None, typer.Option(help="The report's folder.")] = None,
    title: Annotated[str | None, typer.Option(help="The page's title.")] = None,
    gallery: Annotated[int, typer.Option(min=1, help="How many prompts it pictures.")] = 24,
    history: HistoryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Write the leaderboard of a run as HTML, Markdown, CSV and JSON."""
    from evalkit import history as kept
    from evalkit import pages
    from evalkit import report as stage
    from evalkit.runs import Run

    found = Run.open(run)
    paths = pages.write(stage.build(found, title=title, prompts=gallery), out or run / "report")
    if history is not None:
        kept.keep(paths, history)
    if as_json:
        print_json({form: str(path) for form, path in paths.items()})
    else:
        print(paths["html"])


@app.command()
def validate(
    model: Annotated[
        list[str] | None,
        typer.Option("--model", help="Check this model, then load its weights; repeat it."),
    ] = None,
    catalogue_file: Catalogues = None,
    run: Annotated[Path | None, typer.Option("--run", help="Check this run's files.")] = None,
) -> None:
    """Check the suites and the catalogue; with options, a model's weights or a run's pictures.

    Of a run also the pictures that are the same, nearly the same or blank; those are no fault.
    """
    from evalkit import catalogue, prompts, suspects
    from evalkit.runs import Run

    for name in prompts.names():
        print(f"suite {name}: {len(prompts.load(name))} prompts")
    known = catalogue.entries(*(catalogue_file or []))
    print(f"catalogue: {len(known)} models")
    _validate_models(model or [], known)
    if run:
        damaged = list(Run.open(run).damaged())
        for line in damaged:
            print(line)
        if damaged:
            raise SpecError(f"{len(damaged)} pictures of {run} are missing or damaged.")
        print(f"run {run}: every picture is there and undamaged")
        for line in suspects.suspects(Run.open(run)).lines():
            print(line)


def _validate_models(names: Sequence[str], known: Any) -> None:
    """Check every model, then load those that may work; say all, and fail at the end."""
    from evalkit import catalogue, checks, registry

    def look(name: str) -> str:
        return checks.ready(catalogue.spec(name, known))

    def load(name: str) -> str:
        registry.generator(catalogue.spec(name, known)).load()
        return "loads"

    looked = checks.each(names, look)
    for one in looked:
        print(f"model {one.model}: {one.told}")
    loaded = checks.each((one.model for one in looked if not one.fails), load)
    for one in loaded:
        print(f"model {one.model}: {one.told}")
    failed = [one.model for one in (*looked, *loaded) if one.fails]
    if failed:
        raise SpecError(f"{len(failed)} of {len(names)} models fail: {', '.join(failed)}.")


if __name__ == "__main__":
    main()
