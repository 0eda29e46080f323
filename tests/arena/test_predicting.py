"""Votes foretold: fair to both sides, blind to the prompt, better than nothing where scores see."""

import numpy as np
import pytest

from arena.predicting import FOLDS, Contests, foretell

RNG = np.random.default_rng(0)
N = 400
EVERY = Contests(
    RNG.integers(0, 3, N), RNG.integers(3, 6, N), RNG.normal(0, 1, (N, 1)), np.arange(N) % FOLDS
)
ANSWER = np.where(EVERY.gaps[:, 0] + RNG.normal(0, 0.5, N) > 0, 0, 1)


def test_chances_add_up_and_follow_the_scores():
    chance = foretell(EVERY, ANSWER, EVERY, 6)
    assert chance.sum(axis=1) == pytest.approx(np.ones(N))
    assert np.corrcoef(chance[:, 0], EVERY.gaps[:, 0])[0, 1] > 0.8
    assert chance[:, 2].max() < 0.2  # nobody voted for neither


def test_exchanging_the_pictures_exchanges_the_chances():
    turned = Contests(EVERY.other, EVERY.one, -EVERY.gaps, EVERY.fold)
    one = foretell(EVERY, ANSWER, EVERY, 6)
    other = foretell(turned, 1 - ANSWER, turned, 6)
    assert other[:, [1, 0, 2]] == pytest.approx(one, abs=1e-4)


def test_no_vote_foretells_its_own_prompt():
    here = EVERY.fold == 0
    changed = np.where(here, 1 - ANSWER, ANSWER)
    one, other = (foretell(EVERY, answer, EVERY, 6) for answer in (ANSWER, changed))
    assert (one[here] == other[here]).all()
    assert not np.allclose(one[~here], other[~here])


def test_no_votes_elsewhere_foretell_nothing():
    alone = Contests(EVERY.one, EVERY.other, EVERY.gaps, np.zeros(N, dtype=np.int64))
    chance = foretell(alone, ANSWER, alone, 6)
    assert np.allclose(chance, 1 / 3)


def test_scores_a_million_deviations_away_stay_finite():
    far = Contests(EVERY.one, EVERY.other, EVERY.gaps * 1e6, EVERY.fold)
    assert np.isfinite(foretell(far, ANSWER, far, 6)).all()
