"""Votes are counted right, or refused with their row and value."""

import numpy as np
import pandas as pd
import pytest

from arena.tally import BOTH_BAD, LEFT, RIGHT, TIE, Tally, count
from evalkit.errors import VotesError

VOTES = pd.DataFrame(
    [("b", "a", "left"), ("a", "b", "left"), ("a", "b", "right"), ("c", "a", "tie"),
     ("a", "b", "left"), ("b", "c", "both_bad")],
    columns=["left", "right", "winner"],
)  # fmt: skip


def same(one, other):
    assert one.models == other.models
    for name in ("left", "right", "counts", "cell"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_counts_by_ordered_pair_and_outcome():
    tally = count(VOTES)
    assert tally.models == ("a", "b", "c")
    assert tally.votes == 6
    assert tally.matrix([LEFT]).tolist() == [[0, 2, 0], [1, 0, 0], [0, 0, 0]]
    assert tally.wins().tolist() == [[0, 2, 0], [2, 0, 0], [0, 0, 0]]
    assert tally.draws([TIE]).tolist() == [[0, 0, 1], [0, 0, 0], [1, 0, 0]]
    assert tally.draws()[1].tolist() == [0, 0, 1]
    assert tally.counts.sum(axis=0).tolist() == [3, 1, 1, 1]
    for row, cell in enumerate(tally.cell):
        pair, outcome = divmod(cell, 4)
        names = tally.models[tally.left[pair]], tally.models[tally.right[pair]]
        assert names == tuple(VOTES.loc[row, ["left", "right"]])
        assert ["left", "right", "tie", "both_bad"][outcome] == VOTES.loc[row, "winner"]


def test_a_pair_that_comes_twice_is_added_up():
    twice = Tally(
        ("a", "b"), np.array([0, 0]), np.array([1, 1]),
        np.array([[2, 1, 0, 1], [3, 0, 4, 0]]), np.zeros(11, dtype=np.int8),
    )  # fmt: skip
    assert twice.matrix([LEFT]).tolist() == [[0, 5], [0, 0]]
    assert twice.wins().tolist() == [[0, 5], [1, 0]]
    assert twice.draws().tolist() == [[0, 5], [5, 0]]


def test_votes_with_other_covariates_are_counted_apart():
    tally, steps = count(VOTES), np.array([0.0, 1.0, 0.0, 2.0, 1.0, 0.0])
    apart = tally.split(np.column_stack([steps, -steps]))
    assert apart.matrix(range(4)).tolist() == tally.matrix(range(4)).tolist()
    assert (len(apart.left), apart.votes) == (5, 6)
    for vote, cell in enumerate(apart.cell):
        old, (pair, outcome) = tally.cell[vote] // 4, divmod(cell, 4)
        assert apart.covariates[pair].tolist() == [steps[vote], -steps[vote]]
        assert (apart.left[pair], apart.right[pair]) == (tally.left[old], tally.right[old])
        assert outcome == tally.cell[vote] % 4
    assert apart.counts.ravel()[apart.cell].all()
    some = apart.only([0, 1])
    assert sorted(some.covariates[:, 0]) == [0, 0, 1]
    assert len(some.covariates) == len(some.left)
    same(tally.split(np.zeros((6, 1))), tally)


def test_only_keeps_the_votes_of_some_models_and_outcomes():
    tally = count(VOTES)
    part = tally.only([1, 0], [LEFT, RIGHT, TIE])
    kept = VOTES[VOTES["left"].isin(["a", "b"]) & VOTES["right"].isin(["a", "b"])]
    assert part.models == ("b", "a")
    assert part.wins().tolist() == [[0, 2], [2, 0]]
    assert part.votes == len(kept) == 4
    mask = tally.where(tally.among([1, 0], [LEFT, RIGHT, TIE]))
    assert VOTES[mask].equals(kept)
    assert tally.only(range(3), [BOTH_BAD]).votes == 1
    assert tally.only(range(3)).cell is tally.cell
    assert tally.only([]).votes == 0


@pytest.mark.parametrize("kind", ["object", "category", "str", "string[python]"])
def test_every_kind_of_column_counts_alike(kind):
    same(count(VOTES.astype(kind)), count(VOTES))


def test_unused_categories_are_no_models():
    votes = VOTES.astype({"left": pd.CategoricalDtype(["z", "a", "b", "c", ""])})
    same(count(votes), count(VOTES))


def test_numbers_and_unicode_name_models():
    votes = pd.DataFrame({"left": [1, 2], "right": [2, 10], "winner": ["tie", "left"]})
    assert count(votes).models == ("1", "10", "2")
    assert count(VOTES.replace("a", "模型 é")).models == ("b", "c", "模型 é")


def test_an_index_of_any_kind_is_ignored():
    same(count(VOTES.set_axis([5, 5, 1, 1, 0, 0])), count(VOTES))


@pytest.mark.parametrize(
    ("column", "row", "value", "message"),
    [
        ("winner", 2, "draw", "row 3 (line 4 of a CSV file): winner 'draw' is unknown"),
        ("winner", 2, "Left", "winner 'Left' is unknown; use left, right, tie or both_bad"),
        ("winner", 0, None, "row 1 (line 2 of a CSV file): winner nan is unknown"),
        ("left", 1, None, "row 2 (line 3 of a CSV file): left is nan, not the name of a model"),
        ("left", 1, "  ", "left is '  ', not the name of a model"),
        ("right", 5, "", "row 6 (line 7 of a CSV file): right is '', not the name of a model"),
        ("right", 3, "c", "row 4 (line 5 of a CSV file): the model 'c' battles itself"),
    ],
)
def test_a_bad_vote_is_refused_by_row_and_value(column, row, value, message):
    votes = VOTES.copy()
    votes.loc[row, column] = value
    with pytest.raises(VotesError) as error:
        count(votes)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "flags", [[True, False], ["True", "false"], [1, 0], [1.0, None], ["1", ""]]
)
def test_a_swapped_row_is_counted_as_it_was_shown(flags):
    rows = [("a", "b", "left"), ("a", "b", "left")]
    votes = pd.DataFrame(rows, columns=["left", "right", "winner"]).assign(side_swapped=flags)
    shown = [("b", "a", "right"), ("a", "b", "left")]
    same(count(votes), count(pd.DataFrame(shown, columns=["left", "right", "winner"])))


