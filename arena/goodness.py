"""Does the model of a vote describe the votes, and do the preferences go round in circles?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import numpy as np
from scipy import special
from scipy.sparse import csr_array

from arena.influence import OUTCOMES, Base, times
from arena.likelihood import Pairs, Shape, chances
from arena.newton import newton
from arena.tally import Floats, Ints
from evalkit.clusters import holm

SMALL, FEW = 5.0, 0.2
"""Cochran (1954, Biometrics 10(4):417-451): chi-square asks that few expected counts be small."""
SHOWN = 3
MOST_TRIPLES = 2_000_000
"""Triples tested; with more than 229 models in full, those of the first ones in the ratings."""


@dataclass(frozen=True)
class PairFit:
    """The votes on two models, and as many as the ratings expect: wins, losses, ties."""

    first: str
    second: str
    observed: tuple[int, int, int]
    expected: tuple[float, float, float]
    misfit: float
    """The pair's part of the chi-square, divided by the dispersion."""

    def line(self) -> str:
        """Say it in words."""
        won, lost, tied = self.observed
        return (
            f"{self.first} beat {self.second} {won} times, lost {lost} and tied {tied}, where the "
            "ratings expect {:.0f}, {:.0f} and {:.0f}".format(*self.expected)
        )


@dataclass(frozen=True)
class Goodness:
    """Observed against expected wins, losses and ties over all pairs."""

    pairs: tuple[PairFit, ...]
    """The worst-fitting first."""
    chi_square: float
    """Pearson's, divided by the dispersion."""
    freedom: int
    dispersion: float
    """How much more the counts vary than those of independent votes."""
    p: float | None
    status: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Say it in words."""
        if self.p is None:
            return [f"Fit: not tested, {self.status}."]
        verdict = (
            "the ratings describe the votes"
            if self.p >= 0.05
            else ("the votes hold more than one rating a model can tell")
        )
        line = (
            f"Fit: chi-square {self.chi_square:.0f} on {self.freedom} degrees of freedom, "
            f"p = {self.p:.2g} (votes of one rater or prompt are alike, so it was divided by "
            f"{self.dispersion:.2f}): {verdict}."
        )
        return [line, f"Worst fit: {self.pairs[0].line()}."]


@dataclass(frozen=True)
class Cycles:
    """Three models of which each was preferred to the next: A to B, B to C, C to A."""

    triples: int
    """Triples in which all three met."""
    observed: int
    surviving: int
    """Those left when every preference must be sure, with Holm's correction for all triples."""
    examples: tuple[tuple[str, str, str], ...]
    """The surest first."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Say it in words."""
        if not self.observed:
            return [f"Circles: none in {self.triples} triples of models."]
        surest = " > ".join([*self.examples[0], self.examples[0][0]])
        seen = f"{self.observed} of {self.triples} triples go round ({surest})"
        return [f"Circles: {seen}; {self.surviving} of them survive a test that allows for chance."]


@dataclass(frozen=True, eq=False)
class _Folded:
    """Counts of unordered pairs: first wins, second wins, ties; and how they are clustered."""

    first: Ints
    second: Ints
    counts: Floats
    fold: csr_array[np.float64]
    """Cells x (unordered pairs x 3)."""


