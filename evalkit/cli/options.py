"""What several commands take: suites, catalogues, engines and networks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalkit.errors import SpecError, UnknownNameError

if TYPE_CHECKING:
    from evalkit.engine import Engine

SuiteName = Annotated[
    str, typer.Option("--suite", help="A suite's name, or a .jsonl, .txt or .csv file.")
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
Gpus = Annotated[
    float | None,
    typer.Option(
        min=0, help="For ray: GPUs of a worker; 0.5 puts two on each [1 if there is any]."
    ),
]
Inception = Annotated[
    Path | None, typer.Option(help="The file of FID's Inception weights, of torch-fidelity.")
]
ClipWeights = Annotated[
    str | None,
    typer.Option("--clip", help="CMMD's CLIP: openai/clip-vit-large-patch14-336, or a folder."),
]


def engine_named(
    name: str = "local",
    address: str | None = None,
    workers: int | None = None,
    gpus: float | None = None,
) -> Engine:
    """Return the engine of that name, which the other options must suit."""
    from evalkit import engine

    if name not in ("local", "ray"):
        raise UnknownNameError("engine", name, ("local", "ray"))
    if name == "ray":
        from evalkit import distributed

        return distributed.Ray(address, workers, gpus)
    if given := [o for o, v in (("address", address), ("workers", workers), ("gpus", gpus)) if v]:
        raise SpecError(f"--{given[0]} is of the engine 'ray'. Add --engine ray, or leave it out.")
    return engine.Local()
