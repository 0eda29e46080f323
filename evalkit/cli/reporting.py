"""Commands that say what the scores of a run tell."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalkit.commands import AsJson, HistoryFolder, RunFolder, print_json

app = typer.Typer()


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
