"""The test of fit rejects as often as it says; circles are seen, and survive when they are real."""

import numpy as np
import pandas as pd
import pytest

from arena.goodness import cycles, goodness
from arena.influence import base
from arena.ratings import fit
from tests.arena.test_influence import drawn


def circle(each, share, models="abc"):
    rows = []
    for one, other in zip(models, models[1:] + models[0], strict=True):
        wins = round(each * share)
        rows += [(one, other, "left")] * wins + [(other, one, "left")] * (each - wins)
    return pd.DataFrame(rows, columns=["left", "right", "winner"])


def test_expected_counts_are_the_ratings_own():
    votes = drawn(3000)
    shares = fit(votes).expected()
    for pair in goodness(base(votes)).pairs:
        met = sum(pair.observed)
        assert met == pytest.approx(sum(pair.expected))
        score = (pair.expected[0] + pair.expected[2] / 2) / met
        assert score == pytest.approx(shares.loc[pair.first, pair.second])


def test_the_fit_is_rejected_as_often_as_it_says():
    """80 studies each, of independent votes and of raters of different taste: 2.4 % error."""
    for taste, raters in ((0.0, 12), (0.5, 40)):
        p = [goodness(base(drawn(1200, seed=s, raters=raters, taste=taste))).p for s in range(80)]
        assert np.mean(np.array(p) < 0.05) <= 0.12


def test_preferences_that_go_round_do_not_fit():
    found = goodness(base(circle(200, 0.7)))
    assert found.p < 1e-6
    assert found.dispersion == 1.0
    assert "more than one rating a model can tell" in found.lines()[0]
    assert found.pairs[0].observed[0] + found.pairs[0].observed[1] == 200
    assert "where the ratings expect 100, 100 and 0" in found.lines()[1]


@pytest.mark.parametrize(
    ("votes", "model", "words"),
    [
        (drawn(), "bradley-terry", "a tie split in halves is no outcome"),
        (drawn(40), "davidson", "of the expected counts are below 5"),
        (circle(20, 0.6, "ab"), "davidson", "so few pairs of models are always described"),
    ],
)
def test_where_chi_square_says_nothing_that_is_said(votes, model, words):
    found = goodness(base(votes, model))
    assert found.p is None
    assert words in found.lines()[0]


def test_a_real_circle_survives_and_one_of_chance_does_not():
    real, chance = cycles(base(circle(200, 0.7))), cycles(base(circle(20, 0.55)))
    assert (real.triples, real.observed, real.surviving) == (1, 1, 1)
    assert real.examples[0] in {("a", "b", "c"), ("b", "c", "a"), ("c", "a", "b")}
    assert (chance.observed, chance.surviving) == (1, 0)
    assert cycles(base(drawn(5000))).lines() == ["Circles: none in 4 triples of models."]


def test_a_circle_of_one_busy_rater_does_not_survive():
    votes = pd.concat([circle(40, 1.0).assign(rater="busy"), circle(2, 0.5).assign(rater="other")])
    assert cycles(base(votes)).surviving == 0
    many = pd.concat([circle(40, 1.0), circle(2, 0.5)], ignore_index=True)
    assert cycles(base(many.assign(rater=[f"r{i}" for i in range(len(many))]))).surviving == 1
