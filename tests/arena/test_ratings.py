"""Ratings against published figures, other implementations, and their own laws."""

import json

import evalica
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arena.ratings import fit
from evalkit.errors import EvalkitError, UnknownNameError, VotesError

COLUMNS = ["left", "right", "winner"]
OUTCOMES = ["left", "right", "tie", "both_bad"]
FLIPPED = {"left": "right", "right": "left", "tie": "tie", "both_bad": "both_bad"}
MODELS = ["davidson", "rao-kupper", "bradley-terry"]


def frame(*rows):
    """Votes as (left, right, winner) or (left, right, winner, times)."""
    expanded = [row[:3] for row in rows for _ in range(row[3] if len(row) > 3 else 1)]
    return pd.DataFrame(expanded, columns=COLUMNS)


def drawn(size=6, votes=2000, seed=0, raters=20, prompts=30, spread=0.5, side=0.0):
    """Votes drawn from Davidson's model with nu = 0.5."""
    rng = np.random.default_rng(seed)
    strength = np.linspace(-spread, spread, size)
    left = rng.integers(0, size, votes)
    right = (left + 1 + rng.integers(0, size - 1, votes)) % size
    x = strength[left] - strength[right] + side
    chance = np.stack([np.exp(x / 2), np.exp(-x / 2), np.full(votes, 0.5)], axis=1)
    chance /= chance.sum(axis=1, keepdims=True)
    outcome = (rng.random(votes)[:, None] > chance.cumsum(axis=1)[:, :2]).sum(axis=1)
    return pd.DataFrame(
        {
            "left": [f"m{i}" for i in left],
            "right": [f"m{i}" for i in right],
            "winner": np.array(OUTCOMES)[outcome],
            "rater": [f"r{i}" for i in rng.integers(0, raters, votes)],
            "prompt": [f"p{i}" for i in rng.integers(0, prompts, votes)],
        }
    )


def rating(ratings):
    return ratings.table.set_index("model")["rating"]


def strengths(ratings):
    return 10 ** ((rating(ratings) - 1000) / 400)


def test_wikipedias_bradley_terry_example():
    """https://en.wikipedia.org/wiki/Bradley-Terry_model, worked example; geometric mean 1."""
    votes = frame(
        ("A", "B", "left", 2), ("B", "A", "left", 3), ("D", "A", "right"), ("A", "D", "right", 4),
        ("B", "C", "left", 5), ("C", "B", "left", 3), ("C", "D", "left"), ("D", "C", "left", 3),
    )  # fmt: skip
    for model in MODELS:
        found = strengths(fit(votes, model))
        assert found[list("ABCD")].round(3).tolist() == [0.640, 1.043, 0.660, 2.270]


def test_davidsons_puddings():
    """Davidson 1970, JASA 65(329), example 2; he stopped after 7 iterations, 2e-5 off."""
    counts = """
        1 2 19 22 16; 1 3 16 19 12; 2 3 19 19 10; 1 4 18 23 13; 2 4 23 19 9; 3 4 19 20 15;
        1 5 13 19 18; 2 5 16 20 12; 3 5 16 15 17; 4 5 17 14 16; 1 6 18 21 12; 2 6 22 20 12;
        3 6 13 18 10; 4 6 14 19 18; 5 6 11 21 12"""
    rows = []
    for line in counts.split(";"):
        one, other, left, right, ties = line.split()
        times = zip(OUTCOMES, map(int, (left, right, ties)), strict=False)
        rows += [(one, other, winner, number) for winner, number in times]
    found = fit(frame(*rows))
    published = [0.1388005, 0.1729985, 0.1617420, 0.1653930, 0.1586805, 0.2023855]
    share = strengths(found)[list("123456")]
    assert share.to_numpy() / share.sum() == pytest.approx(published, abs=3e-5)
    assert found.diagnostics["tie_parameter"]["estimate"] == pytest.approx(0.7468147, abs=3e-5)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("model", "peer"), [("bradley-terry", evalica.bradley_terry), ("davidson", evalica.newman)]
)
def test_agrees_with_evalica(model, peer, seed):
    votes = drawn(seed=seed, spread=1.0)
    winners = {"left": evalica.Winner.X, "right": evalica.Winner.Y, "tie": evalica.Winner.Draw}
    theirs = peer(
        votes["left"].tolist(),
        votes["right"].tolist(),
        [winners[name] for name in votes["winner"]],
        tolerance=1e-13,
        limit=100_000,
    ).scores
    elo = 400 * np.log10(theirs)
    assert (rating(fit(votes, model)) - (elo - elo.mean() + 1000)).abs().max() < 1e-6


