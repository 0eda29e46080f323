"""Design effects are those that simulated studies show, and a pilot finds its own."""

import numpy as np
import pandas as pd
import pytest

from arena.design import CORRELATION, Clustering, learn
from arena.estimate import POINTS
from arena.planning import Pay, plan
from arena.ratings import fit
from evalkit.errors import EvalkitError, VotesError

BLUR = (1 + 0.346 * 2 * 0.5**2) ** 0.5
"""Tastes blur a gap: what the ratings of all see is the raters' own gap divided by this."""


def study(rng, models=4, raters=40, each=25, taste=0.5, gap=0.0):
    """Draw a study of raters who differ in taste; the first two models are ``gap`` apart."""
    number = raters * each
    rater = np.repeat(np.arange(raters), each)
    left = rng.integers(0, models, number)
    right = (left + 1 + rng.integers(0, models - 1, number)) % models
    true = np.array([gap / 2, -gap / 2, *[0.0] * (models - 2)])
    liking = true + taste * rng.normal(0, 1, (raters, models))
    half = (liking[rater, left] - liking[rater, right]) / 2
    weight = np.stack([np.exp(half), np.exp(-half), np.full(number, 0.5)], axis=1)
    chance = (weight / weight.sum(axis=1, keepdims=True)).cumsum(axis=1)
    place = (rng.random(number)[:, None] > chance[:, :2]).sum(axis=1)
    names = np.array([f"m{i}" for i in range(models)], dtype=object)
    winner = np.array(["left", "right", "tie"], dtype=object)[place]
    columns = {"left": names[left], "right": names[right], "winner": winner, "rater": rater}
    return pd.DataFrame(columns)


def test_the_formula_is_kish_s_for_two_models_and_the_measured_one_for_eight():
    assert Clustering(50, rater_correlation=0.1).effect(2, 1000) == pytest.approx(1 + 49 * 0.1)
    assert Clustering(50).effect(8, 2000) == pytest.approx(1.6, abs=0.05)
    assert Clustering().effect(8, 2000) == 1.0
    assert Clustering(None, 500).effect(8, 100) == 1.0
    both = Clustering(40, 100).effect(8, 1000) - 1
    assert both == pytest.approx((39 + 9) * CORRELATION / 7)


@pytest.mark.parametrize(("models", "each"), [(2, 10), (4, 25), (8, 50)])
def test_simulated_studies_have_the_design_effect_of_the_formula(models, each):
    """60 studies: the spread of the estimates against that of independent votes."""
    rng = np.random.default_rng(0)
    found = [fit(study(rng, models, 40, each), cluster=("rater",)) for _ in range(60)]
    effect = np.mean([one.diagnostics["intervals"]["design_effect"] for one in found])
    assert effect == pytest.approx(Clustering(each).effect(models, 40 * each), rel=0.15)


def test_a_planned_study_of_clustered_raters_has_the_planned_power():
    """150 studies: the simulation error is 3.3 %."""
    gap, each = 70.0, 25
    design = plan(4, gap, clustering=Clustering(each))
    rng = np.random.default_rng(1)
    hits = []
    for _ in range(150):
        votes = study(rng, 4, design.raters, each, gap=BLUR * gap / POINTS)
        pair = fit(votes, cluster=("rater",)).pairwise()
        row = pair[pair["first"].isin(["m0", "m1"]) & pair["second"].isin(["m0", "m1"])].iloc[0]
        hits.append(row["p"] < 0.05 and row["first"] == "m0")
    assert 0.70 < np.mean(hits) < 0.90


def test_a_pilot_finds_how_alike_the_votes_of_a_rater_are():
    rng = np.random.default_rng(2)
    found = [learn(study(rng, raters=60)) for _ in range(20)]
    alike = np.mean([one.rater_correlation for one in found])
    assert alike == pytest.approx(CORRELATION, abs=0.03)
    assert {one.prompt_correlation for one in found} == {None}
    assert (found[0].models, found[0].votes, found[0].votes_per_rater) == (4, 1500, 25.0)
    same = [learn(study(rng, raters=60, taste=0.0)).rater_correlation for _ in range(20)]
    assert np.mean(same) < 0.02
    told = found[0].clustering(None, 30)
    assert (told.votes_per_rater, told.prompts) == (25.0, 30)
    assert told.prompt_correlation == CORRELATION


def test_what_a_pilot_cannot_say_is_said():
    with pytest.raises(VotesError, match="tells no two models apart"):
        learn(pd.DataFrame({"left": "a", "right": "b", "winner": ["tie"] * 5}))
    alone = learn(study(np.random.default_rng(0)).assign(rater=range(1000)))
    assert alone.rater_correlation is None
    assert learn(study(np.random.default_rng(0)).drop(columns="rater")).votes_per_rater is None


def test_fewer_prompts_need_more_votes_and_too_few_are_refused():
    needed = [plan(8, 30, clustering=Clustering(40, p)).votes for p in (10_000, 1000, 500, 300)]
    assert needed == sorted(needed)
    for prompts in (300, 500, 1000):
        design = plan(8, 30, clustering=Clustering(40, prompts))
        once = plan(8, 30, design_effect=design.design_effect)
        assert design.votes == pytest.approx(once.votes, abs=2)
    with pytest.raises(EvalkitError, match="No number of votes on 100 prompts tells this gap"):
        plan(8, 30, clustering=Clustering(40, 100))


def test_raters_time_and_pay_follow_from_the_votes():
    design = plan(8, 30, clustering=Clustering(40), pay=Pay(8, 12))
    assert design.raters == -(-design.votes // 40)
    assert design.hours == pytest.approx(design.votes * 8 / 3600)
    assert design.cost == pytest.approx(design.hours * 12)
    assert "Pay: " in "\n".join(design.lines())
    assert plan(8, 30, pay=Pay(per_vote=0.05)).cost == pytest.approx(plan(8, 30).votes * 0.05)
    bare = plan(8, 30)
    assert (bare.raters, bare.hours, bare.cost) == (None, None, None)
    assert len(bare.lines()) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Clustering(0.5), "1 vote or more, not 0.5"),
        (lambda: Clustering(float("nan")), "1 vote or more, not nan"),
        (lambda: Clustering(40, 0), "1 prompt or more, not 0"),
        (lambda: Clustering(40, 10, 1.0), "correlation is 0 to below 1, not 1.0"),
        (lambda: Pay(8, 12, 0.1), "not both"),
        (lambda: Pay(per_hour=12), "needs the seconds of a vote"),
        (lambda: Pay(-1), "above 0, not -1"),
    ],
)
def test_impossible_assumptions_are_refused(make, message):
    with pytest.raises(EvalkitError, match=message):
        make()
