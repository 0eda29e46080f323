"""Distances on small vectors whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.sets import distances
from evalkit.sets.distances import Moments


def vectors(seed, n=60, d=6, shift=0.0):
    return (np.random.default_rng(seed).normal(size=(n, d)) + shift).astype(np.float32)


def test_fid_of_two_normals_is_the_closed_form():
    a, b = Moments.of(vectors(0, 4000)), Moments.of(vectors(1, 4000) * 2 + 3)
    # |3|^2 x 6 dimensions + (2 - 1)^2 x 6
    assert distances.fid(a, b).value == pytest.approx(60, rel=0.03)
    assert distances.fid(a, a).value == pytest.approx(0, abs=1e-4)


def test_kid_of_all_pictures_is_the_unbiased_estimate_and_has_no_spread():
    a, b = vectors(0, 30), vectors(1, 30, shift=0.5)
    k = lambda x, y: (x.astype(float) @ y.T.astype(float) / 6 + 1) ** 3  # noqa: E731
    off = lambda m: (m.sum() - np.trace(m)) / (30 * 29)  # noqa: E731
    found = distances.kid(a, b)
    assert found.value == pytest.approx(off(k(a, a)) + off(k(b, b)) - 2 * k(a, b).mean(), rel=1e-5)
    assert found.spread is None
    assert distances.kid(a, vectors(2, 40)).spread is not None


def test_cmmd_is_the_biased_estimate_whatever_the_block(monkeypatch):
    a, b = vectors(0, 30), vectors(1, 41, shift=1.0)

    def kernel(x, y):
        apart = ((x[:, None].astype(float) - y[None].astype(float)) ** 2).sum(-1)
        return np.exp(-apart / 200).mean()

    want = 1000 * (kernel(a, a) + kernel(b, b) - 2 * kernel(a, b))
    assert distances.cmmd(a, b).value == pytest.approx(want, rel=1e-9)
    monkeypatch.setattr(distances, "_ROWS", 7)
    assert distances.cmmd(a, b).value == pytest.approx(want, rel=1e-9)


def test_precision_is_of_the_made_and_recall_of_the_real():
    real = vectors(0, 40)
    near_one = real[:1] + vectors(1, 40) * 0.01  # all credible, nearly all of one kind
    precision, recall = distances.precision_recall(near_one, real)
    assert precision.value == 1
    assert recall.value < 0.1
    far = distances.precision_recall(vectors(1, 40, shift=50), real)
    assert [d.value for d in far] == [0, 0]


def test_diversity_is_a_mean_over_prompts_of_all_pairs():
    east, north = np.eye(2, dtype=np.float32)
    west = -east
    same, three = np.stack([east, east]), np.stack([east, north, west])
    found = distances.diversity([same, three, np.stack([north])])
    assert found is not None
    assert found.value == pytest.approx((0 + (1 + 2 + 1) / 3) / 2)
    assert distances.diversity([np.stack([north])]) is None
    assert distances.diversity([]) is None
    one = distances.diversity([three])
    assert one is not None
    assert one.interval() is None


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.integers(5, 12), st.integers(5, 12))
def test_distances_do_not_depend_on_the_order_and_are_finite(seed, n, m):
    a, b = vectors(seed, n, 4), vectors(seed + 1, m, 4)
    for measure in (distances.cmmd, lambda x, y: distances.fid(Moments.of(x), Moments.of(y))):
        there = measure(a, b).value
        assert math.isfinite(there)
        assert measure(a[::-1].copy(), b).value == pytest.approx(there, abs=1e-3)
        assert measure(b, a).value == pytest.approx(there, abs=1e-3)
