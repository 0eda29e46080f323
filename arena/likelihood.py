"""The likelihood of a law of one vote, on counts: its parameters and derivatives.

A vote's two log-strengths are those of its models, plus and minus half of z' b, where z holds the
advantages of the left over the right (1 for its side, the differences of covariates) and b their
slopes. Every law is concave in (strengths, slopes, tie parameter), so Newton's way up is safe.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from arena.laws import ABSENT, DAVIDSON, GROUNDED, RAO_KUPPER, Law
from arena.tally import Floats, Ints


class Shape(NamedTuple):
    """Which parameters there are: strengths, the side effect, covariates, the tie parameter."""

    size: int
    side: bool
    ties: bool
    """Without ties there is no tie parameter, and every ungrounded law is Bradley-Terry."""
    ground: bool = False
    """Both-bad votes are an outcome of their own, so that strengths have a zero."""
    threshold: bool = False
    """Ties are Rao and Kupper's, not Davidson's."""
    covariates: int = 0

    @property
    def slopes(self) -> int:
        """Number of slopes: the side effect is that of a covariate that is always 1."""
        return self.side + self.covariates

    @property
    def parameters(self) -> int:
        """Length of a parameter vector."""
        return self.size + self.slopes + self.ties

    @property
    def outcomes(self) -> int:
        """Number of outcomes that are counted: left, right, tie, and both bad if grounded."""
        return 3 + self.ground

    @property
    def shifted(self) -> int:
        """Number of strengths whose common shift changes nothing: all, or none if grounded."""
        return 0 if self.ground else self.size

    @property
    def law(self) -> Law:
        """The law of one vote."""
        if self.ground:
            return GROUNDED
        return RAO_KUPPER if self.threshold and self.ties else DAVIDSON


class Pairs(NamedTuple):
    """What votes were counted by: indices of the left and the right model, and covariates."""

    left: Ints
    right: Ints
    covariates: Floats | None = None
    """Left less right, pairs x covariates; rows of the same two models may differ in them."""

    def advantages(self, shape: Shape) -> Floats:
        """Return what speaks for the left beside strength: pairs x slopes."""
        parts = [np.ones((len(self.left), int(shape.side)))]
        if shape.covariates and self.covariates is not None:
            parts.append(self.covariates)
        return np.hstack(parts)


class Chances(NamedTuple):
    """Probabilities of the outcomes of each pair, shape (B, pairs) each."""

    left: Floats
    right: Floats
    tie: Floats
    both_bad: Floats


def log_chances(pairs: Pairs, theta: Floats, shape: Shape) -> Floats:
    """Return the log-probabilities of the outcomes: outcomes x B x pairs."""
    left, right = theta[:, pairs.left], theta[:, pairs.right]
    if shape.slopes:
        half = theta[:, shape.size : shape.size + shape.slopes] @ pairs.advantages(shape).T / 2
        left, right = left + half, right - half
    return shape.law.log_chances(left, right, _tie(theta, shape))


def _tie(theta: Floats, shape: Shape) -> Floats:
    return theta[:, -1:] if shape.ties else np.full((len(theta), 1), ABSENT)


def chances(pairs: Pairs, theta: Floats, shape: Shape) -> Chances:
    """Return the outcome probabilities, accurate also where they are tiny."""
    chance = np.exp(log_chances(pairs, theta, shape))
    return Chances(*chance, *np.zeros((4 - shape.outcomes, *chance.shape[1:])))


def scores(pairs: Pairs, theta: Floats, shape: Shape) -> Floats:
    """Return the score of one vote: outcomes x (left, right strength, tie) x B x pairs."""
    chance, tie = np.exp(log_chances(pairs, theta, shape)), _tie(theta, shape)
    one = np.eye(shape.outcomes)[:, :, None, None] * np.ones(chance.shape[1:])
    return np.stack([shape.law.pull(vote, chance, tie) for vote in one])


def gradient(pairs: Pairs, counts: Floats, chance: Floats, theta: Floats, shape: Shape) -> Floats:
    """Return the slope of the log-likelihood, B x parameters.

    Counts and chances are outcomes x B x pairs, here and below.
    """
    left, right, tie = shape.law.pull(counts, chance, _tie(theta, shape))
    parts = [_by_model(pairs, left, right, shape.size)]
    if shape.slopes:
        parts.append((left - right) / 2 @ pairs.advantages(shape))
    if shape.ties:
        parts.append(tie.sum(axis=1)[:, None])
    return np.concatenate(parts, axis=1)


def curvature(pairs: Pairs, counts: Floats, chance: Floats, theta: Floats, shape: Shape) -> Floats:
    """Return minus the second derivatives of the log-likelihood, B x parameters x parameters."""
    ll, rr, lr, lt, rt, tt = shape.law.curvature(counts, chance, _tie(theta, shape))
    size, slopes = shape.size, slice(shape.size, shape.size + shape.slopes)
    out = np.zeros((len(ll), shape.parameters, shape.parameters))
    met = by_pair(pairs, lr, size)
    out[:, :size, :size] = met + met.transpose(0, 2, 1)
    out[:, np.arange(size), np.arange(size)] += _by_model(pairs, ll, rr, size)
    if shape.slopes:
        advantages = pairs.advantages(shape)
        for place, z in enumerate(advantages.T, start=size):
            mixed = _by_model(pairs, (ll - lr) / 2 * z, (lr - rr) / 2 * z, size)
            out[:, :size, place] = out[:, place, :size] = mixed
        alone = ((ll - 2 * lr + rr) / 4)[:, :, None] * advantages
        out[:, slopes, slopes] = alone.transpose(0, 2, 1) @ advantages
        if shape.ties:
            out[:, slopes, -1] = out[:, -1, slopes] = (lt - rt) / 2 @ advantages
    if shape.ties:
        out[:, :size, -1] = out[:, -1, :size] = _by_model(pairs, lt, rt, size)
        out[:, -1, -1] = tt.sum(axis=1)
    return out


def information(pairs: Pairs, counts: Floats, theta: Floats, shape: Shape) -> Floats:
    """Return minus the Hessian of the log-likelihood of ``counts`` (B x pairs x outcomes)."""
    chance = np.exp(log_chances(pairs, theta, shape))
    return curvature(pairs, np.moveaxis(counts, -1, 0), chance, theta, shape)


def invert(information: Floats, shifted: int) -> Floats:
    """Invert information that is blind to a common shift of the first ``shifted`` parameters.

    The inverse holds for strengths that sum to zero. The blind direction is filled before and
    projected out after; a ridge there would leak into the others.
    """
    inverse = np.asarray(np.linalg.inv(filled(information, shifted)), dtype=float)
    if shifted:
        project = np.eye(information.shape[-1])
        project[:shifted, :shifted] -= 1 / shifted
        inverse = project @ inverse @ project
    symmetric: Floats = (inverse + np.swapaxes(inverse, -1, -2)) / 2
    return symmetric


def filled(information: Floats, shifted: int) -> Floats:
    """Fill the blind direction of a common shift, as steeply as the others are on average."""
    if not shifted:
        return information
    filled = information.copy()
    weight = np.trace(information[..., :shifted, :shifted], axis1=-2, axis2=-1) / shifted
    filled[..., :shifted, :shifted] += weight[..., None, None] / shifted
    return filled


def side_is_confounded(pairs: Pairs, counts: Floats, shape: Shape) -> bool:
    """Say whether strengths can mimic the side effect exactly, e.g. if no model changed sides."""
    return 0 in confounded(pairs, counts, shape)


def confounded(pairs: Pairs, counts: Floats, shape: Shape) -> list[int]:
    """Return the slopes that strengths and the slopes before them can mimic exactly.

    Any law that is curved everywhere tells this: here Bradley-Terry's at equal strengths.
    """
    flat = shape._replace(ties=False)
    whole = information(pairs, counts, np.zeros((1, flat.parameters)), flat)[0]
    found = []
    for place in range(shape.size, flat.parameters):
        before = [k for k in range(place) if k - shape.size not in found]
        rest, slope = whole[np.ix_(before, before)], whole[before, place]
        raw = whole[place, place]
        explained = slope @ np.linalg.lstsq(rest, slope, rcond=None)[0]
        if not raw - explained >= 1e-9 * raw or not raw:
            found.append(place - shape.size)
    return found


def by_pair(pairs: Pairs, values: Floats, size: int) -> Floats:
    """Sum values by the two models: B x size x size."""
    return _summed(pairs.left * size + pairs.right, values, size**2).reshape(-1, size, size)


def _by_model(pairs: Pairs, left: Floats, right: Floats, size: int) -> Floats:
    """Sum what falls to the left and to the right models: B x size."""
    place = np.concatenate([pairs.left, pairs.right])
    return _summed(place, np.concatenate([left, right], axis=1), size)


def _summed(place: Ints, values: Floats, size: int) -> Floats:
    rows = np.arange(len(values))[:, None] * size + place
    total = np.bincount(rows.ravel(), values.ravel(), minlength=len(values) * size)
    return np.asarray(total, dtype=float).reshape(len(values), size)
