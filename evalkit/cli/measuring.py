"""Commands that measure whole sets of pictures, and make what they are held against."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalkit.cli.options import ClipWeights, Inception
from evalkit.cli.progress import bar, say
from evalkit.commands import AsJson, Quiet, RunFolder, print_json

app = typer.Typer()
reference_app = typer.Typer(help="Reference sets, as statistics.", no_args_is_help=True)
app.add_typer(reference_app, name="reference")


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
    with bar(total, "see", quiet) as progress:
        measure.measure(found, known, networks, progress=progress)
    figures = found.sets()
    if as_json:
        print_json([f.model_dump(mode="json") for f in figures])
        return
    for row in setwise.lines(figures, [m.name for m in found.manifest.models]):
        told = zip(setwise.HEAD, row, strict=True)
        print(", ".join(f"{name} {word}" for name, word in told if word != "–"))
    for line in setwise.warnings(figures):
        say(line)


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
    reference.check_place(out)
    with bar(len(reference.pictures(pictures)), "see", quiet) as progress:
        made = reference.make(pictures, networks, keep=keep, progress=progress)
    reference.write(made, out)
    say(f"{made.card.count} pictures, {made.card.kept} of them kept as vectors: {out}")


@reference_app.command("show")
def reference_show(file: Path) -> None:
    """Show what a reference is made of."""
    from evalkit.sets import reference

    print_json(reference.read(file).card.model_dump(mode="json"))
