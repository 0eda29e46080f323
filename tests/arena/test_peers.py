"""The same ratings as other packages, to a thousandth of an Elo point, wherever theirs exist."""

import choix
import evalica
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components

from arena import studies, votes
from arena.ratings import fit
from arena.simulation import look, simulate
from benchmarks import worlds

CLOSE = 1e-3
"""Elo points."""
STEPS = 10_000
PEERS = {"bradley-terry": evalica.bradley_terry, "davidson": evalica.newman}
WINNERS = {"left": evalica.Winner.X, "right": evalica.Winner.Y}


def by_evalica(frame, model):
    """What evalica finds, or None where it does not settle."""
    winners = [WINNERS.get(winner, evalica.Winner.Draw) for winner in frame["winner"]]
    sides = frame["left"].tolist(), frame["right"].tolist()
    found = PEERS[model](*sides, winners, tolerance=1e-12, limit=STEPS)
    return found if found.iterations < STEPS else None


def points(frame):
    """Models x models: wins of the row over the column, a tie as half a win for each."""
    models = sorted({*frame["left"], *frame["right"]})
    left, right = (np.searchsorted(models, frame[side]) for side in ("left", "right"))
    of_left = frame["winner"].map({"left": 1.0, "right": 0.0}).fillna(0.5)
    table = np.zeros((len(models), len(models)))
    np.add.at(table, (left, right), of_left)
    np.add.at(table, (right, left), 1 - of_left)
    return pd.DataFrame(table, models, models)


def by_choix(frame):
    table = points(frame)
    found = choix.ilsr_pairwise_dense(table.to_numpy(), max_iter=STEPS, tol=1e-12)
    return pd.Series(np.exp(found), table.index)


def on_scale(strengths):
    elo = 400 * np.log10(strengths)
    return elo - elo.mean() + 1000


def joined(table):
    """Say whether every model beats every other by some chain: then a maximum exists."""
    return connected_components(table.to_numpy() > 0, connection="strong")[0] == 1


def ours(frame, model):
    found = fit(frame, model, cluster=None)
    return found.table.set_index("model")["rating"], found.diagnostics


def off(ratings, strengths):
    """The largest difference in Elo points."""
    return (ratings - on_scale(strengths)).abs().max()


def is_maximum(frame, strengths, nu):
    """Say whether ties and each model's points are as many as Davidson's law expects.

    These are his likelihood equations (1970, section 4), and the likelihood is concave.
    """
    left, right = strengths[frame["left"]].to_numpy(), strengths[frame["right"]].to_numpy()
    tie = nu * np.sqrt(left * right)
    chance = np.stack([left, right, tie]) / (left + right + tie)
    seen = np.stack([(frame["winner"] == word).to_numpy() for word in ("left", "right", "tie")])
    excess = seen - chance
    gained = (excess[0] - excess[1]) / 2
    by_model = pd.Series(gained).groupby(frame["left"].to_numpy()).sum()
    by_model = by_model.sub(
        pd.Series(gained).groupby(frame["right"].to_numpy()).sum(), fill_value=0
    )
    return max(by_model.abs().max(), abs(excess[2].sum())) < 1e-9


@st.composite
def results(draw):
    """Votes among 2 to 6 models: some pairs never meet, some only tie, some are one-sided."""
    size = draw(st.integers(2, 6))
    few = st.sampled_from([0, 0, 1, 2, 7])
    met = [(i, j) for i in range(size) for j in range(size) if i != j and draw(st.booleans())]
    rows = [
        (f"m{i}", f"m{j}", winner)
        for i, j in met
        for winner in ("left", "right", "tie")
        for _ in range(draw(few))
    ]
    assume(rows)
    return pd.DataFrame(rows, columns=["left", "right", "winner"])


@settings(max_examples=100)
@given(results())
def test_bradley_terry_is_evalicas_and_choixs_wherever_it_exists(frame):
    ratings, _ = ours(frame, "bradley-terry")
    exists = joined(points(frame))
    assert ratings.notna().all() == exists
    assume(exists)
    assert off(ratings, by_choix(frame)) < CLOSE
    theirs = by_evalica(frame, "bradley-terry")
    assert theirs is None or off(ratings, theirs.scores) < CLOSE


@settings(max_examples=100)
@given(results())
def test_davidson_is_newmans_wherever_that_is_the_maximum(frame):
    """Where a model has nothing but ties, evalica 0.4.2 may settle elsewhere."""
    decisive = frame[frame["winner"] != "tie"]
    assume(len(decisive))
    ratings, facts = ours(frame, "davidson")
    if points(decisive).shape == points(frame).shape and joined(points(decisive)):
        assert ratings.notna().all()
    if ratings.notna().all():
        assert is_maximum(frame, 10 ** (ratings / 400), facts["tie_parameter"]["estimate"])
        theirs = by_evalica(frame, "davidson")
        # Newman weighs a tie by twice his v.
        if theirs is not None and is_maximum(frame, theirs.scores, 2 * theirs.v):
            assert off(ratings, theirs.scores) < CLOSE


@pytest.mark.parametrize("model", PEERS)
@pytest.mark.parametrize("seed", range(3))
def test_of_raters_with_tastes(model, seed):
    frame, _ = worlds.study(np.random.default_rng(seed))
    ratings = fit(frame, model).table.set_index("model")["rating"]
    assert off(ratings, by_evalica(frame, model).scores) < CLOSE


@pytest.mark.parametrize("model", PEERS)
def test_of_votes_as_a_study_stores_them(arena, run, model):
    """Simulated raters vote on pairs that the arena draws, and call some both bad."""
    *_, last = simulate(arena, look(run), raters=6, votes=72)
    frame = votes.table(studies.standing_votes(arena._store, "s"))
    assert last == len(frame) == 72
    ratings = fit(frame, model).table.set_index("model")["rating"]
    assert ratings.notna().all()
    assert off(ratings, by_evalica(frame, model).scores) < CLOSE
    if model == "bradley-terry":
        assert off(ratings, by_choix(frame)) < CLOSE
