"""One board a level: partial results where they are identified, and one scale by an anchor."""

import json

import numpy as np
import pandas as pd
import pytest

from arena.boards import Asked, Tied, board, by_level, levels
from arena.comparisons import Equivalence, holm
from arena.estimate import POINTS
from arena.ratings import fit
from arena.tally import count
from evalkit.errors import EvalkitError, UnknownNameError, VotesError
from tests.arena.test_ratings import cycle, drawn, frame, rating

FEW, MANY = "up to 4 steps", "more than 8 steps"
TRUTH = {"teacher": 0.6, "flash": 0.5, "turbo": -0.4, "big": 1.0, "old": -0.2}
STEPS = {"teacher": 50, "flash": 4, "turbo": 3, "big": 28, "old": 50}


def tiered(number=1200, seed=0, raters=60):
    """Votes within two tiers of steps, and with the teacher in both; none across them."""
    rng = np.random.default_rng(seed)
    tiers = (("teacher", "flash", "turbo"), ("teacher", "big", "old"))
    of = rng.integers(0, 2, number)
    pairs = np.array([rng.permutation(3)[:2] for _ in range(number)])
    left, right = (
        np.array([tiers[t][p] for t, p in zip(of, pairs[:, s], strict=True)]) for s in (0, 1)
    )
    x = np.array([TRUTH[one] - TRUTH[other] for one, other in zip(left, right, strict=True)])
    chance = np.stack([np.exp(x / 2), np.exp(-x / 2), np.full(number, 0.5)], axis=1)
    chance /= chance.sum(axis=1, keepdims=True)
    outcome = (rng.random(number)[:, None] > chance.cumsum(axis=1)[:, :2]).sum(axis=1)
    return pd.DataFrame({"left": left, "right": right}).assign(
        winner=np.array(["left", "right", "tie"])[outcome],
        rater=rng.integers(0, raters, number).astype(str),
        left_steps=[STEPS[one] for one in left],
        right_steps=[STEPS[one] for one in right],
    )


def anchored(name="teacher", at=1000.0, **options):
    return Asked({"anchor": (name, at), **options})


def of(boards, level):
    return next(one for one in boards.boards if one.level == level)


def test_one_board_is_the_ratings_with_what_was_asked_beside():
    votes = drawn(votes=400)
    made = board(votes, Asked({"level": 0.9}))
    pd.testing.assert_frame_equal(made.ratings.table, fit(votes, level=0.9).table)
    assert made.to_dict() == fit(votes, level=0.9).to_dict()
    assert (made.votes, made.raters, made.prompts, made.rated) == (400, 20, 30, 6)
    counted = board(count(votes))
    pd.testing.assert_series_equal(rating(counted.ratings), rating(fit(votes)))
    assert counted.raters is None


def test_each_level_is_rated_by_its_own_votes():
    votes = drawn(votes=900).assign(category=np.array(["色", "form", ""] * 300))
    made = by_level(votes, "category")
    assert [one.level for one in made.boards] == ["form", "色"]
    assert (made.votes, made.without) == (900, 300)
    alone = votes[votes["category"] == "色"].reset_index(drop=True)
    pd.testing.assert_frame_equal(of(made, "色").ratings.table, fit(alone).table)
    document = made.to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert (document["schema"], document["by"], document["anchor"]) == (1, "category", None)
    assert document["boards"][1]["level"] == "色"
    assert document["boards"][1]["votes"] == len(alone)
    assert document["boards"][1]["ratings"] == fit(alone).to_dict()["ratings"]
    assert "every board has a zero of its own" in document["notes"][0]
    assert "300 votes name no category" in document["notes"][-1]


def test_a_level_that_cannot_be_rated_says_why_and_stops_no_other(monkeypatch):
    votes = pd.concat(
        [
            cycle("a", "b", "c").assign(category="whole"),
            frame(("a", "b", "left")).assign(category="one vote"),
            pd.concat([cycle("a", "b"), frame(("x", "a", "left", 2))]).assign(category="part"),
        ],
        ignore_index=True,
    )
    made = by_level(votes, "category")
    assert [one.rated for one in made.boards] == [0, 2, 3]
    status = of(made, "part").ratings.table.set_index("model")["status"]["x"]
    assert "never lost and never tied in 2 votes" in status
    monkeypatch.setattr("arena.newton.MAX_ITERATIONS", 1)
    stuck = by_level(drawn(votes=300).assign(category="c"), "category").boards[0]
    assert stuck.ratings is None
    assert "did not converge" in stuck.refusal
    assert stuck.to_dict()["ratings"] == []
    assert stuck.to_dict()["refusal"] == stuck.refusal


