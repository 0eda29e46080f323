"""Train a part of the miniature: ``python -m evalkit.miniature.train vae --minutes 10``."""

from __future__ import annotations

from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from evalkit.errors import EvalkitError
from evalkit.miniature.data import WORK
from evalkit.weights import MINIATURE_ROOT


class Part(StrEnum):
    """What can be trained; each is a module here with ``train(out, minutes, seed, ...)``."""

    VAE = "vae"
    DETECTOR = "detector"
    CLIP = "clip"
    REWARD = "reward"
    TEACHER = "teacher"

    @property
    def folder(self) -> Path:
        """Where the package carries the part's weights."""
        names = {Part.REWARD: "image-reward", Part.TEACHER: "sd3"}
        return MINIATURE_ROOT / names.get(self, self.value)


def main(
    part: Part,
    minutes: Annotated[float, typer.Option(min=0.01, help="How long to train.")] = 20.0,
    out: Annotated[Path | None, typer.Option(help="Where the weights go.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Train so many steps instead: repeats a run exactly.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    work: Annotated[Path, typer.Option(help="Data sets and checkpoints; kept to resume.")] = WORK,
) -> None:
    """Train one part of the miniature on scenes; a killed run goes on where it was."""
    import torch

    torch.set_num_threads(threads)
    folder = out or part.folder
    folder.mkdir(parents=True, exist_ok=True)
    train = import_module(f"evalkit.miniature.{part.value}").train
    try:
        train(folder, minutes, seed, steps=steps, work=work)
    except EvalkitError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(f"Saved to {folder}.")


if __name__ == "__main__":
    typer.run(main)
