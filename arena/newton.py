"""The maximum of a likelihood, by Newton's method, for many tables of counts at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arena.likelihood import Pairs, Shape, curvature, filled, gradient, log_chances
from arena.tally import TIE, Floats

STEP = 1e-9
"""Converged when Newton asks to move no parameter by more (1e-9 log-odds = 2e-7 Elo)."""
MAX_ITERATIONS = 40
"""Estimates a million to one apart need 20."""
FLAT = 1e-12
"""Curvature, relative to the steepest, below which a maximum is a plateau at infinity.

On the way there the steps' numerators and denominators vanish alike, and in the end rounding can
pass for convergence. Real studies stay above 1e-9.
"""


@dataclass(frozen=True, eq=False)
class Fit:
    """Maximum-likelihood estimates of a batch of B tables of counts."""

    shape: Shape
    theta: Floats
    """B x parameters; the strengths sum to zero unless they are grounded."""
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


def newton(pairs: Pairs, counts: Floats, shape: Shape) -> Fit:
    """Fit a batch of tables ``counts`` (B x pairs x outcomes) that share their pairs.

    The votes must connect the models. A fit that runs away (no finite maximum) or stalls is
    returned with ``converged`` false, never as an estimate.
    """
    counts = np.ascontiguousarray(np.moveaxis(counts, -1, 0))
    batch = counts.shape[1]
    theta = _start(counts, shape)
    logs = log_chances(pairs, theta, shape)
    value = _total(counts, logs)
    last, going, some = np.full(batch, np.inf), np.arange(batch), counts
    iteration = 0
    while len(going) and iteration < MAX_ITERATIONS:
        iteration += 1
        step = _step(pairs, some, theta[going], np.exp(logs), shape)
        last[going] = np.abs(step).max(axis=1)
        climbed = _climb(pairs, some, theta[going], value[going], step, shape)
        theta[going], value[going], logs = climbed
        on = last[going] >= STEP
        if not on.all():
            going, some, logs = going[on], some[:, on], logs[:, on]
    if shape.shifted:
        theta[:, : shape.size] -= theta[:, : shape.size].mean(axis=1, keepdims=True)
    chance = np.exp(log_chances(pairs, theta, shape))
    found = curvature(pairs, counts, chance, theta, shape)
    return Fit(
        shape=shape,
        theta=theta,
        information=found,
        log_likelihood=value,
        converged=(last < STEP) & _curved(found, shape.shifted, last),
        iterations=iteration,
        last_step=last,
    )


def _start(counts: Floats, shape: Shape) -> Floats:
    """Start from equal strengths, with the tie parameter at its estimate for equal strengths."""
    theta = np.zeros((counts.shape[1], shape.parameters))
    if shape.ties:
        total = counts.sum(axis=2)
        # Half a vote keeps the start finite; where there is none of a kind, no fit converges.
        ties, wins = total[TIE] + 0.5, total[0] + total[1] + 0.5
        theta[:, -1] = shape.law.start(ties / (ties + wins))
    return theta


def _total(counts: Floats, log_chances: Floats) -> Floats:
    total: Floats = np.einsum("obp,obp->b", counts, log_chances)
    return total


def _step(pairs: Pairs, counts: Floats, theta: Floats, chance: Floats, shape: Shape) -> Floats:
    slope = gradient(pairs, counts, chance, theta, shape)
    curve = curvature(pairs, counts, chance, theta, shape)
    scaled, scale = _scaled(filled(curve, shape.shifted))
    step = scale * _solve(scaled, slope * scale)
    return np.where(np.isfinite(step), step, np.nan)


def _curved(information: Floats, shifted: int, last: Floats) -> NDArray[np.bool_]:
    """Say where the likelihood has a real peak: no direction is flat."""
    some = np.isfinite(last)
    curved = np.zeros(len(last), dtype=bool)
    scaled, _ = _scaled(filled(information[some], shifted))
    curved[some] = np.linalg.eigvalsh(scaled)[:, 0] > FLAT
    return curved


def _scaled(matrices: Floats) -> tuple[Floats, Floats]:
    """Scale to a unit diagonal, so that rare and frequent models share one factorisation."""
    diagonal = np.diagonal(matrices, axis1=1, axis2=2)
    scale = 1 / np.sqrt(np.maximum(diagonal, 1e-300))
    return matrices * scale[:, :, None] * scale[:, None, :], scale


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
) -> tuple[Floats, Floats, Floats]:
    """Take the step, halved where it would lower the likelihood beyond rounding.

    Returns the parameters, their log-likelihood and the log-chances there.
    """
    # Each vote's log-chance is rounded at 1e-16, however sure it is.
    slack = 1e-12 * np.abs(value) + 1e-12 + 1e-15 * counts.sum(axis=(0, 2))
    for _ in range(30):
        logs = log_chances(pairs, theta + step, shape)
        new = _total(counts, logs)
        worse = ~(new >= value - slack)
        if not worse.any():
            break
        step = np.where(worse[:, None], step / 2, step)
    return theta + step, new, logs
