"""The likelihood's derivatives, and what they cannot tell apart."""

import itertools

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from arena import likelihood
from arena.likelihood import Pairs, Shape, chances, information, invert, log_chances

PAIRS = Pairs(
    np.array([0, 1, 2, 0, 2, 0]),
    np.array([1, 0, 1, 2, 0, 1]),
    np.array([[1.0], [-0.5], [0.0], [2.0], [0.3], [-1.0]]),
)
COUNTS = np.array(
    [[[5, 3, 2, 4], [4, 1, 1, 0], [2, 6, 3, 2], [1, 4, 2, 1], [3, 3, 0, 5], [2, 1, 1, 1]]],
    dtype=float,
)
"""Two rows are of the same two models with another covariate."""
SHAPES = [
    Shape(3, side, ties, ground, threshold, covariates)
    for side, ties, ground, threshold, covariates in itertools.product(*[(False, True)] * 4, (0, 1))
    if not (threshold and (ground or not ties))
]


def counted(shape):
    """The counts that a shape knows: no ties without a tie parameter, both bad if grounded."""
    return COUNTS[..., : shape.outcomes] * [1, 1, shape.ties, 1][: shape.outcomes]


def value(theta, shape):
    logs = np.moveaxis(log_chances(PAIRS, theta[None], shape), 0, -1)
    return (counted(shape) * logs).sum()


@pytest.mark.parametrize("shape", SHAPES)
def test_the_gradient_and_the_information_are_the_derivatives(shape):
    theta = np.linspace(-0.7, 0.6, shape.parameters)
    counts = counted(shape)

    def slope(at):
        return approx_fprime(at, value, 1e-6, shape)

    chance = np.exp(log_chances(PAIRS, theta[None], shape))
    tables = np.moveaxis(counts, -1, 0)
    found = likelihood.gradient(PAIRS, tables, chance, theta[None], shape)[0]
    assert found == pytest.approx(slope(theta), abs=1e-3)
    hessian = np.array([
        (slope(theta + step) - slope(theta - step)) / 2e-4
        for step in 1e-4 * np.eye(shape.parameters)
    ])  # fmt: skip
    found = information(PAIRS, counts, theta[None], shape)[0]
    assert found == pytest.approx(-hessian, abs=5e-2)
    assert (np.linalg.eigvalsh(found) > -1e-9).all()
    inverse = invert(found[None], shape.shifted)[0]
    shift = np.r_[np.ones(3), np.zeros(shape.parameters - 3)]
    if shape.ground:
        assert inverse == pytest.approx(np.linalg.inv(found))
    else:
        assert inverse @ shift == pytest.approx(0)
    if shape.parameters == 3:
        assert inverse == pytest.approx(np.linalg.pinv(found))


@pytest.mark.parametrize("shape", SHAPES)
def test_scores_are_the_gradients_of_single_votes(shape):
    theta = np.linspace(-0.7, 0.6, shape.parameters)
    each = likelihood.scores(PAIRS, theta[None], shape)[:, :, 0]
    for outcome, row in itertools.product(range(shape.outcomes), range(len(PAIRS.left))):
        if outcome == 2 and not shape.ties:
            continue

        def log_chance(at, outcome=outcome, row=row):
            return log_chances(PAIRS, at[None], shape)[outcome, 0, row]

        slope = approx_fprime(theta, log_chance, 1e-7)
        left, right, tie = each[outcome, :, row]
        assert slope[PAIRS.left[row]] == pytest.approx(left, abs=1e-5)
        assert slope[PAIRS.right[row]] == pytest.approx(right, abs=1e-5)
        if shape.ties:
            assert slope[-1] == pytest.approx(tie, abs=1e-5)


def test_tiny_chances_keep_their_digits():
    theta = np.array([[40.0, -40.0, 0.0, -100.0]])
    chance = chances(PAIRS, theta, Shape(3, side=False, ties=True))
    assert chance.right[0, 0] == pytest.approx(np.exp(-80), rel=1e-12)
    assert chance.tie[0, 0] == pytest.approx(np.exp(-140), rel=1e-12)
    assert not chance.both_bad.any()


def test_sides_are_confounded_when_no_model_changes_them():
    shape = Shape(3, side=True, ties=True)
    fixed = Pairs(np.array([0, 0]), np.array([1, 2]))
    assert likelihood.side_is_confounded(fixed, np.ones((1, 2, 3)), shape)
    assert not likelihood.side_is_confounded(PAIRS, COUNTS[..., :3], shape)
    chain = Pairs(np.array([0, 1]), np.array([1, 2]))
    ring = Pairs(np.array([0, 1, 0]), np.array([1, 2, 2]))
    assert likelihood.side_is_confounded(chain, np.ones((1, 2, 3)), shape)
    assert not likelihood.side_is_confounded(ring, np.ones((1, 3, 3)), shape)


def test_both_bad_votes_tell_sides_from_models_less_often_than_they_confound_them():
    """Grounded, strengths are bound to the line too, so that they cannot mimic the side of a ring
    of models; where no model changes sides they still can."""
    shape = Shape(3, side=True, ties=True, ground=True)
    fixed = Pairs(np.array([0, 0]), np.array([1, 2]))
    chain = Pairs(np.array([0, 1]), np.array([1, 2]))
    assert likelihood.side_is_confounded(fixed, np.ones((1, 2, 4)), shape)
    assert not likelihood.side_is_confounded(chain, np.ones((1, 2, 4)), shape)


def test_a_covariate_that_follows_from_the_models_is_confounded():
    steps = np.array([4.0, 20.0, 50.0])
    left, right = np.array([0, 1, 2, 0]), np.array([1, 2, 0, 2])
    of_models = (steps[left] - steps[right])[:, None]
    shape = Shape(3, side=True, ties=False, covariates=3)
    columns = np.hstack([np.ones((4, 1)), of_models, np.array([[1.0], [0], [0], [0]])])
    pairs = Pairs(left, right, columns)
    assert likelihood.confounded(pairs, np.ones((1, 4, 3)), shape) == [1, 2]
    nothing = Pairs(left, right, np.zeros((4, 1)))
    assert likelihood.confounded(nothing, np.ones((1, 4, 3)), shape._replace(covariates=1)) == [1]
