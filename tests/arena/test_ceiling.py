"""How far people agree: counted by hand, bounded for any scorer, unknown without repeats."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.ceiling import agreement_with_others, bounds, people
from arena.clusters import clusters
from arena.judged import join


def votes(*rows):
    """Rows of pair, rater and answer; an answer in capitals was shown the other way round."""
    table = []
    for pair, rater, answer in rows:
        a, b = ("a", f"a{pair}"), ("b", f"b{pair}")
        word = {"a": "left", "b": "right", "t": "tie", "x": "both_bad"}[answer.lower()]
        if answer.isupper():
            a, b = b, a
            word = {"left": "right", "right": "left"}.get(word, word)
        table.append((a[0], b[0], word, rater, f"p{pair}", a[1], b[1]))
    names = ["left", "right", "winner", "rater", "prompt", "left_generation", "right_generation"]
    return pd.DataFrame(table, columns=names)


def measured(frame):
    by, _ = clusters(frame, np.ones(len(frame), bool), ("rater", "prompt"))
    return people(join(frame), by, level=0.95)


def test_two_raters_whatever_the_sides():
    frame = votes((1, "x", "a"), (1, "y", "A"), (2, "x", "a"), (2, "z", "b"), (3, "x", "a"))
    found = measured(frame)
    assert (found.two.value, found.two.votes, found.two.total) == (0.5, 4, 5)
    assert found.pairs == 2
    assert agreement_with_others(join(frame))[:4].tolist() == [1, 1, 0, 0]


def test_every_vote_counts_once():
    """Three votes of which two agree: a third, a third and nothing of the others agree."""
    found = measured(votes((1, "x", "a"), (1, "y", "a"), (1, "z", "b")))
    assert found.two.value == pytest.approx(1 / 3)


def test_neither_is_an_answer_of_its_own():
    found = measured(votes((1, "x", "t"), (1, "y", "x"), (2, "x", "a"), (2, "y", "t")))
    assert found.two.value is None
    assert "no two raters decided" in found.two.status
    assert found.with_ties.value == 0.5


def test_a_rater_asked_again_is_no_second_rater():
    found = measured(votes((1, "x", "a"), (1, "x", "A"), (2, "y", "a"), (2, "y", "b")))
    assert found.two.value is None
    assert found.oneself.value == 0.5
    assert found.best is None


def test_without_raters_nothing_is_known():
    frame = votes((1, "x", "a"), (1, "y", "a")).drop(columns="rater")
    assert measured(frame).two.value is None


def test_a_majority_of_three_others_by_hand():
    """Of five votes 4 to 1: the odd one never agrees with three others; each of the four faces
    three and one, of which any three have a majority for it."""
    rows = [(p, r, "b" if r == "v" else "a") for p in range(10) for r in "vwxyz"]
    (size, three), *_ = measured(votes(*rows)).majorities
    assert size == 3
    assert three.value == pytest.approx(4 / 5)


def test_few_pairs_make_no_majority():
    rows = [(p, r, "a") for p in range(9) for r in "vwxyz"]
    assert measured(votes(*rows)).majorities == ()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_no_distribution_of_opinions_leaves_the_bounds(shares):
    q = np.array(shares)
    agree, best = (q**2 + (1 - q) ** 2).mean(), np.maximum(q, 1 - q).mean()
    low, high = bounds(max(0.5, agree)) or (0, 0)
    assert low - 1e-9 <= best <= high + 1e-9


def test_raters_who_agree_less_than_coins_bound_nothing():
    assert bounds(0.49) is None
