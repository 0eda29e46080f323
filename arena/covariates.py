"""What else differs between two pictures, as numbers: from the votes' columns, or from a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from arena.tally import Floats, truth
from arena.votes import sided
from evalkit.errors import UnknownNameError, VotesError
from evalkit.records import Generation, ModelSpec
from evalkit.runs import Run

SIDES = ("left", "right")


def differences(votes: pd.DataFrame, names: Sequence[str]) -> Floats:
    """Return what the left picture has more than the right, votes x names; NaN where not known.

    Raises:
        UnknownNameError: the votes have no columns ``left_NAME`` and ``right_NAME``.
        VotesError: a cell is no number.
    """
    known = [c.removeprefix("left_") for c in sided(list(map(str, votes.columns)))[::2]]
    for name in names:
        if name not in known or name == "generation":
            columns = [one for one in known if one != "generation"]
            raise UnknownNameError("covariate of these votes", name, columns)
    gaps = [numbers(votes[f"left_{name}"]) - numbers(votes[f"right_{name}"]) for name in names]
    gap = np.column_stack(gaps) if gaps else np.zeros((len(votes), 0))
    if "side_swapped" in votes.columns:
        gap[truth(votes["side_swapped"])] *= -1
    return gap


def numbers(column: pd.Series[Any]) -> Floats:
    """Read a column as numbers, NaN where it is blank; refuse what is no finite number."""
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    text = column.astype(object).where(column.notna(), "").map(lambda cell: str(cell).strip())
    blank = text.str.lower().isin(["", "nan", "none"]).to_numpy(dtype=bool)
    bad = ~np.isfinite(values) & ~blank
    if bad.any():
        raise VotesError(
            f"{column.name} is no number in {bad.sum()} votes, first {text[bad].iloc[0]!r}. "
            "Write a number, or leave the cell blank where nobody knows."
        )
    return values


def of_run(votes: pd.DataFrame, run: Run, names: Sequence[str]) -> pd.DataFrame:
    """Add the named covariates of the pictures that a run drew, where the votes have them not.

    ``steps``, ``guidance`` and ``megapixels`` are those of the models, by name; ``seconds``, and
    the size of pictures whose model states none, need votes that name the pictures' generations.
    """
    specs = {spec.name: spec for spec in run.manifest.models}
    made = {g.id: g for g in run.generations()}
    shown = pd.unique(pd.concat([votes[side] for side in SIDES], ignore_index=True))
    if not any(name in specs for name in shown):
        raise VotesError(
            f"The run {run.path} has none of the votes' models ({', '.join(map(str, shown[:4]))}); "
            f"it has {', '.join(specs)}. Name the run that drew their pictures."
        )
    added = {}
    for name in names:
        if name in READERS and not {f"{side}_{name}" for side in SIDES} <= set(votes.columns):
            for side in SIDES:
                added[f"{side}_{name}"] = _column(votes, side, run, specs, made, READERS[name])
    return votes.assign(**added)


Reader = Callable[[Run, ModelSpec, Generation | None], float | None]


def _column(
    votes: pd.DataFrame,
    side: str,
    run: Run,
    specs: Mapping[str, ModelSpec],
    made: Mapping[str, Generation],
    reader: Reader,
) -> Floats:
    """Read each picture once; votes without one have what their model says."""
    found: dict[tuple[Any, Any], float] = {}
    pictures = votes.get(f"{side}_generation", pd.Series(None, index=votes.index, dtype=object))
    keys = list(zip(votes[side], pictures.where(pictures.notna(), None), strict=True))
    for model, picture in dict.fromkeys(keys):
        spec = specs.get(model)
        value = reader(run, spec, made.get(picture)) if spec else None
        found[model, picture] = np.nan if value is None else float(value)
    return np.array([found[key] for key in keys], dtype=float)


def _megapixels(run: Run, spec: ModelSpec, made: Generation | None) -> float | None:
    if spec.width and spec.height:
        return spec.width * spec.height / 1e6
    if made is None or made.image is None:
        return None
    with run.images.open(made.image) as picture:
        return picture.width * picture.height / 1e6


READERS: Mapping[str, Reader] = {
    "steps": lambda _run, spec, _made: spec.steps,
    "guidance": lambda _run, spec, _made: spec.guidance,
    "megapixels": _megapixels,
    "seconds": lambda _run, _spec, made: made.seconds if made else None,
}
"""The covariates that a run knows."""
