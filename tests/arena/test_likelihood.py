"""The likelihood's derivatives and its maximum."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize

from arena import likelihood
from arena.likelihood import Pairs, Shape, chances, information, invert, newton

PAIRS = Pairs(np.array([0, 1, 2, 0, 2]), np.array([1, 0, 1, 2, 0]))
COUNTS = np.array([[[5, 3, 2], [4, 1, 1], [2, 6, 3], [1, 4, 2], [3, 3, 0]]], dtype=float)
SHAPES = [Shape(3, side, ties) for side in (False, True) for ties in (False, True)]


def value(theta, shape):
    counts = COUNTS if shape.ties else COUNTS * [1, 1, 0]
    chance = chances(PAIRS, theta[None], shape)
    logs = [np.log(chance.left), np.log(chance.right)]
    total = (counts[0, :, 0] * logs[0][0] + counts[0, :, 1] * logs[1][0]).sum()
    return total + ((counts[0, :, 2] * np.log(chance.tie[0])).sum() if shape.ties else 0)


@pytest.mark.parametrize("shape", SHAPES)
def test_newton_finds_the_maximum_that_a_general_optimiser_finds(shape):
    counts = COUNTS if shape.ties else COUNTS * [1, 1, 0]
    fit = newton(PAIRS, counts, shape)
    start = np.zeros(shape.parameters)
    peer = minimize(lambda theta: -value(theta, shape), start, method="BFGS", tol=1e-9).x
    peer[:3] -= peer[:3].mean()
    assert fit.converged.all()
    assert fit.theta[0] == pytest.approx(peer, abs=1e-4)
    assert fit.log_likelihood[0] == pytest.approx(value(fit.theta[0], shape))
    assert fit.iterations < 10


@pytest.mark.parametrize("shape", SHAPES)
def test_information_is_minus_the_hessian(shape):
    theta = np.linspace(-0.7, 0.6, shape.parameters)
    votes = (COUNTS if shape.ties else COUNTS * [1, 1, 0]).sum(axis=2)

    def slope(at):
        return approx_fprime(at, value, 1e-6, shape)

    hessian = np.array([
        (slope(theta + step) - slope(theta - step)) / 2e-4
        for step in 1e-4 * np.eye(shape.parameters)
    ])  # fmt: skip
    found = information(PAIRS, votes, theta[None], shape)[0]
    assert found == pytest.approx(-hessian, abs=2e-2)
    inverse = invert(found[None], 3)[0]
    assert inverse @ np.r_[np.ones(3), np.zeros(shape.parameters - 3)] == pytest.approx(0)
    if shape.parameters == 3:
        assert inverse == pytest.approx(np.linalg.pinv(found))


def test_tiny_chances_keep_their_digits():
    theta = np.array([[40.0, -40.0, 0.0, -100.0]])
    chance = chances(PAIRS, theta, Shape(3, side=False, ties=True))
    assert chance.right[0, 0] == pytest.approx(np.exp(-80), rel=1e-12)
    assert chance.tie[0, 0] == pytest.approx(np.exp(-140), rel=1e-12)


def test_a_far_apart_but_finite_estimate_converges():
    counts = np.array([[[10_000_000.0, 1, 0]]])
    fit = newton(Pairs(np.array([0]), np.array([1])), counts, Shape(2, side=False, ties=False))
    assert fit.converged[0]
    assert np.diff(fit.strengths[0])[0] == pytest.approx(-np.log(1e7))


@pytest.mark.parametrize("row", [[5, 0, 0], [5, 0, 3], [0, 0, 4], [0, 0, 0]])
def test_a_fit_that_runs_away_never_passes_as_an_estimate(row):
    good, bad = [5.0, 3, 2], [float(number) for number in row]
    counts = np.array([[good], [bad], [good]])
    fit = newton(Pairs(np.array([0]), np.array([1])), counts, Shape(2, side=False, ties=True))
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
        nearby = likelihood._log_likelihood(pairs, counts, fit.theta + step, shape)
        assert nearby[0] < fit.log_likelihood[0]


def test_sides_are_confounded_when_no_model_changes_them():
    shape = Shape(3, side=True, ties=True)
    fixed = Pairs(np.array([0, 0]), np.array([1, 2]))
    assert likelihood.side_is_confounded(fixed, np.ones((1, 2, 3)), shape)
    assert not likelihood.side_is_confounded(PAIRS, COUNTS, shape)
    chain = Pairs(np.array([0, 1]), np.array([1, 2]))
    ring = Pairs(np.array([0, 1, 0]), np.array([1, 2, 2]))
    assert likelihood.side_is_confounded(chain, np.ones((1, 2, 3)), shape)
    assert not likelihood.side_is_confounded(ring, np.ones((1, 3, 3)), shape)
