"""Which votes belong together: those of one rater, of one prompt, or of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from arena.tally import Codes, Ints, Tally, factorise
from evalkit.errors import EvalkitError, UnknownNameError

FEW_CLUSTERS = 10
"""Below this the interval rests on few people or prompts; the t quantile alone exceeds 2.26."""


@dataclass(frozen=True, eq=False)
class Clusters:
    """Which votes belong together: one code per vote."""

    name: str
    codes: Codes
    number: int

    @cached_property
    def sizes(self) -> Ints:
        """Votes of each cluster."""
        return np.bincount(self.codes, minlength=self.number)

    @cached_property
    def effective(self) -> float:
        """Number of equally large clusters that would tell as much, at least 2.

        Kish's (sum n)^2 / (sum n^2), put in the place of the number of clusters as Carter, Schnepel
        and Steigerwald (2017, Rev. Econ. Stat. 99(4):698-709) advise for uneven ones. With 40
        raters as uneven as 1, 1/2, 1/3, ... 95 % intervals by the plain number held 91 %, by this
        one 94 %.
        """
        return max(2.0, self.codes.size**2 / float((self.sizes.astype(float) ** 2).sum()))


@dataclass(frozen=True, eq=False)
class Members:
    """How many votes of each cell (4 a pair) each cluster cast."""

    shared: csr_array[np.float64]
    """Clusters of several votes x cells."""
    alone: Ints
    """Votes of each cell that are clusters of their own."""
    effective: float
    """Effective number of clusters of both kinds."""


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
        one, missing = _clusters(name, factorise(votes[name])[0][keep])
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
        return Groups((), (Members(csr_array((0, len(counts))), counts, float(tally.votes)),))
    ways = [*by, _both(*by)] if len(by) == 2 else by
    return Groups(tuple(by), tuple(_members(tally, one) for one in ways))


def _clusters(name: str, codes: Codes) -> tuple[Clusters, int]:
    """Number the clusters from 0 without gaps; a vote without one is a cluster of its own."""
    codes = codes.astype(np.int64)
    alone = codes < 0
    codes[alone] = codes.max() + 1 + np.arange(alone.sum())
    used = np.bincount(codes) > 0
    number = int(used.sum())
    if number < len(used):
        codes = (np.cumsum(used) - 1)[codes]
    return Clusters(name, codes, number), int(alone.sum())


def _both(one: Clusters, other: Clusters) -> Clusters:
    codes, values = pd.factorize(one.codes * other.number + other.codes)
    return Clusters(f"{one.name} x {other.name}", codes, len(values))


def _members(tally: Tally, one: Clusters) -> Members:
    size = one.sizes
    alone = size[one.codes] == 1
    cells = tally.counts.size
    several = size > 1
    rows = (np.cumsum(several) - 1)[one.codes[~alone]]
    shared = csr_array(
        (np.ones(len(rows)), (rows, tally.cell[~alone])), shape=(int(several.sum()), cells)
    )
    return Members(shared, np.bincount(tally.cell[alone], minlength=cells), one.effective)