def test_an_anchor_that_a_board_lacks_leaves_that_board_without_ratings():
    votes = pd.concat(
        [cycle("a", "b", "c").assign(category="x"), cycle("b", "c").assign(category="y")],
        ignore_index=True,
    )
    made = by_level(votes, "category", anchored("a", 1200.0))
    assert rating(of(made, "x").ratings)["a"] == 1200
    assert of(made, "y").ratings is None
    assert "the anchor a has no votes here" in of(made, "y").refusal
    assert made.to_dict()["anchor"] == {"model": "a", "rating": 1200.0}
    assert "every board holds a at 1200" in made.notes[0]
    with pytest.raises(UnknownNameError, match="Unknown anchor model 'nobody'"):
        by_level(votes, "category", anchored("nobody"))


def test_tiers_that_share_an_anchor_are_on_one_scale_with_the_truth():
    made = by_level(tiered(30_000), "budget", anchored())
    assert [one.level for one in made.boards] == [FEW, MANY]
    assert made.without == 0
    for one in made.boards:
        table = one.ratings.table.set_index("model")
        assert np.isnan(table["low"]["teacher"])
        truth = {m: 1000 + POINTS * (TRUTH[m] - TRUTH["teacher"]) for m in table.index}
        assert table["rating"].to_dict() == pytest.approx(truth, abs=12)


def test_intervals_of_anchored_tiers_cover_the_distance_from_the_anchor():
    """60 studies of 1200 votes, four models each beside the anchor; nominal 95 %."""
    inside = []
    for seed in range(60):
        for one in by_level(tiered(seed=seed), "budget", anchored()).boards:
            for row in one.ratings.table.dropna(subset=["low"]).itertuples():
                truth = 1000 + POINTS * (TRUTH[row.model] - TRUTH["teacher"])
                inside.append(row.low < truth < row.high)
    assert len(inside) == 240
    assert 0.91 < np.mean(inside) < 0.985


def test_without_an_anchor_votes_across_tiers_are_in_no_board():
    votes = tiered(300)
    made = by_level(votes, "budget")
    across = (votes["left_steps"] > 8) != (votes["right_steps"] > 8)
    assert made.without == across.sum() > 0
    assert "are between models of two budgets" in made.notes[-1]
    with pytest.raises(VotesError, match="--anchor MODEL"):
        by_level(votes[across].reset_index(drop=True), "budget")


def test_paper_style_elo_stands_beside_and_ranks_nothing():
    votes = drawn(votes=300)
    made = board(votes, Asked(paper_style=True)).to_dict()
    plain = fit(votes).to_dict()
    assert made["ratings"] == plain["ratings"]
    paper = fit(votes, "elo")
    assert made["paper_style"]["ratings"] == pytest.approx(rating(paper).to_dict())
    assert made["paper_style"]["replays"] == 1000
    assert "K = 1, start 1000" in made["paper_style"]["method"]
    dropped = pd.concat([votes, frame(("m0", "m5", "both_bad", 200))], ignore_index=True)
    asked = Asked({"both_bad": "drop", "cluster": ()}, paper_style=True)
    found = board(dropped, asked).to_dict()["paper_style"]["ratings"]
    assert found == pytest.approx(rating(paper).to_dict(), abs=3)
    assert "paper_style" not in board(votes, Asked({"model": "elo"}, paper_style=True)).to_dict()