names = st.sampled_from(["a", "b", "c", "d", "é"])
battles = st.tuples(names, names, st.sampled_from(OUTCOMES)).filter(lambda vote: vote[0] != vote[1])
some_votes = st.lists(battles, min_size=1, max_size=40).map(lambda rows: frame(*rows))


@settings(max_examples=150)
@given(some_votes, st.sampled_from([*MODELS, "elo"]))
def test_any_votes_give_finite_ratings_or_words(votes, model):
    found = fit(votes, model)
    for row in json.loads(found.to_json())["ratings"]:
        if row["rating"] is None:
            assert row["status"].startswith("not identified: ")
            assert row["low"] is row["high"] is row["rank_low"] is row["rank_high"] is None
        else:
            assert abs(row["rating"]) < 20_000
            assert row["status"].startswith("rated")
            if row["low"] is not None:
                assert row["low"] < row["rating"] < row["high"]
                assert 1 <= row["rank_low"] <= row["rank_high"] <= len(found.table)
    rated = rating(found).dropna()
    assert not len(rated) or rated.mean() == pytest.approx(1000)
    assert len(rated) != 1


@settings(max_examples=60)
@given(some_votes, st.sampled_from(MODELS), st.permutations(["a", "b", "c", "d", "é"]))
def test_names_order_and_sides_do_not_matter(votes, model, order):
    rename = dict(zip(["a", "b", "c", "d", "é"], order, strict=True))
    swapped = pd.DataFrame(
        {
            "left": votes["right"].map(rename),
            "right": votes["left"].map(rename),
            "winner": votes["winner"].map(FLIPPED),
        }
    ).sample(frac=1, random_state=0)
    before, after = fit(votes, model), fit(swapped, model)
    table = before.table.assign(model=before.table["model"].map(rename)).set_index("model")
    other_table = after.table.set_index("model").loc[table.index]
    for column in ("rating", "low", "high", "rank_low", "battles"):
        one, other = (found[column].astype(float) for found in (table, other_table))
        np.testing.assert_allclose(one, other, rtol=1e-6)
    one, other = (
        found.diagnostics.get("side_effect", {}).get("estimate") for found in (before, after)
    )
    assert (one is None) == (other is None)
    assert one is None or one == pytest.approx(-other, abs=1e-6)


@settings(max_examples=60)
@given(some_votes, st.sampled_from(MODELS))
def test_another_win_never_lowers(votes, model):
    votes = pd.concat([votes, cycle("a", "b", "c", "d", "é")])
    more = pd.concat([votes, frame(("a", "b", "left"))])
    assert rating(fit(more, model))["a"] >= rating(fit(votes, model))["a"] - 1e-6


def cycle(*models):
    """Votes that identify everything: each beats the next, both sides, and is beaten by it."""
    rows = [
        (one, other, winner)
        for one, other in zip(models, [*models[1:], models[0]], strict=True)
        for winner in ("left", "right")
    ]
    return frame(*rows, *((right, left, winner) for left, right, winner in rows))


def test_more_wins_raise_the_rating_and_both_bad_is_a_tie_unless_dropped():
    votes = pd.concat([cycle("a", "b", "c"), frame(("a", "b", "both_bad", 5))])
    as_ties = pd.concat([cycle("a", "b", "c"), frame(("a", "b", "tie", 5))])
    for model in MODELS:
        pd.testing.assert_series_equal(rating(fit(votes, model)), rating(fit(as_ties, model)))
        dropped = fit(votes, model, both_bad="drop")
        assert rating(dropped)["a"] == pytest.approx(1000)
        assert dropped.diagnostics["votes_used"] == 12
        assert dropped.diagnostics["outcomes"]["both_bad"] == 5
    table = fit(votes).table.set_index("model")
    assert table.loc["a", ["battles", "wins", "losses", "ties", "both_bad"]].tolist() == [
        13, 4, 4, 0, 5,
    ]  # fmt: skip


