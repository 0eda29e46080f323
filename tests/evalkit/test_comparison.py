"""Two models on the same prompts and seeds: what is told apart, and what is not."""

from __future__ import annotations

import numpy as np
import pytest

from evalkit.comparison import compare, compare_all, sign_test
from evalkit.errors import RunError
from evalkit.records import ScorerCard
from evalkit.summary import summarise
from tests.worlds import pair, world

PLAIN = ScorerCard(name="s", version=1, title="S")
TASKS = PLAIN.model_copy(update={"low": 0, "high": 1, "headline": "mean of category means"})
LOWER = PLAIN.model_copy(update={"higher_is_better": False})


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


def test_nothing_shared_is_refused():
    prompts, generations, scores = pair([[1.0]], [[1.0]])
    with pytest.raises(RunError, match="share no prompt and seed"):
        compare(PLAIN, prompts, generations[:1], scores, "a", "b")


def test_nothing_scored_has_no_p_value():
    found = compare(PLAIN, *pair([[None]], [[1.0]]), "a", "b")
    assert (found.difference.value, found.p_value) == (None, None)


def test_a_task_without_a_pair_of_scores_leaves_the_difference_open():
    made = pair([[1.0], [None]], [[0.0], [1.0]], ["one", "two"])
    found = compare(TASKS, *made, "a", "b", margin=0.1)
    assert (found.difference.value, found.p_value, found.p_sign, found.reach) == (None,) * 4
    assert found.margin.p_no_worse is None
    assert (found.difference.scored, found.difference.total) == (1, 2)


def test_one_prompt_has_a_difference_and_no_spread():
    found = compare(PLAIN, *pair([[2.0]], [[1.0]]), "a", "b", margin=0.5)
    assert (found.difference.value, found.difference.low, found.reach) == (1.0, None, None)
    assert found.margin.p_no_worse is None


def test_no_prompt_that_tells_two_apart_is_no_proof_that_they_are_equal():
    found = compare(TASKS, *pair([[1.0]] * 20, [[1.0]] * 20), "a", "b", margin=0.02)
    assert found.difference.value == 0
    assert -0.2 < found.difference.low < -0.05
    assert not found.margin.no_worse
    assert found.reach.prompts is None
    assert found.bootstrap == (0, 0), "which is why the bootstrap is not what is shown"


def test_ahead_is_ahead_in_the_scores_own_direction():
    made = pair([[1.0], [2.0], [3.0]], [[2.0], [4.0], [3.0]])
    assert (compare(PLAIN, *made, "a", "b").better, compare(LOWER, *made, "a", "b").better) == (
        0,
        2,
    )
    up, down = (compare(card, *made, "a", "b", margin=0.5).margin for card in (PLAIN, LOWER))
    assert up.p_no_worse > 0.5 > down.p_no_worse
    assert up.worse_by_at_most > 1 > down.worse_by_at_most


def test_the_smallest_margin_that_passes_is_the_one_at_five_per_cent():
    rng = np.random.default_rng(4)
    made = pair(rng.normal(size=(30, 2)).tolist(), rng.normal(size=(30, 2)).tolist())
    most = compare(PLAIN, *made, "a", "b", margin=0.1).margin.worse_by_at_most
    assert compare(PLAIN, *made, "a", "b", margin=most).margin.p_no_worse == pytest.approx(0.05)


def test_equivalent_is_no_worse_both_ways():
    rng = np.random.default_rng(5)
    a = rng.normal(size=(200, 1))
    made = pair((a + 0.3).tolist(), (a + rng.normal(scale=0.1, size=(200, 1))).tolist())
    forth = compare(PLAIN, *made, "a", "b", margin=0.1).margin
    back = compare(PLAIN, *made, "b", "a", margin=0.1).margin
    assert forth.no_worse
    assert not back.no_worse
    assert forth.p_equivalent == pytest.approx(back.p_equivalent)
    assert forth.p_equivalent == max(forth.p_no_worse, back.p_no_worse)


@pytest.mark.parametrize(
    ("better", "worse", "p"), [(0, 0, 1.0), (5, 5, 1.0), (0, 5, 0.0625), (8, 1, 0.0390625)]
)
def test_the_sign_test_is_exact(better, worse, p):
    assert sign_test(better, worse) == sign_test(worse, better) == pytest.approx(p)


