"""Means over clusters, in closed form and by drawing prompts again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit import clusters
from evalkit.clusters import Mean, Stratum, bootstrap, holm, mean, percentiles, sign_flips


def test_a_prompt_without_pictures_is_no_prompt():
    stratum = Stratum.of([[1.0, 2.0], [], [3.0]])
    assert (len(stratum), stratum.mean) == (2, 2.0)


def test_one_prompt_has_no_spread():
    assert mean(Stratum.of([[1.0, 2.0]])).interval() is None


def test_the_closed_form_is_that_of_a_plain_mean_where_clusters_are_alike():
    values = np.random.default_rng(0).normal(size=30)
    found = mean(Stratum.of([[v] for v in values]))
    assert found.error == pytest.approx(values.std(ddof=1) / np.sqrt(30))
    assert found.freedom == 29


def test_pseudo_prompts_leave_the_mean_alone():
    stratum = Stratum.of([[1.0]] * 9)
    assert mean(stratum, clusters.at_bounds(0, 1)).value == 1.0
    assert mean(stratum, clusters.at_bounds(0, 1)).error > 0 == mean(stratum).error


def world(rng, prompts, tasks=3):
    sizes = rng.integers(1, 5, size=(tasks, prompts))
    return [Stratum.of([rng.normal(size=n) + rng.normal() for n in row]) for row in sizes]


def test_the_bootstrap_gives_the_error_of_the_closed_form():
    strata = world(np.random.default_rng(1), 80)
    drawn = bootstrap(strata, rounds=20_000)
    closed = clusters.mean_of_means([mean(s) for s in strata])
    assert drawn.mean() == pytest.approx(closed.value, abs=0.005)
    assert drawn.std() == pytest.approx(closed.error, rel=0.03)
    assert percentiles(drawn) == pytest.approx(closed.interval(), abs=0.02)


def test_the_bootstrap_repeats_and_does_not_depend_on_its_steps(monkeypatch):
    strata = world(np.random.default_rng(2), 20)
    once = bootstrap(strata, rounds=500)
    monkeypatch.setattr(clusters, "_AT_ONCE", 64)
    assert bootstrap(strata, rounds=500) == pytest.approx(once)
    assert bootstrap(strata, rounds=500, seed=1) != pytest.approx(once)


def test_the_bootstrap_holds_what_it_promises_where_prompts_are_many():
    held = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        values = rng.normal(size=(2, 90, 1)) + rng.normal(size=(2, 90, 4))
        strata = [Stratum.of(list(task)) for task in values]
        low, high = percentiles(bootstrap(strata, rounds=500, seed=seed))
        held += low <= 0 <= high
    assert 0.92 <= held / 300 <= 0.97


def test_redraws_are_the_same_beside_others_and_in_steps(monkeypatch):
    rng = np.random.default_rng(8)

    def tasks(sizes):
        return [Stratum(rng.normal(size=n), rng.integers(1, 5, n).astype(float)) for n in sizes]

    many = [tasks(sizes) for sizes in ((12, 7), (12, 7), (12, 6), (30,), (12, 7))]
    alone = [bootstrap(strata, rounds=200, seed=3) for strata in many]
    for at_once in (clusters._AT_ONCE, 500):
        monkeypatch.setattr(clusters, "_AT_ONCE", at_once)
        together = clusters.bootstraps(many, rounds=200, seed=3)
        for one, other in zip(alone, together, strict=True):
            assert other == pytest.approx(one, abs=1e-12)
    assert clusters.bootstraps([]) == []


def test_flips_see_an_effect_and_only_that():
    rng = np.random.default_rng(3)
    none, some = rng.normal(size=60), rng.normal(size=60) + 1
    p = sign_flips(np.stack([none, some, np.zeros(60)], axis=1))
    assert p[0] > 0.05 > p[1]
    assert p[2] == 1.0


def test_flips_are_exact_where_all_can_be_counted():
    """Four prompts all ahead: 2 of 16 sign patterns are as extreme."""
    p = sign_flips(np.ones((4, 1)), rounds=40_000)
    assert p[0] == pytest.approx(2 / 16, abs=0.01)


def test_flips_are_the_same_in_steps_and_beside_others(monkeypatch):
    weighted = np.random.default_rng(4).normal(size=(12, 5))
    together = sign_flips(weighted, rounds=999)
    monkeypatch.setattr(clusters, "_AT_ONCE", 50)
    assert np.array_equal(together, sign_flips(weighted, rounds=999))
    assert together[2] == sign_flips(weighted[:, 2:3], rounds=999)[0]


def test_holm_by_hand():
    """Holm 1979: the smallest of four counts four times, the next three times, and never falls."""
    p = np.array([0.01, 0.04, 0.03, 0.005])
    assert holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([np.nan, 0.5, 0.9])) == pytest.approx([np.nan, 1, 1], nan_ok=True)
    assert not len(holm(np.array([])))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_keeps_the_order_and_lies_between_raw_and_bonferroni(p):
    adjusted = holm(np.array(p))
    assert all(a >= x and a <= min(1, x * len(p)) + 1e-12 for a, x in zip(adjusted, p, strict=True))
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()


def test_a_mean_of_means_combines_degrees_of_freedom():
    """Welch and Satterthwaite: equal variances add up their freedoms; one that is nil adds none."""
    same = clusters.mean_of_means([Mean(1.0, 2.0, 10.0), Mean(3.0, 2.0, 10.0)])
    assert (same.value, same.variance, same.freedom) == (2.0, 1.0, pytest.approx(20.0))
    assert clusters.mean_of_means([Mean(0, 2.0, 10.0), Mean(0, 0.0, 5.0)]).freedom == 10.0
