"""Tests, ranks and equivalence from estimates and covariances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from arena import comparisons
from evalkit.clusters import holm


@pytest.mark.parametrize("freedom", [1.0, 7.0, np.inf])
def test_quantiles_and_tails_are_student_t(freedom):
    assert comparisons.quantile(0.95, freedom) == pytest.approx(stats.t.ppf(0.975, freedom))
    assert comparisons.two_sided(np.array([0.0, -2.0]), freedom) == pytest.approx(
        2 * stats.t.sf([0.0, 2.0], freedom)
    )


def test_holm_by_hand():
    assert holm(np.array([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])
    assert holm(np.array([0.5, 0.9])) == pytest.approx([1, 1])
    one = holm(np.array([np.nan, 0.02, 0.3]))
    assert one[1:] == pytest.approx([0.04, 0.3])
    assert np.isnan(one[0])
    assert holm(np.array([])).size == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_the_bare_p_and_bonferronis(p):
    values = np.array(p)
    adjusted = holm(values)
    assert (adjusted >= values).all()
    assert (adjusted <= np.minimum(values * len(values), 1) + 1e-12).all()
    assert (np.diff(adjusted[np.argsort(values, kind="stable")]) >= 0).all()


def test_ranks_count_the_significantly_better_and_worse():
    estimates, covariance = np.array([0.0, 100.0, 10.0]), 25 * np.eye(3)
    tests = comparisons.differences(estimates, covariance, np.inf)
    best, worst = comparisons.ranks(3, tests, 0.05)
    assert best.tolist() == [2, 1, 2]
    assert worst.tolist() == [3, 1, 3]


def test_rank_intervals_hold_together():
    """Simultaneous coverage over 2000 draws is at least 95 % less simulation error (0.5 %)."""
    rng = np.random.default_rng(0)
    truth, size = np.array([0.0, 0.0, 15.0, 30.0, 45.0]), 5
    true_best = 1 + (truth[None, :] > truth[:, None]).sum(axis=1)
    true_worst = size - (truth[None, :] < truth[:, None]).sum(axis=1)
    held = 0
    for _ in range(2000):
        drawn = truth + rng.normal(0, 10, size)
        tests = comparisons.differences(drawn, 100 * np.eye(size), np.inf)
        best, worst = comparisons.ranks(size, tests, 0.05)
        held += bool(((best <= true_best) & (worst >= true_worst)).all())
    assert held / 2000 >= 0.935


def test_chance_of_best_agrees_with_the_normal_integral():
    estimates, covariance = np.array([10.0, 0.0]), np.diag([64.0, 36.0])
    found = comparisons.chance_of_best(estimates, covariance, seed=1)
    assert found[0] == pytest.approx(stats.norm.cdf(1.0), abs=0.01)
    assert found.sum() == pytest.approx(1)


def test_equivalence_is_two_one_sided_tests():
    found = comparisons.equivalence(("a", "b"), 5.0, 4.0, np.inf, margin=15.0, alpha=0.05)
    assert found.p == pytest.approx(stats.norm.sf((15 - 5) / 4))
    assert found.equivalent
    assert (found.low, found.high) == pytest.approx((5 - 1.6449 * 4, 5 + 1.6449 * 4), abs=1e-3)
    wide = comparisons.equivalence(("a", "b"), -12.0, 4.0, 9.0, margin=15.0, alpha=0.05)
    assert wide.p == pytest.approx(stats.t.sf(3 / 4, 9))
    assert not wide.equivalent


def test_a_direction_without_information_has_no_test():
    covariance = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    tests = comparisons.differences(np.array([1.0, 1.0, 5.0]), covariance, np.inf)
    assert np.isnan(tests.p).tolist() == [True, False, False]
    assert np.isnan(comparisons.standard_errors(covariance)).tolist() == [False, False, True]
