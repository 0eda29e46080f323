"""Covariates are read from votes and runs; their slopes are found again, or refused in words."""

import numpy as np
import pandas as pd
import pytest

from arena.covariates import differences, numbers, of_run
from arena.estimate import POINTS
from arena.ratings import fit
from evalkit.errors import EvalkitError, UnknownNameError, VotesError
from tests.arena.conftest import make_run
from tests.arena.test_ratings import MODELS, frame, rating

SLOPE = 0.5
"""Log-odds for one megapixel more."""


def sized(number=600, seed=0, slope=SLOPE, raters=40):
    """Votes of Davidson's law by raters of different taste, who like larger pictures."""
    rng = np.random.default_rng(seed)
    size = 4
    left = rng.integers(0, size, number)
    right = (left + 1 + rng.integers(0, size - 1, number)) % size
    # The better model is shown larger, so that who ignores the size gets the ratings wrong.
    area = rng.choice([0.25, 1.0, 2.0], (2, number)) + 0.3 * np.stack([left, right])
    taste = rng.normal(0, 0.3, (raters, size)) + np.linspace(-0.3, 0.3, size)
    rater = rng.integers(0, raters, number)
    x = taste[rater, left] - taste[rater, right] + slope * (area[0] - area[1])
    chance = np.stack([np.exp(x / 2), np.exp(-x / 2), np.full(number, 0.5)], axis=1)
    chance /= chance.sum(axis=1, keepdims=True)
    outcome = (rng.random(number)[:, None] > chance.cumsum(axis=1)[:, :2]).sum(axis=1)
    return pd.DataFrame(
        {
            "left": [f"m{i}" for i in left],
            "right": [f"m{i}" for i in right],
            "winner": np.array(["left", "right", "tie"])[outcome],
            "rater": rater,
            "left_megapixels": area[0],
            "right_megapixels": area[1],
        }
    )


def told(found, name="megapixels"):
    return next(one for one in found.diagnostics["covariates"] if one["name"] == name)


@pytest.mark.parametrize("model", MODELS)
def test_a_slope_is_found_again_and_the_ratings_are_those_at_equal_values(model):
    votes = sized(20_000, raters=400)
    plain, held = fit(votes, model), fit(votes, model, covariates=["megapixels"])
    slope = told(held)
    assert slope["status"] == "estimated"
    assert slope["low"] < slope["estimate"] < slope["high"]
    assert (plain.table["model"] == held.table["model"]).all()
    if model == "davidson":
        assert slope["estimate"] == pytest.approx(SLOPE * POINTS, abs=8)
        gap = rating(held)["m3"] - rating(held)["m0"]
        assert gap == pytest.approx(0.6 * POINTS, abs=15)
        assert rating(plain)["m3"] - rating(plain)["m0"] > gap + 50


def test_the_interval_of_a_slope_covers():
    """150 studies of 600 votes by raters of different taste; nominal 95 %."""
    inside = 0
    for seed in range(150):
        slope = told(fit(sized(seed=seed), covariates=["megapixels"]))
        inside += slope["low"] < SLOPE * POINTS < slope["high"]
    assert 0.91 < inside / 150 < 0.99


def test_a_slope_does_not_depend_on_its_unit():
    votes = sized()
    pixels = votes.assign(
        left_pixels=votes["left_megapixels"] * 1e6, right_pixels=votes["right_megapixels"] * 1e6
    )
    one, other = (
        fit(pixels, covariates=[name], method="bootstrap", replicates=30)
        for name in ("megapixels", "pixels")
    )
    assert told(one)["estimate"] == pytest.approx(told(other, "pixels")["estimate"] * 1e6)
    assert told(one)["low"] == pytest.approx(told(other, "pixels")["low"] * 1e6)
    pd.testing.assert_series_equal(rating(one), rating(other))


def test_sides_do_not_matter():
    votes = sized()
    mirror = {"left": "right", "right": "left", "tie": "tie"}
    names = {"left": "right", "right": "left"}
    names |= {"left_megapixels": "right_megapixels", "right_megapixels": "left_megapixels"}
    turned = votes.rename(columns=names).assign(winner=votes["winner"].map(mirror))
    marked = turned.assign(side_swapped=True)
    for other in (turned, marked):
        one, two = (told(fit(v, covariates=["megapixels"])) for v in (votes, other))
        assert [one[k] for k in ("estimate", "low", "high")] == pytest.approx(
            [two[k] for k in ("estimate", "low", "high")]
        )


@pytest.mark.parametrize("both_bad", ["tie", "ground"])
def test_what_the_models_or_sides_can_mimic_is_refused_in_words(both_bad):
    votes = sized(400).assign(left_same=7, right_same=7, left_more=2, right_more=1)
    bad = frame(("m0", "m1", "both_bad", 20), ("m2", "m3", "both_bad", 20), ("m1", "m2", "left"))
    known = dict.fromkeys(("left_megapixels", "right_megapixels"), 1.0)
    votes = pd.concat(
        [votes, bad.assign(**known, left_same=7, right_same=7, left_more=2, right_more=1)]
    )
    steps = {"m0": 1, "m1": 4, "m2": 8, "m3": 50}
    votes = votes.assign(left_steps=votes["left"].map(steps), right_steps=votes["right"].map(steps))
    votes = votes.assign(
        left_twice=votes["left_megapixels"] * 2 + votes["left_steps"],
        right_twice=votes["right_megapixels"] * 2 + votes["right_steps"],
    ).drop(columns="rater")
    names = ["same", "more", "steps", "megapixels", "twice"]
    found = fit(votes, covariates=names, both_bad=both_bad)
    assert [one["name"] for one in found.diagnostics["covariates"]] == names
    assert "the same for both pictures" in told(found, "same")["status"]
    assert "the left picture has +1 in every vote" in told(found, "more")["status"]
    assert "it follows from the models, so that" in told(found, "steps")["status"]
    assert told(found)["status"] == "estimated"
    assert "models and the covariates named before" in told(found, "twice")["status"]
    assert told(found, "steps")["estimate"] is None
    ignored = [note for note in found.diagnostics["warnings"] if "the ratings ignore it" in note]
    assert [note.partition(":")[0] for note in ignored] == ["same", "more", "steps", "twice"]
    alone = fit(votes, covariates=["megapixels"], both_bad=both_bad)
    pd.testing.assert_series_equal(rating(found), rating(alone))


