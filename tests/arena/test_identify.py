"""Which models can be rated, checked against what a fit does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arena.identify import finite_ties, listing, strongly_connected
from arena.likelihood import Pairs, Shape, newton


def table(size, *cells):
    matrix = np.zeros((size, size), dtype=np.int64)
    for i, j, number in cells:
        matrix[i, j] = number
    return matrix


def symmetric(matrix):
    return matrix + matrix.T


def test_ties_against_a_cycle_of_wins_are_finite():
    wins = table(3, (0, 1, 1), (1, 2, 1))
    assert finite_ties(wins, symmetric(table(3, (0, 2, 1))))
    assert not finite_ties(wins, symmetric(table(3, (0, 1, 1), (1, 2, 1))))
    assert not finite_ties(table(2, (0, 1, 5)), symmetric(table(2, (0, 1, 5))))
    assert finite_ties(table(2, (0, 1, 5), (1, 0, 1)), symmetric(table(2, (0, 1, 5))))


counts = st.lists(st.sampled_from([0, 0, 1, 3]), min_size=9, max_size=9)


@settings(deadline=None, max_examples=500)
@given(counts, st.lists(st.sampled_from([0, 0, 2]), min_size=3, max_size=3))
def test_the_graph_says_finite_if_and_only_if_newton_converges(win, tie):
    """Two ways to the same answer: difference constraints, and the likelihood itself."""
    wins = np.array(win).reshape(3, 3) * (1 - np.eye(3, dtype=int))
    draws = symmetric(table(3, (0, 1, tie[0]), (0, 2, tie[1]), (1, 2, tie[2])))
    connected = strongly_connected(((wins + draws) > 0)[None])[0]
    if not connected or not wins.any() or not draws.any():
        return
    left, right = np.triu_indices(3, 1)
    rows = np.stack([wins[left, right], wins[right, left], draws[left, right]], axis=1)
    fit = newton(Pairs(left, right), rows[None].astype(float), Shape(3, side=False, ties=True))
    assert fit.converged[0] == finite_ties(wins, draws)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 9])
def test_a_ring_is_strongly_connected_and_a_chain_is_not(size):
    ring = np.roll(np.eye(size, dtype=bool), 1, axis=1)
    chain = np.eye(size, k=1, dtype=bool)
    assert strongly_connected(np.stack([ring, chain])).tolist() == [True, size == 1]


def test_a_listing_stays_short():
    assert listing(["a", "b"]) == "a, b"
    assert listing(list("abcdef")) == "a, b, c, d and 2 more"
