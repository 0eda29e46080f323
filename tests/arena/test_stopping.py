"""The bounds are the published ones; the rule keeps the error rate where looking often does not."""

import json
import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy import special

from arena.ratings import fit
from arena.stopping import bound, chance_of_leaving, stop
from evalkit.errors import EvalkitError, VotesError
from tests.arena.test_influence import drawn


@pytest.mark.parametrize(
    ("looks", "published"),
    [(1, 1.960), (2, 1.977), (3, 2.004), (4, 2.024), (5, 2.040), (10, 2.087), (20, 2.126)],
)
def test_bounds_are_o_brien_and_fleming_s(looks, published):
    """Jennison and Turnbull (2000), Group Sequential Methods, table 2.3, alpha = 0.05."""
    assert bound(0.05, looks) == pytest.approx(published, abs=1e-3)


def test_looking_always_is_the_limit_and_the_bound_of_all():
    reach = np.linspace(0.5, 7, 30)
    chances = [chance_of_leaving(reach, looks) for looks in (1, 3, 10, 40, None)]
    for fewer, more in pairwise(chances):
        assert (fewer <= more + 1e-6).all()
    assert bound(0.05, None) == pytest.approx(-special.ndtri(0.05 / 4), abs=1e-6)
    assert np.isnan(chance_of_leaving(np.array([np.nan]), 5)[0])
    assert np.isnan(chance_of_leaving(np.array([np.nan]), None)[0])
    assert chance_of_leaving(np.array([np.inf, 0.0]), 5).tolist() == pytest.approx([0, 1], abs=1e-4)


def test_a_brownian_motion_leaves_as_often_as_it_is_said():
    rng = np.random.default_rng(0)
    paths = rng.normal(0, math.sqrt(1 / 8), (20_000, 8)).cumsum(axis=1)
    left = (np.abs(paths).max(axis=1) >= 1.5).mean()
    assert chance_of_leaving(np.array([1.5]), 8)[0] == pytest.approx(left, abs=0.01)


def test_the_rate_of_error_is_kept_under_repeated_looks():
    """2000 studies of clustered raters, 10 looks each: the simulation error of 5 % is 0.5 %.

    Two equal models, 50 raters of different taste with 12 votes each; the test of the mean of the
    raters' net wins is the clustered one. The ratings' own z is in benchmarks/stopping.py.
    """
    rng = np.random.default_rng(0)
    chance = special.expit(rng.normal(0, 0.7, (2000, 50)))
    net = 2.0 * rng.binomial(12, chance) - 12
    p = []
    for raters in range(5, 51, 5):
        some = net[:, :raters]
        spread = np.maximum(some.std(axis=1, ddof=1), math.sqrt(0.25 * 12))  # the ratings' floor
        t = some.mean(axis=1) / (spread / math.sqrt(raters))
        p.append(2 * special.stdtr(raters - 1, -np.abs(t)))
    z = -special.ndtri(np.array(p).T / 2)
    reach = z * np.sqrt(np.arange(1, 11) / 10)
    naive = (z >= 1.96).any(axis=1).mean()
    counted = (chance_of_leaving(reach, 10) <= 0.05).any(axis=1).mean()
    always = (chance_of_leaving(reach, None) <= 0.05).any(axis=1).mean()
    assert naive > 0.15
    assert 0.03 < counted < 0.065
    assert 0.015 < always < 0.05


def test_a_clear_lead_is_settled_long_before_the_end():
    ratings = fit(drawn(2500, size=3))
    found = stop(ratings, 4000)
    assert found.leader_settled
    assert found.open_against == ()
    assert found.settled == 2
    assert [one.more_votes for one in found.neighbours] == [0, 0]
    assert found.leading[0] == found.neighbours[0]
    assert found.lines()[1] == "#1 is settled: m0. If who leads was the question, stop."
    assert json.loads(json.dumps(found.to_dict()))["leader_settled"] is True


def test_an_open_lead_says_what_is_missing():
    found = stop(fit(drawn(300, size=4, seed=2)), 6000)
    assert not found.leader_settled
    missing = [one for one in found.neighbours if not one.settled]
    assert missing
    assert all(one.more_votes is None or 0 < one.more_votes <= 5700 for one in missing)
    assert any("more votes" in line for line in found.lines())
    assert f"{found.leader} leads, open against" in found.lines()[1]


def test_looks_that_are_counted_settle_sooner_and_early_ones_later():
    ratings = fit(drawn(500, size=3))
    p = {looks: stop(ratings, 1000, looks=looks).neighbours[0].p for looks in (1, 10, None)}
    assert p[1] < p[10] < p[None]
    early, late = stop(ratings, 5000), stop(ratings, 500)
    assert late.neighbours[0].p < early.neighbours[0].p


def test_the_votes_that_are_missing_do_settle():
    """With z growing as the root of the votes, z sqrt(t) reaches the bound with the power said."""
    ratings = fit(
        pd.DataFrame({"left": "a", "right": "b", "winner": ["left"] * 55 + ["right"] * 45})
    )
    found = stop(ratings, 4000, power=0.5)
    total = 100 + found.neighbours[0].more_votes
    z = found.neighbours[0].difference / found.neighbours[0].error
    reach = z * math.sqrt(total / 100) * math.sqrt(total / 4000)
    assert reach == pytest.approx(bound(0.05, None), rel=0.01)


def test_what_no_rule_can_stop_is_said():
    with pytest.raises(VotesError, match="more than the 100 it was planned for"):
        stop(fit(drawn()), 100)
    with pytest.raises(VotesError, match="Elo has no standard errors"):
        stop(fit(drawn(), "elo"), 1000)
    with pytest.raises(VotesError, match="No two models can be told apart yet"):
        stop(fit(drawn().assign(winner="tie")), 1000)
    with pytest.raises(EvalkitError, match="once or more, not 0"):
        stop(fit(drawn()), 1000, looks=0)
    with pytest.raises(EvalkitError, match="A power lies"):
        stop(fit(drawn()), 1000, power=0.1)