def test_doubling_the_votes_keeps_ratings_and_narrows_independent_intervals():
    votes = drawn(votes=300)
    for model in MODELS:
        once, twice = fit(votes, model, None), fit(pd.concat([votes] * 2), model, None)
        ones, twos = (found.table.sort_values("model") for found in (once, twice))
        np.testing.assert_allclose(ones["rating"], twos["rating"], rtol=1e-9)
        width = (ones["high"] - ones["low"]) / (twos["high"] - twos["low"])
        np.testing.assert_allclose(width, np.sqrt(2), rtol=1e-6)


def test_an_undefeated_model_is_refused_and_the_others_are_rated():
    votes = pd.concat([cycle("b", "c"), frame(("a", "b", "left", 3), ("c", "a", "right", 2))])
    for model in [*MODELS, "elo"]:
        found = fit(votes, model)
        status = found.table.set_index("model")["status"]
        assert np.isnan(rating(found)["a"])
        assert status["a"] == (
            "not identified: never lost and never tied in 5 votes, so it stands above them all by "
            "an unknown distance; one loss or tie against the rated models (b, c) would cure it"
        )
        assert rating(found)["b"] == pytest.approx(1000, abs=0.1)
        assert found.diagnostics["identified"] is False
        assert found.diagnostics["rated"] == 2
    cured = fit(pd.concat([votes, frame(("a", "b", "right"))]))
    assert rating(cured).notna().all()


def test_one_vote_is_said_in_the_singular():
    votes = pd.concat([cycle("b", "c"), frame(("a", "b", "left", 1))])
    assert "never tied in 1 vote, so" in fit(votes).table.set_index("model")["status"]["a"]
    alone = fit(frame(("a", "b", "left", 1))).table["status"]
    assert alone.str.contains("never tied in 1 vote;").all()


def test_a_winless_model_is_refused():
    votes = pd.concat([cycle("b", "c"), frame(("a", "b", "right", 3))])
    status = fit(votes).table.set_index("model")["status"]["a"]
    assert "never won and never tied in 3 votes" in status
    assert "one win or tie against the rated models (b, c) would cure it" in status


def test_a_group_above_the_rest_is_refused():
    votes = pd.concat([cycle("x", "y"), cycle("a", "b", "c"), frame(("x", "a", "left"))])
    status = fit(votes).table.set_index("model")["status"]
    assert "it and its like never lost or tied against the rated models (a, b, c)" in status["x"]
    assert status["x"] == status["y"]


def test_a_model_beside_the_rated_ones_is_refused():
    votes = pd.concat([cycle("a", "b"), frame(("a", "low", "left"), ("side", "low", "left", 2))])
    status = fit(votes).table.set_index("model")["status"]
    assert status["side"] == (
        "not identified: its wins and losses order it with none of the rated models (a, b)"
    )


def test_disconnected_groups_are_never_compared():
    small, large = cycle("a", "b"), cycle("c", "d", "e")
    found = fit(pd.concat([small, large]))
    assert rating(found).notna().to_dict() == dict.fromkeys("cde", True) | dict.fromkeys(
        "ab", False
    )
    status = found.table.set_index("model")["status"]
    assert status["a"] == "not identified: no votes connect it to the rated models (c, d, e)"
    anchored = fit(pd.concat([small, large]), anchor=("a", 1200.0))
    assert rating(anchored).dropna().to_dict() == pytest.approx({"a": 1200, "b": 1200})


def test_equal_groups_are_both_refused_unless_votes_or_the_anchor_decide():
    found = fit(pd.concat([cycle("a", "b"), cycle("c", "d")]))
    assert rating(found).isna().all()
    assert "link it only with its own group (a, b)" in found.table["status"][0]
    assert len(found.pairwise()) == 0
    assert found.expected().isna().all(axis=None)
    more = fit(pd.concat([cycle("a", "b"), cycle("c", "d"), frame(("c", "d", "tie"))]))
    assert rating(more).dropna().index.tolist() == ["c", "d"]


def test_one_straight_order_rates_nobody():
    found = fit(frame(("a", "b", "left", 2), ("b", "c", "left", 2)))
    status = found.table.set_index("model")["status"]
    assert rating(found).isna().all()
    assert "never lost and never tied in 2 votes; one loss or tie is needed" in status["a"]
    assert "no chain of losses or ties links it both ways" in status["b"]
    assert "never won and never tied in 2 votes; one win or tie is needed" in status["c"]


def test_an_anchor_that_cannot_be_compared_leaves_nobody_rated():
    votes = pd.concat([cycle("b", "c"), frame(("a", "b", "left"))])
    assert rating(fit(votes, anchor=("a", 1000.0))).isna().all()