def goodness(base: Base) -> Goodness:
    """Compare the counts of every pair with the fit's, allowing for votes that are alike.

    Pearson's chi-square is divided by the mean design effect of the counts (Rao and Scott 1981,
    J. Am. Stat. Assoc. 76(374):221-230, first order).
    """
    folded = _fold(base)
    if base.split:
        return Goodness((), np.nan, 0, np.nan, None, "for a tie split in halves is no outcome")
    strengths, ties = base.strengths(base.counts[None])[0], _tie_parameter(base)
    chance = _chances(folded, strengths, ties)
    met = folded.counts.sum(axis=1)
    expected = met[:, None] * chance
    shown = expected > 0
    part = np.where(shown, (folded.counts - expected) ** 2 / np.where(shown, expected, 1), 0)
    effect = _dispersion(base, folded, chance)
    freedom = (OUTCOMES - 1 - (not ties)) * len(met) - (len(base.models) - 1) - bool(ties)
    status = _testable(expected[shown], freedom)
    value = float(part.sum()) / effect
    p = float(special.chdtrc(freedom, value)) if status == "tested" else None
    order = np.argsort(-part.sum(axis=1), kind="stable")
    names = base.models
    pairs = (
        PairFit(
            names[folded.first[u]],
            names[folded.second[u]],
            _three(folded.counts[u], int),
            _three(expected[u], float),
            float(part[u].sum()) / effect,
        )
        for u in order
    )
    return Goodness(tuple(islice(pairs, 100)), value, freedom, effect, p, status)


def cycles(base: Base, level: float = 0.95) -> Cycles:
    """Find the triples that go round, and test them: every one of the three must be sure.

    The p of a triple is the largest of its three (an intersection-union test), times two for the
    two ways to go round; that of a pair is the larger of the exact sign test's and of a test whose
    error is clustered by rater and by prompt.
    """
    folded = _fold(base)
    size = len(base.models)
    p, over = np.full((size, size), np.nan), np.zeros((size, size), dtype=bool)
    lead = folded.counts[:, 0] - folded.counts[:, 1]
    p[folded.first, folded.second] = p[folded.second, folded.first] = _sure(base, folded, lead)
    over[folded.first, folded.second], over[folded.second, folded.first] = lead > 0, lead < 0
    one, two, three = _triples(base, ~np.isnan(p))
    round_ = over[one, two] & over[two, three] & over[three, one]
    back = over[two, one] & over[three, two] & over[one, three]
    worst = np.maximum(np.maximum(p[one, two], p[two, three]), p[three, one])
    both = np.where(round_ | back, np.minimum(1, 2 * worst), 1.0)
    seen = np.flatnonzero(round_ | back)
    seen = seen[np.argsort(both[seen], kind="stable")]
    surviving = int((holm(both) <= 1 - level).sum())
    turned = np.where(back, three, two), np.where(back, two, three)
    examples = [(one[s], turned[0][s], turned[1][s]) for s in seen[:SHOWN]]
    named = tuple((base.models[a], base.models[b], base.models[c]) for a, b, c in examples)
    return Cycles(len(one), len(seen), surviving, named)


def _triples(base: Base, met: np.ndarray[Any, np.dtype[np.bool_]]) -> tuple[Ints, Ints, Ints]:
    """Return the triples in which all met, of the strongest models where there are too many."""
    strengths = base.strengths(base.counts[None])[0]
    some = np.sort(np.argsort(-strengths, kind="stable")[: int((6 * MOST_TRIPLES) ** (1 / 3)) + 1])
    size = len(some)
    grid = np.arange(size)
    one, two, three = (part.ravel() for part in np.meshgrid(grid, grid, grid, indexing="ij"))
    kept = (one < two) & (two < three)
    one, two, three = some[one[kept]], some[two[kept]], some[three[kept]]
    full = met[one, two] & met[two, three] & met[one, three]
    return one[full], two[full], three[full]


