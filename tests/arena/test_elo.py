"""Paper-style Elo against a replay written out by hand."""

import numpy as np
import pandas as pd
import pytest

from arena import elo
from arena.tally import count


def by_hand(rows, order):
    ratings = {"a": 1000.0, "b": 1000.0, "c": 1000.0}
    for place in order:
        left, right, winner = rows[place]
        score = {"left": 1.0, "right": 0.0}.get(winner, 0.5)
        expected = 1 / (1 + 10 ** ((ratings[right] - ratings[left]) / 400))
        ratings[left] += score - expected
        ratings[right] -= score - expected
    return list(ratings.values())


def test_a_replay_is_the_sequence_of_elo_updates():
    rng = np.random.default_rng(0)
    models, winners = np.array(["a", "b", "c"]), np.array(["left", "right", "tie", "both_bad"])
    rows = [
        (*models[rng.permutation(3)[:2]], winners[rng.integers(4)]) for _ in range(60)
    ]  # fmt: skip
    tally = count(pd.DataFrame(rows, columns=["left", "right", "winner"]))
    found = elo._replay(tally, 3, np.random.default_rng(7))
    again = np.random.default_rng(7)
    for row in found:
        assert row == pytest.approx(by_hand(rows, again.permutation(60)), abs=1e-9)


def test_the_mean_is_seeded_and_its_shuffling_error_honest():
    rows = [("a", "b", "left")] * 40 + [("b", "c", "right"), ("c", "a", "tie")] * 20
    tally = count(pd.DataFrame(rows, columns=["left", "right", "winner"]))
    one, same, other = (elo.replay(tally, seed=seed) for seed in (1, 1, 2))
    assert (one.ratings == same.ratings).all()
    assert one.replays == 1000
    assert one.ratings.sum() == pytest.approx(3000)
    error = np.hypot(one.shuffling_error, other.shuffling_error)
    assert (np.abs(one.ratings - other.ratings) < 4 * error).all()


def test_many_votes_get_fewer_replays(monkeypatch):
    monkeypatch.setattr(elo, "UPDATES", 30)
    rows = [("a", "b", "left"), ("b", "a", "left")]
    tally = count(pd.DataFrame(rows, columns=["left", "right", "winner"]))
    assert elo.replay(tally).replays == 15
    monkeypatch.setattr(elo, "UPDATES", 3)
    assert elo.replay(tally).replays == 10


def test_a_history_is_elo_in_the_order_of_the_votes():
    rows = [("a", "b", "left"), ("b", "c", "tie"), ("c", "a", "right"), ("a", "b", "both_bad")] * 5
    tally = count(pd.DataFrame(rows, columns=["left", "right", "winner"]))
    found = elo.history(tally, k=1)
    assert found.votes.tolist() == list(range(1, 21))
    for number, ratings in zip(found.votes, found.ratings, strict=True):
        assert ratings == pytest.approx(by_hand(rows, range(number)), abs=1e-9)
    some = elo.history(tally, k=1, points=3)
    assert some.votes[-1] == 20
    assert len(some.votes) == 3
    assert some.ratings[-1] == pytest.approx(found.ratings[-1])
    assert elo.history(tally).ratings[-1][0] > found.ratings[-1][0]


def test_the_order_of_votes_moves_a_history_and_no_rating():
    rows = [("a", "b", "left")] * 30 + [("b", "a", "left")] * 30
    ends = []
    for order in (rows, rows[::-1]):
        tally = count(pd.DataFrame(order, columns=["left", "right", "winner"]))
        ends.append(elo.history(tally).ratings[-1])
    assert ends[0][0] < 1000 < ends[1][0]
