"""Which models can be rated, checked against what a fit does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arena.identify import beaten, finite_ties, listing, strongly_connected
from arena.likelihood import Pairs, Shape
from arena.newton import newton


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


def drawn(win, tie, bad=(0, 0, 0)):
    """Tables of three models from lists of numbers of votes."""
    wins = np.array(win).reshape(3, 3) * (1 - np.eye(3, dtype=int))
    ties, bads = (
        symmetric(table(3, (0, 1, some[0]), (0, 2, some[1]), (1, 2, some[2])))
        for some in (tie, bad)
    )
    return wins, ties, bads


def fitted(wins, ties, bads, **kind):
    left, right = np.triu_indices(3, 1)
    tables = wins, wins.T, ties, *([bads] if "ground" in kind else [])
    rows = np.stack([one[left, right] for one in tables], axis=1)
    pairs = Pairs(left, right)
    return newton(pairs, rows[None].astype(float), Shape(3, False, bool(ties.any()), **kind))


counts = st.lists(st.sampled_from([0, 0, 1, 3]), min_size=9, max_size=9)
drawn_votes = st.lists(st.sampled_from([0, 0, 2]), min_size=3, max_size=3)


@pytest.mark.parametrize("threshold", [False, True])
@settings(max_examples=500)
@given(counts, drawn_votes)
def test_the_graph_says_finite_if_and_only_if_newton_converges(threshold, win, tie):
    """Two ways to the same answer: difference constraints, and the likelihood itself."""
    wins, draws, _ = drawn(win, tie)
    connected = strongly_connected(((wins + draws) > 0)[None])[0]
    if not connected or not wins.any() or not draws.any():
        return
    fit = fitted(wins, draws, draws, threshold=threshold)
    assert fit.converged[0] == finite_ties(wins, draws)


@settings(max_examples=800)
@given(counts, drawn_votes, drawn_votes)
def test_the_graph_with_the_line_says_finite_if_and_only_if_newton_converges(win, tie, bad):
    wins, ties, bads = drawn(win, tie, bad)
    if not bads.any() or not (wins.any() or ties.any()):
        return
    finite = strongly_connected(beaten(wins, ties, bads)[None])[0]
    finite = finite and (not ties.any() or finite_ties(wins, ties, bads))
    assert fitted(wins, ties, bads, ground=True).converged[0] == finite


def test_grounded_ties_run_away_where_both_bad_votes_never_contradict_them():
    wins, ties, bads = drawn([0] * 9, [2, 2, 2], [1, 1, 1])
    assert strongly_connected(beaten(wins, ties, bads)[None])[0]
    assert not finite_ties(wins, ties, bads)
    wins, ties, bads = drawn([0, 1, 0, 0, 0, 1, 1, 0, 0], [2, 2, 2], [1, 1, 1])
    assert finite_ties(wins, ties, bads)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 9])
def test_a_ring_is_strongly_connected_and_a_chain_is_not(size):
    ring = np.roll(np.eye(size, dtype=bool), 1, axis=1)
    chain = np.eye(size, k=1, dtype=bool)
    assert strongly_connected(np.stack([ring, chain])).tolist() == [True, size == 1]


def test_a_listing_stays_short():
    assert listing(["a", "b"]) == "a, b"
    assert listing(list("abcdef")) == "a, b, c, d and 2 more"
