"""What a vote would tell: finite for any counts, and what a vote really does to the variances."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.gains import Answers, Belief, believe, contested, unresolved
from arena.likelihood import invert

NAMES = ("a", "b", "c", "d")
MATCHES = list(combinations(NAMES, 2))
SOME = {m: Answers(3 + i, 2, 1) for i, m in enumerate(MATCHES)}

answers = st.dictionaries(
    st.sampled_from(MATCHES), st.builds(Answers, *[st.integers(0, 10**6)] * 3), max_size=6
)
drawn = st.dictionaries(st.sampled_from(MATCHES), st.integers(0, 10**6), max_size=6)


def belief(drawn=None, answers=None, names=NAMES) -> Belief:
    found = believe(names, drawn or {}, answers or {})
    assert found is not None
    return found


@given(drawn=drawn, answers=answers)
def test_any_counts_have_finite_beliefs(drawn, answers):
    found = belief(drawn, answers)
    for weigh in (unresolved, contested):
        gains = found.gains(weigh(found))
        assert np.isfinite(gains).all()
        assert (gains >= 0).all()
    assert (found.variance > 0).all()


def test_nothing_known_is_known_of_all_alike():
    found = belief()
    assert found.strengths == pytest.approx(np.zeros(4), abs=1e-9)
    for weigh in (unresolved, contested):
        gains = found.gains(weigh(found))
        assert gains == pytest.approx(np.full(6, gains[0]))
        assert gains[0] > 0


@pytest.mark.parametrize("models", [8, 20, 60])
def test_the_prior_is_as_vague_as_it_says(models):
    error = np.sqrt(belief(names=[f"m{i:02d}" for i in range(models)]).variance)
    assert error == pytest.approx(np.full(len(error), 2.4), abs=0.15)


def test_a_gain_is_what_a_vote_does_to_the_variances():
    found, weight = belief(answers=SOME), np.arange(1.0, 7.0)
    project = np.eye(4) - 1 / 4
    information = np.linalg.pinv(found.covariance)
    for place, gain in enumerate(found.gains(weight)):
        contrast = np.zeros(4)
        contrast[[found.first[place], found.second[place]]] = 1, -1
        more = information + found.one_vote[place] * np.outer(contrast, contrast)
        after = project @ np.linalg.pinv(more) @ project
        saved = [
            w * (found.covariance - after)[np.ix_([i, j], [i, j])] @ [1, -1] @ [1, -1]
            for w, i, j in zip(weight, found.first, found.second, strict=True)
        ]
        assert gain == pytest.approx(np.sum(saved), rel=1e-6)


def test_battles_that_are_out_count_as_known():
    out = {("a", "b"): 50}
    before, after = belief(answers=SOME), belief(out, SOME)
    assert after.variance[0] < before.variance[0]
    assert after.difference == pytest.approx(before.difference)


def test_votes_without_battles_count_too():
    held = {m: sum(a) for m, a in SOME.items()}
    assert belief({}, SOME).variance == pytest.approx(belief(held, SOME).variance)
    assert belief({}, SOME).variance.max() < belief().variance.min()


def test_only_the_leaders_differences_are_contested():
    many = {m: Answers(60, 20, 10) for m in MATCHES}  # a > b > c > d
    found = belief(answers=many)
    weight = dict(zip(found.matches, contested(found), strict=True))
    assert [m for m, w in weight.items() if w > 0] == [("a", "b"), ("a", "c"), ("a", "d")]
    assert weight["a", "b"] > weight["a", "c"] > weight["a", "d"]


def test_two_that_share_the_lead_are_contested_by_both():
    level = {("a", "b"): Answers(9, 9, 2)} | {(x, y): Answers(12, 6, 2) for x in "ab" for y in "cd"}
    found = belief(answers=level)
    weight = dict(zip(found.matches, contested(found), strict=True))
    assert weight["a", "b"] == pytest.approx(2)
    assert weight["a", "c"] == pytest.approx(weight["b", "d"])
    assert weight["a", "c"] > 0
    assert weight["c", "d"] == 0


def test_what_does_not_converge_is_said(monkeypatch):
    monkeypatch.setattr("arena.newton.MAX_ITERATIONS", 1)
    assert believe(NAMES, {}, {MATCHES[0]: Answers(77, 3, 1)}) is None


def test_a_belief_counts_every_side():
    found = belief(answers=SOME)
    assert found.matches == tuple(MATCHES)
    size = len(NAMES)
    assert invert(np.linalg.pinv(found.covariance), size) == pytest.approx(found.covariance)