def test_a_covariate_that_decides_every_vote_has_no_finite_slope():
    votes = sized(400)
    votes = votes.assign(
        left_bright=(votes["winner"] == "left") * 1.0, right_bright=(votes["winner"] == "right") * 1
    )
    found = fit(votes, covariates=["bright", "megapixels"])
    assert "always wins, or always loses" in told(found, "bright")["status"]
    assert told(found)["status"] == "estimated"
    assert rating(found).notna().all()


def test_votes_that_do_not_know_a_value_are_left_out_and_counted():
    votes = sized(400)
    gone = votes.assign(left_megapixels=votes["left_megapixels"].astype(object))
    gone.loc[:9, "left_megapixels"] = None
    found = fit(gone, covariates=["megapixels"])
    assert found.diagnostics["votes"] == 390
    note = "10 of 400 votes are left out: megapixels of a picture is not known"
    assert note in found.diagnostics["warnings"]
    kept = fit(votes[10:].reset_index(drop=True), covariates=["megapixels"])
    pd.testing.assert_frame_equal(found.table, kept.table)
    with pytest.raises(VotesError, match="No vote knows megapixels of both"):
        fit(votes.assign(left_megapixels=np.nan), covariates=["megapixels"])


def test_without_a_fit_there_is_no_slope():
    votes = frame(("a", "b", "tie", 3)).assign(left_x=[1, 2, 3], right_x=0)
    slope = told(fit(votes, covariates=["x"]), "x")
    assert slope["estimate"] is None
    assert "not estimated" in slope["status"]


def test_numbers_are_read_or_refused():
    column = pd.Series(["4", "", None, " nan ", "0.5", "-1e3"], name="left_steps")
    assert numbers(column).tolist() == pytest.approx([4, *[np.nan] * 3, 0.5, -1000], nan_ok=True)
    assert numbers(pd.Series([1, 2])).tolist() == [1, 2]
    for bad in ("four", "inf", "4 steps"):
        with pytest.raises(VotesError, match=f"left_steps is no number in 1 votes, first '{bad}'"):
            numbers(pd.Series(["4", bad], name="left_steps"))


def test_an_unknown_covariate_is_named_with_those_there_are():
    votes = sized(30).assign(left_generation="x", right_generation="y", left_alone=1)
    for name in ("steps", "generation", "alone"):
        with pytest.raises(UnknownNameError, match=r"Known: megapixels\."):
            differences(votes, [name])
    assert differences(votes, []).shape == (30, 0)
    with pytest.raises(EvalkitError, match="Elo knows no covariates"):
        fit(votes, "elo", covariates=["megapixels"])


def test_a_run_knows_the_steps_of_models_and_the_sizes_of_pictures(tmp_path):
    run = make_run(tmp_path / "runs" / "r", prompts=2)
    specs = [
        spec.model_copy(update={"steps": steps, "width": width, "height": width})
        for spec, steps, width in zip(
            run.manifest.models, (4, None, 50), (None, 512, None), strict=True
        )
    ]
    run.manifest = run.manifest.model_copy(update={"models": tuple(specs)})
    made = {g.model: g for g in run.generations()}
    alpha, beta, gamma = (spec.name for spec in specs)
    votes = frame((alpha, beta, "left"), (gamma, alpha, "tie"), ("stranger", alpha, "tie"))
    votes["left_generation"] = [made[alpha].id, None, None]
    votes["right_generation"] = [made[beta].id, made[alpha].id, "unknown"]
    found = of_run(votes, run, ["steps", "megapixels", "seconds", "other"])
    assert found["left_steps"].tolist() == pytest.approx([4, 50, np.nan], nan_ok=True)
    assert found["right_steps"].tolist() == pytest.approx([np.nan, 4, 4], nan_ok=True)
    shown = 64 * 64 / 1e6
    assert found["left_megapixels"].tolist() == pytest.approx([shown, np.nan, np.nan], nan_ok=True)
    assert found["right_megapixels"].tolist() == pytest.approx(
        [512 * 512 / 1e6, shown, np.nan], nan_ok=True
    )
    assert found["left_seconds"].isna().all()
    assert "left_other" not in found
    given = votes.assign(left_steps=1, right_steps=2)
    assert of_run(given, run, ["steps"])["left_steps"].tolist() == [1, 1, 1]
    assert (
        of_run(votes.drop(columns="left_generation"), run, ["seconds"])["left_seconds"].isna().all()
    )
    with pytest.raises(VotesError, match="none of the votes' models"):
        of_run(frame(("x", "y", "left")), run, ["steps"])
