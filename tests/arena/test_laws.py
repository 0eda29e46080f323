"""The laws of one vote against their published formulas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.laws import ABSENT, DAVIDSON, GROUNDED, RAO_KUPPER

LAWS = [DAVIDSON, GROUNDED, RAO_KUPPER]
numbers = st.floats(-6, 6)


def at(law, left, right, tie):
    one = np.array([[left]]), np.array([[right]]), np.array([[tie]])
    return law.log_chances(*one)[:, 0, 0]


@given(numbers, numbers, st.floats(-6, 6))
def test_davidson_is_three_weights_and_grounded_is_four(left, right, log_nu):
    middle = np.exp((left + right) / 2 + log_nu)
    weights = np.array([np.exp(left), np.exp(right), middle, 1])
    assert np.exp(at(DAVIDSON, left, right, log_nu)) == pytest.approx(
        weights[:3] / weights[:3].sum()
    )
    assert np.exp(at(GROUNDED, left, right, log_nu)) == pytest.approx(weights / weights.sum())


@given(numbers, numbers, st.floats(1e-6, 6))
def test_rao_kupper_is_their_equation(left, right, eta):
    """A win is pi_i / (pi_i + kappa pi_j), and the rest is a tie."""
    one, other, kappa = np.exp(left), np.exp(right), np.exp(eta)
    wins = one / (one + kappa * other), other / (other + kappa * one)
    tie = one * other * (kappa**2 - 1) / ((one + kappa * other) * (kappa * one + other))
    assert np.exp(at(RAO_KUPPER, left, right, eta)) == pytest.approx([*wins, tie], rel=1e-9)


@given(numbers, numbers)
def test_without_ties_every_ungrounded_law_is_bradley_terry(left, right):
    win = 1 / (1 + np.exp(right - left))
    assert np.exp(at(DAVIDSON, left, right, ABSENT)) == pytest.approx([win, 1 - win, 0])
    assert np.exp(at(RAO_KUPPER, left, right, 1e-12)) == pytest.approx([win, 1 - win, 0], abs=1e-9)


@given(numbers, numbers, numbers)
def test_over_the_line_a_picture_is_preferred_as_often_as_both_are_bad_times_its_strength(
    left, right, log_nu
):
    chance = at(GROUNDED, left, right, log_nu)
    assert chance[0] - chance[3] == pytest.approx(left)
    assert chance[1] - chance[3] == pytest.approx(right)


@given(
    st.sampled_from(LAWS),
    *[numbers] * 2,
    st.floats(0.01, 6),
    st.lists(st.integers(0, 9), min_size=4, max_size=4),
)
def test_every_law_is_concave(law, left, right, tie, votes):
    """Minus the matrix of second derivatives has no negative eigenvalue, whatever was voted."""
    one = np.array([[left]]), np.array([[right]]), np.array([[tie]])
    chance = np.exp(law.log_chances(*one))
    counts = np.array(votes, dtype=float)[: len(chance), None, None]
    ll, rr, lr, lt, rt, tt = law.curvature(counts, chance, one[2])[:, 0, 0]
    matrix = np.array([[ll, lr, lt], [lr, rr, rt], [lt, rt, tt]])
    values = np.linalg.eigvalsh(matrix)
    assert values[0] >= -1e-12 * max(1, values[-1])


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
def test_the_start_ties_equal_models_as_often_as_asked(law, share):
    chance = np.exp(at(law, 0.0, 0.0, law.start(share)))
    assert chance[2] / chance[:3].sum() == pytest.approx(share)


def test_a_grounded_rao_kupper_would_not_be_concave():
    """Why there is none: with pi / (pi + kappa pi' + 1) for a win and 1 / (1 + pi + pi') for both
    bad (the form of Frick et al. 2025, arXiv 2502.14855), the log-chance of a tie curves up."""

    def log_tie(left, right, eta=5.0):
        one, other, kappa = np.exp(left), np.exp(right), np.exp(eta)
        wins = one / (one + kappa * other + 1) + other / (other + kappa * one + 1)
        return np.log(1 - wins - 1 / (1 + one + other))

    step = 1e-2
    around = [log_tie(-2 + d, -2 - d) for d in (-step, 0, step)]
    assert (around[0] - 2 * around[1] + around[2]) / step**2 > 0.5
