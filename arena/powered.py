"""Votes with what predictions add to them: the counts to fit, and the covariance of the fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from arena.clusters import Clusters, clusters
from arena.codes import Codes
from arena.judged import Judged, Scored, join
from arena.likelihood import Pairs, Shape, chances, invert
from arena.newton import Fit, newton
from arena.pool import Pool, pool, unlike
from arena.predicting import FOLDS, Contests, foretell, standardise
from arena.tally import BOTH_BAD, TIE, Floats, Ints, Tally
from arena.uncertainty import FLOOR, floored
from evalkit.errors import VotesError

FEWEST_PROMPTS = 10
"""Judged prompts below which the covariance by prompt, and so the weight, rests on too few."""
SURE = 0.01


@dataclass(frozen=True, eq=False)
class Powered:
    """The votes of rated models, and what each adds to the counts but for the weight."""

    tally: Tally
    pool: Pool
    by: tuple[Clusters, ...]
    notes: tuple[str, ...]
    split: bool
    """Ties are half wins (Bradley-Terry)."""
    correction: Floats
    """Votes x (left, right, tie): mean prediction of the two models less the vote's own."""
    spread: Floats
    """Pairs of pictures x 3: prediction less its mean, times the votes a pair stands for."""
    spread_pair: Ints
    """The ordered pair of models of the tally that each pair of pictures adds to."""
    plain: Fit
    """The fit of the votes alone."""

    @property
    def pairs(self) -> Pairs:
        """The ordered pairs of models."""
        return Pairs(self.tally.left, self.tally.right)

    def fitted(self, weight: float) -> Fit:
        """Fit the votes with the predictions counting for so much."""
        counts = _counts(self.tally)
        np.add.at(counts, self.tally.cell // 4, weight * self.correction)
        return newton(self.pairs, _folded(counts, split=self.split)[None], self.plain.shape)

    def meats(self, at: Fit) -> tuple[Floats, Floats, Floats]:
        """Return the squared sums of the clusters' scores, as a polynomial in the weight.

        Two ways are joined as V_1 + V_2 - V_12; pairs that nobody judged have a part in the
        prompt's way alone.
        """
        score = _scores(at, self.pairs)
        pair, outcome = self.tally.cell // 4, np.minimum(self.tally.cell % 4, TIE)
        votes = _wide(pair, np.eye(3)[outcome], size=score.shape[0]) @ score
        change = _wide(pair, self.correction, size=score.shape[0]) @ score
        unjudged = _wide(self.spread_pair, self.spread, size=score.shape[0]) @ score
        total = np.zeros((3, score.shape[1], score.shape[1]))
        for way, sign in zip(self._ways(), (1.0, 1.0, -1.0), strict=False):
            of_way = _by(way.codes, way.number)
            alone, extra = of_way @ votes, of_way @ change
            if way.name == "prompt":
                extra = extra + _by(self.pool.prompt, way.number) @ unjudged
            mixed = (alone.T @ extra).toarray()
            found = [(alone.T @ alone).toarray(), mixed + mixed.T, (extra.T @ extra).toarray()]
            total += sign * way.effective / (way.effective - 1) * np.stack(found)
        return total[0], total[1], total[2]

    def covariance(self, at: Fit, weight: float) -> Floats:
        """Return the covariance of the parameters, no less than a quarter of the model's own."""
        alone, mixed, extra = self.meats(at)
        bread = invert(at.information, at.shape.size)[0]
        meat = alone + weight * mixed + weight**2 * extra
        return floored(bread @ meat @ bread, bread * (FLOOR * self._noisy()))

    def _noisy(self) -> float:
        decided = self.tally.counts[:, :TIE].sum() / self.tally.votes
        return float(decided) if self.split else 1.0

    def _ways(self) -> list[Clusters]:
        if len(self.by) < 2:
            return list(self.by)
        one, other = self.by
        codes, values = pd.factorize(one.codes.astype(np.int64) * other.number + other.codes)
        return [one, other, Clusters("both", codes, len(values))]


def power(kept: pd.DataFrame, scored: Scored, *, split: bool) -> Powered:
    """Foretell every pair of the run's pictures whose models met, and hold the votes against it."""
    judged = join(kept)
    found = pool(judged, scored)
    known = found.place >= 0
    if not known.any():
        raise VotesError(
            "None of the votes is on two pictures of this run, of one prompt and seed. Name the "
            "run whose pictures were judged."
        )
    found = _met(found, judged)
    prompts = len(np.unique(found.prompt[found.place[known]]))
    if prompts < FEWEST_PROMPTS:
        raise VotesError(
            f"The votes judge pictures of {prompts} prompts of this run. Scores can help from "
            f"{FEWEST_PROMPTS} prompts on; rate without them."
        )
    tally, size = judged.tally, len(judged.tally.models)
    gaps = standardise(found.gaps)
    chance = _foretold(judged, found, gaps)
    correction, spread, spread_pair = _parts(judged, found, chance)
    by, notes = _clusters(kept, found)
    counts = _counts(tally)
    shape = Shape(size, side=False, ties=not split and bool(counts[:, TIE].any()))
    plain = newton(Pairs(tally.left, tally.right), _folded(counts, split=split)[None], shape)
    notes += _unlike(found, gaps, tally.models, list(scored.scores))
    if (missing := int((~known).sum())) > 0:
        notes.append(f"{missing} votes are on no two pictures of this run; scores do not help them")
    return Powered(tally, found, by, tuple(notes), split, correction, spread, spread_pair, plain)


def _met(found: Pool, judged: Judged) -> Pool:
    """Keep the pairs of pictures of models that met on pictures of the run."""
    size = len(judged.tally.models)
    match = found.one * size + found.other
    keep = np.isin(match, np.unique(match[found.place[found.place >= 0]]))
    number = np.append(np.where(keep, np.cumsum(keep) - 1, -1), -1)
    return replace(
        found,
        one=found.one[keep],
        other=found.other[keep],
        prompt=found.prompt[keep],
        gaps=found.gaps[keep],
        place=number[found.place],
    )


def _foretold(judged: Judged, found: Pool, gaps: Floats) -> Floats:
    """Return the chances of (first, other, neither) of every pair of pictures."""
    order = np.random.default_rng(0).permutation(len(found.prompts))
    fold = order[found.prompt] % FOLDS
    every = Contests(found.one, found.other, gaps, fold)
    rows = np.flatnonzero(found.place >= 0)
    outcome = np.minimum(judged.outcome[rows], TIE)
    answer = np.where(found.turned[rows] & (outcome < TIE), 1 - outcome, outcome)
    return foretell(every[found.place[rows]], answer, every, len(judged.tally.models))


def _parts(judged: Judged, found: Pool, chance: Floats) -> tuple[Floats, Floats, Ints]:
    """Return each vote's correction, and each pair's deviation times the votes it stands for."""
    size = len(judged.tally.models)
    match = found.one * size + found.other
    number = np.maximum(np.bincount(match, minlength=size**2), 1)
    sums = [np.bincount(match, column, size**2) for column in chance.T]
    mean = np.stack(sums, axis=1) / number[:, None]
    rows = np.flatnonzero(found.place >= 0)
    place = found.place[rows]
    correction = np.zeros((len(judged.outcome), 3))
    off = mean[match[place]] - chance[place]
    correction[rows] = np.where(found.turned[rows, None], off[:, [1, 0, 2]], off)
    stands_for = np.bincount(match[place], minlength=size**2) / number
    spread = (chance - mean[match]) * stands_for[match][:, None]
    # All pairs of two models add to one of the two orders in which these were shown.
    pair, turned = _ordered(judged.tally, match)
    return correction, np.where(turned[:, None], spread[:, [1, 0, 2]], spread), pair


def _ordered(tally: Tally, match: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    size = len(tally.models)
    place = np.full(size**2, -1, dtype=np.int64)
    place[tally.left * size + tally.right] = np.arange(len(tally.left))
    straight = place[match]
    mirrored = place[match % size * size + match // size]
    return np.where(straight >= 0, straight, mirrored), straight < 0


def _clusters(kept: pd.DataFrame, found: Pool) -> tuple[tuple[Clusters, ...], list[str]]:
    """Return the votes' clusters by rater, if they name several, and by the pool's prompts.

    A vote on no pair of the run has a prompt of its own by its name, after the run's prompts.
    """
    raters, notes = clusters(kept, np.ones(len(kept), dtype=bool), ("rater",))
    elsewhere = kept["prompt"] if "prompt" in kept else pd.Series(np.arange(len(kept)))
    codes = pd.factorize(elsewhere.astype(object), use_na_sentinel=False)[0] + len(found.prompts)
    known = found.place >= 0
    codes[known] = found.prompt[found.place[known]]
    number = int(max(codes.max() + 1, len(found.prompts)))
    return (*raters, Clusters("prompt", codes, number)), notes


def _unlike(found: Pool, gaps: Floats, models: Sequence[str], names: Sequence[str]) -> list[str]:
    p, model, score = unlike(found, gaps, len(models))
    if p >= SURE:
        return []
    fact = f"by {names[score]}, those of {models[model]} stand out (p = {p:.2g}, Holm)"
    return [f"the judged pictures are no random sample of the run's: {fact}, so this may be biased"]


def best_weight(powered: Powered) -> float:
    """Return the weight in [0, 1] at which the strengths' variances add up to the least.

    They are a parabola in the weight (PPI++, section 6).
    """
    size = powered.plain.shape.size
    bread = invert(powered.plain.information, size)[0][:size]
    _, mixed, extra = powered.meats(powered.plain)
    line, square = (float(np.trace(bread @ part @ bread.T)) for part in (mixed, extra))
    return float(np.clip(-line / (2 * square), 0, 1)) if square > 0 else 0.0


def _counts(tally: Tally) -> Floats:
    """Return counts of left, right and tie; both-bad is a tie."""
    counts = tally.counts[:, :BOTH_BAD].astype(float)
    counts[:, TIE] += tally.counts[:, BOTH_BAD]
    return counts


def _folded(counts: Floats, *, split: bool) -> Floats:
    if not split:
        return counts
    halves = counts[:, TIE:] / 2
    return np.hstack([counts[:, :TIE] + halves, np.zeros_like(halves)])


def _scores(at: Fit, pairs: Pairs) -> csr_array[np.float64]:
    """Return the score of one vote of each ordered pair's left, right and tie, sparse."""
    chance = chances(pairs, at.theta, at.shape)
    left, right, tie = chance.left[0], chance.right[0], chance.tie[0]
    pull = np.stack([right + tie / 2, -(left + tie / 2), (right - left) / 2], axis=1).ravel()
    rows = np.arange(len(pull))
    entries = [(pull, np.repeat(pairs.left, 3)), (-pull, np.repeat(pairs.right, 3))]
    if at.shape.ties:
        to_nu = np.stack([-tie, -tie, left + right], axis=1).ravel()
        entries.append((to_nu, np.full(len(rows), at.shape.parameters - 1)))
    values = np.concatenate([value for value, _ in entries])
    columns = np.concatenate([column for _, column in entries])
    shape = (len(rows), at.shape.parameters)
    return csr_array((values, (np.tile(rows, len(entries)), columns)), shape=shape)


def _wide(pair: Codes, values: Floats, *, size: int) -> csr_array[np.float64]:
    """Place fractional votes (rows x left, right, tie) in the columns of their pairs."""
    columns = (3 * pair[:, None] + np.arange(3)).ravel()
    starts = np.arange(0, 3 * len(pair) + 1, 3)
    return csr_array((values.ravel(), columns, starts), shape=(len(pair), size))


def _by(codes: Codes, number: int) -> csr_array[np.float64]:
    """Return the matrix that sums rows by cluster."""
    order = np.argsort(codes, kind="stable")
    starts = np.append(0, np.cumsum(np.bincount(codes, minlength=number)))
    return csr_array((np.ones(len(codes)), order, starts), shape=(number, len(codes)))
