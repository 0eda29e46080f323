"""The models of a vote and their maximum-likelihood fit, on counts, by Newton's method.

With x = (strength of the left model) - (strength of the right one) + side effect, in log-odds,

    P(left) : P(tie) : P(right) = exp(x / 2) : nu : exp(-x / 2)

is Davidson (1970, JASA 65(329):317-328), with the order effect of Davidson and Beaver (1977,
Biometrics 33(4):693-702); nu = 0 with a tie as half a win each is Bradley-Terry. Both are
exponential families in (strengths, side effect, log nu), so the log-likelihood is concave.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from arena.tally import Floats, Ints

STEP = 1e-9
"""Converged when Newton asks to move no parameter by more (1e-9 log-odds = 2e-7 Elo)."""
MAX_ITERATIONS = 40
"""Estimates a million to one apart need 20."""
FLAT = 1e-12
"""Curvature, relative to the steepest, below which a maximum is a plateau at infinity.

On the way there the steps' numerators and denominators vanish alike, and in the end rounding can
pass for convergence. Real studies stay above 1e-9.
"""


class Shape(NamedTuple):
    """Which parameters there are: ``size`` strengths, then the side effect, then log nu."""

    size: int
    side: bool
    ties: bool

    @property
    def parameters(self) -> int:
        """Length of a parameter vector."""
        return self.size + self.side + self.ties


class Pairs(NamedTuple):
    """The ordered pairs of models that met: left and right are indices of models."""

    left: Ints
    right: Ints


class Chances(NamedTuple):
    """Probabilities of the outcomes of each pair, shape (B, pairs) each."""

    left: Floats
    right: Floats
    tie: Floats


@dataclass(frozen=True, eq=False)
class Fit:
    """Maximum-likelihood estimates of a batch of B tables of counts."""

    shape: Shape
    theta: Floats
    """B x parameters; the strengths sum to zero."""
    information: Floats
    """B x parameters x parameters: minus the Hessian of the log-likelihood at ``theta``."""
    log_likelihood: Floats
    converged: NDArray[np.bool_]
    iterations: int
    last_step: Floats

    @property
    def strengths(self) -> Floats:
        """Log-strengths, B x size."""
        return self.theta[:, : self.shape.size]


def chances(pairs: Pairs, theta: Floats, shape: Shape) -> Chances:
    """Return the outcome probabilities, accurate also where they are tiny."""
    half = _differences(pairs, theta, shape) / 2
    log_nu = theta[:, -1:] if shape.ties else np.full((len(theta), 1), -np.inf)
    top = np.maximum(np.abs(half), log_nu)
    left, right, tie = np.exp(half - top), np.exp(-half - top), np.exp(log_nu - top)
    total = left + right + tie
    return Chances(left / total, right / total, tie / total)


def residuals(chance: Chances) -> tuple[Floats, Floats]:
    """Return the score of one vote, (B, pairs, 3 outcomes): to the difference, and to log nu.

    Written without subtracting from one, so that a saturated vote keeps its direction.
    """
    left, right, tie = chance
    to_difference = np.stack([right + tie / 2, -(left + tie / 2), (right - left) / 2], axis=-1)
    to_log_nu = np.stack([-tie, -tie, left + right], axis=-1)
    return to_difference, to_log_nu


def newton(pairs: Pairs, counts: Floats, shape: Shape) -> Fit:
    """Fit a batch of tables ``counts`` (B x pairs x left, right, tie) that share their pairs.

    The votes must connect the models. A fit that runs away (no finite maximum) or stalls is
    returned with ``converged`` false, never as an estimate.
    """
    batch = len(counts)
    theta = _start(counts, shape)
    value = _log_likelihood(pairs, counts, theta, shape)
    last, going = np.full(batch, np.inf), np.arange(batch)
    iteration = 0
    while len(going) and iteration < MAX_ITERATIONS:
        iteration += 1
        some, here = counts[going], theta[going]
        step = _step(pairs, some, here, shape)
        last[going] = np.abs(step).max(axis=1)
        theta[going], value[going] = _climb(pairs, some, here, value[going], step, shape)
        going = going[last[going] >= STEP]
    theta[:, : shape.size] -= theta[:, : shape.size].mean(axis=1, keepdims=True)
    found = information(pairs, counts.sum(axis=2), theta, shape)
    return Fit(
        shape=shape,
        theta=theta,
        information=found,
        log_likelihood=value,
        converged=(last < STEP) & _curved(found, shape.size, last),
        iterations=iteration,
        last_step=last,
    )


def information(pairs: Pairs, votes: Floats, theta: Floats, shape: Shape) -> Floats:
    """Return minus the Hessian for ``votes`` (B x pairs); equal to its expectation here."""
    chance = chances(pairs, theta, shape)
    left, right, tie = chance
    decisive = left + right
    size = shape.size
    out = np.zeros((len(theta), shape.parameters, shape.parameters))
    curve = _square(pairs, votes * (left * right + tie * decisive / 4), size)
    both = curve + curve.transpose(0, 2, 1)
    out[:, :size, :size] = -both
    out[:, np.arange(size), np.arange(size)] = both.sum(axis=2)
    if shape.side:
        out[:, :size, size] = out[:, size, :size] = _net(curve)
        out[:, size, size] = curve.sum(axis=(1, 2))
    if shape.ties:
        mixed = _square(pairs, votes * tie * (right - left) / 2, size)
        out[:, :size, -1] = out[:, -1, :size] = _net(mixed)
        if shape.side:
            out[:, size, -1] = out[:, -1, size] = mixed.sum(axis=(1, 2))
        out[:, -1, -1] = (votes * tie * decisive).sum(axis=1)
    return out


def invert(information: Floats, size: int) -> Floats:
    """Invert information that is blind to a common shift of the first ``size`` parameters.

    The inverse holds for strengths that sum to zero. The blind direction is filled before and
    projected out after; a ridge there would leak into the others.
    """
    filled = _filled(information, size)
    project = np.eye(information.shape[-1])
    project[:size, :size] -= 1 / size
    inverse: Floats = project @ np.linalg.inv(filled) @ project
    return (inverse + np.swapaxes(inverse, -1, -2)) / 2


def side_is_confounded(pairs: Pairs, counts: Floats, shape: Shape) -> bool:
    """Say whether strengths can mimic the side effect exactly, e.g. if no model changed sides."""
    at_zero = np.zeros((1, shape.parameters))
    whole = information(pairs, counts.sum(axis=2), at_zero, shape)[0]
    strengths, side = whole[: shape.size, : shape.size], whole[: shape.size, shape.size]
    raw = whole[shape.size, shape.size]
    explained = side @ np.linalg.lstsq(strengths, side, rcond=None)[0]
    return bool(raw - explained < 1e-9 * raw)


def _differences(pairs: Pairs, theta: Floats, shape: Shape) -> Floats:
    gap: Floats = theta[:, pairs.left] - theta[:, pairs.right]
    return gap + theta[:, shape.size : shape.size + 1] if shape.side else gap


def _start(counts: Floats, shape: Shape) -> Floats:
    """Start from equal strengths, with nu at its estimate for equal strengths."""
    theta = np.zeros((len(counts), shape.parameters))
    if shape.ties:
        total = counts.sum(axis=1)
        # Half a vote keeps the start finite; where there is none of a kind, no fit converges.
        theta[:, -1] = np.log(2 * (total[:, 2] + 0.5) / (total[:, 0] + total[:, 1] + 0.5))
    return theta


def _log_likelihood(pairs: Pairs, counts: Floats, theta: Floats, shape: Shape) -> Floats:
    half = _differences(pairs, theta, shape) / 2
    log_nu = theta[:, -1:] if shape.ties else np.full((len(theta), 1), -np.inf)
    top = np.maximum(np.abs(half), log_nu)
    norm = top + np.log(np.exp(half - top) + np.exp(-half - top) + np.exp(log_nu - top))
    value = (counts[:, :, 0] - counts[:, :, 1]) * half - counts.sum(axis=2) * norm
    if shape.ties:
        value = value + counts[:, :, 2] * log_nu
    total: Floats = value.sum(axis=1)
    return total


def _gradient(pairs: Pairs, counts: Floats, theta: Floats, shape: Shape) -> Floats:
    to_difference, to_log_nu = residuals(chances(pairs, theta, shape))
    pull = _square(pairs, (counts * to_difference).sum(axis=2), shape.size)
    parts = [_net(pull)]
    if shape.side:
        parts.append(pull.sum(axis=(1, 2))[:, None])
    if shape.ties:
        parts.append((counts * to_log_nu).sum(axis=(1, 2))[:, None])
    return np.concatenate(parts, axis=1)


def _curved(information: Floats, size: int, last: Floats) -> NDArray[np.bool_]:
    """Say where the likelihood has a real peak: no direction is flat."""
    some = np.isfinite(last)
    curved = np.zeros(len(last), dtype=bool)
    scaled, _ = _scaled(_filled(information[some], size))
    curved[some] = np.linalg.eigvalsh(scaled)[:, 0] > FLAT
    return curved


def _scaled(matrices: Floats) -> tuple[Floats, Floats]:
    """Scale to a unit diagonal, so that rare and frequent models share one factorisation."""
    diagonal = np.diagonal(matrices, axis1=1, axis2=2)
    scale = 1 / np.sqrt(np.maximum(diagonal, 1e-300))
    return matrices * scale[:, :, None] * scale[:, None, :], scale


def _step(pairs: Pairs, counts: Floats, theta: Floats, shape: Shape) -> Floats:
    slope = _gradient(pairs, counts, theta, shape)
    curve = _filled(information(pairs, counts.sum(axis=2), theta, shape), shape.size)
    scaled, scale = _scaled(curve)
    step = scale * _solve(scaled, slope * scale)
    return np.where(np.isfinite(step), step, np.nan)


def _solve(matrices: Floats, rights: Floats) -> Floats:
    """Solve a batch; NaN for what is singular, which happens only on the way to infinity."""
    try:
        solved = np.linalg.solve(matrices, rights[:, :, None]).astype(np.float64, copy=False)
    except np.linalg.LinAlgError:
        if len(matrices) == 1:
            return np.full(rights.shape, np.nan)
    else:
        return solved[:, :, 0]
    parts = [_solve(matrices[b : b + 1], rights[b : b + 1]) for b in range(len(rights))]
    return np.concatenate(parts)


def _climb(
    pairs: Pairs, counts: Floats, theta: Floats, value: Floats, step: Floats, shape: Shape
) -> tuple[Floats, Floats]:
    """Take the step, halved where it would lower the likelihood beyond rounding."""
    slack = 1e-12 * np.abs(value) + 1e-12
    for _ in range(30):
        new = _log_likelihood(pairs, counts, theta + step, shape)
        worse = ~(new >= value - slack)
        if not worse.any():
            break
        step = np.where(worse[:, None], step / 2, step)
    return theta + step, new


def _filled(information: Floats, size: int) -> Floats:
    filled = information.copy()
    weight = np.trace(information[..., :size, :size], axis1=-2, axis2=-1) / size
    filled[..., :size, :size] += weight[..., None, None] / size
    return filled


def _square(pairs: Pairs, values: Floats, size: int) -> Floats:
    table = np.zeros((len(values), size, size))
    table[:, pairs.left, pairs.right] = values
    return table


def _net(table: Floats) -> Floats:
    """Row sums less column sums: what a model receives on the left less on the right."""
    net: Floats = table.sum(axis=2) - table.sum(axis=1)
    return net
