"""Who stands above or below the line of good enough, and who cannot be placed by it."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arena.estimate import POINTS
from arena.likelihood import Pairs, Shape, chances
from arena.ratings import fit
from evalkit.errors import EvalkitError
from tests.arena.test_ratings import MODELS, cycle, drawn, frame, rating, some_votes


def grounded(votes, model="davidson", **options):
    return fit(votes, model, both_bad="ground", **options)


def over(found):
    return found.table.set_index("model")["over_line"]


def battles(truth, number, seed=0, log_nu=-0.7, raters=30):
    """Votes of the grounded law, strengths over the line as given."""
    rng = np.random.default_rng(seed)
    size = len(truth)
    left = rng.integers(0, size, number)
    right = (left + 1 + rng.integers(0, size - 1, number)) % size
    theta = np.append(truth, log_nu)[None]
    chance = np.stack(chances(Pairs(left, right), theta, Shape(size, False, True, ground=True)))
    outcome = (rng.random(number) > chance[:, 0].cumsum(axis=0)[:3]).sum(axis=0)
    return pd.DataFrame(
        {
            "left": np.array(list("abcdefgh"))[left],
            "right": np.array(list("abcdefgh"))[right],
            "winner": np.array(["left", "right", "tie", "both_bad"])[outcome],
            "rater": rng.integers(0, raters, number),
        }
    )


def test_strengths_over_the_line_are_found_again():
    truth = np.array([-1.5, 0.0, 0.7, 1.2])
    found = grounded(battles(truth, 40_000))
    assert over(found).loc[list("abcd")].to_numpy() / POINTS == pytest.approx(truth, abs=0.06)
    line = found.diagnostics["line"]
    assert rating(found)["b"] - line["rating"] == pytest.approx(over(found)["b"])
    assert line["low"] < 1000 - truth.mean() * POINTS < line["high"]
    assert found.diagnostics["tie_parameter"]["estimate"] == pytest.approx(0.5, abs=0.03)
    words = found.table.set_index("model")["line"]
    assert words[list("abcd")].tolist() == ["below", "not told apart", "above", "above"]
    assert rating(found).mean() == pytest.approx(1000)


def test_two_models_by_hand():
    """Against each other 6 wins, 3 losses, 2 both bad: exp(l) = 6 / 2, exp(r) = 3 / 2."""
    votes = frame(("a", "b", "left", 6), ("a", "b", "right", 3), ("a", "b", "both_bad", 2))
    found = grounded(votes)
    assert (10 ** (over(found) / 400)).to_dict() == pytest.approx({"a": 3, "b": 1.5})
    shares = found.expected().loc["a", "b"], found.observed().loc["a", "b"]
    assert shares == pytest.approx((7 / 11, 7 / 11))
    halves = pd.concat([votes, frame(("a", "b", "tie", 4))])
    split = grounded(halves, "bradley-terry")
    assert (10 ** (over(split) / 400)).to_dict() == pytest.approx({"a": 4, "b": 2.5})


def test_an_anchor_moves_the_line_and_no_distance_from_it():
    votes = battles(np.array([-1.0, 0.2, 1.0]), 3000)
    free, held = grounded(votes), grounded(votes, anchor=("c", 1200.0))
    columns = ["over_line", "over_low", "over_high"]
    one, other = (found.table.set_index("model")[columns] for found in (free, held))
    pd.testing.assert_frame_equal(one, other)
    line = held.diagnostics["line"]
    assert 1200 - line["rating"] == pytest.approx(over(held)["c"])
    assert line["high"] - line["rating"] == pytest.approx(one["over_high"]["c"] - over(held)["c"])


def test_models_that_never_met_share_the_line():
    votes = pd.concat([cycle("a", "b"), cycle("c", "d"), *bad("ab"), *bad("cd", 5)])
    found = grounded(votes)
    assert rating(found).notna().all()
    assert over(found)["a"] == pytest.approx(over(found)["b"])
    assert over(found)["a"] > over(found)["c"]


def bad(pair, times=2):
    return [frame((pair[0], pair[1], "both_bad", times))]


def test_a_model_that_is_always_bad_is_below_by_an_unknown_distance():
    found = grounded(pd.concat([cycle("a", "b"), *bad("ab"), *bad("ax", 7)]))
    status = found.table.set_index("model")["status"]
    assert np.isnan(rating(found)["x"])
    assert status["x"] == (
        "not identified: never won and never tied in 7 votes, 7 of them both bad, so it stands "
        "below the line by an unknown distance; one win or tie against the rated models (a, b) "
        "would cure it"
    )
    assert found.table.set_index("model")["line"].isna().to_dict() == {
        "a": False, "b": False, "x": True,
    }  # fmt: skip


def test_a_model_that_is_never_bad_is_above_by_an_unknown_distance():
    found = grounded(pd.concat([cycle("a", "b"), *bad("ab"), frame(("x", "a", "left", 3))]))
    status = found.table.set_index("model")["status"]["x"]
    assert "never both bad in 3 votes, nor was what it lost to or tied with" in status
    assert "stands above the line by an unknown distance; one both-bad vote against" in status


def test_what_only_lost_to_such_a_model_is_placed_nowhere():
    votes = [cycle("a", "b"), *bad("ab"), frame(("x", "a", "left", 3), ("x", "y", "left", 2))]
    status = grounded(pd.concat(votes)).table.set_index("model")["status"]["y"]
    assert "lost all of 2 votes, to models above the line by an unknown distance" in status


def test_votes_with_models_that_are_not_rated_do_not_place_the_others():
    """c is both bad only with x, which is always bad: set aside, nothing puts c below the line."""
    votes = [cycle("a", "b"), *bad("ab"), *bad("cx", 3), frame(("c", "a", "left", 2))]
    status = grounded(pd.concat(votes)).table.set_index("model")["status"]["c"]
    assert "only votes with models that cannot be rated put it on both sides" in status


@pytest.mark.parametrize("model", ["davidson", "bradley-terry"])
def test_without_both_bad_votes_there_are_ratings_and_no_line(model):
    votes = drawn()
    found, dropped = grounded(votes, model), fit(votes, model, both_bad="drop")
    pd.testing.assert_frame_equal(found.table, dropped.table)
    reason = "no vote was both bad, so it lies below all models by an unknown distance"
    assert found.diagnostics["line"] == {"rating": None, "reason": reason}
    assert f"no line of good enough: {reason}" in found.diagnostics["warnings"]


def test_nothing_but_both_bad_rates_nobody():
    found = grounded(pd.concat([*bad("ab"), *bad("bc")]))
    assert rating(found).isna().all()
    assert "below the line by an unknown distance" in found.table["status"][0]
    assert "every vote was both bad" in found.diagnostics["line"]["reason"]


def test_both_bad_votes_apart_from_all_others_leave_the_plain_ratings():
    found = grounded(pd.concat([cycle("a", "b", "c"), *bad("xy", 4)]))
    assert rating(found).notna().to_dict() == dict.fromkeys("abc", True) | dict.fromkeys(
        "xy", False
    )
    assert "no two models on both sides of it" in found.diagnostics["line"]["reason"]


def test_an_anchor_that_the_line_does_not_reach_leaves_the_plain_ratings():
    votes = pd.concat([cycle("a", "b"), *bad("ab"), cycle("c", "d")])
    found = grounded(votes, anchor=("c", 1100.0))
    assert rating(found)["c"] == 1100
    assert found.diagnostics["line"]["reason"] == (
        "the anchor c has no votes that place it by the line"
    )


def test_ties_and_both_bad_alone_are_refused_by_davidson_and_fine_for_bradley_terry():
    votes = pd.concat([frame(("a", "b", "tie", 6)), *bad("ab", 3)])
    refused = grounded(votes)
    assert rating(refused).isna().all()
    assert "tie parameter grow together" in refused.table["status"][0]
    found = grounded(votes, "bradley-terry")
    assert (10 ** (over(found) / 400)).to_dict() == pytest.approx({"a": 1, "b": 1})


@pytest.mark.parametrize("model", ["rao-kupper", "elo"])
def test_the_other_models_have_no_line(model):
    with pytest.raises(
        EvalkitError, match=f"goes with davidson or bradley-terry, not with {model}"
    ):
        grounded(drawn(), model)


@settings(max_examples=150)
@given(some_votes, st.sampled_from([name for name in MODELS if name != "rao-kupper"]))
def test_any_votes_are_placed_finitely_or_not_at_all(votes, model):
    found = grounded(votes, model)
    for row in found.to_dict()["ratings"]:
        assert (row["rating"] is None) == row["status"].startswith("not identified: ")
        if row.get("over_line") is not None:
            assert abs(row["over_line"]) < 20_000
            assert row["over_low"] < row["over_line"] < row["over_high"]
            assert row["line"] in ("below", "not told apart", "above")


def test_the_bootstrap_agrees_with_the_sandwich_on_the_line():
    votes = battles(np.array([-1.0, 0.2, 0.5, 1.0]), 2000, raters=200)
    closed = grounded(votes, cluster="rater")
    replicated = grounded(votes, cluster="rater", method="bootstrap", replicates=400)
    width = [
        f.diagnostics["line"]["high"] - f.diagnostics["line"]["low"] for f in (closed, replicated)
    ]
    assert width[1] / width[0] == pytest.approx(1, abs=0.12)
    assert replicated.diagnostics["intervals"]["failed_replicates"] == 0


def test_the_intervals_of_the_line_and_of_places_by_it_cover():
    """120 studies of 500 votes, four models; nominal 95 %."""
    truth = np.array([-0.8, 0.1, 0.5, 0.9])
    places, lines = [], []
    for seed in range(120):
        found = grounded(battles(truth, 500, seed=seed, raters=50), cluster="rater")
        table = found.table.set_index("model").loc[list("abcd")]
        places += list((table["over_low"] < truth * POINTS) & (truth * POINTS < table["over_high"]))
        line = found.diagnostics["line"]
        lines.append(line["low"] < 1000 - truth.mean() * POINTS < line["high"])
    assert 0.92 < np.mean(places) < 0.98
    assert 0.90 < np.mean(lines) <= 0.99
