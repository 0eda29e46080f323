"""The command that checks suites, catalogues, models and runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from evalkit.cli.options import Catalogues
from evalkit.errors import SpecError

app = typer.Typer()


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
