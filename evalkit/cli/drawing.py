"""Commands that draw pictures, or take in those made elsewhere, and say what one costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from evalkit.cli.options import (
    Address,
    Catalogues,
    EngineName,
    Gpus,
    SuiteName,
    Workers,
    engine_named,
)
from evalkit.cli.progress import bar, say
from evalkit.commands import AsJson, Quiet, RunFolder, print_json
from evalkit.records import ModelSpec

app = typer.Typer()


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
    from evalkit import catalogue, checks, prices, prompts
    from evalkit import generate as stage

    where = engine_named(engine, address, workers, gpus)
    known = catalogue.entries(*(catalogue_file or []))
    specs = _specs(model, known)
    chosen, wanted = prompts.load(suite), range(seeds)
    about = {name: known[name].about for name in model if name in known}
    ahead = stage.preview(run, chosen, specs, wanted, limit=limit)
    costs = prices.costs(specs, about, {m: n for m, (n, _) in ahead.items()})
    if dry_run:
        _show_plan(ahead, costs, as_json)
        return
    from evalkit import departures

    prices.check(costs, max_cost)
    if address is None:  # of a cluster, this machine knows neither packages nor memory
        left = {s.name: s for s in specs if ahead[s.name][0] or retry_failures}
        checks.demand(checks.each(left, lambda name: checks.ready(left[name])))
    found = stage.open_or_create(run, chosen, specs, wanted, about)
    names = [spec.name for spec in specs]
    todo = stage.plan(found, names, wanted, limit=limit, retry_failures=retry_failures)
    with bar(todo.left, "draw", quiet) as progress:
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
        say(f"warning: {line}")
    facts = {"drawn": len(made), "failed": failed, "already_done": todo.done, "run": str(run)}
    if as_json:
        print_json(facts)
    say(f"{len(made)} drawn, {failed} failed, {todo.done} already done: {run}")


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
        say(line)
    spec = stage.resolved(folder.spec(model, images, matched))
    seeds = matched.seeds()
    found = stage.open_or_create(run, chosen, [spec], seeds)
    todo = stage.plan(found, [model], seeds)
    with bar(todo.left, "import", quiet) as progress:
        made = stage.generate(found, engine_named(), [model], seeds, progress=progress)
    failed = sum(g.image is None for g in made)
    if as_json:
        print_json({"imported": len(made) - failed, "missing": failed, "run": str(run)})
    say(f"{len(made) - failed} pictures imported, {failed} missing or unreadable: {run}")