def _fold(base: Base) -> _Folded:
    left, right = base.pairs.left, base.pairs.right
    size = len(base.models)
    first, turned = np.minimum(left, right), left > right
    keys, pair = np.unique(first * size + np.maximum(left, right), return_inverse=True)
    cells = np.arange(len(left))[:, None] * OUTCOMES + np.arange(OUTCOMES)
    outcome = np.where(turned[:, None], [1, 0, 2], [0, 1, 2])
    places = pair[:, None] * OUTCOMES + outcome
    ones = np.ones(cells.size)
    fold = csr_array(
        (ones, (cells.ravel(), places.ravel())), shape=(cells.size, OUTCOMES * len(keys))
    )
    counts = times(fold.T, base.counts.ravel()).reshape(-1, OUTCOMES)
    return _Folded(keys // size, keys % size, counts, fold)


def _tie_parameter(base: Base) -> float:
    """Return log nu of the fit, by its first-order condition: ties expected as ties seen."""
    ties = bool(base.counts[..., 2].any())
    if not ties:
        return 0.0
    fit = newton(base.pairs, base.counts[None], Shape(len(base.models), side=False, ties=True))
    return float(np.exp(fit.theta[0, -1]))


def _chances(folded: _Folded, strengths: Floats, ties: float) -> Floats:
    theta = np.append(strengths, np.log(ties)) if ties else strengths
    shape = Shape(len(strengths), side=False, ties=bool(ties))
    found = chances(Pairs(folded.first, folded.second), theta[None], shape)
    return np.stack([found.left[0], found.right[0], found.tie[0]], axis=1)


def _dispersion(base: Base, folded: _Folded, chance: Floats) -> float:
    """Return the mean design effect of the counts: clustered by rater, and by prompt."""
    met = folded.counts.sum(axis=1)
    usual = (met[:, None] * chance * (1 - chance)).ravel()
    weight = np.where(chance > 0, 1 / np.where(chance > 0, met[:, None] * chance, 1), 0).ravel()
    effect = 1.0
    each = _repeat(len(met))
    for members in base.members:
        table = csr_array(members.counts @ folded.fold)
        every = csr_array(table @ each)
        square, whole = _squares(table), np.repeat(_squares(every), OUTCOMES)
        cross = times(csr_array(table.multiply(every @ each.T)).T, np.ones(table.shape[0]))
        flat = chance.ravel()
        clustered = square - 2 * flat * cross + flat**2 * whole
        effect += float((weight * clustered).sum() / (weight * usual).sum()) - 1
    return max(1.0, effect)


def _squares(table: csr_array[np.float64]) -> Floats:
    """Add up the squares of each column."""
    return times(csr_array(table.multiply(table)).T, np.ones(table.shape[0]))


def _repeat(number: int) -> csr_array[np.float64]:
    cells = np.arange(number * OUTCOMES)
    return csr_array((np.ones(len(cells)), (cells, cells // OUTCOMES)), shape=(len(cells), number))


def _sure(base: Base, folded: _Folded, lead: Floats) -> Floats:
    """Return the one-sided p of every pair's preference, in the direction it was seen."""
    won = np.maximum(folded.counts[:, 0], folded.counts[:, 1])
    lost = np.minimum(folded.counts[:, 0], folded.counts[:, 1])
    exact = special.bdtr(lost, (won + lost).astype(int), 0.5)
    variance = won + lost
    rows = np.arange(len(lead))
    places = np.concatenate([OUTCOMES * rows, OUTCOMES * rows + 1])
    signs = np.concatenate([np.ones(len(lead)), -np.ones(len(lead))])
    shape = (OUTCOMES * len(lead), len(lead))
    sign = csr_array((signs, (places, np.tile(rows, 2))), shape=shape)
    for members in base.members:
        net = csr_array(members.counts @ folded.fold @ sign)
        variance = np.maximum(variance, _squares(net))
    clustered = special.ndtr(-np.abs(lead) / np.sqrt(np.maximum(variance, 1)))
    p: Floats = np.where(won + lost > 0, np.maximum(exact, clustered), 1.0)
    return p


def _testable(expected: Floats, freedom: int) -> str:
    if freedom < 1:
        return "for so few pairs of models are always described"
    if (expected < SMALL).mean() > FEW:
        return f"for {(expected < SMALL).mean():.0%} of the expected counts are below {SMALL:g}"
    return "tested"


def _three(values: Floats, kind: type) -> Any:
    return tuple(kind(value) for value in values)
