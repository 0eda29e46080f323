"""Plans are right: the studies that they plan find what they should as often as they promise."""

import math

import numpy as np
import pandas as pd
import pytest

from arena.estimate import POINTS
from arena.likelihood import Pairs, Shape, invert
from arena.newton import newton
from arena.planning import plan, settle
from arena.ratings import fit
from evalkit.errors import EvalkitError, VotesError


@pytest.mark.parametrize(
    ("models", "gap", "votes"),
    [(4, 50, 1137), (4, 20, 7106), (8, 50, 2653), (8, 35, 5414), (8, 20, 16581), (20, 20, 45004)],
)
def test_decisive_votes_for_80_percent_power(models, gap, votes):
    """(347.4 (1.960 + 0.842) / gap)^2 (models - 1)."""
    assert plan(models, gap, tie_rate=0, design_effect=1).votes == votes


def test_ties_and_related_votes_cost_more():
    plain = plan(8, 35, tie_rate=0, design_effect=1).votes
    found = plan(8, 35)
    assert found.votes == pytest.approx(plain * 1.6 / 0.8, abs=2)
    assert found.votes_per_pair == math.ceil(found.votes / 28)
    assert found.error == pytest.approx(35 / 2.8016, rel=1e-3)
    assert found.win_share == pytest.approx(0.5502, abs=1e-4)


def test_planned_studies_have_the_planned_power():
    """600 simulated studies: the simulation error of the power is 1.6 %."""
    size, gap, nu, reps = 6, 80.0, 0.5, 600
    tie_rate = nu / (2 + nu)
    votes = plan(size, gap, tie_rate=tie_rate, design_effect=1).votes
    rng = np.random.default_rng(0)
    true = np.array([gap / 2, -gap / 2, 0, 0, 0, 0]) / POINTS
    left, right = np.triu_indices(size, 1)
    x = true[left] - true[right]
    chance = np.stack([np.exp(x / 2), np.exp(-x / 2), np.full(len(x), nu)], axis=1)
    chance /= chance.sum(axis=1, keepdims=True)
    cells = (chance / len(left)).ravel()
    counts = rng.multinomial(votes, cells, reps).reshape(reps, -1, 3).astype(float)
    found = newton(Pairs(left, right), counts, Shape(size, side=False, ties=True))
    cov = invert(found.information, size)
    error = np.sqrt(cov[:, 0, 0] + cov[:, 1, 1] - 2 * cov[:, 0, 1])
    difference = found.theta[:, 0] - found.theta[:, 1]
    power = (difference / error > 1.96).mean()
    assert 0.75 < power < 0.85
    assert error.mean() * POINTS == pytest.approx(plan(
        size, gap, tie_rate=tie_rate, design_effect=1).error, rel=0.03)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": 1}, "2 or more, not 1"),
        ({"gap": 0}, "above 0, not 0"),
        ({"gap": float("nan")}, "above 0, not nan"),
        ({"power": 1.0}, "between 0.5 and 1, not at 1.0"),
        ({"alpha": 0.0}, "between 0 and 1, not at 0.0"),
        ({"tie_rate": 1.0}, "below 1, not 1.0"),
        ({"design_effect": -1.0}, "above 0, not -1.0"),
    ],
)
def test_impossible_plans_are_refused(change, message):
    with pytest.raises(EvalkitError, match=message):
        plan(**({"models": 4, "gap": 50.0} | change))


def study(wins, losses, ties=0):
    winners = ["left"] * wins + ["right"] * losses + ["tie"] * ties
    return pd.DataFrame({"left": "a", "right": "b", "winner": winners})


def test_more_votes_until_settled():
    ratings = fit(study(60, 45))
    found = settle(ratings, "a", "b")
    assert not found.settled
    assert found.difference == pytest.approx(400 * math.log10(60 / 45))
    need = (found.error * (1.95996 + 0.84162) / found.difference) ** 2
    assert found.more_votes == pytest.approx(105 * need - 105, abs=1)
    assert found.more_votes_between == pytest.approx(found.more_votes, rel=0.01)
    settled = settle(fit(study(600, 450)), "a", "b")
    assert settled.settled
    assert settled.more_votes == settled.more_votes_between == 0


def test_votes_between_two_of_many_count_more_than_votes_anywhere():
    rng = np.random.default_rng(0)
    left = rng.integers(0, 5, 600)
    right = (left + 1 + rng.integers(0, 4, 600)) % 5
    frame = pd.DataFrame(
        {
            "left": left,
            "right": right,
            "winner": rng.choice(["left", "right", "tie"], 600),
        }
    )
    ratings = fit(frame)
    pair = ratings.pairwise()
    close = pair.iloc[(pair["difference"] - 10).abs().argmin()]
    found = settle(ratings, close["first"], close["second"])
    assert 0 < found.more_votes_between < found.more_votes / 2


def test_equal_models_are_never_settled():
    found = settle(fit(study(50, 50, 10)), "a", "b")
    assert found.more_votes is None
    assert found.more_votes_between is None


def test_what_cannot_be_settled_is_said():
    with pytest.raises(VotesError, match="Elo has no standard errors"):
        settle(fit(study(6, 5), "elo"), "a", "b")
    with pytest.raises(EvalkitError, match=r"between 0\.5 and 1, not at 0\.2"):
        settle(fit(study(6, 5)), "a", "b", power=0.2)
