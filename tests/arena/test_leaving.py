"""Leaving one out says what rating without that one says."""

import pandas as pd
import pytest

from arena import leaving
from arena.influence import base
from arena.leaving import leave_one_out
from arena.ratings import fit
from tests.arena.test_influence import drawn


@pytest.mark.parametrize("what", ["rater", "prompt"])
def test_the_largest_move_is_that_of_rating_again(what):
    votes = drawn(300, raters=8, taste=0.8)
    counted, whole = base(votes), fit(votes)
    members = next(one for one in counted.members if one.what == what)
    found = leave_one_out(counted, members, whole)
    rated = whole.table.set_index("model")["rating"]
    moves = {
        name: fit(votes[votes[what] != name]).table.set_index("model")["rating"] - rated
        for name in votes[what].unique()
    }
    worst = max(moves, key=lambda name: moves[name].abs().max())
    assert found.name == worst
    assert found.moved == pytest.approx(moves[worst][found.model], abs=1e-6)
    assert abs(found.moved) == pytest.approx(moves[worst].abs().max())
    assert found.votes == (votes[what] == worst).sum()
    first = whole.table["model"][0]
    changes = {n for n, move in moves.items() if (rated + move).idxmax() != first}
    assert set(found.others_first) == changes


def test_refits_are_bounded_and_keep_the_worst(monkeypatch):
    votes = drawn(2000, raters=60, taste=0.8)
    counted, whole = base(votes), fit(votes)
    every = leave_one_out(counted, counted.members[0], whole)
    monkeypatch.setattr(leaving, "REFITTED", 5)
    monkeypatch.setattr(leaving, "BLOCK", 1)
    some = leave_one_out(counted, counted.members[0], whole)
    assert every.refitted == 60
    assert 5 <= some.refitted <= 10
    assert (some.name, some.model) == (every.name, every.model)


def test_those_without_whom_nothing_is_identified_are_named():
    votes = pd.DataFrame(
        {
            "left": "a",
            "right": "b",
            "winner": ["left"] * 6 + ["right"] * 2,
            "rater": ["x", "y", "x", "y", "x", "y", "z", "z"],
        }
    )
    counted = base(votes)
    found = leave_one_out(counted, counted.members[0], fit(votes))
    assert found.unrated == ("z",)
    assert "without z the same models cannot be rated" in found.line()


def test_differences_that_hang_on_one_rater_are_counted():
    busy = pd.DataFrame({"left": "a", "right": "b", "winner": ["left"] * 40, "rater": "busy"})
    even = pd.DataFrame(
        {
            "left": "a",
            "right": "b",
            "winner": ["left", "right"] * 20,
            "rater": [f"r{i}" for i in range(40)],
        }
    )
    votes = pd.concat([busy, even], ignore_index=True)
    counted = base(votes)
    found = leave_one_out(counted, counted.members[0], fit(votes, cluster=()))
    assert (found.name, found.lost, found.lost_without) == ("busy", 1, "busy")
    assert "1 difference is no longer sure without busy" in found.line()
    assert found.to_dict()["votes"] == 40