def test_holm_counts_every_comparison_made_together():
    rng = np.random.default_rng(6)
    prompts, made, scores = {}, [], []
    for model, shift in (("a", 0.0), ("b", 0.25), ("c", 2.0)):
        p, g, s = world((rng.normal(size=(40, 1)) + shift).tolist(), model=model)
        prompts, made, scores = p, made + g, scores + s
    pairs = [("b", "a"), ("c", "a"), ("c", "b")]
    two = [(PLAIN, scores), (LOWER.model_copy(update={"name": "t"}), scores)]
    found = compare_all(two, prompts, made, pairs)
    assert [(c.scorer, c.a, c.b) for c in found] == [(s, *p) for s in "st" for p in pairs]
    raw = sorted(c.p_value for c in found)
    assert min(c.p_adjusted for c in found) == pytest.approx(6 * raw[0])
    alone = compare(PLAIN, prompts, made, scores, "b", "a")
    assert alone.p_value == alone.p_adjusted == found[0].p_value


def test_many_comparisons_get_flips_enough_for_holm():
    rng = np.random.default_rng(7)
    prompts, made, scores = {}, [], []
    for i in range(20):
        p, g, s = world((rng.normal(size=(12, 1)) + 9 * i).tolist(), model=f"m{i:02}")
        prompts, made, scores = p, made + g, scores + s
    pairs = [(f"m{i:02}", f"m{j:02}") for i in range(20) for j in range(i)]
    found = compare_all([(PLAIN, scores)], prompts, made, pairs)
    # Twelve prompts have 4,096 ways to flip, so that no p-value is below 2 / 4096.
    assert {c.p_adjusted for c in found} != {1.0}
    assert min(c.p_value for c in found) == pytest.approx(2 / 4096, rel=0.5)


@pytest.fixture
def few_rounds(monkeypatch):
    """Resample little in studies of what does not depend on it."""
    monkeypatch.setattr("evalkit.comparison.ROUNDS", 9)
    monkeypatch.setattr("evalkit.comparison.FLIPS_PER_TEST", 9)


def differences(rng, prompts, seeds=2, apart=0.2):
    shared = rng.normal(size=(prompts, 1)) * 3
    return ((shared + rng.normal(size=(prompts, seeds)) + m).tolist() for m in (apart, 0.0))


def test_intervals_of_a_difference_hold_what_they_promise(few_rounds):
    held = 0
    for seed in range(600):
        d = compare(
            PLAIN, *pair(*differences(np.random.default_rng(seed), 25)), "a", "b"
        ).difference
        held += d.low <= 0.2 <= d.high
    assert 0.93 <= held / 600 <= 0.97


def test_no_effect_is_called_one_as_often_as_promised(monkeypatch):
    monkeypatch.setattr("evalkit.comparison.ROUNDS", 499)
    calls = {"p_value": 0, "p_sign": 0}
    for seed in range(400):
        made = pair(*differences(np.random.default_rng(seed), 25, apart=0.0))
        found = compare(PLAIN, *made, "a", "b")
        calls = {name: n + (getattr(found, name) < 0.1) for name, n in calls.items()}
    assert 0.07 <= calls["p_value"] / 400 <= 0.13
    assert 0.02 <= calls["p_sign"] / 400 <= 0.11  # exact, so below the level


def test_a_model_at_the_margin_passes_as_often_as_promised(few_rounds):
    passed = 0
    for seed in range(600):
        made = pair(*differences(np.random.default_rng(seed), 30, apart=-0.4))
        passed += compare(PLAIN, *made, "a", "b", margin=0.4).margin.no_worse
    assert 0.03 <= passed / 600 <= 0.07


def test_so_many_prompts_find_what_they_should(few_rounds):
    """Power at the number of prompts that a pilot says is enough for what it saw."""
    pilot = compare(PLAIN, *pair(*differences(np.random.default_rng(0), 400, 2, 0.5)), "a", "b")
    scale = (pilot.difference.value / 0.5) ** 2
    enough = round(pilot.reach.prompts * scale)
    found = 0
    for seed in range(1, 301):
        made = pair(*differences(np.random.default_rng(seed), enough, 2, 0.5))
        d = compare(PLAIN, *made, "a", "b").difference
        found += d.low > 0
    assert 0.72 <= found / 300 <= 0.88
