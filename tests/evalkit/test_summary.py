"""Means that say how sure they are, and are right about it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import RunError
from evalkit.records import Generation, Prompt, Score, ScorerCard
from evalkit.summary import compare, summarise

PLAIN = ScorerCard(name="s", version=1, title="S")
BOUNDED = ScorerCard(name="s", version=1, title="S", low=0, high=1)
TASKS = BOUNDED.model_copy(update={"headline": "mean of category means"})


def world(values, categories=None, model="m"):
    """Make prompts, generations and scores from rows of values (None is missing)."""
    categories = categories or ["c"] * len(values)
    prompts = {
        f"p{i}": Prompt(id=f"p{i}", suite="s", text="t", category=c)
        for i, c in enumerate(categories)
    }
    generations, scores = [], []
    for i, row in enumerate(values):
        for seed, value in enumerate(row):
            made = Generation(
                id=f"{model}{i}.{seed}", prompt_id=f"p{i}", model=model, seed=seed, image="0" * 64
            )
            reason = None if value is not None else "broken"
            generations.append(made)
            scores.append(
                Score(generation_id=made.id, scorer="s", version=1, value=value, reason=reason)
            )
    return prompts, generations, scores


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


def pair(a, b, categories=None):
    prompts, ga, sa = world(a, categories, "a")
    _, gb, sb = world(b, categories, "b")
    return prompts, ga + gb, sa + sb


def test_a_comparison_uses_what_both_have():
    found = compare(PLAIN, *pair([[3.0, 1.0], [2.0, None]], [[1.0, 1.0], [None, 5.0]]), "a", "b")
    assert found.difference.value == 1.0
    assert (found.difference.scored, found.difference.total) == (2, 4)
    assert (found.better, found.worse, found.equal) == (1, 0, 0)


def test_a_model_equals_itself():
    values = np.random.default_rng(1).normal(size=(20, 2)).tolist()
    found = compare(PLAIN, *pair(values, values), "a", "b")
    assert found.difference.value == 0
    assert found.p_value == 1.0


def test_a_comparison_is_antisymmetric():
    rng = np.random.default_rng(2)
    made = pair(rng.normal(size=(9, 2)).tolist(), rng.normal(size=(9, 2)).tolist())
    there, back = compare(PLAIN, *made, "a", "b"), compare(PLAIN, *made, "b", "a")
    assert there.difference.value == pytest.approx(-back.difference.value)
    assert there.p_value == back.p_value
    assert (there.better, there.worse) == (back.worse, back.better)


def test_a_difference_of_task_means_matches_the_headlines():
    rng = np.random.default_rng(3)
    tasks = list("aaaabb")
    a, b = ((rng.random((6, 3)) < p).astype(float).tolist() for p in (0.7, 0.4))
    made = pair(a, b, tasks)
    by_model = {s.model: s.headline.value for s in summarise(TASKS, *made)}
    found = compare(TASKS, *made, "a", "b")
    assert found.difference.value == pytest.approx(by_model["a"] - by_model["b"])


def test_paired_differences_hold_what_they_promise(monkeypatch):
    monkeypatch.setattr("evalkit.summary._sign_flip", lambda _: None)  # slow, and not asked for
    held = 0
    for seed in range(2000):
        rng = np.random.default_rng(seed)
        shared = rng.normal(size=(40, 1)) * 3
        a, b = (shared + rng.normal(size=(40, 2)) + m for m in (0.2, 0.0))
        d = compare(PLAIN, *pair(a.tolist(), b.tolist()), "a", "b").difference
        held += d.low <= 0.2 <= d.high
    assert 0.93 <= held / 2000 <= 0.97


def test_no_effect_is_called_one_as_often_as_promised():
    calls = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        a, b = rng.normal(size=(2, 15, 1)).tolist()
        calls += compare(PLAIN, *pair(a, b), "a", "b").p_value < 0.1
    assert 0.05 <= calls / 200 <= 0.16


def test_nothing_shared_is_refused():
    prompts, generations, scores = pair([[1.0]], [[1.0]])
    with pytest.raises(RunError, match="share no prompt and seed"):
        compare(PLAIN, prompts, generations[:1], scores, "a", "b")


def test_nothing_scored_has_no_p_value():
    found = compare(PLAIN, *pair([[None]], [[1.0]]), "a", "b")
    assert (found.difference.value, found.p_value) == (None, None)
