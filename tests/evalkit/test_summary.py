"""Means that say how sure they are, and are right about it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.records import ScorerCard
from evalkit.summary import newest, summarise
from tests.worlds import world

PLAIN = ScorerCard(name="s", version=1, title="S")
BOUNDED = ScorerCard(name="s", version=1, title="S", low=0, high=1)
TASKS = BOUNDED.model_copy(update={"headline": "mean of category means"})


def one(card, *parts):
    (found,) = summarise(card, *world(*parts))
    return found


def test_a_mean_is_the_mean_and_missing_is_not_zero():
    found = one(PLAIN, [[1.0, 3.0], [None, 5.0], [None, None]])
    assert found.headline.value == 3.0
    assert (found.headline.scored, found.headline.total, found.headline.prompts) == (3, 6, 2)
    assert found.reasons == {"broken": 3}
    assert found.prompt_best == 4.0


def test_what_was_not_scored_yet_is_counted():
    prompts, generations, scores = world([[1.0], [2.0]])
    (found,) = summarise(PLAIN, prompts, generations, scores[:1])
    assert found.reasons == {"not scored yet": 1}


def test_nothing_scored_gives_no_figure():
    found = one(BOUNDED, [[None], [None]])
    assert (found.headline.value, found.headline.low, found.image_mean) == (None, None, None)


def test_a_single_prompt_has_no_interval():
    found = one(PLAIN, [[1.0, 2.0]])
    assert (found.headline.value, found.headline.low) == (1.5, None)


def test_the_headline_of_tasks_is_the_mean_of_their_means():
    found = one(TASKS, [[1.0], [1.0], [1.0], [0.0]], ["a", "a", "a", "b"])
    assert found.headline.value == 0.5
    assert found.image_mean == 0.75
    assert {c: e.value for c, e in found.categories.items()} == {"a": 1.0, "b": 0.0}


def test_a_task_without_a_score_leaves_the_headline_open():
    found = one(TASKS, [[1.0], [None]], ["a", "b"])
    assert found.headline.value is None
    assert found.image_mean == 1.0


def test_prompts_all_right_do_not_prove_perfection():
    found = one(BOUNDED, [[1.0]] * 20)
    assert found.headline.value == found.headline.high == 1.0
    assert 0.8 < found.headline.low < 0.99


def test_pictures_of_one_prompt_are_not_independent():
    rng = np.random.default_rng(0)
    base = rng.normal(size=(50, 1))
    once = one(PLAIN, base.tolist()).headline
    copies = one(PLAIN, np.repeat(base, 4, axis=1).tolist()).headline
    assert copies.high - copies.low == pytest.approx(once.high - once.low)


@given(
    st.lists(
        st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=4),
        min_size=1,
        max_size=12,
    )
)
def test_an_interval_holds_its_mean_and_keeps_to_the_bounds(values):
    found = one(BOUNDED, values).headline
    if found.value is not None:
        assert found.low is not None
        assert 0 <= found.low <= found.value + 1e-12
        assert found.value - 1e-12 <= found.high <= 1


def coverage(card, draw, truth, rounds=400):
    held = 0
    for seed in range(rounds):
        values, categories = draw(np.random.default_rng(seed))
        found = one(card, values, categories).headline
        held += found.low <= truth <= found.high
    return held / rounds


def test_intervals_of_a_continuous_score_hold_what_they_promise():
    def draw(rng):
        return (rng.normal(size=(60, 1)) + rng.normal(size=(60, 4))).tolist(), None

    assert 0.93 <= coverage(PLAIN, draw, 0.0) <= 0.97


def test_intervals_of_geneval_hold_what_they_promise():
    """Six tasks of twenty prompts and four pictures, correlated within a prompt."""
    means = np.array([0.95, 0.8, 0.6, 0.8, 0.4, 0.5])

    def draw(rng):
        a = means * 1.5
        chance = rng.beta(a, 1.5 - a, size=(20, 6)).T.reshape(-1, 1)
        return (rng.random((120, 4)) < chance).astype(float).tolist(), list(
            np.repeat(list("abcdef"), 20)
        )

    assert 0.93 <= coverage(TASKS, draw, means.mean()) <= 0.97


def test_the_newest_version_of_each_score_counts():
    cards = [PLAIN.model_copy(update={"name": n, "version": v}) for n, v in ("b2", "a1", "b1")]
    assert [c.key for c in newest(cards)] == ["a@1", "b@2"]
