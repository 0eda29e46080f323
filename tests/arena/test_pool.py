"""All pairs of a run's pictures, the judged among them, and whether these are like the rest."""

import numpy as np
import pytest

from arena.judged import Picture, Scored, join
from arena.pool import pool, unlike
from arena.predicting import standardise
from benchmarks.worlds import World, by_generation, scored, study
from tests.arena.test_judged import frame

PICTURES = {
    "a1": Picture("a", "p", 0),
    "b1": Picture("b", "p", 0),
    "a2": Picture("a", "p", 1),
    "b2": Picture("b", "p", 1),
    "a3": Picture("a", "q", 0),
    "z1": Picture("z", "p", 0),
}
SCORES = {"s": {"a1": 3.0, "b1": 1.0, "a2": 2.0}}


def found(*rows):
    return pool(join(frame(*rows)), Scored(PICTURES, SCORES, {}))


def test_pairs_are_of_one_prompt_and_seed_and_of_models_with_votes():
    pairs = found(("a", "b", "left", "a1", "b1"))
    assert (len(pairs.one), pairs.prompts) == (2, ("p",))
    assert sorted(pairs.gaps[:, 0].tolist(), key=str) == [2.0, pytest.approx(np.nan, nan_ok=True)]


def test_votes_are_found_from_either_side():
    pairs = found(("a", "b", "left", "a1", "b1"), ("b", "a", "left", "b1", "a1"))
    assert pairs.place[0] == pairs.place[1] >= 0
    assert pairs.turned.tolist() == [False, True]


@pytest.mark.parametrize("pictures", [("a1", "b2"), ("a1", "x"), ("x", "y"), (None, "b1")])
def test_votes_on_no_pair_of_the_run_have_no_place(pictures):
    pairs = found(("a", "b", "left", "a1", "b1"), ("a", "b", "left", *pictures))
    assert (pairs.place[0] >= 0, pairs.place[1]) == (True, -1)


def test_missing_gaps_become_nothing_and_far_ones_are_cut():
    gaps = standardise(np.array([[np.nan, 5], [1, 5], [-1, 5], [1e9, 5]]))
    assert gaps[0, 0] == 0
    assert gaps.max() <= 4
    assert standardise(np.full((3, 1), np.nan)).tolist() == [[0], [0], [0]]


def test_a_random_sample_raises_no_alarm_and_a_picked_one_does():
    rng = np.random.default_rng(0)
    votes, quality = study(rng, World(prompts=100))
    run = scored(quality, {"quality": by_generation(quality)})
    at_random = pool(join(votes), run)
    assert unlike(at_random, standardise(at_random.gaps), 6)[0] > 0.01
    lead = votes["left_generation"].map(run.scores["quality"])
    lead = lead - votes["right_generation"].map(run.scores["quality"])
    first = (votes["left"] == "m3") | (votes["right"] == "m3")
    good = (lead > 0) == (votes["left"] == "m3")
    picked = pool(join(votes[~first | good].reset_index(drop=True)), run)
    p, model, _ = unlike(picked, standardise(picked.gaps), 6)
    assert p < 0.001
    assert model == 3


def test_the_alarm_is_as_rare_as_it_says():
    rng = np.random.default_rng(1)
    alarms = []
    for _ in range(60):
        votes, quality = study(rng, World(votes=600))
        found_ = pool(join(votes), scored(quality, {"q": by_generation(quality)}))
        alarms.append(unlike(found_, standardise(found_.gaps), 6)[0] < 0.05)
    assert np.mean(alarms) < 0.15
