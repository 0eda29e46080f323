"""Votes to counts, once; everything after works on counts, whatever the number of votes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from arena.codes import Codes, chunks, factorise, occurrences, smallest
from evalkit.errors import VotesError

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]

OUTCOMES = ("left", "right", "tie", "both_bad")
LEFT, RIGHT, TIE, BOTH_BAD = range(4)
MIRRORED = (RIGHT, LEFT, TIE, BOTH_BAD)
MAX_MODELS = 2000
"""A table of models by models is held in memory; more names than this are pictures, not models."""


@dataclass(frozen=True, eq=False)
class Tally:
    """Votes counted by ordered pair and outcome.

    ``counts[p, o]`` is the number of votes of outcome ``o`` (in the order of ``OUTCOMES``) with
    model ``left[p]`` on the left and ``right[p]`` on the right. ``cell[n] = 4 * p + o`` says where
    vote ``n`` was counted. A pair may come more than once, with other covariates.
    """

    models: tuple[str, ...]
    left: Ints
    right: Ints
    counts: Ints
    cell: Codes
    covariates: Floats | None = None
    """Left less right, pairs x covariates."""

    @property
    def votes(self) -> int:
        """Number of votes."""
        return len(self.cell)

    def matrix(self, outcomes: Sequence[int]) -> Ints:
        """Return models x models counts of these outcomes, the left model in the rows."""
        table = np.zeros((len(self.models),) * 2, dtype=np.int64)
        np.add.at(table, (self.left, self.right), self.counts[:, list(outcomes)].sum(axis=1))
        return table

    def wins(self) -> Ints:
        """Return ``[i, j]`` = how often model i beat model j, on either side."""
        return self.matrix([LEFT]) + self.matrix([RIGHT]).T

    def draws(self, outcomes: Sequence[int] = (TIE, BOTH_BAD)) -> Ints:
        """Return the symmetric table of votes that preferred neither."""
        one_way = self.matrix(outcomes)
        return one_way + one_way.T

    def among(self, models: Sequence[int], outcomes: Sequence[int] = range(4)) -> NDArray[np.bool_]:
        """Mark the cells (pairs x 4) of votes between these models with these outcomes."""
        member = np.zeros(len(self.models), dtype=bool)
        member[np.array(models, dtype=np.int64)] = True
        keep = np.zeros(self.counts.shape, dtype=bool)
        rows = member[self.left] & member[self.right]
        keep[np.ix_(rows, np.array(outcomes))] = True
        return keep

    def where(self, keep: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which votes were counted in the marked cells."""
        if keep[self.counts > 0].all():
            return np.ones(self.votes, dtype=bool)
        return keep.ravel()[self.cell]

    def only(self, models: Sequence[int], outcomes: Sequence[int] = range(4)) -> Tally:
        """Return the votes that ``among`` marks, with the models in the given order."""
        keep = self.among(models, outcomes)
        rank = np.zeros(len(self.models), dtype=np.int64)
        rank[list(models)] = np.arange(len(models))
        counts = np.where(keep, self.counts, 0)
        used = counts.any(axis=1)
        number = (np.cumsum(used) - 1).astype(self.cell.dtype)
        cell = self.cell if keep[self.counts > 0].all() else self.cell[self.where(keep)]
        return Tally(
            models=tuple(self.models[m] for m in models),
            left=rank[self.left[used]],
            right=rank[self.right[used]],
            counts=counts[used],
            cell=cell if used.all() else 4 * number[cell // 4] + cell % 4,
            covariates=None if self.covariates is None else self.covariates[used],
        )

    def split(self, covariates: Floats) -> Tally:
        """Count votes of one pair apart where their covariates (votes x covariates) differ."""
        pair = self.cell.astype(np.int64) // 4
        code = pair
        for column in covariates.T:
            kinds, kind = np.unique(column, return_inverse=True)
            code = np.unique(code * len(kinds) + kind, return_inverse=True)[1]
        _, first, place = np.unique(code, return_index=True, return_inverse=True)
        cell = 4 * place + self.cell % 4
        counts = occurrences(cell, 4 * len(first)).reshape(-1, 4)
        left, right = self.left[pair[first]], self.right[pair[first]]
        return Tally(self.models, left, right, counts, cell, covariates[first])


def count(votes: pd.DataFrame) -> Tally:
    """Count a frame shaped like votes.csv: ``left, right, winner``; refuse what is not a vote.

    A row whose ``side_swapped`` is true was shown the other way round, and is counted as shown.

    Raises:
        VotesError: a column, a name or a winner is missing, unknown or impossible; the message
            names the row and the value.
    """
    _check_frame(votes)
    outcome = _outcomes(votes["winner"])
    models, left, right = _sides(votes["left"], votes["right"])
    _refuse(left == right, votes["left"], "the model {value!r} battles itself; drop the row")
    if "side_swapped" in votes.columns:
        swapped = truth(votes["side_swapped"])
        left, right = np.where(swapped, right, left), np.where(swapped, left, right)
        outcome = np.where(swapped, np.array(MIRRORED, dtype=np.int8)[outcome], outcome)
    size = len(models)
    code = np.empty(len(votes), dtype=np.int32)
    for some in chunks(len(votes)):
        place = left[some].astype(np.int32) * size + right[some]
        code[some] = place * 4 + outcome[some]
    return _tally(models, occurrences(code, 4 * size * size), code)


def _tally(models: tuple[str, ...], full: Ints, code: Codes | None = None) -> Tally:
    """Keep of all pairs and outcomes those pairs that met; ``code`` says which each vote was."""
    size = len(models)
    table = full.reshape(-1, 4)
    used = np.flatnonzero(table.any(axis=1))
    cells = 4 * len(used)
    kind = smallest(cells)
    if code is None:
        cell: Codes = np.repeat(np.arange(cells, dtype=kind), table[used].ravel())
    else:
        number = np.zeros(table.shape, dtype=kind)
        number[used] = np.arange(cells, dtype=kind).reshape(-1, 4)
        cell = np.empty(len(code), dtype=kind)
        for some in chunks(len(code)):
            cell[some] = number.ravel()[code[some]]
    return Tally(models, used // size, used % size, table[used], cell)


def gather(counts: Iterable[tuple[str, str, str, int]]) -> Tally:
    """Gather counts of (left, right, outcome, votes) that were kept elsewhere.

    Raises:
        VotesError: there are no votes, a model battles itself, or a number is no count.
    """
    rows = [row for row in counts if row[3]]
    if not rows:
        raise VotesError("There are no votes. Collect or import some first.")
    for left, right, outcome, number in rows:
        if left == right or number < 0 or outcome not in OUTCOMES:
            raise VotesError(
                f"{number} votes {outcome!r} on {left!r} against {right!r} are no count of votes. "
                "Count them anew."
            )
    models = _few(sorted({name for row in rows for name in row[:2]}))
    place = {name: number for number, name in enumerate(models)}
    full = np.zeros((len(models), len(models), 4), dtype=np.int64)
    for left, right, outcome, number in rows:
        full[place[left], place[right], OUTCOMES.index(outcome)] += number
    return _tally(models, full.ravel())


def _check_frame(votes: pd.DataFrame) -> None:
    names = [str(name) for name in votes.columns]
    needed = ("left", "right", "winner")
    missing = [name for name in needed if names.count(name) != 1]
    if missing:
        raise VotesError(
            f"Votes need exactly one column {missing[0]!r}; the columns are: "
            f"{', '.join(names) or 'none'}. Expected left, right, winner and, if known, rater, "
            "prompt, criterion, side_swapped, seconds."
        )
    if votes.empty:
        raise VotesError("There are no votes: the table has no rows. Collect or import some first.")


def _refuse(bad: NDArray[np.bool_], column: pd.Series[Any], fact: str) -> None:
    """Raise for the first bad row, naming it, its value and how many more there are."""
    if not bad.any():
        return
    row = int(np.argmax(bad))
    others = int(bad.sum()) - 1
    more = f" ({others} more such row{'s' * (others > 1)})" if others else ""
    value = column.iloc[row]
    seen = value.item() if isinstance(value, np.generic) else value
    raise VotesError(
        f"Vote in row {row + 1} (line {row + 2} of a CSV file): {fact.format(value=seen)}{more}."
    )


def _outcomes(column: pd.Series[Any]) -> Codes:
    codes, values = factorise(column)
    number = {name: place for place, name in enumerate(OUTCOMES)}
    table = np.array([_place(number, value) for value in values] + [-1], dtype=np.int8)
    outcome: Codes = table[codes]
    _refuse(outcome < 0, column, "winner {value!r} is unknown; use left, right, tie or both_bad")
    return outcome


def truth(column: pd.Series[Any]) -> NDArray[np.bool_]:
    """Read true, false or nothing, also as the words or numbers of a CSV file."""
    codes, values = factorise(column)
    words = ("true", "1", "1.0", "false", "0", "0.0", "")
    place = [words.index(word) if word in words else -1 for word in map(_lower, values)]
    known = np.array([*place, len(words)])[codes]
    _refuse(known < 0, column, "side_swapped is {value!r}, neither true nor false")
    return known < 3


def _lower(value: object) -> str:
    return str(value).lower()


def _place(number: dict[str, int], value: object) -> int:
    return number.get(value, -1) if isinstance(value, str) else -1


def _sides(left: pd.Series[Any], right: pd.Series[Any]) -> tuple[tuple[str, ...], Codes, Codes]:
    """Return the sorted names of the models and their codes on each side."""
    seen = [_named(left), _named(right)]
    models = _few(sorted({name for _, names in seen for name in names}))
    place = {name: number for number, name in enumerate(models)}
    kind = smallest(len(models))
    one, other = (np.array([place[n] for n in names], dtype=kind)[codes] for codes, names in seen)
    return models, one, other


def _named(column: pd.Series[Any]) -> tuple[Codes, list[str]]:
    """Return codes and the models' names behind them; refuse what is no name."""
    codes, values = factorise(column)
    names = [_name(value) for value in values]
    if None in names or codes.min() < 0:
        blank = np.array([name is None for name in [*names, None]])
        _refuse(blank[codes], column, f"{column.name} is {{value!r}}, not the name of a model")
    return codes, [str(name) for name in names]


def _few(models: Sequence[str]) -> tuple[str, ...]:
    if len(models) > MAX_MODELS:
        raise VotesError(
            f"The votes name {len(models)} models, more than the {MAX_MODELS} that can be rated "
            "together. Do the columns left and right hold models, or pictures?"
        )
    return tuple(models)


def _name(value: object) -> str | None:
    """Return a model's name, or None for what is none; whole numbers are names in some tables."""
    if isinstance(value, str):
        return value if value.strip() else None
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return str(value) if whole else None
