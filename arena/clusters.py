"""Which votes belong together: those of one rater, of one prompt, or of both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from arena.codes import Codes, factorise, occurrences
from arena.tally import Ints, Tally
from evalkit.errors import EvalkitError, UnknownNameError

FEW_CLUSTERS = 10
"""Below this the interval rests on few people or prompts; the t quantile alone exceeds 2.26."""
BLOCK = 1 << 20
"""Votes, or numbers, in memory at a time while clusters are summed."""


@dataclass(frozen=True, eq=False)
class Clusters:
    """Which votes belong together: one code per vote."""

    name: str
    codes: Codes
    number: int

    @cached_property
    def sizes(self) -> Ints:
        """Votes of each cluster."""
        return occurrences(self.codes, self.number)

    @cached_property
    def effective(self) -> float:
        """Number of equally large clusters that would tell as much, at least 2.

        Kish's (sum n)^2 / (sum n^2), put in the place of the number of clusters as Carter, Schnepel
        and Steigerwald (2017, Rev. Econ. Stat. 99(4):698-709) advise for uneven ones. With 40
        raters as uneven as 1, 1/2, 1/3, ... 95 % intervals by the plain number held 91 %, by this
        one 94 %.
        """
        return _effective(self.sizes)


@dataclass(frozen=True, eq=False)
class Members:
    """The cells (4 a pair) in which the votes of each cluster were counted."""

    cells: Codes
    """Of the votes in clusters of several, one cluster after the other."""
    starts: Ints
    """Where in ``cells`` each such cluster begins, and where the last one ends."""
    alone: Ints
    """Votes of each cell that are clusters of their own."""
    effective: float
    """Effective number of clusters of both kinds."""

    @property
    def number(self) -> int:
        """How many clusters have several votes."""
        return len(self.starts) - 1

    @property
    def shared(self) -> csr_array[np.float64]:
        """Clusters of several votes x cells; entries at one place add up."""
        return self._matrix(0, self.number)

    def blocks(self, columns: int) -> Iterator[csr_array[np.float64]]:
        """Cut ``shared`` so that neither its votes nor sums of so many columns need much memory."""
        start = 0
        while start < self.number:
            most = self.starts[start] + BLOCK
            stop = min(int(np.searchsorted(self.starts, most)), start + BLOCK // columns)
            stop = min(max(stop, start + 1), self.number)
            yield self._matrix(start, stop)
            start = stop

    def _matrix(self, start: int, stop: int) -> csr_array[np.float64]:
        first, last = self.starts[start], self.starts[stop]
        cells, starts = self.cells[first:last], self.starts[start : stop + 1] - first
        shape = (stop - start, len(self.alone))
        return csr_array((np.ones(len(cells)), cells, starts), shape=shape)


@dataclass(frozen=True, eq=False)
class Groups:
    """The clusters of a set of votes; without any, every vote is a cluster."""

    by: tuple[Clusters, ...]
    members: tuple[Members, ...]
    """One for each way; with two ways the third is of their intersections."""

    @property
    def freedom(self) -> float:
        """Degrees of freedom: the fewest effective clusters less one; infinite without any."""
        return min((one.effective - 1 for one in self.by), default=np.inf)

    @property
    def names(self) -> str:
        """What the votes are clustered by, for a sentence."""
        return " and ".join(one.name for one in self.by)


def clusters(
    votes: pd.DataFrame, keep: NDArray[np.bool_], by: Sequence[str]
) -> tuple[list[Clusters], list[str]]:
    """Read the clusters of the kept votes from the columns that exist; say what was left out."""
    found: list[Clusters] = []
    notes: list[str] = []
    for name in dict.fromkeys(by):
        if name not in votes.columns:
            if name not in ("rater", "prompt"):
                raise UnknownNameError("cluster column", name, map(str, votes.columns))
            continue
        codes, _ = factorise(votes[name])
        one, missing = _clusters(name, codes if keep.all() else codes[keep])
        if missing:
            notes.append(f"{missing} votes name no {name}: each counts as a {name} of its own")
        if one.number < 2:
            notes.append(f"all votes have one {name}: the intervals speak of that {name} alone")
            continue
        if one.effective < FEW_CLUSTERS:
            notes.append(
                f"only {one.number} clusters by {name}, of uneven sizes worth {one.effective:.1f}: "
                "the intervals are wide and rest on few"
            )
        found.append(one)
    if len(found) > 2:
        raise EvalkitError(f"Votes can be clustered by two columns at most, not by {len(found)}.")
    return found, notes


def group(tally: Tally, by: Sequence[Clusters]) -> Groups:
    """Count the votes of each cell by cluster, once for all that needs it."""
    if not by:
        counts = tally.counts.ravel()
        none = np.zeros(0, dtype=tally.cell.dtype)
        alone = Members(none, np.zeros(1, dtype=np.int64), counts, float(tally.votes))
        return Groups((), (alone,))
    ways = [_sorted(one) for one in by]
    if len(by) == 2:
        ways.append(_crossed(*by))
    return Groups(tuple(by), tuple(_members(tally, *one) for one in ways))


def _clusters(name: str, codes: Codes) -> tuple[Clusters, int]:
    """Number the clusters from 0 without gaps; a vote without one is a cluster of its own."""
    alone = codes < 0
    nameless = int(alone.sum())
    if nameless:
        codes = codes.astype(np.int32)
        codes[alone] = codes.max() + 1 + np.arange(nameless)
    used = occurrences(codes, int(codes.max()) + 1) > 0
    number = int(used.sum())
    if number < len(used):
        codes = (np.cumsum(used) - 1).astype(np.int32)[codes]
    return Clusters(name, codes, number), nameless


def _effective(sizes: Ints) -> float:
    return max(2.0, int(sizes.sum()) ** 2 / float((sizes.astype(float) ** 2).sum()))


def _sorted(one: Clusters) -> tuple[Codes, Ints]:
    """Return the votes in the order of their clusters, and where each cluster begins and ends.

    A vote is a row of a sparse matrix with one entry, in the column of its cluster; to list that
    matrix by columns is to sort by counting, which takes a tenth of the time of comparing.
    """
    votes = len(one.codes)
    rows = np.arange(votes + 1, dtype=np.int32)
    table = csr_array((np.zeros(votes, dtype=np.int8), one.codes, rows), shape=(votes, one.number))
    columns = table.tocsc()
    return columns.indices, columns.indptr.astype(np.int64)


def _crossed(one: Clusters, other: Clusters) -> tuple[Codes, Ints]:
    """Return the same for the clusters of votes that share both: sorted by one, then the other."""
    first, _ = _sorted(other)
    then, _ = _sorted(Clusters(one.name, one.codes[first], one.number))
    order = first[then]
    new = np.ones(len(order) + 1, dtype=bool)
    new[1:-1] = np.diff(one.codes[order]) != 0
    new[1:-1] |= np.diff(other.codes[order]) != 0
    return order, np.flatnonzero(new)


def _members(tally: Tally, order: Codes, starts: Ints) -> Members:
    """Set the votes that are clusters of their own apart."""
    cells, size = tally.cell[order], np.diff(starts)
    lone = starts[:-1][size == 1]
    alone = occurrences(cells[lone], tally.counts.size)
    if len(lone):
        cells = np.delete(cells, lone)
        starts = np.append(0, np.cumsum(size[size > 1]))
    return Members(cells, starts, alone, _effective(size))
