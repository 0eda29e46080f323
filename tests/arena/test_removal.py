"""Sets that change #1 do change it, are as small as can be where that is known, or are not told."""

import itertools

import numpy as np
import pandas as pd
import pytest

from arena.influence import MODELS, base
from arena.ratings import fit
from arena.removal import of_answers, of_members, of_votes
from tests.arena.test_influence import drawn


def two(wins, losses, ties=0):
    winners = ["left"] * wins + ["right"] * losses + ["tie"] * ties
    return pd.DataFrame({"left": "a", "right": "b", "winner": winners})


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("ties", [0, 30])
def test_between_two_models_the_lead_and_one_more_is_taken_out(model, ties):
    counted = base(two(62, 55, ties), model)
    votes, answers = of_votes(counted), of_answers(counted)
    assert (votes.number, votes.votes, votes.first) == (8, 8, "b")
    assert (answers.number, answers.first) == (4, "b")
    assert (
        votes.line()
        == f"Without at most 8 of {117 + ties} votes ({8 / (117 + ties):.2%}), b is #1."
    )
    assert answers.line().startswith("Turning round at most 4 of ")


def test_a_clear_first_is_not_toppled_by_a_quarter():
    found = of_votes(base(two(90, 10)))
    assert (found.number, found.first, found.votes) == (None, None, None)
    assert (
        found.line() == "No set of up to 25% of the 100 votes was found whose removing changes #1."
    )


@pytest.mark.parametrize("seed", range(6))
def test_raters_that_change_number_one_do_change_it(seed):
    votes = drawn(300, size=3, seed=seed, raters=10, taste=0.6)
    counted = base(votes)
    first = fit(votes).table["model"][0]
    found = of_members(counted, counted.members[0])
    best = fewest(votes, first, 2)
    if found.number is None:
        assert best is None
        return
    rest = votes[~votes["rater"].isin(found.which)]
    assert len(found.which) == found.number
    assert len(votes) - len(rest) == found.votes
    assert fit(rest).table["model"][0] == found.first != first
    assert best is None or best <= found.number <= best + 1


def fewest(votes, first, most):
    """Try every set of so many raters."""
    for number in range(1, most + 1):
        for gone in itertools.combinations(votes["rater"].unique(), number):
            if fit(votes[~votes["rater"].isin(gone)]).table["model"][0] != first:
                return number
    return None


def test_the_votes_found_are_far_fewer_than_votes_of_the_first_taken_blindly():
    counted = base(drawn(4000, size=8, seed=3))
    found = of_votes(counted)
    strengths = counted.strengths(counted.counts[None])[0]
    assert found.first != counted.models[strengths.argmax()]
    assert found.number < 200
    assert of_answers(counted).number <= found.number


def test_equal_firsts_are_parted_by_one_vote():
    to_c = pd.DataFrame({"right": "c", "winner": ["left"] * 9 + ["right"] * 4})
    votes = pd.concat([two(20, 20), to_c.assign(left="a"), to_c.assign(left="b")])
    assert of_votes(base(votes)).number == 1


def test_the_search_is_repeatable_and_leaves_the_counts_alone():
    counted = base(drawn())
    before = counted.counts.copy()
    assert of_votes(counted) == of_votes(counted)
    np.testing.assert_array_equal(counted.counts, before)


def test_of_three_raters_one_is_tried():
    cast = {"r1": (9, 3), "r2": (5, 5), "r3": (5, 6)}
    rows = [
        {"left": "a", "right": "b", "winner": winner, "rater": rater}
        for rater, (wins, losses) in cast.items()
        for winner in ["left"] * wins + ["right"] * losses
    ]
    counted = base(pd.DataFrame(rows))
    found = of_members(counted, counted.members[0])
    assert (found.number, found.of, found.which, found.first) == (1, 3, ("r1",), "b")
