"""Shares of related votes: their variance, their intervals, and what cannot be told."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.clusters import Clusters
from arena.shares import gap, share, subset, unknown, variance, wilson


def clusters(name, codes):
    codes = np.asarray(codes)
    return Clusters(name, codes, int(codes.max()) + 1)


def test_independent_votes_have_the_binomials_variance():
    values = np.array([1.0, 0, 0, 1, 1, 0, 1, 1])
    deviation = (values - values.mean()) / 8
    assert variance(deviation, []) == pytest.approx(values.var(ddof=1) / 8)


def test_votes_of_one_rater_that_are_copies_count_once():
    values = np.repeat([1.0, 0, 0, 1, 1, 0, 1, 1], 5)
    alone = values[::5]
    by = [clusters("rater", np.repeat(np.arange(8), 5))]
    copies = variance((values - values.mean()) / 40, by)
    assert copies == pytest.approx(alone.var(ddof=1) / 8)


def test_two_ways_are_the_sum_less_the_crossing():
    rng = np.random.default_rng(0)
    rater, prompt = rng.integers(0, 6, 200), rng.integers(0, 9, 200)
    pull = rng.normal(0, 1, 6)[rater] + rng.normal(0, 1, 9)[prompt] + rng.normal(0, 1, 200)
    deviation = (pull - pull.mean()) / 200

    def squares(codes):
        found = clusters("", np.unique(codes, return_inverse=True)[1])
        sums = np.bincount(found.codes, weights=deviation)
        return (sums**2).sum() * found.effective / (found.effective - 1)

    expected = squares(rater) + squares(prompt) - squares(rater * 9 + prompt)
    by = [clusters("rater", rater), clusters("prompt", prompt)]
    assert variance(deviation, by) == pytest.approx(expected)


def test_an_interval_by_wilson_without_clusters():
    found = share(np.array([1.0] * 7 + [0.0] * 3), [], total=12, level=0.95)
    assert (found.value, found.votes, found.total) == (0.7, 10, 12)
    assert found.low is not None
    assert found.high is not None
    assert 0.3 < found.low < 0.7 < found.high < 0.95


def test_all_votes_alike_are_no_certainty():
    by = [clusters("rater", np.repeat(np.arange(5), 40))]
    found = share(np.ones(200), by, total=200, level=0.95)
    assert found.high == pytest.approx(1)
    assert found.low is not None
    assert found.low < 0.7  # five raters, not 200 votes


def test_one_vote_has_no_interval():
    found = share(np.ones(1), [], total=1, level=0.95)
    assert (found.value, found.low, found.high) == (1.0, None, None)
    assert "one vote" in found.status


def test_a_gap_that_no_vote_shows_has_no_interval():
    found = gap(np.zeros(9), [], level=0.95)
    assert (found.value, found.low, found.p) == (0, None, None)
    assert found.status == "no vote tells them apart"


def test_a_gap_is_tested():
    rng = np.random.default_rng(1)
    found = gap(rng.choice([-1.0, 0, 1], 300, p=[0.1, 0.6, 0.3]), [], level=0.95)
    assert found.p is not None
    assert found.p < 1e-4
    assert found.low is not None
    assert found.low > 0


def test_what_is_unknown_says_so():
    assert unknown(7, "why").value is None
    assert unknown(7, "why").total == 7


def test_a_way_of_one_cluster_says_nothing():
    by = [clusters("rater", [0, 0, 1]), clusters("prompt", [0, 1, 2])]
    assert [one.name for one in subset(by, np.array([0, 1]))] == ["prompt"]


@given(st.floats(0, 1), st.floats(0.5, 1e6), st.floats(0.5, 5))
def test_wilsons_interval_holds_the_share_and_stays_between_0_and_1(mean, number, reach):
    low, high = wilson(mean, number, reach)
    assert 0 <= low <= mean + 1e-9
    assert mean - 1e-9 <= high <= 1