def test_davidson_refuses_ties_that_never_contradict_the_order():
    votes = frame(("a", "b", "left", 5), ("a", "b", "tie", 5))
    found = fit(votes)
    assert rating(found).isna().all()
    assert "one win against the order would cure it" in found.table["status"][0]
    assert rating(fit(votes, "bradley-terry")).notna().all()
    assert rating(fit(pd.concat([votes, frame(("a", "b", "right"))]))).notna().all()


@pytest.mark.parametrize("model", [*MODELS, "elo"])
def test_only_ties_are_equal_without_interval(model):
    found = fit(frame(("a", "b", "tie", 5), ("c", "b", "both_bad", 2)), model)
    assert rating(found).to_numpy() == pytest.approx(1000)
    assert found.table["low"].isna().all()
    assert found.table["status"].str.startswith("rated: ").all()
    if model != "elo":
        assert found.table["rank_high"].tolist() == [3, 3, 3]
        assert found.pairwise()["p"].isna().all()
        assert found.expected().loc["a", "b"] == pytest.approx(0.5)
        with pytest.raises(VotesError, match="no information to tell 'a' from 'b'"):
            found.difference("a", "b")


def test_only_dropped_votes_leave_models_without_votes():
    found = fit(frame(("a", "b", "both_bad", 2)), both_bad="drop")
    assert found.table["status"].tolist() == ["not identified: it has no votes"] * 2
    assert found.table["battles"].tolist() == [2, 2]


@pytest.mark.parametrize("model", MODELS)
def test_a_pair_with_nothing_but_ties_still_has_an_interval(model):
    """Its residuals are all zero, so a bare sandwich would be certain that they are equal."""
    tests = fit(pd.concat([cycle("a", "c"), frame(("a", "b", "tie", 9))]), model).pairwise()
    pair = tests[tests["first"].isin(["a", "b"]) & tests["second"].isin(["a", "b"])].iloc[0]
    assert pair["difference"] == pytest.approx(0, abs=1e-6)
    assert pair["error"] > 10
    assert pair["p"] == pytest.approx(1)


@pytest.mark.parametrize(("model", "nothing"), [("davidson", 0.0), ("rao-kupper", 1.0)])
def test_without_ties_every_model_is_bradley_terry(model, nothing):
    votes = drawn()
    votes = votes[votes["winner"] != "tie"]
    one, other = fit(votes, model), fit(votes, "bradley-terry")
    pd.testing.assert_frame_equal(one.table, other.table)
    pd.testing.assert_frame_equal(one.expected(), other.expected())
    assert one.diagnostics["tie_parameter"]["estimate"] == nothing
    assert other.diagnostics["tie_parameter"]["estimate"] is None


def test_rao_kupper_finds_its_own_threshold():
    """Votes drawn by their law: a logistic difference within log kappa = 0.4 is a tie."""
    rng = np.random.default_rng(0)
    strength, number = np.array([-0.8, 0.0, 0.3, 0.9]), 20_000
    left = rng.integers(0, 4, number)
    right = (left + 1 + rng.integers(0, 3, number)) % 4
    felt = strength[left] - strength[right] + rng.logistic(size=number)
    winner = np.where(felt > 0.4, "left", np.where(felt < -0.4, "right", "tie"))
    names = np.array(list("abcd"))
    votes = pd.DataFrame({"left": names[left], "right": names[right], "winner": winner})
    found = fit(votes, "rao-kupper")
    kappa = found.diagnostics["tie_parameter"]
    assert kappa["name"] == "kappa"
    assert 1 < kappa["low"] < np.exp(0.4) < kappa["high"]
    elo = rating(found).sort_index().to_numpy() - 1000
    assert elo == pytest.approx((strength - strength.mean()) * 400 / np.log(10), abs=8)
    expected, observed = found.expected(), found.observed()
    assert (expected - observed).abs().max(axis=None) < 0.03


