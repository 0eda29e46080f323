"""What each vote, rater and prompt does to the ratings: exact refits, and their first order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from arena.codes import factorise
from arena.estimate import Options, separated
from arena.identify import identify
from arena.likelihood import Pairs, Shape, chances, invert
from arena.newton import newton
from arena.tally import TIE, Floats, Ints, Tally, count
from arena.uncertainty import outcome_counts
from evalkit.errors import UnknownNameError, VotesError

MODELS = ("davidson", "bradley-terry")
"""Models of a vote whose derivatives are written here."""
BOTH_BAD = ("tie", "drop")
OUTCOMES = 3
"""Left, right, tie: a pair of models holds three cells, 3 p + o."""


def times(table: Any, dense: Floats) -> Floats:
    """Multiply a sparse table with a dense one."""
    product: Floats = np.asarray(table @ dense)
    return product


@dataclass(frozen=True, eq=False)
class Members:
    """How many votes of each cell each rater, or each prompt, has."""

    what: str
    """rater or prompt."""
    names: tuple[str, ...]
    counts: csr_array[np.float64]
    """Raters x cells."""

    @property
    def votes(self) -> Ints:
        """Votes of each."""
        return times(self.counts, np.ones(self.counts.shape[1])).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Base:
    """The votes that were rated, as counts that can be fitted again with some taken out."""

    models: tuple[str, ...]
    pairs: Pairs
    counts: Floats
    """Pairs x left, right, tie (and both bad, counted as ties)."""
    split: bool
    """Whether a tie is half a win for each, as in Bradley-Terry."""
    members: tuple[Members, ...]

    def strengths(self, counts: Floats) -> Floats:
        """Fit a batch of tables (B x pairs x 3): B x models in log-odds, NaN where not finite."""
        found = np.full((len(counts), len(self.models)), np.nan)
        tables = self._folded(counts)
        tied = tables[:, :, TIE].any(axis=1)
        for ties in (False, True):
            some = np.flatnonzero(tied == ties)
            if len(some):
                fit = newton(self.pairs, tables[some], self._shape(ties=ties))
                found[some[fit.converged]] = fit.strengths[fit.converged]
        return found

    def slopes(self, counts: Floats) -> tuple[Floats, Floats]:
        """Return the strengths from one table and what one more vote of each cell adds to them.

        The first order in the vote, H^-1 times its score: cells x models.
        """
        table = self._folded(counts[None])
        shape = self._shape(ties=bool(table[..., TIE].any()))
        fit = newton(self.pairs, table, shape)
        if not fit.converged.all():
            nothing = np.full(len(self.models), np.nan)
            return nothing, np.full((counts.size, len(self.models)), np.nan)
        inverse = invert(fit.information, shape.size)[0]
        return fit.strengths[0], self._scores(fit.theta, shape) @ inverse[:, : shape.size]

    def _shape(self, *, ties: bool) -> Shape:
        return Shape(len(self.models), side=False, ties=ties)

    def _folded(self, counts: Floats) -> Floats:
        if not self.split:
            return counts
        return outcome_counts(
            np.append(counts, np.zeros_like(counts[..., :1]), -1), split_ties=True
        )

    def _scores(self, theta: Floats, shape: Shape) -> Floats:
        """Return the score of one vote of each cell in each parameter (cells x parameters)."""
        left, right, tie = (part[0] for part in chances(self.pairs, theta, shape)[:OUTCOMES])
        # Nothing is subtracted from one, so that a saturated vote keeps its direction.
        pull = np.stack([right + tie / 2, -(left + tie / 2), (right - left) / 2], axis=1)
        number = len(pull)
        score = np.zeros((number, OUTCOMES, shape.parameters))
        rows = np.arange(number)
        score[rows, :, self.pairs.left] += pull
        score[rows, :, self.pairs.right] -= pull
        if shape.ties:
            score[:, :, -1] = np.stack([-tie, -tie, left + right], axis=1)
        return score.reshape(number * OUTCOMES, -1)


def base(votes: pd.DataFrame, model: str = "davidson", both_bad: str = "tie") -> Base:
    """Count the votes of the models that can be rated together, by rater and by prompt too.

    Raises:
        UnknownNameError: the model of a vote has no derivatives here.
        VotesError: no two models can be rated.
    """
    if model not in MODELS:
        raise UnknownNameError("rating model whose fragility can be told", model, MODELS)
    if both_bad not in BOTH_BAD:
        raise UnknownNameError("rule for both_bad whose fragility can be told", both_bad, BOTH_BAD)
    options = Options(model, both_bad=both_bad)
    everything = count(votes)
    group = identify(everything.only(range(len(everything.models)), options.outcomes)).group
    part = everything.only(group, options.outcomes)
    if len(group) < 2 or separated(part, options) or not part.wins().any():
        raise VotesError(
            "No two models have ratings that differ, so nothing can be said of how fragile they "
            "are. Rate the votes to see why: arena rate"
        )
    keep = everything.where(everything.among(group, options.outcomes))
    counts = outcome_counts(part.counts, split_ties=False)
    members = tuple(
        _members(name, votes.loc[keep, name], part) for name in ("rater", "prompt") if name in votes
    )
    return Base(
        part.models,
        Pairs(part.left, part.right),
        counts,
        model == "bradley-terry",
        tuple(one for one in members if len(one.names) > 1),
    )


def _members(what: str, column: pd.Series[str], part: Tally) -> Members:
    """Count by the values of a column; votes that name none belong to nobody."""
    codes, values = factorise(column)
    known = codes >= 0
    used = np.unique(codes[known])
    place = np.zeros(len(values) + 1, dtype=np.int64)
    place[used] = np.arange(len(used))
    cell = part.cell.astype(np.int64)
    three = OUTCOMES * (cell // 4) + np.minimum(cell % 4, TIE)
    cells = OUTCOMES * len(part.counts)
    where = (place[codes[known]], three[known])
    table = csr_array((np.ones(len(where[0])), where), shape=(len(used), cells))
    return Members(what, tuple(str(values[code]) for code in used), table)