def test_an_unclear_swap_is_refused():
    with pytest.raises(
        VotesError, match=r"row 1 .* side_swapped is 'maybe', neither true nor false"
    ):
        count(VOTES.assign(side_swapped="maybe"))


@pytest.mark.parametrize("value", [1.5, True, b"a", ("a",)])
def test_a_name_of_another_type_is_refused(value):
    votes = VOTES.astype(object)
    votes.at[0, "left"] = value
    with pytest.raises(VotesError, match="not the name of a model"):
        count(votes)


def test_a_winner_of_another_type_is_refused():
    with pytest.raises(VotesError, match=r"winner 1 is unknown.*5 more such rows"):
        count(VOTES.assign(winner=1))


def test_further_bad_rows_are_counted():
    with pytest.raises(VotesError, match=r"\(1 more such row\)"):
        count(VOTES.replace({"winner": {"tie": "x", "both_bad": "y"}}))


def test_a_missing_or_double_column_is_refused():
    with pytest.raises(VotesError, match="exactly one column 'winner'; the columns are: left, ri"):
        count(VOTES.drop(columns="winner"))
    with pytest.raises(VotesError, match="exactly one column 'left'"):
        count(VOTES.set_axis(["left", "left", "winner"], axis=1))
    with pytest.raises(VotesError, match="the columns are: none"):
        count(pd.DataFrame())


def test_no_votes_are_refused():
    with pytest.raises(VotesError, match="There are no votes"):
        count(VOTES.head(0))


def test_pictures_in_place_of_models_are_refused():
    rows = range(2500)
    votes = pd.DataFrame(
        {"left": [f"x{i}" for i in rows], "right": [f"y{i}" for i in rows], "winner": "tie"}
    )
    with pytest.raises(VotesError, match="name 5000 models, more than the 2000"):
        count(votes)