def test_rao_kuppers_intervals_cover():
    """120 studies of 500 votes, four models; nominal 95 %, of ratings and of the threshold."""
    strength = np.array([-0.5, 0.0, 0.1, 0.4])
    inside, thresholds = [], []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        left = rng.integers(0, 4, 500)
        right = (left + 1 + rng.integers(0, 3, 500)) % 4
        felt = strength[left] - strength[right] + rng.logistic(size=500)
        winner = np.where(felt > 0.4, "left", np.where(felt < -0.4, "right", "tie"))
        names = np.array(list("abcd"))
        votes = pd.DataFrame({"left": names[left], "right": names[right], "winner": winner})
        found = fit(votes.assign(rater=rng.integers(0, 50, 500)), "rao-kupper")
        table = found.table.set_index("model").loc[list("abcd")]
        truth = 1000 + 400 / np.log(10) * (strength - strength.mean())
        inside += list((table["low"] < truth) & (truth < table["high"]))
        kappa = found.diagnostics["tie_parameter"]
        thresholds.append(kappa["low"] < np.exp(0.4) < kappa["high"])
    assert 0.92 < np.mean(inside) < 0.98
    assert 0.90 < np.mean(thresholds) <= 0.99


def test_a_threshold_of_a_single_tie_stays_above_one():
    kappa = fit(
        frame(("a", "b", "left", 500), ("b", "a", "left", 400), ("a", "b", "tie")), "rao-kupper"
    ).diagnostics["tie_parameter"]
    assert 1 < kappa["low"] < kappa["estimate"] < kappa["high"] < 1.1


def test_an_anchor_moves_the_scale_and_has_no_interval():
    votes = drawn()
    free, held = fit(votes), fit(votes, anchor=("m2", 1500.0))
    gap = rating(free) - rating(free)["m2"]
    np.testing.assert_allclose(rating(held).sort_index(), gap.sort_index() + 1500)
    row = held.table.set_index("model").loc["m2"]
    assert np.isnan(row["low"])
    assert row["status"].startswith("rated: the anchor")
    one, other = (found.pairwise().drop(columns=["low", "high"]) for found in (free, held))
    pd.testing.assert_frame_equal(one, other)
    assert held.diagnostics["scale"] == {"base": 10, "spread": 400, "zero": "m2", "at": 1500.0}
    with pytest.raises(UnknownNameError, match=r"Unknown anchor model 'm22'\. Did you mean 'm2'"):
        fit(votes, anchor=("m22", 1500.0))


def test_a_side_effect_is_found_reported_and_adjusted_only_on_request():
    votes = drawn(votes=4000, side=0.5)
    plain, adjusted = fit(votes), fit(votes, adjust_side=True)
    side = plain.diagnostics["side_effect"]
    assert side["low"] < 0.5 < side["high"]
    assert side["p"] < 1e-6
    assert not side["adjusted"]
    assert "one side is preferred (log-odds +0.5" in plain.diagnostics["warnings"][0]
    assert adjusted.diagnostics["side_effect"]["adjusted"]
    assert adjusted.diagnostics["warnings"] == []
    shift = (rating(plain).sort_index() - rating(adjusted).sort_index()).abs().max()
    assert shift == pytest.approx(side["largest_change_of_a_rating"])
    assert 0 < shift < 20


def test_a_side_effect_that_the_votes_do_not_hold_is_not_estimated():
    same_sides = frame(("a", "b", "left", 2), ("a", "b", "right"), ("a", "b", "tie"))
    found = fit(same_sides, adjust_side=True)
    assert found.diagnostics["side_effect"]["estimate"] is None
    assert "sides and models cannot be told apart" in found.diagnostics["side_effect"]["status"]
    assert "the ratings ignore it" in found.diagnostics["warnings"][0]
    left_always = fit(frame(("a", "b", "left", 3), ("b", "a", "left", 2), ("b", "a", "tie")))
    assert "one side wins whatever stands" in left_always.diagnostics["side_effect"]["status"]
    assert rating(left_always).notna().all()


def test_the_document_has_the_promised_shape():
    votes = drawn()
    document = json.loads(fit(votes).to_json())
    assert list(document) == ["schema", "model", "ratings", "diagnostics"]
    assert (document["schema"], document["model"]) == (1, "davidson")
    first = document["ratings"][0]
    promised = ["model", "rating", "low", "high", "rank_low", "rank_high", "battles", "status"]
    assert set(promised) <= set(first)
    assert isinstance(first["rank_low"], int)
    assert [row["rating"] for row in document["ratings"]] == sorted(
        (row["rating"] for row in document["ratings"]), reverse=True
    )
    assert sum(row["p_best"] for row in document["ratings"]) == pytest.approx(1)
    intervals = document["diagnostics"]["intervals"]
    assert intervals["clusters"] == {"rater": 20, "prompt": 30}
    assert 18 < intervals["degrees_of_freedom"] <= 19
    assert intervals["effective_clusters"]["rater"] == intervals["degrees_of_freedom"] + 1


