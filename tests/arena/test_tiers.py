"""A vote's budget is its own, or that of both models; the anchor is at home in every one."""

import numpy as np
import pandas as pd
import pytest

from arena.tiers import ORDER, budgets
from evalkit.errors import VotesError
from tests.arena.test_ratings import frame

VOTES = frame(
    ("few", "quick", "left"), ("few", "slow", "left"), ("slow", "few", "tie"),
    ("slow", "late", "right"), ("few", "new", "left"),
).assign(left_steps=[4, 4, 50, 50, 4], right_steps=["3", "50", "4", "28", None])  # fmt: skip


def named(votes, anchor=None):
    return [None if pd.isna(one) else one for one in budgets(votes, anchor)]


def test_both_models_share_a_tier_of_steps():
    assert named(VOTES) == ["up to 4 steps", None, None, "more than 8 steps", None]


def test_the_anchor_takes_part_in_every_tier():
    few, many = "up to 4 steps", "more than 8 steps"
    assert named(VOTES, "slow") == [few, few, few, many, None]
    assert {few, many} <= set(ORDER)


def test_a_budget_that_is_named_comes_first():
    assert named(VOTES.assign(budget=["x", None, "y", "x", "x"])) == ["x", None, "y", "x", "x"]


def test_unknown_steps_are_no_tier_and_no_steps_are_refused():
    assert named(VOTES.assign(left_steps=np.nan)) == [None] * 5
    with pytest.raises(VotesError, match="--run DIR"):
        budgets(VOTES.drop(columns="right_steps"))
