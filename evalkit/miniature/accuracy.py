"""How far to trust the miniature's judges: ``python -m evalkit.miniature.accuracy``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from importlib import import_module
from itertools import groupby
from types import MappingProxyType
from typing import Annotated, cast

import typer

from evalkit.miniature.rows import Row


class Judge(StrEnum):
    """The judges, each with a function that measures it on so many scenes a condition."""

    DETECTOR = "detector"
    CLIP = "clip"
    REWARD = "reward"


MEASURED_BY: Mapping[Judge, str] = MappingProxyType(
    {
        Judge.DETECTOR: "evalkit.miniature.detector_accuracy:evaluate",
        Judge.CLIP: "evalkit.miniature.clip_accuracy:evaluate",
        Judge.REWARD: "evalkit.miniature.reward_accuracy:evaluate",
    }
)


def measure(judges: Iterable[Judge], count: int) -> list[Row]:
    """Return every judge's rows, on ``count`` scenes a condition."""
    rows: list[Row] = []
    for judge in judges:
        module, _, name = MEASURED_BY[judge].partition(":")
        evaluate = cast(Callable[..., list[Row]], getattr(import_module(module), name))
        rows += evaluate(count=count)
    return rows


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Give the rows as lines of text, under a heading for each judge and condition."""
    for (judge, condition), group in groupby(rows, key=lambda r: (r.judge, r.condition)):
        yield f"{judge}: {condition}"
        for each in group:
            yield f"  {each.measure:<58} {_in_words(each)}"


def _in_words(row: Row) -> str:
    if row.share is None or row.interval is None:
        return "no case"
    low, high = row.interval
    return f"{100 * row.share:6.1f} %  ({100 * low:.1f} to {100 * high:.1f}, n = {row.total})"


def as_json(rows: Sequence[Row]) -> str:
    """Give the rows as one JSON document."""
    facts = [
        {
            "judge": r.judge,
            "condition": r.condition,
            "measure": r.measure,
            "hits": r.hits,
            "total": r.total,
            "share": r.share,
            "low": r.interval[0] if r.interval else None,
            "high": r.interval[1] if r.interval else None,
        }
        for r in rows
    ]
    return json.dumps({"schema": 1, "rows": facts}, indent=1)


def main(
    judges: Annotated[list[Judge] | None, typer.Argument(help="Which; all unless given.")] = None,
    scenes: Annotated[int, typer.Option(min=1, help="Scenes for each condition.")] = 400,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Measure judges on scenes and colour-object pairs that they were never trained on."""
    import torch

    torch.set_num_threads(1)
    rows = measure(judges or list(Judge), scenes)
    typer.echo(as_json(rows) if json_ else "\n".join(table(rows)))


if __name__ == "__main__":
    typer.run(main)
