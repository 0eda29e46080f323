"""The Fréchet distance is the textbook's, and its interval that of the prompts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from benchmarks.frechet import Features, Reference, jackknife

RNG = np.random.default_rng(0)


def features(mean, cov, n=60, prompts=12):
    """Draw vectors whose mean and covariance are exactly these."""
    x = RNG.normal(size=(n, len(mean)))
    x = (x - x.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    vectors = x @ np.linalg.cholesky(np.asarray(cov, float)).T + mean
    return Features(vectors, np.array([f"p{i % prompts}" for i in range(n)]))


def covariance(size):
    x = RNG.normal(size=(3 * size, size))
    return x.T @ x / len(x)


def test_a_set_is_at_no_distance_from_itself():
    own = features(np.zeros(4), covariance(4))
    assert Reference(own).of(own) == pytest.approx(0, abs=1e-12)


def test_gaussians_along_the_axes_have_a_distance_by_hand():
    a = features([0, 0], np.diag([1.0, 4.0]))
    b = features([3, 4], np.diag([9.0, 4.0]))
    assert Reference(a).of(b) == pytest.approx(25 + (1 - 3) ** 2)
    assert Reference(b).of(a) == pytest.approx(29)


def test_covariances_that_do_not_commute():
    one, other = covariance(5), covariance(5)
    expected = np.trace(one + other - 2 * np.real(sqrtm(one @ other)))
    found = Reference(features(np.zeros(5), one)).of(features(np.zeros(5), other))
    assert found == pytest.approx(expected)


def test_fewer_pictures_than_features_do_not_matter():
    few = Features(RNG.normal(size=(5, 8)), np.array(list("aabbc")))
    assert Reference(few).of(few) == pytest.approx(0, abs=1e-6)


def test_leaving_a_prompt_out_is_to_have_drawn_without_it():
    reference, found = (
        Reference(features(np.zeros(3), covariance(3))),
        features(np.full(3, 50.0), covariance(3)),
    )
    left = reference.without_each(found)
    for prompt, distance in zip(np.unique(found.prompts), left, strict=True):
        kept = found.prompts != prompt
        expected = reference.of(Features(found.vectors[kept], found.prompts[kept]))
        assert distance == pytest.approx(expected)


def test_the_interval_of_a_mean_is_the_usual_one():
    values = RNG.normal(size=40)
    left = (values.sum() - values) / 39
    found = jackknife(values.mean(), left)
    half = 2.0227 * values.std(ddof=1) / np.sqrt(40)
    assert (found.low, found.high) == pytest.approx(
        (found.value - half, found.value + half), rel=1e-4
    )