def test_elo_is_labelled_and_has_neither_interval_nor_rank():
    document = fit(drawn(votes=300), "elo").to_dict()
    for row in document["ratings"]:
        assert row["low"] is row["rank_low"] is row["p_best"] is None
        assert row["status"] == "rated: paper-style Elo, which has no interval"
    assert document["diagnostics"]["replays"] == 1000
    assert "a tie counts as half a win" in document["diagnostics"]["method"]


def test_pairs_are_tested_with_the_better_one_first():
    found = fit(drawn())
    tests = found.pairwise()
    assert len(tests) == 15
    assert (tests["difference"] >= 0).all()
    assert (tests["p_holm"] >= tests["p"]).all()
    worst = tests.iloc[tests["difference"].argmax()]
    assert (worst["first"], worst["second"]) == ("m5", "m0")
    assert worst["low"] < worst["difference"] < worst["high"]
    difference, error = found.difference("m5", "m0")
    assert (difference, error) == pytest.approx((worst["difference"], worst["error"]))
    ranks = found.table.set_index("model")
    assert ranks.loc["m5", "rank_low"] == 1
    assert ranks.loc["m0", "rank_high"] == 6


def test_equivalence_needs_a_margin_wider_than_the_interval():
    found = fit(drawn(size=3, votes=8000, spread=0.0), cluster=None)
    wide, narrow = found.equivalent("m0", "m1", 60), found.equivalent("m0", "m1", 2)
    assert wide.equivalent
    assert -60 < wide.low < wide.difference < wide.high < 60
    assert not narrow.equivalent
    assert narrow.p > 0.05
    with pytest.raises(EvalkitError, match="above 0 Elo points, not 0"):
        found.equivalent("m0", "m1", 0)
    with pytest.raises(UnknownNameError, match="Unknown rated model 'x'"):
        found.equivalent("m0", "x", 5)
    with pytest.raises(VotesError, match="no information to tell 'm0' from 'm0'"):
        found.difference("m0", "m0")


def test_win_rates_observed_and_expected():
    votes = pd.concat(
        [cycle("a", "b"), frame(("a", "b", "tie", 4), ("b", "a", "right", 2), ("c", "a", "left"))]
    )
    found = fit(votes)
    observed, expected = found.observed(), found.expected()
    assert observed.loc["a", "b"] == pytest.approx((4 + 2 + 4 / 2) / 14)
    assert observed.loc["b", "a"] == pytest.approx(1 - observed.loc["a", "b"])
    assert np.isnan(observed.loc["b", "c"])
    assert np.isnan(observed.loc["a", "a"])
    assert expected.loc["a", "b"] == pytest.approx(observed.loc["a", "b"])
    assert np.isnan(expected.loc["c", "a"])
    plain = fit(votes, "bradley-terry").expected()
    assert plain.loc["a", "b"] == pytest.approx(observed.loc["a", "b"])


def test_criteria_are_pooled_with_a_warning():
    votes = drawn().assign(criterion="quality")
    assert fit(votes).diagnostics["warnings"] == []
    votes.loc[:9, "criterion"] = "alignment"
    assert (
        "votes on 2 criteria are pooled: alignment, quality" in fit(votes).diagnostics["warnings"]
    )


def test_a_fit_that_does_not_converge_is_refused(monkeypatch):
    monkeypatch.setattr("arena.newton.MAX_ITERATIONS", 1)
    with pytest.raises(VotesError, match="did not converge"):
        fit(drawn())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "glicko"}, "Unknown rating model 'glicko'"),
        ({"method": "jackknife"}, "Unknown method for intervals 'jackknife'"),
        ({"both_bad": "loss"}, "Unknown rule for both_bad 'loss'"),
        ({"level": 1.0}, "level lies between 0 and 1, not at 1.0"),
        ({"replicates": 1}, "needs 2 replicates at least, not 1"),
        ({"anchor": ("m0", float("nan"))}, "must be finite, not nan"),
        ({"cluster": "sesion"}, "Unknown cluster column 'sesion'"),
    ],
)
def test_wrong_options_are_named(change, message):
    with pytest.raises(EvalkitError, match=message):
        fit(drawn(votes=100), **change)
