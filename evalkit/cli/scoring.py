"""Commands that score pictures, and what scorers alone need: rows of GenEval, checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from evalkit.cli.options import Address, EngineName, Gpus, Workers, engine_named
from evalkit.cli.progress import bar, say
from evalkit.commands import AsJson, Quiet, RunFolder, print_json
from evalkit.errors import MissingPackageError, WeightsError

app = typer.Typer()
geneval_app = typer.Typer(help="GenEval's own result files.", no_args_is_help=True)
weights_app = typer.Typer(help="Checkpoints.", no_args_is_help=True)
app.add_typer(geneval_app, name="geneval")
app.add_typer(weights_app, name="weights")


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
    retry_failures: Annotated[
        bool, typer.Option(help="Judge again what has a reason instead of a value.")
    ] = False,
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

    where = engine_named(engine, address, workers, gpus)
    found = Run.open(run)
    scorers = [_scorer(text, detections=detections, export=export) for text in scorer]
    facts, missing = [], []
    for text, made in zip(scorer, scorers, strict=True):
        try:
            todo = stage.plan(found, made.card, retry_failures=retry_failures)
            with bar(len(todo), made.card.name, quiet) as progress:
                scores = stage.score(
                    found,
                    made,
                    where,
                    batch=batch,
                    retry_failures=retry_failures,
                    progress=progress,
                )
        except (WeightsError, MissingPackageError) as error:
            missing.append(text)
            say(f"{text}: nothing scored: {error}")
            continue
        without = sum(s.value is None for s in scores)
        facts.append({"scorer": made.card.key, "scored": len(scores), "without_value": without})
        say(f"{made.card.key}: {len(scores)} scored, {without} without a value")
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

    found = Run.open(run)
    rows = list(stage.geneval_rows(found, model, scorer))
    for row in rows:
        print(json.dumps(row))
    total = sum(g.model == model for g in found.generations())
    if len(rows) < total:
        say(f"{total - len(rows)} of {total} pictures have no value, and no row.")


@geneval_app.command("summary")
def geneval_summary(results: Path, as_json: AsJson = False) -> None:
    """Sum up a results.jsonl, GenEval's or ours, as GenEval's script does, with intervals."""
    from evalkit import score as stage
    from evalkit.geneval import TASKS

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
        say(f"Not GenEval's own overall: no image of {', '.join(absent)}.")


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
