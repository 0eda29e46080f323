"""Slopes are derivatives, refits are the ratings' own, and what cannot be rated is refused."""

import numpy as np
import pandas as pd
import pytest

from arena.estimate import POINTS
from arena.influence import MODELS, base
from arena.ratings import fit
from evalkit.errors import UnknownNameError, VotesError


def drawn(votes=600, size=4, seed=0, raters=12, prompts=9, taste=0.0):
    rng = np.random.default_rng(seed)
    left = rng.integers(0, size, votes)
    right = (left + 1 + rng.integers(0, size - 1, votes)) % size
    rater = rng.integers(0, raters, votes)
    liking = np.linspace(0.4, -0.4, size) + taste * rng.normal(0, 1, (raters, size))
    half = (liking[rater, left] - liking[rater, right]) / 2
    weight = np.stack([np.exp(half), np.exp(-half), np.full(votes, 0.4)], axis=1)
    chance = (weight / weight.sum(axis=1, keepdims=True)).cumsum(axis=1)
    place = (rng.random(votes)[:, None] > chance[:, :2]).sum(axis=1)
    return pd.DataFrame(
        {
            "left": [f"m{i}" for i in left],
            "right": [f"m{i}" for i in right],
            "winner": np.array(["left", "right", "tie"])[place],
            "rater": [f"r{i:02d}" for i in rater],
            "prompt": [f"p{i}" for i in rng.integers(0, prompts, votes)],
        }
    )


@pytest.mark.parametrize("model", MODELS)
def test_a_refit_is_the_ratings(model):
    votes = drawn()
    found = base(votes, model)
    table = fit(votes, model).table.set_index("model")["rating"]
    rated = 1000 + POINTS * found.strengths(found.counts[None])[0]
    np.testing.assert_allclose(rated, table[list(found.models)], atol=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_slopes_are_derivatives(model):
    found = base(drawn(), model)
    _, slopes = found.slopes(found.counts)
    for cell in (0, 1, 2, 10, 23):
        more, less = found.counts.copy(), found.counts.copy()
        more.ravel()[cell] += 1e-3
        less.ravel()[cell] -= 1e-3
        up, down = found.strengths(np.stack([more, less]))
        np.testing.assert_allclose((up - down) / 2e-3, slopes[cell], atol=1e-6)


def test_members_are_all_votes_of_a_rater_or_prompt():
    votes = drawn()
    votes.loc[:9, "rater"] = None
    raters, prompts = base(votes).members
    assert (raters.what, prompts.what) == ("rater", "prompt")
    assert dict(zip(raters.names, raters.votes.tolist(), strict=True)) == (
        votes["rater"].value_counts().to_dict()
    )
    assert prompts.votes.sum() == len(votes)
    assert base(votes.assign(rater="one", prompt=None)).members == ()


def test_a_table_without_a_finite_estimate_is_nan_beside_those_with():
    found = base(drawn())
    empty = np.zeros_like(found.counts)
    no_ties = found.counts.copy()
    no_ties[..., 2] = 0
    rated = ~np.isnan(found.strengths(np.stack([empty, found.counts, no_ties]))).any(axis=1)
    assert rated.tolist() == [False, True, True]
    assert np.isnan(found.slopes(empty)[0]).all()


def test_what_cannot_be_rated_is_refused():
    with pytest.raises(UnknownNameError, match="elo"):
        base(drawn(), "elo")
    one_way = pd.DataFrame({"left": "a", "right": "b", "winner": ["left"] * 3})
    for votes in (one_way, one_way.assign(winner="tie")):
        with pytest.raises(VotesError, match="No two models have ratings that differ"):
            base(votes)
    with pytest.raises(VotesError, match="There are no votes"):
        base(one_way[:0])