def test_models_are_tied_apart_or_neither():
    votes = drawn(votes=6000, spread=0.2)
    asked = [Tied("m2", "m3", 60), Tied("m0", "m5", 5)]
    made = board(votes, Asked(tied=asked))
    assert all(isinstance(one, Equivalence) for one in made.tied)
    words = [one["words"] for one in made.to_dict()["tied"]]
    assert words[0] == "m2 and m3 are tied within 60 Elo"
    assert words[1] == "m0 and m5 are more than 5 Elo apart"
    few = board(drawn(votes=200), Asked(tied=[Tied("m2", "m3", 40)])).to_dict()["tied"][0]
    assert "not shown to be tied within 40 Elo" in few["words"]
    assert few["equivalent"] is False
    first = made.to_dict()["tied"][0]
    assert first["equivalent"] is True
    assert -60 < first["low"] < first["difference"] < first["high"] < 60


def test_a_tie_is_not_tested_where_one_of_the_two_is_not_rated():
    votes = pd.concat([cycle("a", "b"), frame(("x", "a", "left", 2))], ignore_index=True)
    tied = board(votes, Asked(tied=[Tied("a", "x", 30)])).to_dict()["tied"][0]
    assert tied["words"] == "not tested: one of them is not rated here"
    assert tied["p"] is tied["equivalent"] is None
    ties = board(frame(("a", "b", "tie", 9)), Asked(tied=[Tied("a", "b", 30)]))
    assert "hold no information" in ties.to_dict()["tied"][0]["words"]


def test_all_pairs_are_tested_for_ties_together():
    votes = drawn(votes=6000, spread=0.2)
    made = board(votes, Asked(margin=60))
    found = made.to_dict()["equivalences"]
    assert len(found) == 15
    adjusted = holm(np.array([one["p"] for one in found]))
    assert [one["p_holm"] for one in found] == pytest.approx(adjusted.tolist())
    assert [one["equivalent"] for one in found] == (adjusted <= 0.05).tolist()
    assert 0 < sum(one["equivalent"] for one in found) < 15
    alone = made.ratings.equivalent(found[0]["first"], found[0]["second"], 60)
    assert found[0]["p"] == pytest.approx(alone.p)
    assert alone.p_holm is None


def test_pairs_without_information_are_not_among_those_tested():
    ties = board(frame(("a", "b", "tie", 9)), Asked(margin=30))
    assert ties.to_dict()["equivalences"] == []
    elo = board(drawn(votes=100), Asked({"model": "elo"}, margin=30))
    assert elo.equivalences == ()
    json.dumps(board(cycle("a", "b"), Asked(margin=30)).to_dict(), allow_nan=False)


@pytest.mark.parametrize("margin", [0, -3, float("nan"), float("inf")])
def test_a_margin_that_is_none_is_refused(margin):
    with pytest.raises(EvalkitError, match="margin above 0"):
        board(drawn(votes=100), Asked(margin=margin))


@pytest.mark.parametrize(
    ("tied", "message"),
    [
        (Tied("m0", "nobody", 30), "Unknown model of these votes 'nobody'"),
        (Tied("m0", "m0", 30), "no question"),
        (Tied("m0", "m1", 0), "no question"),
        (Tied("m0", "m1", float("nan")), "no question"),
    ],
)
def test_a_question_that_is_none_is_refused(tied, message):
    with pytest.raises(EvalkitError, match=message):
        board(drawn(votes=100), Asked(tied=[tied]))


def test_wrong_options_stop_all_boards_and_are_no_refusal_of_one():
    votes = drawn(votes=100).assign(category="c")
    with pytest.raises(UnknownNameError, match="rating model"):
        by_level(votes, "category", Asked({"model": "glicko"}))
    with pytest.raises(UnknownNameError, match="covariate of these votes"):
        by_level(votes, "category", Asked({"covariates": ("steps",)}))


def test_levels_that_do_not_exist_are_refused():
    votes = drawn(votes=20)
    with pytest.raises(UnknownNameError, match="way to tell boards apart"):
        levels(votes, "colour")
    with pytest.raises(VotesError, match="needs a column language"):
        by_level(votes, "language")
    with pytest.raises(VotesError, match="No vote has a language"):
        by_level(votes.assign(language=[None, " "] * 10), "language")


def test_three_hundred_categories_of_which_most_have_too_few_votes():
    votes = drawn(votes=400).assign(category=[f"c{i % 300}" for i in range(400)])
    made = by_level(votes, "category", Asked({"cluster": ()}))
    assert len(made.boards) == 300
    assert made.without == 0
    json.dumps(made.to_dict(), allow_nan=False)
