"""Train the miniature: ``python -m evalkit.miniature.train teacher --minutes 60``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer

from evalkit.errors import EvalkitError, UnknownNameError
from evalkit.miniature.data import WORK
from evalkit.weights import MINIATURE_ROOT


@dataclass(frozen=True)
class Part:
    """A part that can be trained: its module, its folder, and the steps its weights took."""

    module: str
    folder: str
    steps: int | None = None
    """None where the part's own recipe counts them."""


JUDGES: Mapping[str, Part] = MappingProxyType(
    {
        "vae": Part("vae", "vae", 1600),
        "detector": Part("detector", "detector", 4000),
        "clip": Part("clip", "clip", 2000),
        "reward": Part("reward", "image-reward", 3800),
    }
)
STUDENTS = (
    "tg-4", "dmd2-4", "lightning-4", "shared-4", "flash-4", "flash-4-gan", "flash-2", "tg-1",
)  # fmt: skip
PIPELINES: Mapping[str, Part] = MappingProxyType(
    {
        "teacher": Part("teacher", "sd3", 11_000),
        "dropout": Part("dropout", "sd3-t5", 300),
        **{name: Part("distil", name) for name in STUDENTS},
    }
)
PARTS: Mapping[str, Part] = MappingProxyType({**JUDGES, **PIPELINES})
GROUPS: Mapping[str, Mapping[str, Part]] = MappingProxyType(
    {"judges": JUDGES, "pipelines": PIPELINES, "everything": PARTS}
)


def main(
    what: Annotated[str, typer.Argument(help=f"{', '.join([*PARTS, *GROUPS])}.")],
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Train so long, not the recipe's steps.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the weights' folders go; the package's own if not.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="Train so many steps.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    work: Annotated[Path, typer.Option(help="Data sets and checkpoints; kept to resume.")] = WORK,
    compiled: Annotated[
        bool, typer.Option(help="torch.compile the teacher; needs a C++ compiler.")
    ] = False,
    short: Annotated[
        bool, typer.Option(help="A rehearsal in minutes on simpler scenes; pipelines only.")
    ] = False,
) -> None:
    """Train a part of the miniature on scenes, or a group; a killed run goes on where it was."""
    import torch

    torch.set_num_threads(threads)
    root = out or MINIATURE_ROOT
    order = Order(root, minutes, seed, steps, work, compiled, short)
    try:
        for name, part in _chosen(what, order).items():
            order.train(name, part)
            typer.echo(f"Saved to {root / part.folder}.")
    except EvalkitError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


@dataclass(frozen=True)
class Order:
    """What the command line asked for."""

    root: Path
    minutes: float | None
    seed: int
    steps: int | None
    work: Path
    compiled: bool
    short: bool

    def train(self, name: str, part: Part) -> None:
        """Train one part into its folder under the root."""
        folder = self.root / part.folder
        run = import_module(f"evalkit.miniature.{part.module}").train
        if part.module == "distil":
            teacher = self._teacher()
            folder.mkdir(parents=True, exist_ok=True)
            run(name, teacher, folder, self.seed, work=self.work, short=self.short)
            return
        steps = self.steps or (None if self.minutes else part.steps)
        options: dict[str, Any] = {"steps": steps, "work": self.work}
        if name == "teacher":
            options |= {"compiled": self.compiled, "short": self.short}
        if name == "dropout":
            options |= {"teacher": self._teacher(), "short": self.short}
        folder.mkdir(parents=True, exist_ok=True)
        run(folder, self.minutes or 0, self.seed, **options)

    def _teacher(self) -> Path:
        folder = self.root / PIPELINES["teacher"].folder
        if not (folder / "model_index.json").exists():
            raise EvalkitError(f"There is no teacher at {folder}. Train it first: train teacher.")
        return folder


def _chosen(what: str, order: Order) -> Mapping[str, Part]:
    """Return the parts to train, in their order."""
    chosen = GROUPS.get(what) or {k: p for k, p in PARTS.items() if k == what}
    if not chosen:
        raise UnknownNameError("part", what, [*PARTS, *GROUPS])
    counted = any(p.module == "distil" for p in chosen.values())
    if (order.minutes or order.steps) and (counted or order.short):
        raise EvalkitError(
            "Students and rehearsals count their own steps: leave out --minutes and --steps."
        )
    if order.short and not set(chosen) <= set(PIPELINES):
        raise EvalkitError(f"--short rehearses pipelines only: {', '.join(PIPELINES)}.")
    if order.short and order.root == MINIATURE_ROOT:
        raise EvalkitError("--short would put a rehearsal in place of the weights: give --out.")
    return chosen


if __name__ == "__main__":
    typer.run(main)
