"""Votes find the pictures they judged, on the sides on which they were."""

import numpy as np
import pandas as pd
import pytest

from arena.judged import join, read, texts
from evalkit.errors import EvalkitError, VotesError
from tests.arena.test_simulation import scored


def frame(*rows, **more):
    names = ["left", "right", "winner", "left_generation", "right_generation"]
    return pd.DataFrame(rows, columns=names).assign(**more)


VOTES = frame(
    ("a", "b", "left", "a1", "b1"), ("b", "a", "tie", "b1", "a1"), ("a", "b", "right", "a2", None)
)


def test_the_difference_is_left_less_right():
    judged = join(VOTES)
    gap = judged.difference({"a1": 3.0, "b1": 1.0, "a2": 5.0})
    assert gap[:2].tolist() == [2.0, -2.0]
    assert np.isnan(gap[2])
    assert judged.decisive.tolist() == [True, False, True]


def test_a_pair_is_the_same_from_both_sides():
    pair = join(VOTES).pair
    assert pair[0] == pair[1] >= 0
    assert pair[2] == -1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_missing(value):
    assert np.isnan(join(VOTES).difference({"a1": value, "b1": 0.0})[:2]).all()


def test_rows_shown_the_other_way_round_are_turned_with_their_pictures():
    turned = join(frame(("b", "a", "right", "b1", "a1"), side_swapped=[True]))
    assert turned.prefers_left.tolist() == [True]
    assert turned.difference({"a1": 3.0, "b1": 1.0}).tolist() == [2.0]


def test_votes_that_name_no_pictures_are_refused():
    for votes in (
        VOTES.drop(columns="left_generation"),
        VOTES.assign(right_generation=[None] * 3),
    ):
        with pytest.raises(VotesError, match="do not name the pictures"):
            join(votes)


def test_blank_texts_are_missing():
    assert texts(pd.Series(["x", " ", None, np.nan, 3])).tolist() == ["x", None, None, None, "3"]


def test_a_run_is_read_with_directions_applied_and_the_newest_version(run):
    number = {g.id: i for i, g in enumerate(run.generations())}
    scored(run, lambda g: 1.0, "loss")
    scored(run, lambda g: float(number[g.id]), "loss", version=2, higher_is_better=False)
    scored(run, lambda g: None if number[g.id] == 0 else 1.0, "partial")
    found = read(run)
    first = next(iter(number))
    assert found.scores["loss"][first] == 0
    assert min(found.scores["loss"].values()) == 1 - len(number)
    assert first not in found.scores["partial"]
    assert found.pictures[first].model == "alpha-model"
    assert set(found.steps) == {"alpha-model", "beta-model", "gamma-model"}


def test_a_run_without_scores_is_refused(run):
    with pytest.raises(EvalkitError, match="has no scores"):
        read(run)
