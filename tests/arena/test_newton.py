"""Newton's maximum against a general optimiser, and what it refuses."""

import numpy as np
import pytest
from scipy.optimize import minimize

from arena.likelihood import Pairs, Shape, log_chances
from arena.newton import newton
from tests.arena.test_likelihood import PAIRS, SHAPES, counted, value


@pytest.mark.parametrize("shape", SHAPES)
def test_newton_finds_the_maximum_that_a_general_optimiser_finds(shape):
    fit = newton(PAIRS, counted(shape), shape)
    start = np.zeros(shape.parameters)
    start[-1] = 0.5
    peer = minimize(
        lambda theta: -value(theta, shape), start, method="Nelder-Mead",
        options={"maxiter": 20_000, "maxfev": 20_000, "xatol": 1e-7, "fatol": 1e-10},
    )  # fmt: skip
    found = peer.x.copy()
    if not shape.ground:
        found[:3] -= found[:3].mean()
    assert fit.converged.all()
    assert fit.log_likelihood[0] >= -peer.fun - 1e-9
    assert fit.theta[0] == pytest.approx(found, abs=1e-3)
    assert fit.log_likelihood[0] == pytest.approx(value(fit.theta[0], shape))
    assert fit.iterations < 10


def test_a_far_apart_but_finite_estimate_converges():
    counts = np.array([[[10_000_000.0, 1, 0]]])
    fit = newton(Pairs(np.array([0]), np.array([1])), counts, Shape(2, side=False, ties=False))
    assert fit.converged[0]
    assert np.diff(fit.strengths[0])[0] == pytest.approx(-np.log(1e7))


@pytest.mark.parametrize("threshold", [False, True])
@pytest.mark.parametrize("row", [[5, 0, 0], [5, 0, 3], [0, 0, 4], [0, 0, 0]])
def test_a_fit_that_runs_away_never_passes_as_an_estimate(row, threshold):
    good, bad = [5.0, 3, 2], [float(number) for number in row]
    counts = np.array([[good], [bad], [good]])
    fit = newton(
        Pairs(np.array([0]), np.array([1])), counts, Shape(2, False, True, threshold=threshold)
    )
    assert fit.converged[[0, 2]].all()
    assert not fit.converged[1]
    alone = newton(Pairs(np.array([0]), np.array([1])), counts[:1], fit.shape)
    assert fit.theta[[0, 2]] == pytest.approx(np.repeat(alone.theta, 2, axis=0))


def test_steps_that_overshoot_are_halved():
    """From equal strengths Newton's first step for 50 ties to 1 win each overshoots in log nu."""
    pairs = Pairs(np.array([0, 0, 1]), np.array([1, 2, 2]))
    counts = np.array([[[900, 1, 3], [1, 900, 0], [0, 1, 900]]], dtype=float)
    shape = Shape(3, side=False, ties=True)
    fit = newton(pairs, counts, shape)
    assert fit.converged[0]
    for step in 0.01 * np.eye(4):
        logs = log_chances(pairs, fit.theta + step, shape)
        assert (counts * np.moveaxis(logs, 0, -1)).sum() < fit.log_likelihood[0]
