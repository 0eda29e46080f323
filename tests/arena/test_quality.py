"""The raters' cards, counted by hand on small studies and drawn on large ones."""

import json

import numpy as np
import pandas as pd
import pytest

from arena.quality import quality
from arena.ratings import fit
from evalkit.errors import VotesError

COLUMNS = ("left", "right", "winner", "rater", "left_generation", "right_generation", "seconds")
BOTH_WAYS = [("a", "b", "left", "m", "a0", "b0", 5.0), ("a", "b", "right", "n", "a9", "b9", 7.0)]


def cards(*rows, columns=COLUMNS, **more):
    found = quality(pd.DataFrame(rows, columns=columns).assign(**more))
    return {card.rater: card for card in found.cards}


def test_what_a_card_counts():
    card = cards(
        *BOTH_WAYS,
        ("a", "b", "left", "x", "a1", "b1", 1.0),
        ("b", "a", "left", "x", "b2", "a2", 2.0),
        ("a", "b", "right", "x", "a3", "b3", 6.0),
        ("a", "b", "tie", "x", "a4", "b4", np.nan),
        ("a", "b", "both_bad", "x", "a5", "b5", np.nan),
    )["x"]
    assert (card.votes, card.median_seconds, card.fastest_seconds) == (5, 2.0, 1.0)
    assert (card.decisive, card.left_share) == (3, pytest.approx(2 / 3))
    assert card.left_p == pytest.approx(1.0)
    assert (card.tie_share, card.both_bad_share) == (0.2, 0.2)
    assert (card.compared, card.agreed, card.repeats, card.gold) == (0, None, 0, 0)


def test_a_preferred_side_has_an_exact_p():
    rows = [("a", "b", "left", "x", f"a{i}", f"b{i}", 1.0) for i in range(10)]
    found = quality(pd.DataFrame([*BOTH_WAYS, *rows], columns=COLUMNS))
    assert found.cards[0].left_p == pytest.approx(2 / 2**10)
    assert "1 of 3 raters prefer a side beyond chance: x" in "\n".join(found.lines())


def test_agreement_is_with_the_others_single_most_frequent_answer():
    def votes(winner, rater):
        return ("a", "b", winner, rater, "a1", "b1", 1.0)

    found = cards(votes("left", "x"), votes("left", "y"), votes("right", "z"), *BOTH_WAYS)
    assert (found["z"].compared, found["z"].agreed) == (1, 0.0)
    assert (found["x"].compared, found["x"].agreed) == (0, None)  # the others are of two minds
    mirrored = ("b", "a", "right", "x", "b1", "a1", 1.0)
    turned = cards(mirrored, votes("left", "y"), *BOTH_WAYS)
    assert turned["x"].agreed == turned["y"].agreed == 1.0


def test_agreement_by_chance_is_cohen_s():
    rows = []
    for i, (mine, theirs) in enumerate([("left", "left")] * 6 + [("left", "right")] * 4):
        rows += [("a", "b", mine, "x", f"a{i}", f"b{i}", 1.0)]
        rows += [("a", "b", theirs, f"y{i}", f"a{i}", f"b{i}", 1.0)]
    card = cards(*rows)["x"]
    assert (card.agreed, card.agreed_by_chance) == (0.6, pytest.approx(0.6))


def test_repeats_are_compared_with_the_time_before_whatever_the_sides():
    card = cards(
        *BOTH_WAYS,
        ("a", "b", "left", "x", "a1", "b1", 1.0),
        ("b", "a", "right", "x", "b1", "a1", 1.0),  # the same answer
        ("a", "b", "right", "x", "a1", "b1", 1.0),  # another
        ("a", "b", "right", "x", "a2", "b2", 1.0),
        ("a", "b", "right", "y", "a2", "b2", 1.0),  # somebody else's
    )["x"]
    assert (card.repeats, card.repeated_alike) == (2, 0.5)


def test_gold_is_judged_in_the_sides_that_were_shown():
    rows = [
        *BOTH_WAYS,
        ("a", "b", "left", "x", "a1", "b1", 1.0),
        ("b", "a", "left", "x", "b2", "a2", 1.0),
        ("a", "b", "tie", "x", "a3", "b3", 1.0),
    ]
    card = cards(*rows, gold=[None, None, "left", "right", "tie"])["x"]
    assert (card.gold, card.gold_passed) == (3, pytest.approx(2 / 3))
    marked = [False, False, True, True, False]
    turned = cards(*rows, gold=[None, None, "left", "right", "tie"], side_swapped=marked)["x"]
    assert (turned.gold, turned.gold_passed) == (3, pytest.approx(2 / 3))
    with pytest.raises(VotesError, match="gold holds 'a'"):
        cards(*rows, gold=[None, None, "a", None, None])


def drawn(raters=20, votes=2000, seed=0):
    rng = np.random.default_rng(seed)
    left = rng.integers(0, 4, votes)
    right = (left + 1 + rng.integers(0, 3, votes)) % 4
    first = rng.random(votes) < 1 / (1 + np.exp(right - left))
    prompt = rng.integers(0, 30, votes)
    return pd.DataFrame(
        {
            "left": [f"m{i}" for i in left],
            "right": [f"m{i}" for i in right],
            "winner": np.where(first, "left", "right"),
            "rater": [f"r{i}" for i in rng.integers(0, raters, votes)],
            "left_generation": [f"{p}/{m}" for p, m in zip(prompt, left, strict=True)],
            "right_generation": [f"{p}/{m}" for p, m in zip(prompt, right, strict=True)],
        }
    )


def test_honest_raters_are_as_often_for_the_stronger_model_as_the_ratings_expect():
    found = quality(drawn(), replicates=10)
    whole, share = found.total("weighed", "for_stronger")
    _, expected = found.total("weighed", "for_stronger_expected")
    assert whole == 2000
    assert share == pytest.approx(expected, abs=0.03)
    assert found == quality(drawn(), fit(drawn(), cluster=()), replicates=10)


def test_a_vote_without_a_rater_is_counted_and_judged_by_no_card():
    votes = drawn(votes=50)
    votes.loc[:9, "rater"] = None
    found = quality(votes)
    assert (sum(c.votes for c in found.cards), found.unnamed) == (40, 10)
    assert "10 votes name no rater" in "\n".join(found.lines())
    nobody = quality(votes.drop(columns="rater"))
    assert (nobody.cards, nobody.unnamed) == ((), 50)
    assert "unknown, for the votes name no raters" in nobody.lines()[0]


def test_models_without_a_rating_weigh_nothing():
    card = cards(("a", "b", "left", "ü\n", "a1", "b1", 1.0))["ü\n"]
    assert (card.weighed, card.for_stronger) == (0, None)


def test_a_card_is_plain_values():
    document = quality(drawn(votes=200)).to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == json.loads(json.dumps(document))
    assert document["cards"][0]["median_seconds"] is None
