"""Scores narrow intervals without a bias, whatever they are worth; what they cannot do is said."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from arena.assisted import fit
from arena.judged import Scored
from arena.powered import power
from arena.ratings import fit as rate
from benchmarks.assisted import SETTINGS, setting
from benchmarks.worlds import World, by_generation, mirrored, scored, scores, study
from evalkit.errors import EvalkitError, UnknownNameError, VotesError

VARIED = World(prompts=100, votes=1200, picture=1.6, taste=0.3, twice=0.1)


@pytest.fixture(scope="module")
def drawn():
    return study(np.random.default_rng(0), VARIED)


def good(quality, blur=0.3, seed=1):
    return {"good": scores(np.random.default_rng(seed), quality, blur)["good"]}


def by_model(ratings, column="rating"):
    return ratings.table.set_index("model")[column].sort_index()


def test_good_scores_narrow_the_intervals_and_keep_the_order(drawn):
    votes, quality = drawn
    found = fit(votes, scored(quality, good(quality)))
    assert found.gain > 1.15
    assert 0.5 < found.weight <= 1
    plain, assisted = found.plain.table, found.ratings.table
    width = (assisted["high"] - assisted["low"]).mean() / (plain["high"] - plain["low"]).mean()
    assert width == pytest.approx(found.gain**-0.5, rel=0.02)
    assert list(assisted.columns) == list(plain.columns)
    assert assisted["rating"].mean() == pytest.approx(1000)
    assert list(found.ratings.cov.index) == list(assisted["model"])
    assert (by_model(found.ratings, "wins") == by_model(found.plain, "wins")).all()


def test_the_plain_ratings_beside_are_the_plain_ratings(drawn):
    votes, quality = drawn
    found = fit(votes, scored(quality, good(quality)))
    pd.testing.assert_frame_equal(found.plain.table, rate(votes).table)


@pytest.mark.parametrize("model", ["davidson", "bradley-terry"])
def test_without_weight_the_covariance_is_the_plain_one(drawn, model):
    votes, quality = drawn
    powered = power(votes, scored(quality, good(quality)), split=model == "bradley-terry")
    plain = rate(votes, model=model)
    names, size = list(powered.tally.models), len(powered.tally.models)
    cov = powered.covariance(powered.plain, 0.0)[:size, :size] * (400 / np.log(10)) ** 2
    assert cov == pytest.approx(plain.cov.loc[names, names].to_numpy(), rel=1e-6, abs=1e-6)


def test_scores_that_are_all_alike_change_nothing(drawn):
    votes, quality = drawn
    found = fit(votes, scored(quality, {"flat": by_generation(np.zeros_like(quality))}))
    shift = by_model(found.ratings) - by_model(found.plain)
    assert np.abs(shift).max() < 1e-6
    assert found.gain == pytest.approx(1)
    assert "nothing worth naming" in "\n".join(found.lines())


def test_a_score_that_adores_a_model_gives_it_nothing(drawn):
    votes, quality = drawn
    adored = quality * 0 + np.where(np.arange(6) == 0, 100.0, 0.0)[:, None, None]
    found = fit(votes, scored(quality, {"adoring": by_generation(adored)}))
    assert np.abs(by_model(found.ratings) - by_model(found.plain)).max() < 1e-6


def test_the_unit_and_the_sign_of_a_score_do_not_matter(drawn):
    votes, quality = drawn
    one = fit(votes, scored(quality, good(quality)))
    other = fit(
        votes, scored(quality, {"good": {g: -70 * v for g, v in good(quality)["good"].items()}})
    )
    assert by_model(other.ratings).to_numpy() == pytest.approx(
        by_model(one.ratings).to_numpy(), abs=0.05
    )


def test_sides_do_not_matter(drawn):
    votes, quality = drawn
    one, other = (fit(v, scored(quality, good(quality))) for v in (votes, mirrored(votes)))
    assert by_model(other.ratings).to_numpy() == pytest.approx(
        by_model(one.ratings).to_numpy(), abs=0.05
    )
    assert other.gain == pytest.approx(one.gain, rel=1e-3)


def test_missing_scores_are_counted_and_help_less(drawn):
    votes, quality = drawn
    whole = good(quality)["good"]
    part = {g: v for g, v in whole.items() if g.endswith("-0")}
    found = fit(votes, scored(quality, {"part": part, "none": {}}))
    assert found.coverage == {"part": found.pairs // 2, "none": 0}
    assert 1 < found.gain < fit(votes, scored(quality, good(quality))).gain
    assert f"part: {found.pairs // 2} of {found.pairs} pairs have both scores." in found.lines()


def test_votes_on_other_pictures_stand_as_they_are(drawn):
    votes, quality = drawn
    elsewhere = votes.assign(
        left_generation=votes["left_generation"].where(votes.index % 4 > 0, "elsewhere")
    )
    found = fit(elsewhere, scored(quality, good(quality)))
    assert (found.votes, found.judged) == (1200, 900)
    assert any("300 votes are on no two pictures" in warning for warning in found.warnings)


def test_pictures_that_were_picked_raise_an_alarm(drawn):
    votes, quality = drawn
    values = by_generation(quality)
    lead = votes["left_generation"].map(values) - votes["right_generation"].map(values)
    good_of = (lead > 0) == (votes["left"] == "m2")
    keep = good_of | ((votes["left"] != "m2") & (votes["right"] != "m2"))
    found = fit(votes[keep].reset_index(drop=True), scored(quality, good(quality)))
    assert any("those of m2 stand out" in warning for warning in found.warnings)
    assert "Note: the judged pictures are no random sample" in "\n".join(found.lines())


def test_a_model_that_is_not_identified_stays_without_a_number(drawn):
    votes, quality = drawn
    extra = votes.iloc[:3].assign(left="loser", winner="right", left_generation="x")
    found = fit(pd.concat([votes, extra], ignore_index=True), scored(quality, good(quality)))
    last = found.ratings.table.iloc[-1]
    assert last["model"] == "loser"
    assert np.isnan(last["rating"])
    assert found.votes == 1200
    line = next(line for line in found.lines() if line.startswith("loser"))
    assert "not identified" in line
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["assisted"]["ratings"]


def test_votes_without_raters_are_clustered_by_prompt(drawn):
    votes, quality = drawn
    found = fit(votes.drop(columns="rater"), scored(quality, good(quality)), "bradley-terry")
    assert found.gain > 1
    assert found.ratings.model == "bradley-terry"


def test_refusals_in_words(drawn):
    votes, quality = drawn
    run = scored(quality, good(quality))
    with pytest.raises(UnknownNameError, match="that scores can assist"):
        fit(votes, run, "elo")
    with pytest.raises(VotesError, match="identify no ratings"):
        fit(votes.assign(winner="tie"), run)
    with pytest.raises(VotesError, match="identify no ratings"):
        fit(votes[votes["left"] < votes["right"]].assign(winner="left"), run)
    with pytest.raises(EvalkitError, match="no scores"):
        fit(votes, replace(run, scores={}))
    with pytest.raises(VotesError, match="do not name the pictures"):
        fit(votes.drop(columns="left_generation"), run)
    with pytest.raises(VotesError, match="on two pictures of this run"):
        fit(votes, Scored({}, run.scores, {}))
    few = votes[votes["prompt"].isin([str(n) for n in range(9)])].reset_index(drop=True)
    with pytest.raises(VotesError, match="pictures of 9 prompts"):
        fit(few, run)


@pytest.mark.parametrize("weight", [0.0, 0.9])
def test_the_covariance_is_that_of_leaving_prompts_out(weight):
    """Each prompt is left out with its votes and its pictures, judged and not (jackknife)."""
    rng, prompts = np.random.default_rng(1), 50
    world = World(models=4, prompts=prompts, votes=800, picture=1.6, taste=0)
    votes, quality = study(rng, world)
    votes = votes.drop(columns="rater")
    run = scored(quality, good(quality))
    without = []
    for prompt in map(str, range(prompts)):
        rest = {g: p for g, p in run.pictures.items() if p.prompt != prompt}
        kept = votes[votes["prompt"] != prompt].reset_index(drop=True)
        powered = power(kept, replace(run, pictures=rest), split=False)
        without.append(powered.fitted(weight).theta[0])
    whole = power(votes, run, split=False)
    matrix = whole.covariance(whole.fitted(weight), weight)
    jackknife = np.var(without, axis=0) * (prompts - 1)
    assert np.diag(matrix)[:4].sum() == pytest.approx(jackknife[:4].sum(), rel=0.08)


@pytest.mark.parametrize("which", [1, 3, 4, 5], ids=lambda n: SETTINGS[n][0])
def test_intervals_hold_whatever_the_scores_are_worth(which):
    """Nominal 95 %; the simulation error of 40 studies is 1.5 % (one sigma).

    ``python -m benchmarks.assisted`` prints the larger table.
    """
    name, world, judge = SETTINGS[which]
    found = setting(replace(world, prompts=100, votes=1000), judge, 40, seed=which)
    assert 0.90 <= found["assisted"].mean() <= 0.99
    shift = found["shift"]
    assert (np.abs(shift.mean(axis=0)) <= 4 * shift.std(axis=0) / 40**0.5 + 0.01).all()
    narrower = 1 - found["narrow"].mean() / found["width"].mean()
    assert narrower > (0.08 if name.startswith(("good", "reversed")) else -0.01)
